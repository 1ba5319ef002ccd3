export { defineTasks, handler, type Handler, type HandlerDefinition, type Tasks } from "./define-tasks.ts";
export { openPool, type ComputePool, type PoolOptions, type RunRequest } from "./pool.ts";
export type { RunOutcome } from "./run-outcome.ts";
export type { TaskContext } from "./task-context.ts";
export type { AttemptName, HandlerInfo, Isolation } from "./thread-message.ts";
