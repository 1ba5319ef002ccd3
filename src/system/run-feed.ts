import { EventStream } from "../actor/index.ts";
import { LIMITS } from "../errors/index.ts";
import type { RunEvent } from "../workflow/workflow.protocol.ts";

/** Events that may wait while the program computes: they are those of all runs together. */
const BUFFER = 16_384;

/** Subscribes to an event of the scheduler. */
export type Subscribe<E> = (options: {
  readonly signal: AbortSignal;
  readonly buffer: number;
}) => AsyncIterable<E>;

/**
 * What happens in runs, for any number of watchers, over one subscription to the scheduler. It stands from the first
 * watcher to the last: with one for each, every event would be sent as often as there are runs, and a program could
 * have no more runs than an actor takes subscriptions.
 */
export class RunFeed<E extends RunEvent = RunEvent> {
  readonly #event: string;
  readonly #subscribe: Subscribe<E>;
  readonly #watchers = new Map<string, Set<EventStream<E>>>();
  /** Ends the subscription; undefined = there is none. */
  #subscription: AbortController | undefined;

  /** @param event name of the event that `subscribe` subscribes to */
  constructor(event: string, subscribe: Subscribe<E>) {
    this.#event = event;
    this.#subscribe = subscribe;
  }

  /**
   * The events of one run from now on: what is sent to the scheduler after this call is answered after the stream
   * stands. Ends as every event stream does, and with the subscription: then all watchers are told at once.
   */
  watch(workflowId: string, signal: AbortSignal): EventStream<E> {
    const name = { actor: "scheduler", event: this.#event };
    // With a signal that has aborted the stream ends before it is made, and nobody has to leave.
    let leave = (): void => undefined;
    const watcher: EventStream<E> = new EventStream(name, LIMITS.actor.eventBuffer, () => leave(), signal);
    if (signal.aborted) return watcher;
    leave = () => this.#leave(workflowId, watcher);
    const others = this.#watchers.get(workflowId);
    if (others) others.add(watcher);
    else this.#watchers.set(workflowId, new Set([watcher]));
    if (this.#subscription === undefined) void this.#follow();
    return watcher;
  }

  async #follow(): Promise<void> {
    const subscription = new AbortController();
    this.#subscription = subscription;
    let end: unknown;
    try {
      const events = this.#subscribe({ signal: subscription.signal, buffer: BUFFER });
      for await (const event of events) {
        for (const watcher of this.#watchers.get(event.workflowId) ?? []) watcher.push(event);
      }
    } catch (error) {
      end = error;
    }
    // When the last watcher has left, whoever came since has a subscription of their own.
    if (this.#subscription !== subscription) return;
    this.#subscription = undefined;
    const all = [...this.#watchers.values()].flatMap((watchers) => [...watchers]);
    this.#watchers.clear();
    for (const watcher of all) watcher.finish(end);
  }

  #leave(workflowId: string, watcher: EventStream<E>): void {
    const watchers = this.#watchers.get(workflowId);
    watchers?.delete(watcher);
    if (watchers?.size === 0) this.#watchers.delete(workflowId);
    if (this.#watchers.size > 0 || this.#subscription === undefined) return;
    this.#subscription.abort();
    this.#subscription = undefined;
  }
}
