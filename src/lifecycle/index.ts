export { childMachine } from "./child-machine.ts";
export { runMachine } from "./run-machine.ts";
export { stepMachine } from "./step-machine.ts";
export { taskMachine } from "./task-machine.ts";
export { childTable, runTable, stepTable, taskTable } from "./tables.ts";
export { advance, compile, type LifecycleTable, type StateOf } from "./table.ts";
