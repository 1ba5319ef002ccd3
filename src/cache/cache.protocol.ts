import { call, init, protocol } from "../actor/index.ts";

/** Counters begin with the actor's life, and anew with a file that takes the place of a damaged one. */
export interface CacheStats {
  /** Of a put that has resolved: on disk, or in memory alone. */
  readonly durability: "flushed" | "committed" | "memory";
  readonly entries: number;
  /** Of the values alone. */
  readonly sizeBytes: number;
  readonly hits: number;
  readonly misses: number;
  /** Entries that left before their time to make room. */
  readonly evictions: number;
  /** Entries that left because their time was over. */
  readonly expired: number;
  /** Entries that could not be read back; each was a miss. */
  readonly broken: number;
}

export type CacheLookup =
  | { readonly hit: false }
  | {
      readonly hit: true;
      readonly value: Uint8Array;
      readonly storedAtMs: number;
      readonly expiresAtMs: number;
    };

/**
 * Keeps results under keys of 1 to 512 characters until their time is over or room is needed. It may forget any entry
 * at any time; it never returns another value than the one last put, and never an expired one.
 *
 * Times are wall-clock milliseconds since 1970, since entries outlive the process.
 */
export const Cache = protocol("cache", {
  init: init<{
    /** Where `cache.sqlite` stands; null keeps everything in memory. */
    directory: string | null;
    /** From 1. */
    entriesMax: number;
    /** Of the values alone. */
    sizeBytesMax: number;
  }>(),
  /** An entry that cannot be read back is a miss. */
  get: call<{ key: string }, CacheLookup>(),
  /**
   * Replaces what is there. `ttlMs` counts from now, at most ten years; 0 expires at once. Resolves when the entry is
   * on disk (level `committed`: it survives the process, not a loss of power); when it rejects, nothing has changed.
   * A caller that cancels has it carried out all the same. Rejects with `INVALID_ARGUMENT` for a value larger than
   * the whole cache.
   */
  put: call<{ key: string; value: Uint8Array; ttlMs: number }>(),
  remove: call<{ key: string }, { removed: boolean }>(),
  clear: call<void, { removed: number }>(),
  stats: call<void, CacheStats>(),
  /** A consistent copy of the cache's file at an absolute path that does not exist yet; puts go on meanwhile. */
  backup: call<{ path: string }, { sizeBytes: number }>(),
});
