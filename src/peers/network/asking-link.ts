import { unpackValue } from "../../codec/index.ts";
import {
  LIMITS,
  assert,
  fault,
  fromWireError,
  peek,
  sentenceOf,
  type Fault,
  type WireError,
} from "../../errors/index.ts";
import { DeadlineWatch } from "./deadline-watch.ts";
import { KIND, Violation, controlFrame, isMethod, readReply, requestHead, type Kind } from "./frame.ts";
import { LinkEnd, type LinkSetup } from "./link-end.ts";

export interface AskedRequest {
  /** `isMethod` holds. */
  readonly method: string;
  /** Not copied: it must not change until the request has ended. */
  readonly body: Uint8Array;
  /** More than `LIMITS.network.requestMs` counts as that. */
  readonly timeoutMs: number;
  /** Takes the request back. */
  readonly signal?: AbortSignal;
  readonly traceparent?: string | undefined;
}

interface Pending {
  readonly resolve: (body: Uint8Array) => void;
  readonly reject: (error: Fault) => void;
  readonly method: string;
  readonly waitMs: number;
  readonly deadlineMs: number;
  readonly signal: AbortSignal | undefined;
  readonly onAbort: (() => void) | undefined;
  /** Its answer has begun, and this is how it will end. */
  answersWith: typeof KIND.reply | typeof KIND.failure | null;
}

interface PendingPing {
  readonly id: number;
  readonly sentMs: number;
  readonly result: PromiseWithResolvers<number>;
}

const { requestsPerPeer, bodyBytes, unsentBytes, requestMs } = LIMITS.network;

/** The end of a link that asks: matches answers to requests, and ends every request in time. */
export class AskingLink extends LinkEnd {
  readonly #pending = new Map<number, Pending>();
  readonly #watch: DeadlineWatch;
  #lastId = 0;
  /** Requests that were taken back, and whose answers may be on their way all the same. */
  #takenBack = 0;
  #ping: PendingPing | null = null;

  constructor(setup: LinkSetup) {
    super(setup);
    this.#watch = new DeadlineWatch(setup.clock, (nowMs) => this.#expire(nowMs));
  }

  /** Requests that wait for their answer. */
  get waiting(): number {
    return this.#pending.size;
  }

  /**
   * Resolves with the answer, of memory of its own. Rejects with the fault that the peer answered with, DEADLINE_EXCEEDED,
   * CANCELLED, PEER_LOST, PEER_PROTOCOL; with MESSAGE_TOO_LARGE and MAILBOX_FULL nothing was sent.
   */
  request(asked: AskedRequest): Promise<Uint8Array> {
    const refusal = this.#refusal(asked);
    if (refusal !== null) return Promise.reject(refusal);
    const { method, body, signal, traceparent } = asked;
    const waitMs = Math.min(asked.timeoutMs, requestMs);
    const deadlineMs = this.setup.clock.now() + waitMs;
    const id = this.#nextId();
    return new Promise((resolve, reject) => {
      const onAbort = signal && (() => this.#takeBack(id, cancelled(method, signal)));
      if (onAbort) signal.addEventListener("abort", onAbort, { once: true });
      const ends = { resolve, reject, method, waitMs, deadlineMs, signal, onAbort, answersWith: null };
      this.#pending.set(id, ends);
      this.#watch.by(deadlineMs);
      const head = requestHead({ remainingMs: waitMs, bodyBytes: body.length, method, traceparent });
      this.outbox.post(KIND.request, id, head, body);
    });
  }

  /** Milliseconds of one round trip; those who ask while one is measured get the same. Rejects with PEER_LOST. */
  ping(): Promise<number> {
    if (this.isOver) return Promise.reject(this.#lost("it has ended"));
    if (this.#ping === null) {
      const ping = {
        id: this.#nextId(),
        sentMs: this.setup.clock.now(),
        result: Promise.withResolvers<number>(),
      };
      ping.result.promise.catch(() => undefined);
      this.#ping = ping;
      this.outbox.control(controlFrame(KIND.ping, ping.id));
    }
    return this.#ping.result.promise;
  }

  protected take(kind: Kind, id: number, payload: Buffer): void {
    if (kind === KIND.reply || kind === KIND.failure) this.#answered(kind, id, payload);
    else if (kind === KIND.piece) {
      const body = this.addPiece(id, payload);
      if (body !== null) this.#settle(id, body);
    } else if (kind === KIND.pong) this.#ponged(id);
    else throw new Violation("frame_invalid", `a frame of kind ${kind} from an answerer`);
  }

  /** Answers are what it waits for, however much it has to send. */
  protected get isBehind(): boolean {
    return false;
  }

  protected release(why: string): void {
    this.#watch.close();
    const lost = this.#lost(why);
    for (const id of [...this.#pending.keys()]) this.#remove(id)?.reject(lost);
    this.#ping?.result.reject(lost);
    this.#ping = null;
  }

  #refusal({ method, body, signal }: AskedRequest): Fault | null {
    assert(isMethod(method), `${method} is the name of a method`);
    if (this.isOver) return this.#lost("it has ended");
    if (signal?.aborted) return cancelled(method, signal);
    const actor = `peer ${this.peerId}`;
    if (body.length > bodyBytes)
      return fault("MESSAGE_TOO_LARGE", { actor, sizeBytes: body.length, limitBytes: bodyBytes });
    if (this.#pending.size >= requestsPerPeer)
      return fault("MAILBOX_FULL", { actor, limit: requestsPerPeer, unit: "calls in flight" });
    if (this.outbox.queuedBytes > 0 && this.outbox.queuedBytes + body.length > unsentBytes)
      return fault("MAILBOX_FULL", { actor, limit: unsentBytes, unit: "bytes" });
    return null;
  }

  #nextId(): number {
    do this.#lastId = (this.#lastId + 1) >>> 0;
    while (this.#lastId === 0 || this.#pending.has(this.#lastId));
    return this.#lastId;
  }

  #answered(kind: typeof KIND.reply | typeof KIND.failure, id: number, payload: Buffer): void {
    const { bodyBytes: totalBytes, first } = readReply(payload);
    const pending = this.#pending.get(id);
    if (pending === undefined) {
      if (this.#takenBack === 0) throw new Violation("frame_invalid", "an answer to nothing");
      this.#takenBack -= 1;
    } else if (pending.answersWith !== null)
      throw new Violation("frame_invalid", "two answers to one request");
    else pending.answersWith = kind;
    const body = this.begin(id, first, totalBytes, pending !== undefined);
    if (body !== null && pending !== undefined) this.#settle(id, body);
  }

  #settle(id: number, body: Uint8Array): void {
    const pending = this.#remove(id);
    if (pending === undefined) return;
    // A request may be refused by its head; then the rest of its body is of no use to anybody.
    if (this.outbox.queuedBytes > 0 && this.outbox.drop(id) === "part")
      this.outbox.control(controlFrame(KIND.cancel, id));
    if (pending.answersWith === KIND.reply) pending.resolve(body);
    else pending.reject(this.#failureIn(body));
  }

  #failureIn(body: Uint8Array): Fault {
    let why = "it answered with something that is no error";
    try {
      const error = unpackValue(body);
      // Whatever else it says becomes a fault of this version.
      if (typeof peek(error, "code") === "string") return fromWireError(error as WireError);
    } catch (error) {
      why = `it answered with an error that cannot be read: ${sentenceOf(error)}`;
    }
    return fault("PEER_PROTOCOL", { peerId: this.peerId, why });
  }

  #ponged(id: number): void {
    if (this.#ping?.id !== id) throw new Violation("frame_invalid", "a pong to nothing");
    this.#ping.result.resolve(this.setup.clock.now() - this.#ping.sentMs);
    this.#ping = null;
  }

  #remove(id: number): Pending | undefined {
    const pending = this.#pending.get(id);
    if (pending === undefined) return undefined;
    this.#pending.delete(id);
    if (pending.onAbort) pending.signal?.removeEventListener("abort", pending.onAbort);
    return pending;
  }

  /** Nobody waits for it any more; the other side is told, so that it can stop too. */
  #takeBack(id: number, why: Fault): void {
    const pending = this.#remove(id);
    if (pending === undefined) return;
    if (this.outbox.drop(id) !== "none") {
      this.outbox.control(controlFrame(KIND.cancel, id));
      if (pending.answersWith === null) this.#takenBack += 1;
      else this.drop(id);
    }
    pending.reject(why);
  }

  #expire(nowMs: number): number {
    let nextMs = Infinity;
    for (const [id, { method, waitMs, deadlineMs }] of this.#pending) {
      if (deadlineMs <= nowMs) {
        const what = `${method} of peer ${this.peerId}`;
        this.#takeBack(id, fault("DEADLINE_EXCEEDED", { what, timeoutMs: waitMs }));
      } else if (deadlineMs < nextMs) nextMs = deadlineMs;
    }
    return nextMs;
  }

  #lost(why: string): Fault {
    return fault("PEER_LOST", { peerId: this.peerId, why });
  }
}

const cancelled = (method: string, signal: AbortSignal): Fault =>
  fault("CANCELLED", { what: `the request ${method}` }, { cause: signal.reason });
