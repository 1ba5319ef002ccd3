import { call, cast, event, init, protocol } from "mcplusplus";

/** What can be asked of a counter; the actor and its callers both import it. */
export const Counter = protocol("counter", {
  init: init<{ limit: number }>(),
  /** The new total. */
  add: call<{ by: number }, number>(),
  total: call<void, number>(),
  reset: cast(),
  overflowed: event<{ total: number }>(),
});
