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
  /** Reads that found nothing, first come first served: an iterator may be asked again before it has answered. */
  #readers: PromiseWithResolvers<IteratorResult<T>>[] = [];
  #unsubscribe: (() => void) | undefined;

  constructor(
    name: { actor: string; event: string },
    limit: number,
    unsubscribe: () => void,
    signal?: AbortSignal,
  ) {
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
    const reader = this.#readers.shift();
    if (reader) reader.resolve({ value, done: false });
    else if (this.#buffer.length >= this.#limit) this.finish(this.#lost());
    else this.#buffer.push(value);
  }

  /** No more will come; what is buffered is still handed out. */
  finish(error?: unknown): void {
    if (this.#end) return;
    this.#end = error === undefined ? {} : { error };
    this.#unsubscribe?.();
    this.#unsubscribe = undefined;
    const readers = this.#readers.splice(0);
    if (error !== undefined && readers.length > 0) {
      // The first of them has heard the error, and nobody hears it twice.
      readers.shift()?.reject(error);
      this.#end = {};
    }
    for (const reader of readers) reader.resolve({ value: undefined, done: true });
  }

  async next(): Promise<IteratorResult<T>> {
    // Asked by length: an event without a payload is an event.
    if (this.#buffer.length > 0) return { value: this.#buffer.shift() as T, done: false };
    if (this.#end) {
      const { error } = this.#end;
      // An iterator that has failed is done, like a generator that has thrown.
      this.#end = {};
      if (error !== undefined) throw error as Error;
      return { value: undefined, done: true };
    }
    const reader = Promise.withResolvers<IteratorResult<T>>();
    this.#readers.push(reader);
    return reader.promise;
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
