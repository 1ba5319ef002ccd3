import type { Clock, Random, Scheduler } from "../scope/index.ts";
import type { Log, MetricsBlock } from "../telemetry/index.ts";
import type { EmittersOf, HandlersOf, InitOf, Members, Protocol, Ref } from "./protocol.ts";

/**
 * What an actor is given where it lives. Every service is fenced by the actor's life: once it has ended, timers do
 * not fire and events are not sent, because the promises of a killed inline actor run on.
 */
export interface ActorContext<M extends Members> {
  /** The name it was spawned under. */
  readonly name: string;
  /** Rises with each restart. */
  readonly epoch: number;
  /** Aborts when the actor is asked to stop or is killed. */
  readonly signal: AbortSignal;
  readonly clock: Clock;
  readonly random: Random;
  readonly scheduler: Scheduler;
  readonly log: Log;
  readonly metrics: MetricsBlock;
  /**
   * Memory that outlives the actor's lives and that each of its callers sees, by `ref.shared`; null when it was spawned
   * without.
   */
  readonly shared: SharedArrayBuffer | null;
  /** Sends an event to every subscriber; costs nothing when there is none. */
  readonly emit: EmittersOf<M>;
  /** The ref of an actor named in this child's `calls`. */
  ref<N extends Members>(protocol: Protocol<N>, name?: string): Ref<N>;
  /** Runs when the actor stops, in reverse order, before its thread ends. A crash runs none of them. */
  defer(cleanup: () => void | Promise<void>): void;
  /**
   * Runs at the very end, whichever way it comes, to give back what the operating system takes back from a dead
   * thread anyway: file handles and locks. Synchronous. On a thread that dies it is the death itself; for an inline
   * actor it is this, so that its next life finds the files free.
   */
  atExit(release: () => void): void;
  /** What `health` answers beside the state; called at human rates. */
  reportHealth(report: () => Record<string, unknown>): void;
}

/** Runs where the actor lives, at every (re)start; the closure is the state, and what it returns handles messages. */
export type Setup<M extends Members> = (
  context: ActorContext<M>,
  init: InitOf<M>,
) => NoInfer<HandlersOf<M>> | Promise<NoInfer<HandlersOf<M>>>;

export interface Behaviour<M extends Members = Members> {
  readonly protocol: Protocol<M>;
  readonly setup: Setup<M>;
}

/**
 * Binds a protocol to what happens. The default export of an actor module.
 *
 * Handlers start in mailbox order, run to their first await, and may overlap after it. A fault that a handler throws
 * is its answer; anything else is a defect: the caller gets `DEFECT`, and the actor crashes and is restarted.
 */
export function actor<M extends Members>(protocol: Protocol<M>, setup: Setup<M>): Behaviour<M> {
  return Object.freeze({ protocol, setup });
}
