import { KIND } from "../codec/index.ts";
import { LIMITS, fault, fromWireError, type Fault, type WireError } from "../errors/index.ts";
import type { Bell, Poller, Source } from "../ring/index.ts";
import { deadlineOf, type Clock, type Timer } from "../scope/index.ts";
import { METRICS, type MetricsBlock } from "../telemetry/index.ts";
import { EventStream } from "./event-stream.ts";
import { Inbound, type Received } from "./inbound.ts";
import type { Link } from "./link.ts";
import { Outbound } from "./outbound.ts";
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

/** What an end of a link needs from the place where it lives. */
export interface Place {
  readonly poller: Poller;
  readonly clock: Clock;
  readonly metrics: MetricsBlock;
}

/** The caller's end of a link: matches replies to calls, and ends every call in time. */
export class LinkClient implements Source {
  readonly #link: Link;
  readonly #place: Place;
  readonly #outbound: Outbound;
  readonly #inbound: Inbound;
  readonly #pending = new Map<number, Pending>();
  readonly #streams = new Map<number, EventStream<unknown>>();
  #correlation = 0;
  #timer: Timer | undefined;
  #timerAtMs = Infinity;
  #closed: Fault | undefined;

  constructor(link: Link, place: Place, calleeBell: Bell) {
    this.#link = link;
    this.#place = place;
    this.#outbound = new Outbound({
      ring: link.requests,
      bell: calleeBell,
      callee: link.callee,
      messagesMax: link.mailboxMessages,
      metrics: place.metrics,
    });
    this.#inbound = new Inbound(link.replies, calleeBell, place.metrics);
    place.poller.add(this);
  }

  get expecting(): boolean {
    return this.#pending.size > 0 || this.#outbound.waiting;
  }

  ready(): boolean {
    return this.#inbound.ready() || this.#outbound.hasRoom();
  }

  poll(): void {
    this.#inbound.poll(this.#receive);
    this.#outbound.pump();
    this.#outbound.flush();
  }

  flush(): void {
    this.#outbound.flush();
  }

  call(index: number, member: string, params: unknown, options: CallOptions = {}): Promise<unknown> {
    if (this.#closed) return Promise.reject(this.#closed);
    const { signal, timeoutMs = LIMITS.actor.callTimeoutMs, traceparent } = options;
    if (signal?.aborted) return Promise.reject(this.#cancelled(member, signal));
    if (Number.isNaN(timeoutMs)) return Promise.reject(notATime("timeoutMs"));
    if (this.#pending.size >= LIMITS.actor.callsInFlight) {
      const limit = LIMITS.actor.callsInFlight;
      return Promise.reject(
        fault("MAILBOX_FULL", { actor: this.#link.callee, limit, unit: "calls in flight" }),
      );
    }
    const correlation = this.#nextCorrelation();
    // A caller inside a scope cannot wait beyond the scope's deadline, and the callee learns of it.
    const nowMs = this.#place.clock.now();
    const waitMs = signal === undefined ? timeoutMs : Math.min(timeoutMs, deadlineOf(signal) - nowMs);
    const deadlineMs = nowMs + waitMs;
    try {
      this.#outbound.offer({ kind: KIND.call, member: index, correlation, deadlineMs, traceparent }, params);
    } catch (refused) {
      return Promise.reject(refused);
    }
    this.#sent();
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
      this.#outbound.offer({ kind: KIND.cast, member: index, correlation: 0, deadlineMs: Infinity }, params);
    } catch (refused) {
      if ((refused as Fault).code === "MAILBOX_FULL") return false;
      throw refused;
    }
    this.#sent();
    return true;
  }

  subscribe(index: number, event: string, { signal, buffer }: SubscribeOptions): EventStream<unknown> {
    const limit = buffer ?? LIMITS.actor.eventBuffer;
    const name = { actor: this.#link.callee, event };
    const correlation = this.#nextCorrelation();
    const stream = new EventStream<unknown>(
      name,
      limit,
      () => {
        if (!this.#streams.delete(correlation) || this.#closed) return;
        this.#outbound.deliver(
          { kind: KIND.unsubscribe, member: index, correlation, deadlineMs: Infinity },
          undefined,
        );
        this.#sent();
      },
      signal,
    );
    if (this.#closed) stream.finish(this.#closed);
    else if (this.#streams.size >= LIMITS.actor.subscriptions) stream.finish(this.#tooMany());
    else if (!signal?.aborted) {
      try {
        // Refused like a call: each may be left at once, and its end must not be refused.
        const message = { kind: KIND.subscribe, member: index, correlation, deadlineMs: Infinity };
        this.#outbound.offer(message, limit);
        this.#streams.set(correlation, stream);
        this.#sent();
      } catch (refused) {
        stream.finish(refused);
      }
    }
    return stream;
  }

  get shared(): SharedArrayBuffer | null {
    return this.#link.shared;
  }

  /** Resolves when at least half of the mailbox is free. */
  writable(signal?: AbortSignal): Promise<void> {
    const cancelled = (): Fault =>
      fault(
        "CANCELLED",
        { what: `waiting for room in the mailbox of ${this.#link.callee}` },
        { cause: signal?.reason },
      );
    if (this.#closed) return Promise.reject(this.#closed);
    if (signal?.aborted) return Promise.reject(cancelled());
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    const withdraw = this.#outbound.onRoom(() => (this.#closed ? reject(this.#closed) : resolve()));
    const onAbort = (): void => {
      withdraw();
      reject(cancelled());
    };
    signal?.addEventListener("abort", onAbort, { once: true });
    return promise.finally(() => signal?.removeEventListener("abort", onAbort));
  }

  /**
   * The callee has died. What it had sent before is still heard: an answer that has arrived is an answer, and the
   * error that it died of is worth more than the news that it is gone. The rest ends like `close`.
   */
  lose(reason: Fault): void {
    if (this.#closed) return;
    while (this.#inbound.ready()) this.#inbound.poll(this.#receive);
    this.close(reason);
  }

  /** Everything under way ends with this. */
  close(reason: Fault): void {
    if (this.#closed) return;
    this.#closed = reason;
    this.#place.poller.remove(this);
    this.#timer?.cancel();
    for (const correlation of [...this.#pending.keys()]) this.#take(correlation)?.reject(reason);
    for (const stream of [...this.#streams.values()]) stream.finish(reason);
    this.#outbound.abandon();
  }

  #sent(): void {
    this.#place.metrics.count(METRICS.messagesSent);
    this.#place.poller.touch(this);
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

  readonly #receive = ({ kind, correlation, payload }: Received): void => {
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
    this.#outbound.deliver({ kind: KIND.cancel, member: 0, correlation, deadlineMs: Infinity }, undefined);
    this.#sent();
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
    const what = `${this.#link.callee}.${member}`;
    this.#abandon(correlation, fault("DEADLINE_EXCEEDED", { what, timeoutMs: waitMs }));
  }

  #cancelled(member: string, signal: AbortSignal): Fault {
    return fault("CANCELLED", { what: `the call ${this.#link.callee}.${member}` }, { cause: signal.reason });
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
