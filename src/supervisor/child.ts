import type { Behaviour, Link, Mailbox } from "../actor/index.ts";
import type { WireError } from "../errors/index.ts";
import type { RestartType } from "./supervisor.core.ts";

/** Where an actor lives: on a thread of its own, or on the supervisor's thread. */
export type Placement = "thread" | "inline";

/** Everything a supervisor needs to start an actor again and again. Crosses threads, so the behaviour is a URL. */
export interface ChildSpec {
  readonly name: string;
  /** Of the protocol that callers will use; the behaviour must have the same. */
  readonly handshake: string;
  /** URL of a module whose default export is the behaviour. */
  readonly module: string;
  readonly init: unknown;
  /** Names of the actors that it calls. */
  readonly calls: readonly string[];
  readonly placement: Placement;
  readonly restart: RestartType;
  readonly startTimeoutMs: number;
  readonly shutdownMs: number;
  readonly mailbox: Mailbox;
  /**
   * Memory in MB for what its thread allocates and soon drops; null = Node's choice, which suits a busy actor. 3 makes
   * the thread of a quiet one 2 MB smaller. Means nothing inline.
   */
  readonly youngHeapMb: number | null;
  /** The actor's block of figures; outlives its restarts. */
  readonly metrics: SharedArrayBuffer;
  /** Memory that its lives share with each other and with all who call it; null = none. */
  readonly shared: SharedArrayBuffer | null;
  /** Of its thread in the presence words. */
  readonly slot: number;
}

export interface ChildHealth {
  readonly name: string;
  readonly state: string;
  readonly epoch: number;
  /** What the actor itself reports; null when it did not answer in time. */
  readonly report: Record<string, unknown> | null;
}

/** One life of one child, seen from its supervisor. Every method ends; after the end of the life they are no-ops. */
export interface Child {
  /** The word that wakes it, for links; null when it is woken without one. */
  readonly bell: SharedArrayBuffer | null;
  /** Resolves when setup has finished. When it throws, what is left is to be stopped. @throws DEADLINE_EXCEEDED when it was killed after `startTimeoutMs` */
  start(spec: ChildSpec, epoch: number): Promise<void>;
  /** A caller of this child has come up. */
  accept(link: Link): Promise<void>;
  /** An actor that this child calls has come up. */
  connect(link: Link): Promise<void>;
  /** The other side of a link is gone. */
  disconnect(linkId: number, reason: WireError): Promise<void>;
  /** An actor that this child calls will never come back. */
  dismiss(callee: string, reason: WireError): Promise<void>;
  health(): Promise<Record<string, unknown>>;
  /** Orderly, and after `shutdownMs` by force. */
  stop(): Promise<void>;
  /** At once. */
  kill(): Promise<void>;
}

/**
 * How a child tells that its life has ended without being asked to; called at most once, and with undefined when it
 * ended itself and well (a thread that exits with code 0).
 */
export type OnEnd = (reason: unknown) => void;

/** Behaviours by module, once they are loaded. */
const loaded = new Map<string, Behaviour>();

/**
 * A behaviour, and whether the module that should hold it does.
 *
 * The engine would keep the module as well, but its answer takes turns of the real event loop, and a simulation must
 * be able to restart an actor without any.
 */
export async function importBehaviour(module: string): Promise<Behaviour> {
  const known = loaded.get(module);
  if (known) return known;
  const { default: behaviour } = (await import(module)) as { default?: Partial<Behaviour> };
  if (!behaviour?.protocol || typeof behaviour.setup !== "function") {
    throw new TypeError(`the default export of ${module} is no actor(protocol, setup)`);
  }
  loaded.set(module, behaviour as Behaviour);
  return behaviour as Behaviour;
}
