import { Readable, Writable } from "node:stream";
import { serveStdio } from "@modelcontextprotocol/server/stdio";
import { afterEach, beforeEach, expect, it } from "vitest";
import { LIMITS } from "../../src/errors/index.ts";
import { LineTransport } from "../../src/mcp/line-transport.ts";
import type { McpApp } from "../../src/mcp/mcp-app.ts";
import { createMcpServer } from "../../src/mcp/mcp-server.ts";
import { systemClock } from "../../src/scope/index.ts";
import { createLog } from "../../src/telemetry/index.ts";
import { seededRandom, testSeed } from "../kit/seeded-random.ts";
import { ERAS, openApp, type Era } from "./kit/connected-client.ts";
import { LineMutator } from "./kit/mutated-lines.ts";
import { validMessages } from "./kit/valid-messages.ts";

/** Lines of this law: `FUZZ_LINES=100000` makes some minutes of it. */
const LINES = Number(process.env["FUZZ_LINES"] ?? 2_000);
/** Of one connection. */
const CONVERSATION = 100;

type Members = Record<string, unknown>;

/** What a client may expect of the bytes that it wrote, found out in the plainest way. */
interface Expected {
  /** Lines that are answered without an id, since they have none that could be read. */
  anonymous: number;
  /** By id, the requests that came with it. */
  readonly requests: Map<unknown, string[]>;
  /** Ids of requests that their client has taken back, or that last as long as the connection: they may be answered. */
  readonly optional: Set<unknown>;
}

function expectedOf(bytes: Buffer): Expected {
  const expected: Expected = { anonymous: 0, requests: new Map(), optional: new Set() };
  // As bytes come: a line end is never part of another character.
  for (const line of bytes.toString("utf8").split("\n")) note(line.replace(/^\ufeff/, "").trim(), expected);
  return expected;
}

function note(line: string, expected: Expected): void {
  if (line === "") return;
  const value = parsed(line);
  if (typeof value !== "object" || value === null || Array.isArray(value)) {
    expected.anonymous += 1;
    return;
  }
  const { id, method, params } = value as { id?: unknown; method?: unknown; params?: Members };
  if (method === undefined && ("result" in value || "error" in value)) return;
  if (method === "notifications/cancelled") expected.optional.add(params?.["requestId"]);
  const isUsable = typeof id === "string" || Number.isSafeInteger(id);
  if (isUsable) {
    expected.requests.set(id, [...(expected.requests.get(id) ?? []), line.slice(0, 500)]);
    if (method === "subscriptions/listen") expected.optional.add(id);
  } else if ("id" in value || (value as Members)["jsonrpc"] !== "2.0" || typeof method !== "string") {
    expected.anonymous += 1;
  }
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

/** One connection from its first byte to its end; what came out, line by line. */
async function converse(app: McpApp, mutator: LineMutator, bytes: Buffer): Promise<string[]> {
  let said = "";
  const output = new Writable({
    decodeStrings: false,
    write(chunk: string, _encoding, done) {
      said += chunk;
      done();
    },
  });
  const input = Readable.from([...mutator.chunks(bytes)], { objectMode: false });
  const transport = new LineTransport({ input, output, endGraceMs: 20_000 });
  const ended = Promise.withResolvers<void>();
  const close = transport.close.bind(transport);
  transport.close = async () => {
    await close();
    ended.resolve();
  };
  const handle = serveStdio((connection) => createMcpServer(app, connection), {
    transport,
    onerror: () => {},
  });
  await ended.promise;
  await handle.close();
  expect(said === "" || said.endsWith("\n")).toBe(true);
  return said.split("\n").slice(0, -1);
}

/** Every line of the output is a message, and every line of the input has its one answer. */
function expectAnswered(lines: readonly string[], { anonymous, requests, optional }: Expected): void {
  const answers = new Map<unknown, number>();
  let unnamed = 0;
  for (const line of lines) {
    expect(line.length).toBeLessThan(4 * LIMITS.mcp.resultBytes);
    const message = JSON.parse(line) as Members;
    expect(message["jsonrpc"]).toBe("2.0");
    if (typeof message["method"] === "string") continue;
    expect("result" in message).not.toBe("error" in message);
    expectNoDefect(message);
    if ("id" in message) answers.set(message["id"], (answers.get(message["id"]) ?? 0) + 1);
    else unnamed += 1;
  }
  // Of requests with an id that is in use, all but the one that has it are refused without it.
  let surplus = unnamed - anonymous;
  for (const [id, asked] of requests) {
    const answered = answers.get(id) ?? 0;
    answers.delete(id);
    const what = `answers to ${asked.join("\n")}`;
    expect(answered, what).toBeLessThanOrEqual(asked.length);
    if (optional.has(id)) continue;
    expect(answered, what).toBeGreaterThan(0);
    surplus -= asked.length - answered;
  }
  expect([...answers.keys()], "ids that nobody used").toEqual([]);
  const taken = [...optional].reduce<number>((sum, id) => sum + (requests.get(id)?.length ?? 0), 0);
  expect(surplus).toBeGreaterThanOrEqual(0);
  expect(surplus).toBeLessThanOrEqual(taken);
}

/** Whatever a client says, it is told what is wrong with that, and not that something is wrong with us. */
function expectNoDefect({ error, result }: Members): void {
  const { code, data } = (error ?? {}) as { code?: number; data?: { code?: string } };
  // With a code of ours it is a known failure.
  if (data?.code === undefined) expect(code, JSON.stringify(error)).not.toBe(-32_603);
  const { structuredContent } = (result ?? {}) as { structuredContent?: Members };
  expect(["DEFECT", "OUTPUT_INVALID"]).not.toContain(structuredContent?.["code"]);
}

let app: McpApp;
let faults: string[];

beforeEach(async () => {
  faults = [];
  const log = createLog({
    component: "mcp",
    clock: systemClock,
    level: "error",
    sink: (line) => void faults.push(line),
  });
  app = await openApp({ log, system: { data: null } });
});

afterEach(() => app.services.reports.flush());

const conversations = Math.ceil(LINES / CONVERSATION);

it(
  "every line that can be answered is answered once, whatever is said",
  { timeout: 60_000 + LINES * 20 },
  async () => {
    const mutator = new LineMutator(seededRandom(testSeed()));
    for (let nth = 0; nth < conversations; nth++) {
      const bytes = conversation(ERAS[nth % ERAS.length] ?? "legacy", mutator);
      expectAnswered(await converse(app, mutator, bytes), expectedOf(bytes));
    }
    expect(faults).toEqual([]);
  },
);

function conversation(era: Era, mutator: LineMutator): Buffer {
  const lines: Buffer[] = [];
  // Most conversations begin as they should: nothing else would be served at all.
  const sound = mutator.below(5);
  for (const message of validMessages(era, mutator)) {
    const isSound = sound > 0 && lines.length < 2;
    lines.push(isSound ? Buffer.from(`${JSON.stringify(message)}\n`) : mutator.line(message));
    if (lines.length === CONVERSATION) break;
  }
  return Buffer.concat(lines);
}
