export { createExecutor } from "./create-executor.ts";
export { Slots } from "./slots.ts";
export type {
  ExecutionOptions,
  ExecutionResult,
  Executor,
  ExecutorMetrics,
  ExecutorOptions,
} from "./executor.ts";
