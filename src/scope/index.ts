export { deadlineOf } from "./running-scope.ts";
export { linkSignals } from "./link-signals.ts";
export { pause, type Patience } from "./pause.ts";
export type { Scope, ScopeOptions, ShieldOptions } from "./scope.ts";
export {
  TIMER_MS_MAX,
  systemClock,
  systemRandom,
  systemScheduler,
  type Clock,
  type Random,
  type Scheduler,
  type Timer,
} from "./services.ts";
export { failAfter, moveOnAfter, type MovedOn, type TimeLimitOptions } from "./time-limits.ts";
export { unlessAborted } from "./unless-aborted.ts";
export { unlessLate } from "./unless-late.ts";
export { withScope } from "./with-scope.ts";
