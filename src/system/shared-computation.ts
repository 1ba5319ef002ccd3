import type { RefOf } from "../actor/index.ts";
import type { Cache, CacheClaim } from "../cache/cache.protocol.ts";
import { packValue, unpackValue } from "../codec/index.ts";
import { LIMITS, fromWireError, isFault, toWireError, type WireError } from "../errors/index.ts";
import type { Clock, Timer } from "../scope/index.ts";
import { throughRestarts } from "./through-restarts.ts";
import { withdrawn } from "./withdrawal.ts";

/** What to compute, and how its result is to be kept. */
export interface Computation {
  readonly key: string;
  readonly compute: (context: { readonly signal: AbortSignal }) => unknown;
  readonly ttlMs: number;
  readonly tags: readonly string[];
  readonly staleMs: number;
  readonly negativeTtlMs: number;
}

export interface ComputationServices {
  readonly cache: RefOf<typeof Cache>;
  readonly clock: Clock;
  /** The door closes. */
  readonly closing: AbortSignal;
  /** Makes young the large values that a packed value refers to. */
  touch(value: Uint8Array): Promise<void>;
}

/** What its callers get: the packed value. The claim tells where it is from. */
export type Landed = Extract<CacheClaim, { kind: "value" | "computed" | "stale" }>;

/** Three chances to be heard within one lease. */
const RENEW_MS = LIMITS.cache.leaseMs / 3;

/**
 * One thread's part in the computation of one key: it asks the cache who computes, waits or does it, and is shared by
 * all callers of this thread.
 *
 * When the last of its callers is gone it stops waiting; what it computes itself goes on as long as callers of other
 * threads wait for it.
 */
export class SharedComputation {
  readonly #what: Computation;
  readonly #services: ComputationServices;
  readonly #result = Promise.withResolvers<Landed>();
  /** Nobody here waits any more. */
  readonly #left = new AbortController();
  /** Nobody anywhere does. */
  readonly #unwanted = new AbortController();
  /** The computation has ended, one way or another. */
  readonly #ended = new AbortController();
  #callers = 0;
  #isSettled = false;
  #token: string | undefined;

  constructor(what: Computation, services: ComputationServices) {
    this.#what = what;
    this.#services = services;
    // Each caller hears of it by its own wait.
    this.#result.promise.catch(() => undefined);
  }

  /** Resolves when nothing of it goes on any more; never rejects. */
  async run(onSettled: () => void): Promise<void> {
    const settle = (end: () => void): void => {
      if (!this.#isSettled) onSettled();
      this.#isSettled = true;
      end();
    };
    try {
      const claim = await this.#claim();
      if (claim.kind === "failure") throw fromWireError(unpackValue(claim.error) as WireError);
      if (claim.kind !== "compute") settle(() => this.#result.resolve(claim));
      const token = "token" in claim ? claim.token : null;
      if (token !== null) {
        const landed = await this.#compute(token);
        settle(() => this.#result.resolve(landed));
      }
    } catch (error) {
      // Of a value that is computed anew, nobody waits for the end.
      settle(() => this.#result.reject(error));
    } finally {
      this.#ended.abort();
    }
  }

  /** @throws what computing threw; CANCELLED, by this caller's signal alone */
  async wait(signal: AbortSignal | undefined): Promise<Landed> {
    this.#callers += 1;
    if (signal === undefined) return this.#result.promise;
    const givenUp = Promise.withResolvers<never>();
    const onAbort = (): void => {
      givenUp.reject(withdrawn(`the cached value "${this.#what.key}"`, signal));
      this.#callers -= 1;
      if (this.#callers === 0 && !this.#isSettled) this.#leave();
    };
    signal.addEventListener("abort", onAbort, { once: true });
    try {
      return await Promise.race([this.#result.promise, givenUp.promise]);
    } finally {
      signal.removeEventListener("abort", onAbort);
    }
  }

  /** May another caller join it? */
  get isWanted(): boolean {
    return !this.#left.signal.aborted;
  }

  #leave(): void {
    this.#left.abort();
    const { cache } = this.#services;
    const token = this.#token;
    if (token === undefined) return;
    // Ends at the latest with the computation: the cache answers then.
    cache.call.desert({ token }, { signal: this.#ended.signal, timeoutMs: Infinity }).then(
      ({ abandoned }) => abandoned && this.#unwanted.abort(),
      () => undefined,
    );
  }

  #claim(): Promise<CacheClaim> {
    const { cache, closing } = this.#services;
    const { key, tags, staleMs, negativeTtlMs } = this.#what;
    const claim = { key, tags, stale: staleMs > 0, negative: negativeTtlMs > 0 };
    const signal = AbortSignal.any([this.#left.signal, closing]);
    return throughRestarts(cache, () => cache.call.claim(claim, { signal, timeoutMs: Infinity }), signal);
  }

  async #compute(token: string): Promise<Landed> {
    const { clock, closing } = this.#services;
    const { compute, ttlMs } = this.#what;
    this.#token = token;
    if (this.#left.signal.aborted) this.#leave();
    let renewal: Timer | undefined;
    const renew = (): void => {
      renewal = clock.at(clock.now() + RENEW_MS, () => {
        void this.#tell((call) => call.renew({ token }));
        renew();
      });
    };
    renew();
    try {
      const signal = AbortSignal.any([this.#unwanted.signal, closing]);
      const value = packValue(await compute({ signal }));
      await this.#settle(token, value);
      const storedAtMs = clock.wallNow();
      return { kind: "computed", value, storedAtMs, expiresAtMs: storedAtMs + ttlMs };
    } catch (error) {
      await this.#tell((call) => {
        // Its end says nothing of the value.
        if (closing.aborted) return call.release({ token });
        const { negativeTtlMs, tags } = this.#what;
        const isKept = !isFault(error, "CANCELLED");
        const failure = packValue(toWireError(error));
        return call.fail({ token, error: failure, ttlMs: isKept ? negativeTtlMs : 0, tags });
      });
      throw error;
    } finally {
      renewal?.cancel();
    }
  }

  #settle(token: string, value: Uint8Array): Promise<void> {
    const { ttlMs, tags, staleMs } = this.#what;
    return this.#tell(async (call) => {
      await this.#services.touch(value);
      await call.settle({ token, value, ttlMs, tags, staleMs });
    });
  }

  /** A cache that is down, full or slow is no reason for who has computed a value not to get it. */
  async #tell(ask: (call: RefOf<typeof Cache>["call"]) => Promise<unknown>): Promise<void> {
    try {
      await ask(this.#services.cache.call);
    } catch (error) {
      if (!isFault(error)) throw error;
    }
  }
}
