import { spawn } from "node:child_process";
import { once } from "node:events";
import { resolve } from "node:path";
import { createInterface } from "node:readline";

export const ROOT = resolve(import.meta.dirname, "../../..");

/** What a client starts: Node's arguments for a server over this data directory. */
export const serverArguments = (data: string, ...more: readonly string[]): string[] => [
  "--conditions=mcplusplus-source",
  "bin/mcplusplus.cjs",
  "mcp",
  "--data",
  data,
  ...more,
];

/** A server that is spoken to line by line, and watched to its end. */
export function startServer(data: string, ...more: readonly string[]) {
  const child = spawn(process.execPath, serverArguments(data, ...more), { cwd: ROOT });
  const exited = once(child, "exit") as Promise<[number | null, NodeJS.Signals | null]>;
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  let said = "";
  child.stderr.setEncoding("utf8").on("data", (text: string) => (said += text));
  let id = 0;
  const send = (message: object): void => {
    child.stdin.write(`${JSON.stringify({ jsonrpc: "2.0", ...message })}\n`);
  };
  /** The next line of standard output, which is a message or a fault of the server. */
  const next = async (): Promise<Record<string, unknown>> => {
    const { value, done } = await lines.next();
    if (done) throw new Error(`the server has ended; it said: ${said}`);
    return JSON.parse(value) as Record<string, unknown>;
  };
  return {
    pid: child.pid ?? 0,
    send,
    next,
    async request(method: string, params: object): Promise<Record<string, unknown>> {
      send({ id: ++id, method, params });
      return next();
    },
    call(name: string, args: object): Promise<Record<string, unknown>> {
      return this.request("tools/call", { name, arguments: args });
    },
    initialize(): Promise<Record<string, unknown>> {
      const clientInfo = { name: "test", version: "1" };
      return this.request("initialize", { protocolVersion: "2025-06-18", capabilities: {}, clientInfo });
    },
    write: (text: string) => void child.stdin.write(text),
    end: () => void child.stdin.end(),
    kill: (signal: NodeJS.Signals) => child.kill(signal),
    /** Everything that was printed on standard error so far. */
    said: () => said,
    exited,
    async [Symbol.asyncDispose]() {
      child.kill("SIGKILL");
      await exited;
    },
  };
}
