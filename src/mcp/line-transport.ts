import { once } from "node:events";
import type { Readable, Writable } from "node:stream";
import {
  INVALID_REQUEST,
  type JSONRPCMessage,
  type RequestId,
  type Transport,
} from "@modelcontextprotocol/server";
import { systemClock, type Clock, type Timer } from "../scope/index.ts";
import { readIncoming } from "./incoming-message.ts";
import { LineReader, type Line } from "./line-reader.ts";

export interface LineTransportOptions {
  readonly input: Readable;
  readonly output: Writable;
  readonly clock?: Clock;
  /** A longer line is refused; default 10 MiB. */
  readonly lineBytesMax?: number;
  /** How long answers to what came before the end of the input are waited for; default 5,000 ms. */
  readonly endGraceMs?: number;
}

const LINE_BYTES_MAX = 10 * 2 ** 20;
const END_GRACE_MS = 5_000;
/** A request that is answered only when its client ends it. */
const ENDLESS = "subscriptions/listen";
/** Requests that wait for their answer; one more is told to come again later. */
const IN_FLIGHT_MAX = 256;
const BUSY = -32_000;

/**
 * JSON-RPC messages as lines over a pair of streams, for a server that a client talks to blindly: every line that
 * cannot be served is answered, an id is served once at a time, a line of any length leaves the server alive, and
 * requests that came before the end of the input are still answered.
 */
export class LineTransport implements Transport {
  onmessage?: (message: JSONRPCMessage) => void;
  onclose?: () => void;
  onerror?: (error: Error) => void;
  readonly #input: Readable;
  readonly #output: Writable;
  readonly #clock: Clock;
  readonly #endGraceMs: number;
  readonly #lineBytesMax: number;
  readonly #lines: LineReader;
  /** By id, the method. */
  readonly #inFlight = new Map<RequestId, string>();
  #ended = false;
  #closed = false;
  #endTimer: Timer | undefined;

  constructor({ input, output, clock = systemClock, lineBytesMax, endGraceMs }: LineTransportOptions) {
    this.#input = input;
    this.#output = output;
    this.#clock = clock;
    this.#lineBytesMax = lineBytesMax ?? LINE_BYTES_MAX;
    this.#endGraceMs = endGraceMs ?? END_GRACE_MS;
    this.#lines = new LineReader(this.#lineBytesMax);
  }

  async start(): Promise<void> {
    this.#input.on("data", this.#onData);
    this.#input.once("end", this.#onEnd);
    this.#input.once("close", this.#onEnd);
    this.#input.on("error", this.#onBroken);
    this.#output.on("error", this.#onBroken);
    if (this.#input.readableEnded || this.#input.destroyed) setImmediate(this.#onEnd);
  }

  async send(message: JSONRPCMessage): Promise<void> {
    if (this.#closed) throw new Error("the connection is closed");
    if (!("method" in message) && message.id !== undefined) this.#inFlight.delete(message.id);
    const hasRoom = this.#output.write(`${JSON.stringify(message)}\n`);
    this.#closeWhenAnswered();
    if (!hasRoom) await once(this.#output, "drain");
  }

  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    this.#endTimer?.cancel();
    this.#input.off("data", this.#onData);
    this.#input.pause();
    // The listeners for errors stay: a pipe may break after the last word as well.
    this.onclose?.();
  }

  readonly #onData = (chunk: Uint8Array): void => {
    for (const line of this.#lines.feed(chunk)) this.#receive(line);
  };

  readonly #onEnd = (): void => {
    if (this.#ended) return;
    this.#ended = true;
    const rest = this.#lines.rest();
    if (rest) this.#receive(rest);
    this.#endTimer = this.#clock.at(this.#clock.now() + this.#endGraceMs, () => void this.close());
    this.#closeWhenAnswered();
  };

  /** Whoever reads us, or whom we read, has gone. */
  readonly #onBroken = (error: Error): void => {
    this.onerror?.(error);
    void this.close();
  };

  #receive(line: Line): void {
    if (this.#closed) return;
    if ("tooLong" in line) {
      this.#refuse(INVALID_REQUEST, `a line is longer than ${this.#lineBytesMax} bytes`);
      return;
    }
    const incoming = readIncoming(line.text);
    if (incoming.kind === "wrong") this.#refuse(incoming.code, incoming.why, incoming.id);
    if (incoming.kind !== "message") return;
    const { message } = incoming;
    if ("method" in message && "id" in message) {
      if (this.#inFlight.has(message.id))
        return this.#refuse(INVALID_REQUEST, "a request with this id is under way");
      if (this.#inFlight.size >= IN_FLIGHT_MAX) {
        return this.#refuse(BUSY, `${IN_FLIGHT_MAX} requests are under way; send it again later`, message.id);
      }
      this.#inFlight.set(message.id, message.method);
    }
    this.#forgetCancelled(message);
    this.onmessage?.(message);
  }

  /** No answer comes to a request that its client has cancelled. */
  #forgetCancelled(message: JSONRPCMessage): void {
    if (!("method" in message) || message.method !== "notifications/cancelled") return;
    const { requestId } = (message.params ?? {}) as { requestId?: RequestId };
    if (requestId !== undefined) this.#inFlight.delete(requestId);
  }

  #refuse(code: number, why: string, id?: RequestId): void {
    const error = { code, message: `invalid message: ${why}` };
    this.#output.write(`${JSON.stringify({ jsonrpc: "2.0", ...(id === undefined ? {} : { id }), error })}\n`);
  }

  #closeWhenAnswered(): void {
    if (this.#ended && this.#inFlight.values().every((method) => method === ENDLESS)) void this.close();
  }
}
