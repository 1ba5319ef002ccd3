import type { RefOf } from "../../actor/index.ts";
import type { Clock, Random } from "../../scope/index.ts";
import type { Log } from "../../telemetry/index.ts";
import type { Network } from "../network.protocol.ts";
import type { Moment } from "./peer-entry.ts";
import type { RegistryCore } from "./registry.core.ts";

/** What the parts of the registry share: its knowledge, and the services of its actor. */
export interface RegistryContext {
  readonly core: RegistryCore;
  readonly network: RefOf<typeof Network>;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
  /** Aborts when the actor is asked to stop or is killed. */
  readonly signal: AbortSignal;
  readonly now: () => Moment;
  readonly count: (name: string, by?: number) => void;
  /** Something of a peer has changed so that placement may be another. */
  readonly changed: (peerId: string) => void;
}
