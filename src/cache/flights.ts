import { LIMITS, assert, fault } from "../errors/index.ts";
import type { Clock, Timer } from "../scope/index.ts";

/** How a computation ended, told to all who waited for it. */
export type Outcome =
  | {
      readonly kind: "computed";
      readonly value: Uint8Array;
      readonly storedAtMs: number;
      readonly expiresAtMs: number;
    }
  | { readonly kind: "failure"; readonly error: Uint8Array };

/** What a waiter gets: the outcome, or the computation itself because whoever had it is gone. */
export type Landing = Outcome | { readonly kind: "compute"; readonly token: string };

interface Flight {
  readonly key: string;
  readonly tags: readonly string[];
  /** Rises with each change of hands; the fencing token. */
  token: string;
  readonly waiters: Set<(landing: Landing) => void>;
  /** Set when nobody on the computing side waits any more: told when nobody else does either. */
  deserted: ((abandoned: boolean) => void) | undefined;
  /** What it computes was invalidated or replaced meanwhile: it is for those who wait, and not for the cache. */
  isVoid: boolean;
  leaseEndsMs: number;
}

/**
 * Who computes what: at most one computation per key has the right to fill the cache, held as a lease with a fencing
 * token. Whoever holds it says now and then that it goes on; one that falls silent loses it to the next who waits, and
 * its late result changes nothing.
 *
 * A change of the key while it is computed takes the right away, since the result may come from before the change:
 * those who waited get it, those who come later have it computed anew.
 *
 * @see Nishtala et al.: "Scaling Memcache at Facebook" (NSDI 2013), 3.2.1 leases
 */
export class Flights {
  readonly #clock: Clock;
  readonly #epoch: number;
  /** In the order in which their leases end, since all are equally long: a renewed one goes to the end. */
  readonly #byToken = new Map<string, Flight>();
  /** Those that new callers join. */
  readonly #byKey = new Map<string, Flight>();
  /** For the lease that ends first; a renewed one makes it fire in vain. */
  #timer: Timer | undefined;
  #tokens = 0;
  #waits = 0;

  /** @param epoch of the actor's life: tokens of an earlier one are known to be none of this */
  constructor(clock: Clock, epoch: number) {
    this.#clock = clock;
    this.#epoch = epoch;
  }

  has(key: string): boolean {
    return this.#byKey.has(key);
  }

  get size(): number {
    return this.#byToken.size;
  }

  /** The computation is the caller's; `key` has none. @throws MAILBOX_FULL */
  begin(key: string, tags: readonly string[]): string {
    const limit = LIMITS.cache.computations;
    if (this.#byToken.size >= limit)
      throw fault("MAILBOX_FULL", { actor: "cache", limit, unit: "calls in flight" });
    const token = this.#nextToken();
    const flight: Flight = {
      key,
      tags,
      token,
      waiters: new Set(),
      deserted: undefined,
      isVoid: false,
      leaseEndsMs: 0,
    };
    this.#lease(flight);
    this.#byKey.set(key, flight);
    return token;
  }

  /** Waits for the computation of `key`, which has one. @throws MAILBOX_FULL, CANCELLED */
  join(key: string, signal: AbortSignal): Promise<Landing> {
    const flight = this.#byKey.get(key);
    assert(flight !== undefined, `nobody computes ${key}`);
    const limit = LIMITS.cache.waits;
    if (this.#waits >= limit) throw fault("MAILBOX_FULL", { actor: "cache", limit, unit: "calls in flight" });
    const { promise, resolve, reject } = Promise.withResolvers<Landing>();
    this.#waits += 1;
    const leave = (): void => {
      this.#waits -= 1;
      flight.waiters.delete(land);
      signal.removeEventListener("abort", onAbort);
    };
    const land = (landing: Landing): void => {
      leave();
      resolve(landing);
    };
    const onAbort = (): void => {
      leave();
      reject(fault("CANCELLED", { what: `waiting for ${key}` }, { cause: signal.reason }));
      if (flight.waiters.size === 0) this.#abandon(flight);
    };
    if (signal.aborted) onAbort();
    else {
      flight.waiters.add(land);
      signal.addEventListener("abort", onAbort, { once: true });
    }
    return promise;
  }

  /** The computation goes on. False: it was given to another, or is not wanted any more. */
  renew(token: string): boolean {
    const flight = this.#byToken.get(token);
    if (flight === undefined) return false;
    this.#lease(flight);
    return true;
  }

  /** Whoever computed stops without an outcome: the one who has waited longest takes its place. */
  release(token: string): void {
    const flight = this.#byToken.get(token);
    if (flight !== undefined) this.#passOn(flight);
  }

  /** Nobody on the computing side waits. Resolves to true when nobody else does either, and then it is over. */
  desert(token: string): Promise<boolean> {
    const flight = this.#byToken.get(token);
    if (flight === undefined) return Promise.resolve(false);
    const { promise, resolve } = Promise.withResolvers<boolean>();
    flight.deserted = resolve;
    if (flight.waiters.size === 0) this.#abandon(flight);
    return promise;
  }

  /**
   * Ends a computation and tells those who wait. The flight, for its key and its right to fill the cache; undefined
   * when the token is old.
   */
  land(token: string, outcome: Outcome): { readonly key: string; readonly mayFill: boolean } | undefined {
    const flight = this.#byToken.get(token);
    if (flight === undefined) return undefined;
    this.#end(flight);
    for (const land of [...flight.waiters]) land(outcome);
    flight.deserted?.(false);
    return { key: flight.key, mayFill: !flight.isVoid };
  }

  /** What was computed until now may be from before a change. */
  invalidate(isChanged: (key: string, tags: readonly string[]) => boolean): void {
    for (const flight of [...this.#byKey.values()])
      if (isChanged(flight.key, flight.tags)) this.#void(flight);
  }

  /** The same for one key. */
  invalidateKey(key: string): void {
    const flight = this.#byKey.get(key);
    if (flight !== undefined) this.#void(flight);
  }

  /** The actor ends: timers go, and who waits learns of it from the end of the link. */
  close(): void {
    this.#timer?.cancel();
  }

  #void(flight: Flight): void {
    flight.isVoid = true;
    this.#byKey.delete(flight.key);
  }

  #lease(flight: Flight): void {
    flight.leaseEndsMs = this.#clock.now() + LIMITS.cache.leaseMs;
    this.#byToken.delete(flight.token);
    this.#byToken.set(flight.token, flight);
    if (this.#timer === undefined) this.#arm(flight);
  }

  #arm({ leaseEndsMs }: Flight): void {
    this.#timer = this.#clock.at(leaseEndsMs, () => {
      this.#timer = undefined;
      for (const flight of this.#byToken.values()) {
        if (flight.leaseEndsMs > this.#clock.now()) {
          // Whoever was given a new lease has set it already.
          if (this.#timer === undefined) this.#arm(flight);
          return;
        }
        this.#passOn(flight);
      }
    });
  }

  /** Whoever computed is gone, hangs, or stops: the one who has waited longest takes its place. */
  #passOn(flight: Flight): void {
    flight.deserted?.(false);
    flight.deserted = undefined;
    const [next] = flight.waiters;
    if (next === undefined) return this.#end(flight);
    this.#byToken.delete(flight.token);
    flight.token = this.#nextToken();
    this.#lease(flight);
    next({ kind: "compute", token: flight.token });
  }

  #abandon(flight: Flight): void {
    if (flight.deserted === undefined || this.#byToken.get(flight.token) !== flight) return;
    this.#end(flight);
    flight.deserted(true);
  }

  #end(flight: Flight): void {
    this.#byToken.delete(flight.token);
    if (this.#byToken.size === 0) {
      this.#timer?.cancel();
      this.#timer = undefined;
    }
    if (this.#byKey.get(flight.key) === flight) this.#byKey.delete(flight.key);
  }

  #nextToken(): string {
    return `${this.#epoch}.${++this.#tokens}`;
  }
}
