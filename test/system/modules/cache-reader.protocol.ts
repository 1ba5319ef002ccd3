import { call, protocol } from "../../../src/actor/index.ts";

/** Reads one key again and again on a thread of its own, and compares with what was acknowledged before each read. */
export const CacheReader = protocol("cache-reader", {
  /** Until a value is at least `last`. */
  watch: call<{ key: string; last: number }, { reads: number; tooOld: number }>(),
});
