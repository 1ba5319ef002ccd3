import { call, init, protocol } from "../actor/index.ts";
import type { LookPlace } from "../store/index.ts";

import type { EvictionPolicy } from "./eviction.ts";

export type { EvictionPolicy };

/** Counters begin with the actor's life, and anew with a file that takes the place of a damaged one. */
export interface CacheStats {
  /** Of a put that has resolved: on disk, or in memory alone. */
  readonly durability: "flushed" | "committed" | "memory";
  readonly policy: EvictionPolicy;
  readonly entries: number;
  /** Of the values alone. */
  readonly sizeBytes: number;
  /** Of all threads. Of what a thread reads from its own copies, up to 1,024 may not be told yet. */
  readonly hits: number;
  /** Of the hits, those that a thread read from its own copy. */
  readonly nearHits: number;
  /** Of the hits, those that found a value whose time was over, by choice. */
  readonly staleHits: number;
  /** Of the hits, those that found a failure, by choice. */
  readonly negativeHits: number;
  readonly misses: number;
  /** Hits / (hits + misses); 0 when there was neither. */
  readonly hitRate: number;
  /** Entries that left before their time to make room: `crowded` and `outweighed` together. */
  readonly evictions: number;
  /** Left because there were too many entries. */
  readonly crowded: number;
  /** Left because there were too many bytes. */
  readonly outweighed: number;
  /** Left because their time was over. */
  readonly expired: number;
  /** Left because a newer value came under their key. */
  readonly replaced: number;
  /** Left because they were invalidated, or the cache cleared. */
  readonly invalidated: number;
  /** Could not be read back; each was a miss. */
  readonly broken: number;
  /** Computations that were given out. */
  readonly computations: number;
  /** Calls that waited for a computation instead of beginning one. */
  readonly joined: number;
}

/** A value of which nothing is told but when it was stored, and when its time is over. */
interface Found {
  readonly value: Uint8Array;
  readonly storedAtMs: number;
  readonly expiresAtMs: number;
}

export type CacheLookup = { readonly hit: false } | ({ readonly hit: true } & Found);

/** What a claim is answered. */
export type CacheClaim =
  | ({ readonly kind: "value" } & Found)
  /** From the computation that was waited for. The cache may have refused to keep it. */
  | ({ readonly kind: "computed" } & Found)
  /** Its time is over. With a token, it is the caller's to compute it anew. */
  | ({ readonly kind: "stale"; readonly token: string | null } & Found)
  /** The packed wire form of an error: that of the computation that was waited for, or one that was kept. */
  | { readonly kind: "failure"; readonly error: Uint8Array }
  /** It is the caller's to compute the value, and to `settle` or `fail`. */
  | { readonly kind: "compute"; readonly token: string };

/** Which entries: the one under a key, those with one of the tags at least, or those whose whole key has the pattern. */
export type CacheSelection =
  | { readonly key: string }
  | { readonly tags: readonly string[] }
  /** `*` is any run of characters, `?` any one; a backslash makes the next character an ordinary one. */
  | { readonly pattern: string };

/**
 * Keeps results under keys of 1 to 512 characters until their time is over or room is needed. It may forget any entry
 * at any time; it never returns another value than the one last put, and never an expired one to who did not ask for it.
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
    /** Who makes room. */
    policy: EvictionPolicy;
  }>(),
  /** A fresh value. An entry that cannot be read back is a miss. */
  get: call<{ key: string }, CacheLookup>(),
  /**
   * Replaces what is there. `ttlMs` counts from now, at most ten years; 0 expires at once. After that it is shown for
   * `staleMs` more to claims that accept it; default 0. Resolves when the entry is on disk (level `committed`: it
   * survives the process, not a loss of power); when it rejects, nothing has changed. A caller that cancels has it
   * carried out all the same. Rejects with `INVALID_ARGUMENT` for a value larger than the whole cache.
   */
  put: call<{
    key: string;
    value: Uint8Array;
    ttlMs: number;
    tags?: readonly string[];
    staleMs?: number;
  }>(),
  /** Resolves when no later read of any thread finds them. */
  invalidate: call<CacheSelection, { removed: number }>(),
  clear: call<void, { removed: number }>(),
  /**
   * The value, or the right to compute it: at most one caller at a time has that for a key, and the others wait for
   * its outcome. It must `renew` within ten seconds, again and again, or the one who has waited longest gets it.
   */
  claim: call<{ key: string; tags: readonly string[]; stale: boolean; negative: boolean }, CacheClaim>(),
  /** False: the token is old. */
  renew: call<{ token: string }, { held: boolean }>(),
  /**
   * The computed value. Waiters have it at once; resolves when it is on disk. It is not stored when the token is old,
   * or when the key was put or invalidated meanwhile.
   */
  settle: call<
    { token: string; value: Uint8Array; ttlMs: number; tags: readonly string[]; staleMs: number },
    { stored: boolean }
  >(),
  /** The computation failed. With a time to live above 0 the failure is kept, unless there is a stale value. */
  fail: call<{ token: string; error: Uint8Array; ttlMs: number; tags: readonly string[] }>(),
  /** The computing side stops without an outcome: the one who has waited longest computes. */
  release: call<{ token: string }>(),
  /** The computing side lost interest. Answered when all others have, too, or the computation has ended otherwise. */
  desert: call<{ token: string }, { abandoned: boolean }>(),
  stats: call<void, CacheStats>(),
  /**
   * Addresses of the large values that entries name, a part of them at a time: go on at `next` until it is null. An
   * entry that is put meanwhile may be left out.
   */
  references: call<{ from: LookPlace }, { addresses: string[]; next: LookPlace | null }>(),
  /** A consistent copy of the cache's file at an absolute path that does not exist yet; puts go on meanwhile. */
  backup: call<{ path: string }, { sizeBytes: number }>(),
});
