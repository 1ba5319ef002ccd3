import { call, protocol } from "mcplusplus";

/** A thread that reads the cache of its system. */
export const Reader = protocol("reader", {
  /** Reads the keys in turns; how many reads a second. A read that finds nothing is an error. */
  read: call<{ keys: readonly string[]; times: number }, { perSecond: number }>(),
});
