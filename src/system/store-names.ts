/**
 * The files of a data directory that have an owner, in the order in which they are copied.
 *
 * The scheduler's first: whatever a run knows in its copy, its tasks have done in the queue's later copy. The other way
 * round a run could have ended in the one and its last step never have run in the other.
 */
export const STORE_NAMES = ["scheduler.sqlite", "queue.sqlite", "cache.sqlite"] as const;
export type StoreName = (typeof STORE_NAMES)[number];
