export { ALERT_RULES, type Alert, type AlertName, type Thresholds } from "./alerts.ts";
export { ACTORS, type ActorName, type Actors } from "./actors.ts";
export type { BackupOptions, BackupSummary, CopyProgress } from "./backup.ts";
export { CacheDoor, type CachePutOptions, type CachedValue, type GetOrComputeOptions } from "./cache-door.ts";
export { checkData, measureDisk } from "./check-data.ts";
export { backupData, exportData, importData, restoreData } from "./data-files.ts";
export type { Role } from "./foundation.ts";
export type { GithubOptions, NetworkOptions } from "./network-options.ts";
export { openSystem } from "./open-system.ts";
export type { CacheOptions, SystemOptions } from "./options.ts";
export type {
  AllowOptions,
  BootstrapOptions,
  Bootstrapped,
  ConnectOptions,
  DiscoverOptions,
  PeerDoor,
} from "./peer-door.ts";
export type { StepLogOptions, StepLogPage } from "./step-logs.ts";
export type { CancelOptions, RunFilter, RunOptions, System, SystemHealth } from "./system.ts";
export type { RunOutcome, WorkflowInput } from "./workflow-run.ts";
export type { DeadLetter, DeadLetterChoice, DeadLetterDoor } from "./dead-letter-door.ts";
export type { QuotaDoor } from "./quota-door.ts";
export type { TaskCancelOptions, TaskDoor, TaskPage, TaskWaitOptions } from "./task-door.ts";
export type { TaskRequest, TaskResult } from "./task-request.ts";
export type { WorkContext, WorkHandler, WorkOptions, WorkSummary } from "./task-worker.ts";
export type { UnregisterOptions, WorkerDoor } from "./worker-door.ts";
