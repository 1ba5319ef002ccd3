export type { ChildHealth, Placement } from "./child.ts";
export type { Simulation } from "./child-maker.ts";
export {
  openSupervisor,
  type SpawnOptions,
  type SupervisorHandle,
  type SupervisorSetup,
} from "./open-supervisor.ts";
export type { Intensity, Strategy } from "./supervisor.core.ts";
export { threadLog } from "./thread-log.ts";
