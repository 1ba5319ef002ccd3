import { spawn, type ChildProcessWithoutNullStreams } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";
import { fault } from "../errors/index.ts";

/** The eras of the protocol that a server must speak: with a handshake, and with an envelope in every request. */
export const ERAS = ["2025-11-25", "2026-07-28"] as const;
export type Era = (typeof ERAS)[number];

/** What a client sees of a server. */
export interface Probe {
  readonly era: Era;
  /** From the start of the process to the first answer, in milliseconds. */
  readonly firstAnswerMs: number;
  readonly tools: number;
  /** From the request to the answer of the first call of a tool, which waits for the actors. */
  readonly firstCallMs: number;
  readonly exitCode: number | null;
}

/** A server that says nothing for so long does not work. */
const ANSWER_MS = 20_000;
const EXIT_MS = 20_000;
/** The end of what it prints beside the protocol, which says why it has ended. */
const SAID_CHARS = 1_000;
const CLIENT = { name: "mcplusplus-doctor", version: "1" };
/** Changes nothing, and is answered by the queue. */
const CALLED = "queue_stats";

type Message = { readonly id?: unknown; readonly result?: Record<string, unknown>; readonly error?: unknown };

/**
 * Starts a server as a client would, speaks to it, and ends it as a client would: by closing its input.
 *
 * @param argv of the server, the program first
 * @throws UNAVAILABLE with what it did otherwise than a server must
 */
export async function probeServer(argv: readonly string[], era: Era, signal: AbortSignal): Promise<Probe> {
  const [program = "", ...args] = argv;
  const startMs = performance.now();
  const server = spawn(program, args, { stdio: "pipe", signal, killSignal: "SIGKILL" });
  // Not "exit": what it has said last may come after that.
  const exited = once(server, "close") as Promise<[number | null]>;
  exited.catch(() => undefined);
  const conversation = converse(server, exited);
  try {
    const request = conversation.requestsOf(era);
    await request(...opening(era));
    const firstAnswerMs = performance.now() - startMs;
    if (era === "2025-11-25") conversation.notify("notifications/initialized");
    const { tools } = await request("tools/list", {});
    const callMs = performance.now();
    const called = await request("tools/call", { name: CALLED, arguments: {} });
    const firstCallMs = performance.now() - callMs;
    if (called["isError"] === true) throw wrong(`${CALLED} answers ${JSON.stringify(called["content"])}`);
    server.stdin.end();
    const [exitCode] = await inTime(exited, EXIT_MS, "it does not end when its input does");
    return { era, firstAnswerMs, tools: Array.isArray(tools) ? tools.length : 0, firstCallMs, exitCode };
  } finally {
    server.kill("SIGKILL");
  }
}

function opening(era: Era): [method: string, params: Record<string, unknown>] {
  if (era === "2026-07-28") return ["server/discover", {}];
  return ["initialize", { protocolVersion: era, capabilities: {}, clientInfo: CLIENT }];
}

/** @see https://modelcontextprotocol.io/specification (2026-07-28, basic, the envelope in `_meta`) */
const ENVELOPE = {
  "io.modelcontextprotocol/protocolVersion": "2026-07-28",
  "io.modelcontextprotocol/clientInfo": CLIENT,
  "io.modelcontextprotocol/clientCapabilities": {},
};

function converse(
  server: ChildProcessWithoutNullStreams,
  exited: Promise<unknown>,
): {
  requestsOf(era: Era): (method: string, params: Record<string, unknown>) => Promise<Record<string, unknown>>;
  notify(method: string): void;
} {
  const answers = new Map<number, PromiseWithResolvers<Message>>();
  const broken = Promise.withResolvers<never>();
  broken.promise.catch(() => undefined);
  let said = "";
  server.stderr.setEncoding("utf8").on("data", (text: string) => (said = (said + text).slice(-SAID_CHARS)));
  exited.then(
    () => {
      const last = said.trimEnd().split("\n").at(-1);
      broken.reject(wrong(`it ended before it had answered${last ? `, and said: ${last}` : ""}`));
    },
    (error: unknown) => broken.reject(error),
  );
  // One that has gone does not read; its end is told elsewhere.
  server.stdin.on("error", () => undefined);
  createInterface({ input: server.stdout }).on("line", (line) => {
    const message = messageIn(line);
    if (message === undefined) broken.reject(wrong(`it prints what is no message: ${line.slice(0, 80)}`));
    else answers.get(Number(message.id))?.resolve(message);
  });
  let ids = 0;
  const send = (message: object): void =>
    void server.stdin.write(`${JSON.stringify({ jsonrpc: "2.0", ...message })}\n`);
  return {
    notify: (method) => send({ method }),
    requestsOf: (era) => async (method, params) => {
      const id = ++ids;
      const answer = Promise.withResolvers<Message>();
      answers.set(id, answer);
      send({ id, method, params: era === "2026-07-28" ? { ...params, _meta: ENVELOPE } : params });
      const { result, error } = await inTime(
        Promise.race([answer.promise, broken.promise]),
        ANSWER_MS,
        `it does not answer ${method}`,
      );
      if (result === undefined) throw wrong(`it answers ${method} with ${JSON.stringify(error)}`);
      return result;
    },
  };
}

function messageIn(line: string): Message | undefined {
  try {
    const value = JSON.parse(line) as unknown;
    return typeof value === "object" && value !== null && "jsonrpc" in value ? (value as Message) : undefined;
  } catch {
    return undefined;
  }
}

async function inTime<T>(work: Promise<T>, ms: number, otherwise: string): Promise<T> {
  const over = Promise.withResolvers<never>();
  const timer = setTimeout(() => over.reject(wrong(`${otherwise} within ${ms} ms`)), ms);
  try {
    return await Promise.race([work, over.promise]);
  } finally {
    clearTimeout(timer);
  }
}

const wrong = (why: string): Error => fault("UNAVAILABLE", { what: "the server", why });
