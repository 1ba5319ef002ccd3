export { openSystem } from "./system/open-system.ts";
export { CacheDoor } from "./system/cache-door.ts";
export { Cache } from "./cache/cache.protocol.ts";
export { cacheKey } from "./cache/near.protocol.ts";
export type { CacheSelection, CacheStats, EvictionPolicy } from "./cache/cache.protocol.ts";
export type {
  ActorName,
  Actors,
  Alert,
  AlertName,
  AllowOptions,
  BackupOptions,
  BackupSummary,
  BootstrapOptions,
  Bootstrapped,
  CacheOptions,
  CachePutOptions,
  CachedValue,
  CancelOptions,
  ConnectOptions,
  CopyProgress,
  DeadLetter,
  DeadLetterChoice,
  DeadLetterDoor,
  DiscoverOptions,
  GetOrComputeOptions,
  GithubOptions,
  NetworkOptions,
  PeerDoor,
  QuotaDoor,
  Role,
  RunFilter,
  RunOptions,
  RunOutcome,
  StepLogOptions,
  StepLogPage,
  System,
  SystemHealth,
  SystemOptions,
  TaskCancelOptions,
  TaskDoor,
  TaskPage,
  TaskRequest,
  TaskResult,
  TaskWaitOptions,
  Thresholds,
  UnregisterOptions,
  WorkContext,
  WorkHandler,
  WorkOptions,
  WorkSummary,
  WorkerDoor,
  WorkflowInput,
} from "./system/index.ts";
export type {
  FailurePolicy,
  HistoryEntry,
  RunEvent,
  RunHistoryPage,
  RunState,
  RunStatus,
  RunSummary,
  StepDefinition,
  StepState,
  StepStatus,
  SubmittedRun,
} from "./workflow/workflow.protocol.ts";
export type {
  ActionInfo,
  Admission,
  AttemptRecord,
  Backoff,
  Blocker,
  ClearedState,
  Explanation,
  QueuePosition,
  QueueStats,
  Quota,
  QuotaStatus,
  TaskFilter,
  TaskLogLine,
  TaskOrder,
  TaskReceipt,
  TaskState,
  TaskStatus,
  WorkerSpec,
  WorkerState,
  WorkerStatus,
} from "./queue/queue.protocol.ts";

export type {
  BootstrapAttempt,
  BootstrapState,
  BootstrapView,
  FigurePoint,
  KnownPeer,
  NatType,
  PeerFigures,
  PeerQuery,
  PeerStatus,
  SourceReport,
} from "./peers/peers.protocol.ts";
export type { NetworkStatus, NodeFigures, Reach } from "./peers/network.protocol.ts";
export type { Grant, Outlet } from "./remote/remote.protocol.ts";

export { defineTasks, handler } from "./compute/define-tasks.ts";
export type { Handler, HandlerDefinition, TaskContext, Tasks } from "./compute/index.ts";

export { actor, call, cast, event, init, protocol } from "./actor/index.ts";
export type {
  ActorContext,
  Behaviour,
  CallOptions,
  CallsOf,
  CastsOf,
  EventsOf,
  MessageContext,
  Protocol,
  Ref,
  RefOf,
  Setup,
  SubscribeOptions,
} from "./actor/index.ts";
export type {
  ChildHealth,
  Intensity,
  Placement,
  Simulation,
  SpawnOptions,
  Strategy,
} from "./supervisor/index.ts";

export { withScope, failAfter, moveOnAfter } from "./scope/index.ts";
export type {
  Clock,
  MovedOn,
  Random,
  Scheduler,
  Scope,
  ScopeOptions,
  ShieldOptions,
  TimeLimitOptions,
  Timer,
} from "./scope/index.ts";
export { createExecutor } from "./executor/index.ts";
export type {
  ExecutionOptions,
  ExecutionResult,
  Executor,
  ExecutorMetrics,
  ExecutorOptions,
} from "./executor/index.ts";
export type { Log, MetricsBlock, MetricsSnapshot } from "./telemetry/index.ts";

export { FAULTS, LIMITS, Fault, fault, isCancellation, isFault } from "./errors/index.ts";
export type { FaultCode, FaultDetails, WireError } from "./errors/index.ts";

export { Reference, packValue, unpackValue } from "./codec/index.ts";
export type { Collected } from "./store/index.ts";
export type { Wire } from "./schema/index.ts";

export {
  buildDag,
  criticalPath,
  dagPicture,
  describeDag,
  describeRun,
  dotOf,
  mermaidOf,
  simulateDag,
  whatIf,
  whatIfRun,
} from "./workflow/index.ts";
export type {
  CriticalPath,
  Dag,
  DagArrow,
  DagChange,
  DagComparison,
  DagDescription,
  DagEdge,
  DagNode,
  DagNote,
  DagOptions,
  DagPictureOptions,
  DagPlan,
  DagResult,
  DagSimulation,
  DagStep,
  DescribeOptions,
  PictureStep,
  RunChange,
  RunDescription,
  StepNumbers,
} from "./workflow/index.ts";
