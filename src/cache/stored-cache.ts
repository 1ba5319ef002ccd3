import { isAbsolute } from "node:path";
import type { ActorContext, InitOf } from "../actor/index.ts";
import { LIMITS, fault, isFault } from "../errors/index.ts";
import { invalidArgument } from "../schema/index.ts";
import type { Timer } from "../scope/index.ts";
import { METRICS } from "../telemetry/index.ts";
import { CacheCore, checkKey, type CacheChange, type CacheEntry } from "./cache.core.ts";
import { CacheFile, setAside } from "./cache-file.ts";
import type { Cache, CacheLookup, CacheStats } from "./cache.protocol.ts";
import { HotValues } from "./hot-values.ts";

type Context = ActorContext<typeof Cache.members>;
type Init = InitOf<typeof Cache.members>;

/** Expired entries that leave before other messages get their turn. */
export const EXPIRED_PER_SLICE = 256;
/** Least time between two searches for expired entries, so that many that expire one by one leave together. */
export const SWEEP_PAUSE_MS = 1_000;

const MISS: CacheLookup = Object.freeze({ hit: false });

/**
 * One file and what memory knows about it. When the file turns out to be damaged both are given up together, so that
 * whatever its writes still undo, they undo it where it was done.
 */
interface Era {
  readonly core: CacheCore;
  readonly file: CacheFile;
  readonly hot: HotValues;
  /** Values on their way to the file, by id: until they arrive there is nowhere else to read them. */
  readonly unwritten: Map<number, Uint8Array>;
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
  #era: Era;
  /** While the damaged file is being replaced; calls wait for it. */
  #replacing: Promise<void> | undefined;
  #filesSetAside = 0;
  #timer: Timer | undefined;
  #timerAtMs = Infinity;

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
    this.#tidy(era, era.core.trim(context.clock.wallNow()));
  }

  async get(key: string): Promise<CacheLookup> {
    checkKey(key);
    await this.#replacing;
    const era = this.#era;
    const { metrics, clock } = this.#context;
    const entry = era.core.find(key, clock.wallNow());
    const value = entry && this.#valueOf(era, entry);
    metrics.count(value === undefined ? METRICS.cacheMisses : METRICS.cacheHits);
    if (entry === undefined || value === undefined) return MISS;
    return { hit: true, value, storedAtMs: entry.storedAtMs, expiresAtMs: entry.expiresAtMs };
  }

  async put(key: string, value: Uint8Array, ttlMs: number): Promise<void> {
    await this.#replacing;
    const era = this.#era;
    const change = era.core.put(key, value.byteLength, ttlMs, this.#context.clock.wallNow());
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

  async remove(key: string): Promise<boolean> {
    checkKey(key);
    await this.#replacing;
    const change = this.#era.core.remove(key, this.#context.clock.wallNow());
    await this.#commit(this.#era, change);
    return change.dropped.some(({ why }) => why === "removed");
  }

  async clear(): Promise<number> {
    await this.#replacing;
    const era = this.#era;
    const change = era.core.clear(this.#context.clock.wallNow());
    this.#follow(era, change);
    await this.#watched(
      era,
      era.file.clear(() => this.#undo(era, change)),
    );
    return change.dropped.filter(({ why }) => why === "removed").length;
  }

  /** @throws INVALID_ARGUMENT, ALREADY_EXISTS, STORE_FULL, STORE_FAILED */
  async backup(path: string): Promise<{ sizeBytes: number }> {
    if (!isAbsolute(path)) throw invalidArgument("path", `"${path}"`, "an absolute path");
    await this.#replacing;
    return this.#era.file.backup(path);
  }

  stats(): CacheStats {
    return { ...this.#era.core.counts, durability: this.#era.file.durability };
  }

  health(): Record<string, unknown> {
    return { ...this.stats(), filesSetAside: this.#filesSetAside };
  }

  /** What the death of the thread does: the file is free at once, and what was on its way to it is lost. */
  abandon(): void {
    this.#timer?.cancel();
    this.#era.file.abandon();
  }

  async close(): Promise<void> {
    this.#timer?.cancel();
    await this.#replacing;
    await this.#era.file.close();
  }

  // --- values -------------------------------------------------------------------------------------------------------

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
    this.#tidy(era, era.core.broken(entry));
    if (isFault(error, "STORE_CORRUPT")) this.#replace(era, error);
    return undefined;
  }

  // --- changes ------------------------------------------------------------------------------------------------------

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
    if (change.added !== undefined) era.hot.forget(change.added.id);
    this.#measure(era);
    this.#arm(era.core.nextExpiryMs);
  }

  /** What has to happen in memory beside the core. */
  #follow(era: Era, { dropped }: CacheChange): void {
    for (const { entry, why } of dropped) {
      era.hot.forget(entry.id);
      if (why === "evicted") this.#context.metrics.count(METRICS.cacheEvictions);
    }
    this.#measure(era);
    this.#arm(era.core.nextExpiryMs);
  }

  #measure(era: Era): void {
    const { entries, sizeBytes } = era.core.counts;
    this.#context.metrics.set(METRICS.cacheEntries, entries);
    this.#context.metrics.set(METRICS.cacheBytes, sizeBytes);
  }

  // --- expiry -------------------------------------------------------------------------------------------------------

  /** One timer for all entries. It may come up to a pause late: an expired entry is a miss anyway. */
  #arm(wallAtMs: number): void {
    const { clock } = this.#context;
    if (wallAtMs === Infinity) return;
    const waitMs = Math.max(SWEEP_PAUSE_MS, wallAtMs - clock.wallNow());
    const atMs = clock.now() + waitMs;
    if (atMs >= this.#timerAtMs) return;
    this.#timer?.cancel();
    this.#timerAtMs = atMs;
    this.#timer = clock.at(atMs, () => this.#sweep());
  }

  /** Slice by slice, with a turn for other messages in between. */
  #sweep(): void {
    const { clock, scheduler } = this.#context;
    const era = this.#era;
    const change = era.core.expire(clock.wallNow(), EXPIRED_PER_SLICE);
    this.#tidy(era, change);
    if (change.dropped.length === EXPIRED_PER_SLICE) {
      // The time of the timer that fired stays until the last slice: it lies in the past, so no other is set.
      scheduler.schedule(() => this.#sweep());
      return;
    }
    this.#timerAtMs = Infinity;
    this.#arm(era.core.nextExpiryMs);
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
    this.#measure(this.#era);
  }
}

/** @throws FILE_UNWRITABLE when the damaged file stays in the way, and what opening a store throws */
async function beginAnew(context: Context, init: Init, why: unknown): Promise<Era> {
  context.log.error("the cache file is damaged", { error: why });
  if (init.directory !== null) {
    context.log.info("the damaged cache file is set aside", { as: setAside(init.directory) });
  }
  return openEra(context, init);
}

/** Opens the file and reads its index. A file that cannot be read to its end is closed again. */
async function openEra(context: Context, { directory, entriesMax, sizeBytesMax }: Init): Promise<Era> {
  const core = new CacheCore({ entriesMax, sizeBytesMax });
  const file = new CacheFile(directory, context);
  try {
    for (const entry of file.entries()) {
      if (core.load(entry)) continue;
      throw fault("STORE_CORRUPT", {
        path: file.path,
        why: `two of its rows have the key ${JSON.stringify(entry.key)}`,
      });
    }
  } catch (error) {
    await file.close();
    throw error;
  }
  const hotBytes = Math.min(LIMITS.cache.hotBytes, sizeBytesMax);
  return { core, file, hot: new HotValues(hotBytes), unwritten: new Map() };
}
