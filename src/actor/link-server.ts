import { KIND, type Kind } from "../codec/index.ts";
import { LIMITS, assert, fault, isCancellation, isFault, toWireError } from "../errors/index.ts";
import type { Bell, Source } from "../ring/index.ts";
import type { Timer } from "../scope/index.ts";
import { METRICS } from "../telemetry/index.ts";
import { Inbound, type Received } from "./inbound.ts";
import type { Link } from "./link.ts";
import type { Place } from "./link-client.ts";
import { Outbound } from "./outbound.ts";
import type { MessageContext } from "./protocol.ts";

/** What the links of an actor need from it. */
export interface Callee extends Place {
  /** By member number; undefined for events and init. */
  readonly handlers: readonly (((params: unknown, context: MessageContext) => unknown) | undefined)[];
  readonly memberNames: readonly string[];
  /** A handler threw something that is not a fault: the actor's state is in doubt. */
  readonly crash: (defect: unknown) => void;
}

/** In place of a call's correlation, which is never 0. */
const NOBODY = 0;

interface Subscriber {
  readonly correlation: number;
  readonly limit: number;
}

/** The callee's end of a link: runs handlers, sends replies, and sends events to this caller's subscriptions. */
export class LinkServer implements Source {
  readonly expecting = false;
  readonly #link: Link;
  readonly #callee: Callee;
  readonly #inbound: Inbound;
  readonly #outbound: Outbound;
  readonly #inFlight = new Map<number, HandlerContext>();
  readonly #subscribers = new Map<number, Subscriber[]>();
  #closed = false;

  constructor(link: Link, callee: Callee, callerBell: Bell) {
    this.#link = link;
    this.#callee = callee;
    this.#inbound = new Inbound(link.requests, callerBell, callee.metrics);
    this.#outbound = new Outbound({
      ring: link.replies,
      bell: callerBell,
      callee: link.caller,
      messagesMax: LIMITS.actor.callsInFlight,
      metrics: callee.metrics,
    });
    callee.poller.add(this);
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

  /** To every subscription of this caller; costs one look-up when there is none. */
  emit(member: number, payload: unknown): void {
    const subscribers = this.#subscribers.get(member);
    if (subscribers === undefined) return;
    for (const subscriber of subscribers) {
      if (this.#outbound.queued < subscriber.limit)
        this.#send(KIND.event, subscriber.correlation, payload, member);
      else this.#lose(member, subscriber);
    }
  }

  /** The caller is gone, or the actor stops: handlers under way see their signal, and nothing more is sent. */
  close(why: string): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#callee.poller.remove(this);
    this.#subscribers.clear();
    for (const context of this.#inFlight.values())
      context.abort(fault("CANCELLED", { what: "the call", reason: why }));
    this.#inFlight.clear();
  }

  readonly #receive = (received: Received): void => {
    // A handler earlier in this batch may have ended the actor.
    if (this.#closed) return;
    const { kind, member, correlation, payload } = received;
    if (kind === KIND.call || kind === KIND.cast) this.#handle(received);
    else if (kind === KIND.cancel) this.#cancel(correlation);
    else if (kind === KIND.subscribe) this.#subscribe(member, { correlation, limit: payload as number });
    else if (kind === KIND.unsubscribe) this.#unsubscribe(member, correlation);
  };

  #handle({ kind, member, correlation, payload, deadlineMs, traceparent }: Received): void {
    const handler = this.#callee.handlers[member];
    assert(handler, `member ${member} of ${this.#link.callee} takes messages`);
    const context = new HandlerContext(this.#callee, this.#link.caller, deadlineMs, traceparent);
    const wantsReply = kind === KIND.call;
    let result: unknown;
    try {
      result = handler(payload, context);
    } catch (error) {
      this.#failed(error, context, kind, wantsReply ? correlation : NOBODY);
      return;
    }
    if (!(result instanceof Promise)) {
      if (wantsReply) this.#send(KIND.reply, correlation, result, member);
      context.end();
      return;
    }
    // A cast has no correlation, so nobody can cancel it.
    if (wantsReply) this.#inFlight.set(correlation, context);
    result.then(
      (value: unknown) => {
        if (wantsReply && this.#settle(correlation, context))
          this.#send(KIND.reply, correlation, value, member);
        context.end();
      },
      (error: unknown) => {
        const waits = wantsReply && this.#settle(correlation, context);
        this.#failed(error, context, kind, waits ? correlation : NOBODY);
      },
    );
  }

  /** @param correlation of the call that waits for this error, or `NOBODY` */
  #failed(error: unknown, context: HandlerContext, kind: Kind, correlation: number): void {
    // The deadline of a call is its caller's to report: it has the same clock, and knows what it asked for.
    const late = context.aborted && error === context.signal.reason;
    if (correlation !== NOBODY && !late) this.#send(KIND.fail, correlation, toWireError(error));
    // The echo of a cancellation that the handler let through is no defect.
    const echo = context.aborted && !isFault(error) && error instanceof Error && error.name === "AbortError";
    context.end();
    if (isFault(error) || echo) {
      // No caller hears of a cast that failed, so it must at least be seen in the count.
      if (kind === KIND.cast && !isCancellation(error)) this.#callee.metrics.count(METRICS.castsFailed);
      return;
    }
    this.#outbound.flush();
    this.#callee.crash(error);
  }

  /** False when nobody waits for this reply any more. */
  #settle(correlation: number, context: HandlerContext): boolean {
    if (this.#inFlight.get(correlation) !== context) return false;
    return this.#inFlight.delete(correlation);
  }

  #cancel(correlation: number): void {
    const context = this.#inFlight.get(correlation);
    if (!context) return; // it had answered already
    this.#inFlight.delete(correlation);
    context.abort(fault("CANCELLED", { what: "the call", reason: `${this.#link.caller} no longer waits` }));
  }

  #subscribe(member: number, subscriber: Subscriber): void {
    const others = this.#subscribers.get(member) ?? [];
    this.#subscribers.set(member, [...others, subscriber]);
  }

  #unsubscribe(member: number, correlation: number): void {
    const left = (this.#subscribers.get(member) ?? []).filter((each) => each.correlation !== correlation);
    if (left.length > 0) this.#subscribers.set(member, left);
    else this.#subscribers.delete(member);
  }

  #lose(member: number, { correlation, limit }: Subscriber): void {
    this.#callee.metrics.count(METRICS.eventsLost);
    this.#unsubscribe(member, correlation);
    const event = this.#callee.memberNames[member] ?? "";
    const lost = fault("EVENTS_LOST", { actor: this.#link.callee, event, limit });
    this.#send(KIND.end, correlation, toWireError(lost));
  }

  #send(kind: Kind, correlation: number, payload: unknown, member = 0): void {
    if (this.#closed) return;
    try {
      this.#outbound.deliver({ kind, member, correlation, deadlineMs: Infinity }, payload);
    } catch (error) {
      // The answer itself cannot be sent (too large, or no wire value): that is what the caller must learn.
      assert(
        kind === KIND.reply && isFault(error),
        `a message of kind ${kind} can be sent: ${String(error)}`,
      );
      this.#outbound.deliver(
        { kind: KIND.fail, member, correlation, deadlineMs: Infinity },
        toWireError(error),
      );
    }
    this.#callee.poller.touch(this);
  }
}

/** Made for every message, so it makes its signal and its timer only when a handler asks for them. */
class HandlerContext implements MessageContext {
  readonly caller: string;
  readonly deadlineMs: number;
  readonly traceparent: string | undefined;
  readonly #place: Place;
  #controller: AbortController | undefined;
  #timer: Timer | undefined;
  #reason: unknown;

  constructor(place: Place, caller: string, deadlineMs: number, traceparent: string | undefined) {
    this.#place = place;
    this.caller = caller;
    this.deadlineMs = deadlineMs;
    this.traceparent = traceparent;
  }

  get aborted(): boolean {
    return this.#reason !== undefined;
  }

  get signal(): AbortSignal {
    if (!this.#controller) {
      this.#controller = new AbortController();
      if (this.#reason !== undefined) this.#controller.abort(this.#reason);
      else if (this.deadlineMs < Infinity) {
        const startMs = this.#place.clock.now();
        this.#timer = this.#place.clock.at(this.deadlineMs, () =>
          this.abort(fault("DEADLINE_EXCEEDED", { what: "the call", timeoutMs: this.deadlineMs - startMs })),
        );
      }
    }
    return this.#controller.signal;
  }

  abort(reason: unknown): void {
    this.#reason ??= reason;
    this.#timer?.cancel();
    this.#controller?.abort(reason);
  }

  end(): void {
    this.#timer?.cancel();
  }
}
