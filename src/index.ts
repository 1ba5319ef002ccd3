export { openSystem } from "./system/open-system.ts";
export type {
  ActorName,
  Actors,
  CancelOptions,
  RunOptions,
  RunOutcome,
  System,
  SystemHealth,
  SystemOptions,
  WorkflowInput,
} from "./system/index.ts";
export type {
  FailurePolicy,
  RunEvent,
  RunState,
  RunStatus,
  RunSummary,
  StepDefinition,
  StepState,
  StepStatus,
} from "./workflow/workflow.protocol.ts";
export type { ActionInfo, QueueStats } from "./queue/queue.protocol.ts";

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
export type { Log, MetricsBlock, MetricsSnapshot } from "./telemetry/index.ts";

export { FAULTS, LIMITS, Fault, fault, isCancellation, isFault } from "./errors/index.ts";
export type { FaultCode, FaultDetails, WireError } from "./errors/index.ts";

export { Reference, packValue, unpackValue } from "./codec/index.ts";
export type { Wire } from "./schema/index.ts";

export { dagPicture, type DagPictureOptions } from "./workflow/index.ts";
