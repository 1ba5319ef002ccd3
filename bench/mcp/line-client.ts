import { spawn, type ChildProcessByStdio } from "node:child_process";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import type { Readable, Writable } from "node:stream";
import { fileURLToPath } from "node:url";

/** Both eras of the protocol. */
export type Era = "2025-11-25" | "2026-07-28";

const CLIENT = { name: "bench", version: "1" };
/** What every request of the newer era carries. */
const ENVELOPE = {
  "io.modelcontextprotocol/protocolVersion": "2026-07-28",
  "io.modelcontextprotocol/clientInfo": CLIENT,
  "io.modelcontextprotocol/clientCapabilities": {},
};

const COMPILED = fileURLToPath(new URL("../results/compiled/", import.meta.url));

interface Answer {
  readonly id: number;
  readonly result?: { readonly isError?: boolean };
  readonly error?: unknown;
}

/**
 * The least that a client can be: one line written, one line read. What it costs is the same for every server, and as
 * little as can be, so that the servers are what is measured.
 */
export class LineClient {
  /** From the start of the process to the answer to its first request, in milliseconds. */
  firstAnswerMs = Number.NaN;
  readonly #server: ChildProcessByStdio<Writable, Readable, null>;
  readonly #waiting = new Map<number, (answer: Answer) => void>();
  readonly #era: Era;
  #ids = 0;
  #rest = "";

  private constructor(argv: readonly string[], era: Era) {
    this.#era = era;
    this.#server = spawn(process.execPath, argv, {
      stdio: ["pipe", "pipe", "ignore"],
      // As the installed command does: only the first start compiles.
      env: { ...process.env, NODE_COMPILE_CACHE: COMPILED },
    });
    this.#server.stdout.setEncoding("utf8").on("data", (text: string) => this.#read(text));
    process.once("exit", () => this.#server.kill("SIGKILL"));
  }

  /** Starts a server with these arguments of node, and has it answer. */
  static async open(argv: readonly string[], era: Era = "2025-11-25"): Promise<LineClient> {
    const sinceMs = performance.now();
    const client = new LineClient(argv, era);
    if (era === "2026-07-28") await client.ask("server/discover", {});
    else {
      await client.ask("initialize", { protocolVersion: era, capabilities: {}, clientInfo: CLIENT });
      client.#send({ method: "notifications/initialized" });
    }
    client.firstAnswerMs = performance.now() - sinceMs;
    return client;
  }

  async ask(method: string, params: Record<string, unknown>): Promise<Answer> {
    const id = ++this.#ids;
    const { promise, resolve } = Promise.withResolvers<Answer>();
    this.#waiting.set(id, resolve);
    this.#send({ id, method, params: this.#era === "2026-07-28" ? { ...params, _meta: ENVELOPE } : params });
    return promise;
  }

  /** @throws when the call is refused, or fails where it must not */
  async call(name: string, args: Record<string, unknown> = {}, mayFail = false): Promise<Answer> {
    const answer = await this.ask("tools/call", { name, arguments: args });
    if (answer.error !== undefined || (answer.result?.isError === true && !mayFail))
      throw new Error(`${name}: ${JSON.stringify(answer).slice(0, 500)}`);
    return answer;
  }

  /** Resident memory of the server, in MB; only where the kernel tells it. */
  residentMb(): number {
    const [, kb] = /VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${this.#server.pid}/status`, "utf8")) ?? [];
    return Number(kb) / 1_024;
  }

  async close(): Promise<void> {
    const gone = once(this.#server, "exit");
    this.#server.stdin.end();
    await gone;
  }

  #send(message: object): void {
    this.#server.stdin.write(`${JSON.stringify({ jsonrpc: "2.0", ...message })}\n`);
  }

  #read(text: string): void {
    const lines = (this.#rest + text).split("\n");
    this.#rest = lines.pop() ?? "";
    for (const line of lines) {
      const answer = JSON.parse(line) as Answer;
      this.#waiting.get(answer.id)?.(answer);
      this.#waiting.delete(answer.id);
    }
  }
}
