import { KIND } from "../codec/index.ts";
import { LIMITS, fault, fromWireError, type Fault, type WireError } from "../errors/index.ts";
import { deadlineOf, type Clock, type Timer } from "../scope/index.ts";
import { METRICS, type MetricsBlock } from "../telemetry/index.ts";
import { EventStream } from "./event-stream.ts";
import type { Received } from "./inbound.ts";
import type { Message } from "./outbound.ts";
import type { CallOptions, SubscribeOptions } from "./protocol.ts";

interface Pending {
  readonly resolve: (value: unknown) => void;
  readonly reject: (error: unknown) => void;
  readonly member: string;
  /** How long it was to wait when it began. */
  readonly waitMs: number;
  readonly deadlineMs: number;
  readonly signal: AbortSignal | undefined;
  readonly onAbort: (() => void) | undefined;
}

/** What a caller's end needs from the place where it lives. */
export interface CallerPlace {
  readonly clock: Clock;
  readonly metrics: MetricsBlock;
}

/** What has come from the callee. */
export type Heard = Pick<Received, "kind" | "correlation" | "payload">;

/**
 * The caller's end of a link, whatever carries its messages: matches replies to calls, and ends every call in time.
 * How messages travel is its subclasses' part.
 */
export abstract class CallerEnd {
  readonly callee: string;
  readonly #place: CallerPlace;
  readonly #pending = new Map<number, Pending>();
  readonly #streams = new Map<number, EventStream<unknown>>();
  #correlation = 0;
  #timer: Timer | undefined;
  #timerAtMs = Infinity;
  #closed: Fault | undefined;

  constructor(callee: string, place: CallerPlace) {
    this.callee = callee;
    this.#place = place;
  }

  /** Sends if there is room. @throws MAILBOX_FULL, MESSAGE_TOO_LARGE, NOT_A_WIRE_VALUE; then nothing was sent */
  protected abstract offer(message: Message, payload: unknown): void;
  /** Sends now or as soon as there is room: what must not be refused. */
  protected abstract deliver(message: Message): void;
  /** Nothing is sent or heard any more. Those who wait for room are told. */
  protected abstract release(): void;

  /** The memory that the callee shares with all who call it. */
  abstract readonly shared: SharedArrayBuffer | null;
  /** Resolves when the callee is up. */
  abstract up(signal?: AbortSignal): Promise<void>;
  /** Resolves when at least half of the mailbox is free. */
  abstract writable(signal?: AbortSignal): Promise<void>;

  /** Calls that wait for their reply. */
  protected get waiting(): number {
    return this.#pending.size;
  }

  call(index: number, member: string, params: unknown, options: CallOptions = {}): Promise<unknown> {
    if (this.#closed) return Promise.reject(this.#closed);
    const { signal, timeoutMs = LIMITS.actor.callTimeoutMs, traceparent } = options;
    if (signal?.aborted) return Promise.reject(this.#cancelled(member, signal));
    if (Number.isNaN(timeoutMs)) return Promise.reject(notATime("timeoutMs"));
    if (this.#pending.size >= LIMITS.actor.callsInFlight) {
      const limit = LIMITS.actor.callsInFlight;
      return Promise.reject(fault("MAILBOX_FULL", { actor: this.callee, limit, unit: "calls in flight" }));
    }
    const correlation = this.#nextCorrelation();
    // A caller inside a scope cannot wait beyond the scope's deadline, and the callee learns of it.
    const nowMs = this.#place.clock.now();
    const waitMs = signal === undefined ? timeoutMs : Math.min(timeoutMs, deadlineOf(signal) - nowMs);
    const deadlineMs = nowMs + waitMs;
    try {
      this.offer({ kind: KIND.call, member: index, correlation, deadlineMs, traceparent }, params);
    } catch (refused) {
      return Promise.reject(refused);
    }
    this.#place.metrics.count(METRICS.messagesSent);
    this.#place.metrics.count(METRICS.callsStarted);
    if (deadlineMs < this.#timerAtMs) this.#arm(deadlineMs);
    return new Promise((resolve, reject) => {
      const onAbort = signal && (() => this.#abandon(correlation, this.#cancelled(member, signal)));
      if (onAbort) signal.addEventListener("abort", onAbort, { once: true });
      this.#pending.set(correlation, { resolve, reject, member, waitMs, deadlineMs, signal, onAbort });
    });
  }

  cast(index: number, params: unknown): boolean {
    if (this.#closed) return false;
    try {
      this.offer({ kind: KIND.cast, member: index, correlation: 0, deadlineMs: Infinity }, params);
    } catch (refused) {
      if ((refused as Fault).code === "MAILBOX_FULL") return false;
      throw refused;
    }
    this.#place.metrics.count(METRICS.messagesSent);
    return true;
  }

  subscribe(index: number, event: string, { signal, buffer }: SubscribeOptions): EventStream<unknown> {
    const limit = buffer ?? LIMITS.actor.eventBuffer;
    const name = { actor: this.callee, event };
    const correlation = this.#nextCorrelation();
    const stream = new EventStream<unknown>(
      name,
      limit,
      () => {
        if (!this.#streams.delete(correlation) || this.#closed) return;
        this.deliver({ kind: KIND.unsubscribe, member: index, correlation, deadlineMs: Infinity });
        this.#place.metrics.count(METRICS.messagesSent);
      },
      signal,
    );
    if (this.#closed) stream.finish(this.#closed);
    else if (this.#streams.size >= LIMITS.actor.subscriptions) stream.finish(this.#tooMany());
    else if (!signal?.aborted) {
      try {
        // Refused like a call: each may be left at once, and its end must not be refused.
        const message = { kind: KIND.subscribe, member: index, correlation, deadlineMs: Infinity };
        this.offer(message, limit);
        this.#streams.set(correlation, stream);
        this.#place.metrics.count(METRICS.messagesSent);
      } catch (refused) {
        stream.finish(refused);
      }
    }
    return stream;
  }

  /** Why nothing is sent any more; undefined while it is open. */
  protected get closed(): Fault | undefined {
    return this.#closed;
  }

  /** Everything under way ends with this. */
  close(reason: Fault): void {
    if (this.#closed) return;
    this.#closed = reason;
    this.#timer?.cancel();
    for (const correlation of [...this.#pending.keys()]) this.#take(correlation)?.reject(reason);
    for (const stream of [...this.#streams.values()]) stream.finish(reason);
    this.release();
  }

  /** 0 means "no reply wanted", and a number in use is not given out again after 2^32 calls. */
  #nextCorrelation(): number {
    do this.#correlation = (this.#correlation + 1) >>> 0;
    while (
      this.#correlation === 0 ||
      this.#pending.has(this.#correlation) ||
      this.#streams.has(this.#correlation)
    );
    return this.#correlation;
  }

  protected readonly receive = ({ kind, correlation, payload }: Heard): void => {
    if (kind === KIND.event) this.#streams.get(correlation)?.push(payload);
    else if (kind === KIND.end) this.#streams.get(correlation)?.finish(fromWireError(payload as WireError));
    else if (kind === KIND.reply) this.#take(correlation)?.resolve(payload);
    else if (kind === KIND.fail) {
      this.#place.metrics.count(METRICS.callsFailed);
      this.#take(correlation)?.reject(fromWireError(payload as WireError));
    }
  };

  #take(correlation: number): Pending | undefined {
    const pending = this.#pending.get(correlation);
    if (!pending) return undefined; // it was cancelled, or its deadline passed, before the reply came
    this.#pending.delete(correlation);
    if (pending.onAbort) pending.signal?.removeEventListener("abort", pending.onAbort);
    return pending;
  }

  /** The caller no longer waits; the callee is told, so that it can stop too. */
  #abandon(correlation: number, why: Fault): void {
    const pending = this.#take(correlation);
    if (!pending) return;
    this.deliver({ kind: KIND.cancel, member: 0, correlation, deadlineMs: Infinity });
    this.#place.metrics.count(METRICS.messagesSent);
    pending.reject(why);
  }

  /**
   * One timer for all calls, set to the earliest deadline that was asked for. When it fires, the calls under way are
   * looked through: that happens once per timeout, not once per call.
   */
  #arm(atMs: number): void {
    this.#timer?.cancel();
    this.#timerAtMs = atMs;
    this.#timer = this.#place.clock.at(atMs, () => {
      const nowMs = this.#place.clock.now();
      this.#timerAtMs = Infinity;
      let nextMs = Infinity;
      for (const [correlation, pending] of this.#pending) {
        if (pending.deadlineMs <= nowMs) this.#expire(correlation, pending);
        else if (pending.deadlineMs < nextMs) nextMs = pending.deadlineMs;
      }
      if (nextMs < Infinity) this.#arm(nextMs);
    });
  }

  #expire(correlation: number, { member, waitMs }: Pending): void {
    this.#place.metrics.count(METRICS.callsDeadlineExceeded);
    const what = `${this.callee}.${member}`;
    this.#abandon(correlation, fault("DEADLINE_EXCEEDED", { what, timeoutMs: waitMs }));
  }

  #cancelled(member: string, signal: AbortSignal): Fault {
    return fault("CANCELLED", { what: `the call ${this.callee}.${member}` }, { cause: signal.reason });
  }

  #tooMany(): Fault {
    return fault("INVALID_ARGUMENT", {
      argument: "subscriptions",
      got: `one more than ${LIMITS.actor.subscriptions}`,
      allowed: `at most ${LIMITS.actor.subscriptions} to one actor`,
    });
  }
}

/** A call that waits for "not a number" milliseconds would wait for ever. */
const notATime = (argument: string): Fault =>
  fault("INVALID_ARGUMENT", { argument, got: "NaN", allowed: "a number of milliseconds" });
