export { createExecutor } from "./create-executor.ts";
export type {
  ExecutionOptions,
  ExecutionResult,
  Executor,
  ExecutorMetrics,
  ExecutorOptions,
} from "./executor.ts";
