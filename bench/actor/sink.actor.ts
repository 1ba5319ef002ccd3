import { actor } from "mcplusplus";
import { Sink } from "./sink.protocol.ts";

export default actor(Sink, () => {
  let count = 0;
  return {
    put() {
      count++;
    },
    count() {
      const counted = count;
      count = 0;
      return counted;
    },
    echo: (task) => task,
  };
});
