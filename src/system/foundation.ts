import type { SupervisorHandle } from "../supervisor/index.ts";
import type { Actors } from "./actors.ts";

/**
 * Whose actors answer a system: its own process is the `owner` of the directory, or a `guest` of the owner; `none` while
 * an owner has ended and no other has taken its place.
 */
export type Role = "owner" | "guest" | "none";

/** What a system stands on: eight actors, and who keeps them up. */
export interface Foundation extends Pick<
  SupervisorHandle,
  "spawn" | "stopChild" | "kill" | "health" | "metrics" | "failed" | "close"
> {
  readonly actors: Actors;
  /** How long cancelled handlers may take where they run. */
  readonly graceMs: number;
  readonly role: Role;
}
