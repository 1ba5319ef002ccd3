import { fault, type Fault } from "../errors/index.ts";

/**
 * The subscriber's side of an event: a bounded buffer between the link, which pushes, and one loop, which pulls.
 *
 * Ends when the loop is left, its signal aborts, the actor dies (`ACTOR_RESTARTING`, after what had arrived was
 * handed out), or the buffer overflows (`EVENTS_LOST`, likewise). It never skips an event silently.
 */
export class EventStream<T> implements AsyncIterableIterator<T> {
  readonly #limit: number;
  readonly #lost: () => Fault;
  #buffer: T[] = [];
  #end: { readonly error?: unknown } | undefined;
  #waiter: PromiseWithResolvers<IteratorResult<T>> | undefined;
  #unsubscribe: (() => void) | undefined;

  constructor(name: { actor: string; event: string }, limit: number, unsubscribe: () => void, signal?: AbortSignal) {
    this.#limit = limit;
    this.#lost = () => fault("EVENTS_LOST", { ...name, limit });
    const leave = (): void => this.#leave();
    signal?.addEventListener("abort", leave, { once: true });
    this.#unsubscribe = () => {
      signal?.removeEventListener("abort", leave);
      unsubscribe();
    };
    if (signal?.aborted) leave();
  }

  push(value: T): void {
    if (this.#end) return;
    if (this.#waiter) {
      this.#waiter.resolve({ value, done: false });
      this.#waiter = undefined;
    } else if (this.#buffer.length >= this.#limit) {
      this.finish(this.#lost());
    } else {
      this.#buffer.push(value);
    }
  }

  /** No more will come; what is buffered is still handed out. */
  finish(error?: unknown): void {
    if (this.#end) return;
    this.#end = error === undefined ? {} : { error };
    this.#unsubscribe?.();
    this.#unsubscribe = undefined;
    if (!this.#waiter) return;
    if (error === undefined) this.#waiter.resolve({ value: undefined, done: true });
    else this.#waiter.reject(error);
    this.#waiter = undefined;
  }

  async next(): Promise<IteratorResult<T>> {
    const value = this.#buffer.shift();
    if (value !== undefined) return { value, done: false };
    if (this.#end) {
      const { error } = this.#end;
      // An iterator that has failed is done, like a generator that has thrown.
      this.#end = {};
      if (error !== undefined) throw error;
      return { value: undefined, done: true };
    }
    this.#waiter ??= Promise.withResolvers();
    return this.#waiter.promise;
  }

  async return(): Promise<IteratorResult<T>> {
    this.#leave();
    return { value: undefined, done: true };
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#leave();
  }

  #leave(): void {
    this.#buffer = [];
    this.finish();
  }
}
