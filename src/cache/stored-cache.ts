import { isAbsolute } from "node:path";
import type { ActorContext, InitOf } from "../actor/index.ts";
import { isFault } from "../errors/index.ts";
import { invalidArgument } from "../schema/index.ts";
import type { LookPlace } from "../store/index.ts";
import { METRICS } from "../telemetry/index.ts";
import { beginAnew, openEra, type Era } from "./cache-era.ts";
import {
  checkKey,
  checkTags,
  isExpired,
  type Accepted,
  type CacheChange,
  type CacheEntry,
  type EntryOptions,
} from "./cache.core.ts";
import type { Cache, CacheClaim, CacheLookup, CacheSelection, CacheStats } from "./cache.protocol.ts";
import { checkedSelection } from "./checked-selection.ts";
import { ExpiryTimer } from "./expiry-timer.ts";
import { Flights } from "./flights.ts";
import { Generation } from "./generation.ts";

type Context = ActorContext<typeof Cache.members>;
type Init = InitOf<typeof Cache.members>;

/** Expired entries that leave before other messages get their turn. */
export const EXPIRED_PER_SLICE = 256;
/** Keys that a pattern is held against before other messages get their turn. */
export const KEYS_PER_SLICE = 1_000;

const MISS: CacheLookup = Object.freeze({ hit: false });

/** An entry and its value. */
interface Found {
  readonly entry: CacheEntry;
  readonly value: Uint8Array;
}

/**
 * Joins the core, the file and the clock. The core decides at once; a caller is answered when the file has followed,
 * and when the file refuses, the decision is taken back.
 *
 * A cache must never be what stops a system: a file that is damaged is set aside and a new one begun, and if even
 * that fails, the cache goes on in memory.
 */
export class StoredCache {
  readonly #context: Context;
  readonly #init: Init;
  readonly #generation: Generation;
  readonly flights: Flights;
  #era: Era;
  /** While the damaged file is being replaced; calls wait for it. */
  #replacing: Promise<void> | undefined;
  #filesSetAside = 0;
  #computations = 0;
  #joined = 0;
  readonly #expiry: ExpiryTimer;

  /** @throws what opening a store throws, but STORE_CORRUPT */
  static async open(context: Context, init: Init): Promise<StoredCache> {
    try {
      return new StoredCache(context, init, await openEra(context, init));
    } catch (error) {
      if (!isFault(error, "STORE_CORRUPT")) throw error;
      return new StoredCache(context, init, await beginAnew(context, init, error), 1);
    }
  }

  private constructor(context: Context, init: Init, era: Era, filesSetAside = 0) {
    this.#context = context;
    this.#init = init;
    this.#era = era;
    this.#filesSetAside = filesSetAside;
    this.#generation = new Generation(context.shared ?? Generation.create());
    this.flights = new Flights(context.clock, context.epoch);
    this.#expiry = new ExpiryTimer(context, {
      nextMs: () => this.#era.core.nextExpiryMs,
      expireSome: () => this.#expireSome(),
    });
    // What an earlier life showed and had not written yet is lost.
    this.#generation.moveAll();
    this.#tidy(era, era.core.trim(context.clock.wallNow()));
  }

  async get(key: string): Promise<CacheLookup> {
    checkKey(key);
    await this.#replacing;
    const found = this.#find(key);
    if (found === undefined) return MISS;
    const { entry, value } = found;
    return { hit: true, value, storedAtMs: entry.storedAtMs, expiresAtMs: entry.expiresAtMs };
  }

  /** @throws INVALID_ARGUMENT, STORE_FULL, STORE_FAILED, STORE_CORRUPT */
  async put(key: string, value: Uint8Array, ttlMs: number, options: EntryOptions): Promise<void> {
    await this.#replacing;
    const era = this.#era;
    const change = era.core.put(key, value.byteLength, ttlMs, this.#context.clock.wallNow(), options);
    this.flights.invalidateKey(key);
    this.#generation.moveKey(key);
    const { added } = change;
    if (added !== undefined) {
      era.unwritten.set(added.id, value);
      era.hot.keep(added.id, value);
    }
    try {
      await this.#commit(era, change, value);
    } finally {
      if (added !== undefined) era.unwritten.delete(added.id);
    }
  }

  /** How many there were. @throws INVALID_ARGUMENT, STORE_FULL, STORE_FAILED, STORE_CORRUPT: then they are still there */
  async invalidate(selection: CacheSelection): Promise<number> {
    const { key, tags, pattern } = checkedSelection(selection);
    await this.#replacing;
    if (key !== undefined) {
      this.flights.invalidateKey(key);
      this.#generation.moveKey(key);
      return this.#remove([key]);
    }
    const keys =
      tags === undefined ? await this.#keysMatching(pattern.matches) : this.#era.core.keysTagged(tags);
    // Entries that have left long ago may still be read on other threads, so it is not enough to look at those found.
    this.flights.invalidate((computed, its) =>
      tags === undefined ? pattern.matches(computed) : its.some((tag) => tags.includes(tag)),
    );
    this.#generation.moveAll();
    return this.#remove(keys);
  }

  /** @throws INVALID_ARGUMENT, MAILBOX_FULL, CANCELLED */
  async claim(
    { key, tags, stale, negative }: { key: string; tags: readonly string[] } & Accepted,
    signal: AbortSignal,
  ): Promise<CacheClaim> {
    checkKey(key);
    checkTags(tags);
    await this.#replacing;
    const found = this.#find(key, { stale, negative });
    if (found !== undefined) return this.#claimed(found, tags);
    if (!this.flights.has(key)) return { kind: "compute", token: this.#giveOut(key, tags) };
    this.#joined += 1;
    return this.flights.join(key, signal);
  }

  /** @throws INVALID_ARGUMENT, STORE_FULL, STORE_FAILED, STORE_CORRUPT: those who waited have the value all the same */
  async settle(
    token: string,
    value: Uint8Array,
    ttlMs: number,
    options: EntryOptions,
  ): Promise<{ stored: boolean }> {
    const storedAtMs = this.#context.clock.wallNow();
    const landed = this.flights.land(token, {
      kind: "computed",
      value,
      storedAtMs,
      expiresAtMs: storedAtMs + ttlMs,
    });
    if (landed === undefined || !landed.mayFill) return { stored: false };
    await this.put(landed.key, value, ttlMs, options);
    return { stored: true };
  }

  /** @throws INVALID_ARGUMENT, STORE_FULL, STORE_FAILED, STORE_CORRUPT */
  async fail(token: string, error: Uint8Array, ttlMs: number, tags: readonly string[]): Promise<void> {
    const landed = this.flights.land(token, { kind: "failure", error });
    if (landed === undefined || !landed.mayFill || ttlMs === 0) return;
    // A value that may still be shown is worth more than the news that there is no newer one.
    if (this.#era.core.has(landed.key, this.#context.clock.wallNow())) return;
    await this.put(landed.key, error, ttlMs, { tags, staleMs: 0, negative: true });
  }

  async clear(): Promise<number> {
    await this.#replacing;
    const era = this.#era;
    const change = era.core.clear(this.#context.clock.wallNow());
    this.flights.invalidate(() => true);
    this.#generation.moveAll();
    this.#follow(era, change);
    await this.#watched(
      era,
      era.file.clear(() => this.#undo(era, change)),
    );
    return invalidatedIn(change);
  }

  /** @throws STORE_FULL, STORE_FAILED, STORE_CORRUPT, FILE_UNREADABLE */
  async references(from: LookPlace): Promise<{ addresses: string[]; next: LookPlace | null }> {
    await this.#replacing;
    const era = this.#era;
    try {
      return await era.file.references(from);
    } catch (error) {
      if (isFault(error, "STORE_CORRUPT")) this.#replace(era, error);
      throw error;
    }
  }

  /** @throws INVALID_ARGUMENT, ALREADY_EXISTS, STORE_FULL, STORE_FAILED */
  async backup(path: string): Promise<{ sizeBytes: number }> {
    if (!isAbsolute(path)) throw invalidArgument("path", `"${path}"`, "an absolute path");
    await this.#replacing;
    return this.#era.file.backup(path);
  }

  stats(): CacheStats {
    const { hits: ownHits, ...counts } = this.#era.core.counts;
    const nearHits = this.#generation.reads;
    const hits = ownHits + nearHits;
    const asked = hits + counts.misses;
    return {
      ...counts,
      hits,
      nearHits,
      hitRate: asked === 0 ? 0 : hits / asked,
      evictions: counts.crowded + counts.outweighed,
      computations: this.#computations,
      joined: this.#joined,
      policy: this.#init.policy,
      durability: this.#era.file.durability,
    };
  }

  health(): Record<string, unknown> {
    return { ...this.stats(), filesSetAside: this.#filesSetAside };
  }

  /** What the death of the thread does: the file is free at once, and what was on its way to it is lost. */
  abandon(): void {
    this.flights.close();
    this.#expiry.cancel();
    this.#era.file.abandon();
  }

  async close(): Promise<void> {
    this.flights.close();
    this.#expiry.cancel();
    await this.#replacing;
    await this.#era.file.close();
  }

  // --- values -------------------------------------------------------------------------------------------------------

  #find(key: string, accepted?: Accepted): Found | undefined {
    const era = this.#era;
    const { metrics, clock } = this.#context;
    const entry = era.core.find(key, clock.wallNow(), accepted);
    const value = entry && this.#valueOf(era, entry);
    metrics.count(value === undefined ? METRICS.cacheMisses : METRICS.cacheHits);
    return entry === undefined || value === undefined ? undefined : { entry, value };
  }

  /** Undefined is a miss, whatever the reason: a cache that cannot answer is no reason for its caller to fail. */
  #valueOf(era: Era, entry: CacheEntry): Uint8Array | undefined {
    const near = era.hot.get(entry.id) ?? era.unwritten.get(entry.id);
    if (near !== undefined) return near;
    let value: Uint8Array | undefined;
    let error: unknown;
    try {
      value = era.file.valueOf(entry);
    } catch (unreadable) {
      if (!isFault(unreadable)) throw unreadable;
      error = unreadable;
    }
    if (value !== undefined) {
      era.hot.keep(entry.id, value);
      return value;
    }
    this.#context.log.warn("a cached value is broken", { key: entry.key, error });
    this.#tidy(era, era.core.broken(entry, this.#context.clock.wallNow()));
    if (isFault(error, "STORE_CORRUPT")) this.#replace(era, error);
    return undefined;
  }

  #claimed({ entry, value }: Found, tags: readonly string[]): CacheClaim {
    const { key, storedAtMs, expiresAtMs, negative } = entry;
    if (negative) return { kind: "failure", error: value };
    if (!isExpired(entry, this.#context.clock.wallNow()))
      return { kind: "value", value, storedAtMs, expiresAtMs };
    const token = this.flights.has(key) ? null : this.#giveOut(key, tags);
    return { kind: "stale", token, value, storedAtMs, expiresAtMs };
  }

  #giveOut(key: string, tags: readonly string[]): string {
    const token = this.flights.begin(key, tags);
    this.#computations += 1;
    return token;
  }

  async #keysMatching(matches: (key: string) => boolean): Promise<string[]> {
    const keys = this.#era.core.keys();
    const found: string[] = [];
    for (let from = 0; from < keys.length; from += KEYS_PER_SLICE) {
      if (from > 0) await new Promise<void>((resolve) => this.#context.scheduler.schedule(resolve));
      found.push(...keys.slice(from, from + KEYS_PER_SLICE).filter(matches));
    }
    return found;
  }

  // --- changes ------------------------------------------------------------------------------------------------------

  async #remove(keys: readonly string[]): Promise<number> {
    const era = this.#era;
    const change = era.core.remove(keys, this.#context.clock.wallNow());
    await this.#commit(era, change);
    return invalidatedIn(change);
  }

  /** Resolves when the file has followed; rejects when it has not and the change is undone. */
  async #commit(era: Era, change: CacheChange, value?: Uint8Array): Promise<void> {
    this.#follow(era, change);
    if (change.added === undefined && change.dropped.length === 0) return;
    await this.#watched(
      era,
      era.file.write(change, value, () => this.#undo(era, change)),
    );
  }

  /** A change that nobody waits for. Its failure has been logged by the store, and leaves nothing worse than before. */
  #tidy(era: Era, change: CacheChange): void {
    this.#commit(era, change).catch(() => undefined);
  }

  async #watched(era: Era, written: Promise<void>): Promise<void> {
    try {
      await written;
    } catch (error) {
      if (isFault(error, "STORE_CORRUPT")) this.#replace(era, error);
      throw error;
    }
  }

  #undo(era: Era, change: CacheChange): void {
    era.core.undo(change);
    if (change.added !== undefined) {
      era.hot.forget(change.added.id);
      this.#generation.moveKey(change.added.key);
    }
    this.#measure(era);
    this.#expiry.arm(era.core.nextExpiryMs);
  }

  /** What has to happen in memory beside the core. */
  #follow(era: Era, { dropped }: CacheChange): void {
    for (const { entry, why } of dropped) {
      era.hot.forget(entry.id);
      if (why === "crowded" || why === "outweighed") this.#context.metrics.count(METRICS.cacheEvictions);
    }
    this.#measure(era);
    this.#expiry.arm(era.core.nextExpiryMs);
  }

  #measure(era: Era): void {
    const { entries, sizeBytes } = era.core.counts;
    this.#context.metrics.set(METRICS.cacheEntries, entries);
    this.#context.metrics.set(METRICS.cacheBytes, sizeBytes);
  }

  // --- expiry -------------------------------------------------------------------------------------------------------

  /** @returns whether some may be left */
  #expireSome(): boolean {
    const era = this.#era;
    const change = era.core.expire(this.#context.clock.wallNow(), EXPIRED_PER_SLICE);
    this.#tidy(era, change);
    return change.dropped.length === EXPIRED_PER_SLICE;
  }

  // --- damage -------------------------------------------------------------------------------------------------------

  #replace(damaged: Era, why: unknown): void {
    if (damaged !== this.#era || this.#replacing !== undefined) return;
    this.#replacing = this.#begin(damaged, why).finally(() => (this.#replacing = undefined));
  }

  /** Never rejects: without a new file the cache goes on in memory. */
  async #begin(damaged: Era, why: unknown): Promise<void> {
    this.#filesSetAside += 1;
    // What is still queued fails or not; the file is lost either way.
    await damaged.file.close().catch(() => undefined);
    try {
      this.#era = await beginAnew(this.#context, this.#init, why);
    } catch (error) {
      this.#context.log.error("no new cache file can be begun; the cache goes on in memory", { error });
      this.#era = await openEra(this.#context, { ...this.#init, directory: null });
    }
    this.#generation.moveAll();
    this.#measure(this.#era);
  }
}

const invalidatedIn = ({ dropped }: CacheChange): number =>
  dropped.filter(({ why }) => why === "invalidated").length;
