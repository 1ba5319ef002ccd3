import { packValue } from "../../codec/index.ts";
import { LIMITS, wireFault, type WireError } from "../../errors/index.ts";
import { DeadlineWatch } from "./deadline-watch.ts";
import {
  KIND,
  Violation,
  controlFrame,
  readRequest,
  replyHead,
  type Kind,
  type RequestHead,
} from "./frame.ts";
import { LinkEnd, type LinkSetup } from "./link-end.ts";

/** A request as it has come, whole. */
export interface HeardRequest {
  readonly peerId: string;
  readonly method: string;
  readonly body: Uint8Array;
  /** What is left of the asker's time, in milliseconds. */
  readonly remainingMs: number;
  readonly traceparent: string | undefined;
}

export type Answer =
  | { readonly ok: true; readonly body: Uint8Array }
  | { readonly ok: false; readonly error: WireError };

/** Who carries out what is asked. */
export interface Answerer {
  /** May it come in? Null: it may, and `leave` is called once when it has ended; else why not. */
  admit(head: RequestHead): WireError | null;
  leave(head: RequestHead): void;
  /**
   * Carries a request out. `answer` may be called at once, and counts once.
   *
   * @returns called when the request is withdrawn before its answer; null when it cannot be
   */
  carryOut(request: HeardRequest, answer: (answer: Answer) => void): (() => void) | null;
}

interface Open {
  readonly head: RequestHead;
  readonly deadlineMs: number;
  /** Undefined: it is not being carried out yet. */
  withdraw: (() => void) | null | undefined;
}

const { bodyBytes: BODY_BYTES_MAX, unsentBytes, windowBytes } = LIMITS.network;

/** The end of a link that answers: every request that came in is answered once, or withdrawn. */
export class AnsweringLink extends LinkEnd {
  readonly #answerer: Answerer;
  readonly #open = new Map<number, Open>();
  readonly #watch: DeadlineWatch;
  /** Requests that came, less cancels that did: there is one cancel per request at the most. */
  #cancellable = 0;
  /** Pings that came since the last bytes left: each waits for its turn in memory. */
  #pings = 0;
  #sentAtPing = 0;

  constructor(setup: LinkSetup, answerer: Answerer) {
    super(setup);
    this.#answerer = answerer;
    this.#watch = new DeadlineWatch(setup.clock, (nowMs) => this.#expire(nowMs));
  }

  /** Requests that are being answered. */
  get serving(): number {
    return this.#open.size;
  }

  protected take(kind: Kind, id: number, payload: Buffer): void {
    if (kind === KIND.request) this.#requested(id, payload);
    else if (kind === KIND.piece) {
      const body = this.addPiece(id, payload);
      const open = this.#open.get(id);
      if (body !== null && open !== undefined) this.#carryOut(id, open, body);
    } else if (kind === KIND.cancel) this.#cancelled(id);
    else if (kind === KIND.ping) this.#pinged(id);
    else throw new Violation("frame_invalid", `a frame of kind ${kind} from an asker`);
  }

  /** Whoever takes no answers may ask no more: each answer waits in memory. */
  protected get isBehind(): boolean {
    return this.outbox.queuedBytes > windowBytes;
  }

  protected release(): void {
    this.#watch.close();
    for (const id of [...this.#open.keys()]) this.#withdraw(id);
  }

  #requested(id: number, payload: Buffer): void {
    const { head, first } = readRequest(payload);
    if (id === 0 || this.#open.has(id))
      throw new Violation("frame_invalid", `a request whose number ${id} is in use`);
    this.#cancellable += 1;
    const refusal = this.#answerer.admit(head);
    if (refusal !== null) {
      this.begin(id, first, head.bodyBytes, false);
      this.#send(id, { ok: false, error: refusal });
      return;
    }
    const deadlineMs = this.setup.clock.now() + head.remainingMs;
    const open: Open = { head, deadlineMs, withdraw: undefined };
    // From here on it leaves with all others, also when its own first bytes are what breaks the rules.
    this.#open.set(id, open);
    this.#watch.by(deadlineMs);
    const body = this.begin(id, first, head.bodyBytes, true);
    if (body !== null) this.#carryOut(id, open, body);
  }

  #carryOut(id: number, open: Open, body: Uint8Array): void {
    const { method, traceparent } = open.head;
    const remainingMs = Math.max(0, open.deadlineMs - this.setup.clock.now());
    const request = { peerId: this.peerId, method, body, remainingMs, traceparent };
    // A number that has ended may have been given to the next request.
    const answer = (given: Answer): void => {
      if (this.#open.get(id) !== open) return;
      this.#remove(id);
      this.#send(id, given);
    };
    open.withdraw = null;
    open.withdraw = this.#answerer.carryOut(request, answer);
  }

  #send(id: number, answer: Answer): void {
    const sound = answer.ok ? this.#fitting(answer.body) : answer;
    const [kind, body] = sound.ok ? [KIND.reply, sound.body] : [KIND.failure, packedError(sound.error)];
    this.outbox.post(kind, id, replyHead(body.length), body);
  }

  /** An answer that cannot be sent becomes the news of that. */
  #fitting(body: Uint8Array): Answer {
    const actor = `peer ${this.peerId}`;
    if (body.length > BODY_BYTES_MAX) {
      const details = { actor, sizeBytes: body.length, limitBytes: BODY_BYTES_MAX };
      return { ok: false, error: wireFault("MESSAGE_TOO_LARGE", details) };
    }
    if (this.outbox.queuedBytes > 0 && this.outbox.queuedBytes + body.length > unsentBytes) {
      const details = {
        peerId: this.peerId,
        what: "answers that it has not taken",
        limit: unsentBytes,
        unit: "bytes",
      };
      return { ok: false, error: wireFault("PEER_LIMITED", details) };
    }
    return { ok: true, body };
  }

  #cancelled(id: number): void {
    if (this.#cancellable === 0) throw new Violation("frame_invalid", "a cancel of nothing");
    this.#cancellable -= 1;
    // Of what is cancelled no piece will come, and of its answer none is wanted.
    this.forget(id);
    this.outbox.drop(id);
    this.#withdraw(id);
  }

  #pinged(id: number): void {
    if (this.outbox.sentBytes > this.#sentAtPing) this.#pings = 0;
    this.#sentAtPing = this.outbox.sentBytes;
    this.#pings += 1;
    if (this.#pings > PINGS_MAX) throw new Violation("frame_invalid", "a ping before the last was answered");
    this.outbox.control(controlFrame(KIND.pong, id));
  }

  #remove(id: number): Open | undefined {
    const open = this.#open.get(id);
    if (open === undefined) return undefined;
    this.#open.delete(id);
    this.#answerer.leave(open.head);
    return open;
  }

  #withdraw(id: number): void {
    this.#remove(id)?.withdraw?.();
  }

  #expire(nowMs: number): number {
    let nextMs = Infinity;
    for (const [id, { head, deadlineMs }] of this.#open) {
      if (deadlineMs <= nowMs) {
        this.drop(id);
        this.#withdraw(id);
        const error = wireFault("DEADLINE_EXCEEDED", { what: head.method, timeoutMs: head.remainingMs });
        this.#send(id, { ok: false, error });
      } else if (deadlineMs < nextMs) nextMs = deadlineMs;
    }
    return nextMs;
  }
}

/** More than a peer that waits for each pong will ever have on the way. */
const PINGS_MAX = 16;

/** Whatever its texts are: without its causes, if it would be larger than any body. */
function packedError(error: WireError): Uint8Array {
  const packed = packValue(error);
  if (packed.length <= BODY_BYTES_MAX) return packed;
  return packValue({ code: error.code, message: error.message, details: {} });
}
