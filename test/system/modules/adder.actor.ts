import { actor } from "mcplusplus";
import { Adder } from "./adder.protocol.ts";

export default actor(Adder, (_context, { start }) => {
  let total = start;
  return { add: ({ by }) => (total += by) };
});
