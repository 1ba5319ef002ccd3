/** What the cache accepts, and how much it does at a time. */
export const CACHE_LIMITS = Object.freeze({
  /** Characters of a key; at least one. */
  keyChars: 512,
  /** Ten years. */
  ttlMs: 315_360_000_000,
  /** Bytes of values kept in memory beside the file. */
  hotBytes: 16_777_216,
  /** Expired entries removed before other messages get their turn. */
  expiredPerSlice: 256,
  /** Least time between two searches for expired entries, so that many that expire one by one leave together. */
  sweepPauseMs: 1_000,
  /** Rows read at a time when the file is opened. */
  rowsPerRead: 1_000,
});
