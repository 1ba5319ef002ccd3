export { ACTORS, type ActorName, type Actors } from "./actors.ts";
export { openSystem } from "./open-system.ts";
export type { SystemOptions } from "./options.ts";
export type { CancelOptions, RunOptions, System, SystemHealth } from "./system.ts";
export type { RunOutcome, WorkflowInput } from "./workflow-run.ts";
