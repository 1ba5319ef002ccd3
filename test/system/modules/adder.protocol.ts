import { call, init, protocol } from "mcplusplus";

export const Adder = protocol("adder", {
  init: init<{ start: number }>(),
  add: call<{ by: number }, number>(),
});
