import type { Readable, Writable } from "node:stream";
import {
  INVALID_REQUEST,
  type JSONRPCMessage,
  type RequestId,
  type Transport,
} from "@modelcontextprotocol/server";
import { LIMITS } from "../errors/index.ts";
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

/** A request that is answered only when its client ends it. */
const ENDLESS = "subscriptions/listen";
/** One request more than may wait for their answers is told to come again later. */
const IN_FLIGHT_MAX = LIMITS.mcp.inFlight;
const BUSY = -32_000;

/**
 * JSON-RPC messages as lines over a pair of streams, for a server that a client talks to blindly: every line that
 * cannot be served is answered, an id is served once at a time, a line of any length leaves the server alive, and
 * requests that came before the end of the input are still answered. A client that does not read what it is told is not
 * read from either, so that no more answers wait for it than it had requests under way.
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
  readonly #answered = Promise.withResolvers<void>();
  /** By id, the method. */
  readonly #inFlight = new Map<RequestId, string>();
  /** Until there is room in the output; undefined: there is. */
  #full: PromiseWithResolvers<void> | undefined;
  #isGathering = false;
  #ended = false;
  #closed = false;
  #endTimer: Timer | undefined;

  constructor({ input, output, clock = systemClock, lineBytesMax, endGraceMs }: LineTransportOptions) {
    this.#input = input;
    this.#output = output;
    this.#clock = clock;
    this.#lineBytesMax = lineBytesMax ?? LIMITS.mcp.lineBytes;
    this.#endGraceMs = endGraceMs ?? LIMITS.mcp.endGraceMs;
    this.#lines = new LineReader(this.#lineBytesMax);
  }

  /** Resolves when the first request has been answered. */
  get answered(): Promise<void> {
    return this.#answered.promise;
  }

  async start(): Promise<void> {
    this.#input.on("data", this.#onData);
    this.#input.once("end", this.#onEnd);
    this.#input.once("close", this.#onEnd);
    this.#input.on("error", this.#onBroken);
    this.#output.on("error", this.#onBroken);
    this.#output.on("drain", this.#onDrain);
    this.#output.once("close", this.#onDrain);
    if (this.#input.readableEnded || this.#input.destroyed) setImmediate(this.#onEnd);
  }

  async send(message: JSONRPCMessage): Promise<void> {
    if (this.#closed) throw new Error("the connection is closed");
    const answered = "method" in message ? undefined : message.id;
    if (answered !== undefined) this.#inFlight.delete(answered);
    this.#write(message);
    if (answered !== undefined) this.#answered.resolve();
    this.#closeWhenAnswered();
    await this.#full?.promise;
  }

  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    this.#handOver();
    this.#endTimer?.cancel();
    this.#input.off("data", this.#onData);
    this.#input.pause();
    this.#full?.resolve();
    // The listeners for errors stay: a pipe may break after the last word as well.
    this.onclose?.();
  }

  #write(message: object): void {
    this.#gather();
    if (this.#output.write(`${JSON.stringify(message)}\n`)) return;
    this.#input.pause();
    this.#full ??= Promise.withResolvers();
  }

  /** What is told in one turn of the event loop leaves in one piece: a system call for each line costs more than the line. */
  #gather(): void {
    if (this.#isGathering) return;
    this.#isGathering = true;
    this.#output.cork();
    process.nextTick(this.#handOver);
  }

  readonly #handOver = (): void => {
    if (!this.#isGathering) return;
    this.#isGathering = false;
    this.#output.uncork();
  };

  /** The client has read what it was told, or will not any more. */
  readonly #onDrain = (): void => {
    this.#full?.resolve();
    this.#full = undefined;
    if (!this.#closed) this.#input.resume();
  };

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
    this.#write({ jsonrpc: "2.0", ...(id === undefined ? {} : { id }), error });
  }

  #closeWhenAnswered(): void {
    if (this.#ended && this.#inFlight.values().every((method) => method === ENDLESS)) void this.close();
  }
}
