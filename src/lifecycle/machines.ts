/**
 * The second door of this room: the machines themselves, which are the definition of every lifecycle. Loading XState
 * and walking the machines takes 25 ms and 4 MB on every thread that does it, so threads load the tables that
 * `npm run docs` makes of them (`tables.ts`), and a test proves table and machine equal.
 */
export { bootstrapMachine } from "./bootstrap-machine.ts";
export { childMachine } from "./child-machine.ts";
export { compensationMachine } from "./compensation-machine.ts";
export { runMachine } from "./run-machine.ts";
export { stepMachine } from "./step-machine.ts";
export { taskMachine } from "./task-machine.ts";
export { compile } from "./compile.ts";
