import { childMachine } from "./child-machine.ts";
import { runMachine } from "./run-machine.ts";
import { stepMachine } from "./step-machine.ts";
import { compile } from "./table.ts";
import { taskMachine } from "./task-machine.ts";

/** Compiled once per thread; every owner of a state changes it through one of these. */
export const taskTable = compile(taskMachine);
export const runTable = compile(runMachine);
export const stepTable = compile(stepMachine);
export const childTable = compile(childMachine);
