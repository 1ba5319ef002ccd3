import { LIMITS, assert, fault, type Fault } from "../errors/index.ts";
import type { CallerEnd } from "./caller-end.ts";
import { EventStream } from "./event-stream.ts";
import type {
  CallOptions,
  CallsOf,
  CastsOf,
  EventsOf,
  Members,
  Protocol,
  Ref,
  SubscribeOptions,
} from "./protocol.ts";

/**
 * What a ref stands on: the link to the actor's present life, or the reason why there is none. Links come and go
 * with the actor's restarts; the connection, and so the ref, stays.
 */
export class Connection {
  readonly callee: string;
  #link: CallerEnd | undefined;
  #down: Fault;
  #forGood = false;
  #shared: SharedArrayBuffer | null = null;
  #waiters: PromiseWithResolvers<void>[] = [];

  constructor(callee: string) {
    this.callee = callee;
    this.#down = fault("ACTOR_RESTARTING", { actor: callee });
  }

  up(link: CallerEnd): void {
    assert(!this.#forGood, `${this.callee} does not come back after it has been stopped`);
    this.#link?.close(fault("ACTOR_RESTARTING", { actor: this.callee }));
    this.#link = link;
    this.#shared = link.shared;
    for (const waiter of this.#waiters.splice(0)) waiter.resolve();
  }

  /** Has it been told that the actor will not come back? */
  get ended(): boolean {
    return this.#forGood;
  }

  /** Of the life that was up last. */
  get shared(): SharedArrayBuffer | null {
    return this.#shared;
  }

  uses(link: CallerEnd): boolean {
    return this.#link === link;
  }

  /** @param forGood it will not come back */
  down(reason: Fault, forGood = false): void {
    if (this.#forGood) return;
    this.#forGood = forGood;
    this.#down = reason;
    this.#link?.close(reason);
    this.#link = undefined;
    if (forGood) for (const waiter of this.#waiters.splice(0)) waiter.reject(reason);
  }

  call(index: number, member: string, params: unknown, options?: CallOptions): Promise<unknown> {
    return this.#link ? this.#link.call(index, member, params, options) : Promise.reject(this.#down);
  }

  cast(index: number, params: unknown): boolean {
    return this.#link ? this.#link.cast(index, params) : false;
  }

  subscribe(index: number, event: string, options: SubscribeOptions): EventStream<unknown> {
    if (this.#link) return this.#link.subscribe(index, event, options);
    const stream = new EventStream<unknown>(
      { actor: this.callee, event },
      LIMITS.actor.eventBuffer,
      () => undefined,
    );
    stream.finish(this.#down);
    return stream;
  }

  async writable(signal?: AbortSignal): Promise<void> {
    if (!this.#link) await this.#linked(signal);
    await this.#link?.writable(signal);
  }

  async ready(signal?: AbortSignal): Promise<void> {
    for (;;) {
      const link = this.#link;
      if (!link) {
        await this.#linked(signal);
        continue;
      }
      try {
        return await link.up(signal);
      } catch (error) {
        // It has gone meanwhile: the next one will tell.
        if (this.#link === link) throw error;
      }
    }
  }

  /** Resolves when there is a link. */
  async #linked(signal: AbortSignal | undefined): Promise<void> {
    if (this.#forGood) throw this.#down;
    const cancelled = (): Fault =>
      fault("CANCELLED", { what: `waiting for ${this.callee}` }, { cause: signal?.reason });
    if (signal?.aborted) throw cancelled();
    const waiter = Promise.withResolvers<void>();
    const onAbort = (): void => {
      this.#waiters = this.#waiters.filter((each) => each !== waiter);
      waiter.reject(cancelled());
    };
    this.#waiters.push(waiter);
    signal?.addEventListener("abort", onAbort, { once: true });
    try {
      await waiter.promise;
    } finally {
      signal?.removeEventListener("abort", onAbort);
    }
  }
}

/** Builds the ref of a protocol over a connection: plain frozen functions, one per member. */
export function createRef<M extends Members>(protocol: Protocol<M>, connection: Connection): Ref<M> {
  const call: Record<string, unknown> = {};
  const cast: Record<string, unknown> = {};
  const on: Record<string, unknown> = {};
  for (const [index, name] of protocol.order.entries()) {
    const kind = protocol.members[name]?.kind;
    if (kind === "call") {
      call[name] = (params: unknown, options?: CallOptions) => connection.call(index, name, params, options);
    } else if (kind === "cast") {
      cast[name] = (params: unknown) => connection.cast(index, params);
    } else if (kind === "event") {
      on[name] = (options: SubscribeOptions = {}) => connection.subscribe(index, name, options);
    }
  }
  // The keys were taken from the protocol itself; the types say the same about its members.
  return Object.freeze({
    name: connection.callee,
    call: Object.freeze(call) as CallsOf<M>,
    cast: Object.freeze(cast) as CastsOf<M>,
    on: Object.freeze(on) as EventsOf<M>,
    writable: ({ signal }: { signal?: AbortSignal } = {}) => connection.writable(signal),
    ready: ({ signal }: { signal?: AbortSignal } = {}) => connection.ready(signal),
    shared: () => connection.shared,
  });
}
