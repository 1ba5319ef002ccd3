import { call, init, protocol } from "../actor/index.ts";

export interface CacheStats {
  readonly entries: number;
  readonly sizeBytes: number;
  readonly hits: number;
  readonly misses: number;
  readonly evictions: number;
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

export const Cache = protocol("cache", {
  init: init<{ directory: string | null; entriesMax: number; sizeBytesMax: number }>(),
  get: call<{ key: string }, CacheLookup>(),
  /** `ttlMs` counts from now; 0 expires at once. Resolves when the entry is on disk (level `committed`). */
  put: call<{ key: string; value: Uint8Array; ttlMs: number }>(),
  remove: call<{ key: string }, { removed: boolean }>(),
  clear: call<void, { removed: number }>(),
  stats: call<void, CacheStats>(),
});
