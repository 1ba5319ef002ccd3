import { EventStream } from "../../../src/actor/event-stream.ts";
import type { CallOptions, SubscribeOptions } from "../../../src/actor/index.ts";
import { fault, isFault, type Fault } from "../../../src/errors/index.ts";
import type { Scheduler } from "../../../src/scope/index.ts";

/**
 * The way to an actor that a test plays itself: calls arrive and are answered in turns of their own, so that it can
 * die before a call has arrived, after it was carried out, or after it was answered.
 */
export class FakeLink {
  readonly name: string;
  readonly #turns: Scheduler;
  #life = 1;
  #isUp = true;
  #stopped = false;
  readonly #inFlight = new Set<(why: Fault) => void>();
  /** Calls that have not arrived, in the order in which they were sent. */
  readonly #underWay = new Set<() => void>();
  readonly #streams = new Map<string, Set<EventStream<unknown>>>();
  #waiting: PromiseWithResolvers<void>[] = [];
  /** Faults that the next calls of a member get instead of an answer. */
  readonly refusals: { member: string; error: Error }[] = [];
  /** Calls of each member so far. */
  readonly calls = new Map<string, number>();

  constructor(name: string, turns: Scheduler) {
    this.name = name;
    this.#turns = turns;
  }

  get isUp(): boolean {
    return this.#isUp;
  }

  kill(): void {
    this.#isUp = false;
    this.#life += 1;
    this.#underWay.clear();
    this.#end(fault("ACTOR_RESTARTING", { actor: this.name }));
  }

  revive(): void {
    this.#isUp = true;
    for (const waiter of this.#waiting.splice(0)) waiter.resolve();
  }

  /** For good. */
  stop(): void {
    this.#isUp = false;
    this.#stopped = true;
    const why = fault("ACTOR_STOPPED", { actor: this.name });
    for (const waiter of this.#waiting.splice(0)) waiter.reject(why);
    this.#end(why);
  }

  #end(why: Fault): void {
    for (const reject of [...this.#inFlight]) reject(why);
    for (const streams of this.#streams.values()) for (const stream of [...streams]) stream.finish(why);
  }

  emit(event: string, value: unknown): void {
    for (const stream of this.#streams.get(event) ?? []) stream.push(structuredClone(value));
  }

  /** The streams end as they do when their reader is too slow. */
  loseEvents(event: string): void {
    const why = fault("EVENTS_LOST", { actor: this.name, event, limit: 1 });
    for (const stream of [...(this.#streams.get(event) ?? [])]) stream.finish(why);
  }

  member<P, R>(member: string, handle: (params: P) => R): (params: P, options?: CallOptions) => Promise<R> {
    return (params, { signal } = {}) => this.#call(member, () => handle(structuredClone(params)), signal);
  }

  #call<R>(member: string, handle: () => R, signal: AbortSignal | undefined): Promise<R> {
    this.calls.set(member, (this.calls.get(member) ?? 0) + 1);
    if (!this.#isUp) {
      const why = this.#stopped ? "ACTOR_STOPPED" : "ACTOR_RESTARTING";
      return Promise.reject(fault(why, { actor: this.name }));
    }
    const refusal = this.refusals.findIndex((each) => each.member === member);
    const [refused] = refusal < 0 ? [] : this.refusals.splice(refusal, 1);
    if (isFault(refused?.error, "MAILBOX_FULL")) return Promise.reject(refused.error);
    const { promise, resolve, reject } = Promise.withResolvers<R>();
    const end = (why: Fault): void => {
      this.#inFlight.delete(end);
      reject(why);
    };
    this.#inFlight.add(end);
    signal?.addEventListener("abort", () => end(fault("CANCELLED", { what: member })), { once: true });
    const life = this.#life;
    const arrive = (): void => {
      if (life !== this.#life || !this.#underWay.delete(arrive)) return;
      const answer = refused ? () => end(refused.error as Fault) : this.#answerOf(handle, resolve, reject);
      this.#turns.schedule(() => {
        if (life !== this.#life) return;
        this.#inFlight.delete(end);
        answer();
      });
    };
    this.#underWay.add(arrive);
    this.#turns.schedule(arrive);
    return promise;
  }

  /**
   * The caller has died. The supervisor gives its next life a new link when it has closed the old one: what had been
   * sent has arrived by then, or never will.
   *
   * @param share of what was under way that arrives, from 0 to below 1
   */
  hangUp(share: number): void {
    const sent = [...this.#underWay];
    for (const arrive of sent.slice(0, Math.floor(share * (sent.length + 1)))) arrive();
    this.#underWay.clear();
  }

  #answerOf<R>(handle: () => R, resolve: (value: R) => void, reject: (why: unknown) => void): () => void {
    try {
      const value = structuredClone(handle());
      return () => resolve(value);
    } catch (error) {
      return () => reject(error);
    }
  }

  subscribe<T>(event: string, { signal, buffer = 1_024 }: SubscribeOptions = {}): EventStream<T> {
    const streams = this.#streams.get(event) ?? new Set();
    this.#streams.set(event, streams);
    const stream = new EventStream<T>(
      { actor: this.name, event },
      buffer,
      () => streams.delete(stream as EventStream<unknown>),
      signal,
    );
    if (!this.#isUp) stream.finish(fault("ACTOR_RESTARTING", { actor: this.name }));
    else if (!signal?.aborted) streams.add(stream as EventStream<unknown>);
    return stream;
  }

  readonly ready = ({ signal }: { signal?: AbortSignal } = {}): Promise<void> => {
    if (this.#isUp) return Promise.resolve();
    if (this.#stopped) return Promise.reject(fault("ACTOR_STOPPED", { actor: this.name }));
    const waiter = Promise.withResolvers<void>();
    signal?.addEventListener("abort", () => waiter.reject(fault("CANCELLED", { what: "waiting" })), {
      once: true,
    });
    this.#waiting.push(waiter);
    return waiter.promise;
  };
}
