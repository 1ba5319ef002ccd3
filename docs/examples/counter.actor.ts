import { actor } from "mcplusplus";
import { Counter } from "./counter.protocol.ts";

/** Runs on a thread of its own. The closure is the state: a restart begins anew. */
export default actor(Counter, ({ emit }, { limit }) => {
  let total = 0;
  return {
    add({ by }) {
      total += by;
      if (total > limit) emit.overflowed({ total });
      return total;
    },
    total: () => total,
    reset() {
      total = 0;
    },
  };
});
