// The light door: tables only. `machines.ts` is the second door, for whoever draws or interprets the machines.
export { bootstrapTable, childTable, compensationTable, runTable, stepTable, taskTable } from "./tables.ts";
export { advance, type StateOf } from "./table.ts";
