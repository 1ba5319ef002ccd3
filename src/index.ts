export { openSystem } from "./system/open-system.ts";
export type {
  ActorName,
  CancelOptions,
  RunOptions,
  RunOutcome,
  System,
  SystemHealth,
  SystemOptions,
  WorkflowInput,
} from "./system/index.ts";

export { defineTasks, handler } from "./compute/define-tasks.ts";
export type { TaskContext } from "./compute/index.ts";

export { actor, call, cast, event, init, protocol } from "./actor/index.ts";
export type { ActorContext, Behaviour, CallOptions, MessageContext, Protocol, Ref, RefOf } from "./actor/index.ts";

export { withScope, failAfter, moveOnAfter } from "./scope/index.ts";
export type { Clock, Random, Scope, ScopeOptions, Timer } from "./scope/index.ts";

export { FAULTS, LIMITS, Fault, fault, isCancellation, isFault } from "./errors/index.ts";
export type { FaultCode, FaultDetails, WireError } from "./errors/index.ts";

export { Reference } from "./codec/index.ts";
export type { Wire } from "./schema/index.ts";

export { dagPicture } from "./workflow/picture.ts";
export type { RunEvent, RunState, RunStatus, StepState, StepStatus } from "./workflow/workflow.protocol.ts";
