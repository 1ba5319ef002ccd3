import { FrameReader, frameOf, type Members } from "../../../../src/mcp/p2p/frame.ts";
import type { StreamEnd } from "./stream-pair.ts";

/** A peer that says exactly what it is told to, and takes what comes. */
export class RawPeer {
  readonly stream: StreamEnd;
  readonly #reader = new FrameReader(64 * 2 ** 20);
  readonly #came: Members[] = [];
  #id = 100;

  constructor(stream: StreamEnd) {
    this.stream = stream;
  }

  async send(...messages: Members[]): Promise<void> {
    for (const message of messages) await this.stream.write(frameOf(message));
  }

  async sendBytes(bytes: Uint8Array): Promise<void> {
    await this.stream.write(bytes);
  }

  /** The next message; null: the stream has ended. */
  async next(): Promise<Members | null> {
    for (;;) {
      const message = this.#came.shift();
      if (message) return message;
      const bytes = await this.stream.read();
      if (bytes === null) return null;
      for (const frame of this.#reader.feed(bytes)) {
        if (frame.kind === "wrong") throw new Error(`the server sent what is no frame: ${frame.why}`);
        this.#came.push(frame.message);
      }
    }
  }

  /** Everything until the stream ends. */
  async rest(): Promise<Members[]> {
    const all: Members[] = [];
    for (let message = await this.next(); message !== null; message = await this.next()) all.push(message);
    return all;
  }

  /** The answer to a request; progress on the way is left out. */
  async request(method: string, params?: unknown, more: Members = {}): Promise<Members> {
    const id = ++this.#id;
    await this.send({ jsonrpc: "2.0", id, method, ...(params !== undefined && { params }), ...more });
    for (;;) {
      const message = await this.next();
      if (message === null) throw new Error(`the stream ended without an answer to ${method}`);
      if (!("method" in message)) return message;
    }
  }

  /** As published clients of the minimum do it, or, with a version, as those of MCP. */
  async initialize(params: Members = MCP_CLIENT): Promise<Members> {
    return resultOf(await this.request("initialize", params));
  }

  call(name: string, args: Members = {}): Promise<Members> {
    return this.request("tools/call", { name, arguments: args });
  }

  /** The structured answer of a call that succeeds as a request. */
  async tool(name: string, args: Members = {}): Promise<Members> {
    return resultOf(await this.call(name, args))["structuredContent"] as Members;
  }

  /** The reply to one request of `task_queue.rpc`. */
  async rpc(op: string, args: Members = {}): Promise<Members> {
    return resultOf(await this.call("task_queue.rpc", { op, ...args }))["content"] as Members;
  }
}

export const MCP_CLIENT = {
  protocolVersion: "2025-06-18",
  capabilities: {},
  clientInfo: { name: "test", version: "1" },
};

export const STATELESS = {
  "io.modelcontextprotocol/protocolVersion": "2026-07-28",
  "io.modelcontextprotocol/clientCapabilities": {},
};

export function resultOf(message: Members): Members {
  if (message["error"] !== undefined || typeof message["result"] !== "object")
    throw new Error(JSON.stringify(message));
  return message["result"] as Members;
}

export const errorOf = (message: Members | null): Members | undefined =>
  message?.["error"] as Members | undefined;
