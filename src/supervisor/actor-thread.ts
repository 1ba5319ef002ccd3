import type { MessagePort } from "node:worker_threads";
import { ActorRuntime, checkHandshake, threadBells, type Link } from "../actor/index.ts";
import { fault, fromWireError, type WireError } from "../errors/index.ts";
import { Presence, ThreadPoller } from "../ring/index.ts";
import { systemClock, systemRandom, systemScheduler } from "../scope/index.ts";
import { attachMetrics } from "../telemetry/index.ts";
import { importBehaviour, type ChildSpec } from "./child.ts";
import { exposeControl } from "./control.ts";
import { threadLog } from "./thread-log.ts";

/** What a thread is born with. */
export interface ActorThreadData {
  readonly name: string;
  readonly module: string;
  readonly control: MessagePort;
  readonly bell: SharedArrayBuffer;
  readonly metrics: SharedArrayBuffer;
  readonly presence: SharedArrayBuffer;
  /** Of this thread in `presence`. */
  readonly slot: number;
}

/** The thread's side of its control channel. */
export interface ActorThreadControl {
  start(spec: ChildSpec, epoch: number): Promise<void>;
  accept(link: Link): void;
  connect(link: Link): void;
  disconnect(linkId: number, reason: WireError): void;
  dismiss(callee: string, reason: WireError): void;
  health(): Record<string, unknown>;
  stop(): Promise<void>;
}

export const ACTOR_THREAD_METHODS = [
  "start",
  "accept",
  "connect",
  "disconnect",
  "dismiss",
  "health",
  "stop",
] as const;

/**
 * The life of an actor thread. The control port is referenced and so keeps the thread alive; closing it is the last
 * thing that a supervisor does.
 *
 * A defect in the actor is thrown out of the event loop: the thread dies of it, and its supervisor learns why.
 */
export function runActorThread(data: ActorThreadData): void {
  const metrics = attachMetrics(data.metrics);
  const poller = new ThreadPoller(data.bell, new Presence(data.presence, data.slot), { metrics });
  // Loading begins before the supervisor asks for the start, so that threads load side by side.
  const loading = importBehaviour(data.module);
  loading.catch(() => undefined); // reported by start
  let runtime: ActorRuntime | undefined;
  const links: (() => void)[] = [];
  const whenRunning = (act: (runtime: ActorRuntime) => void): void => {
    if (runtime) act(runtime);
    else links.push(() => runtime && act(runtime));
  };
  const control: ActorThreadControl = {
    async start(spec, epoch) {
      const behaviour = await loading.catch((error: unknown) => {
        throw fault("ACTOR_START_FAILED", { actor: data.name, why: String(error) }, { cause: error });
      });
      checkHandshake(data.name, spec.handshake, behaviour.protocol);
      runtime = new ActorRuntime({
        name: data.name,
        epoch,
        behaviour,
        services: {
          poller,
          clock: systemClock,
          random: systemRandom,
          scheduler: systemScheduler,
          log: threadLog(data.name),
          metrics,
        },
        bellOf: threadBells,
        calls: spec.calls,
        shared: spec.shared,
        crash: (defect) =>
          setImmediate(() => {
            throw defect;
          }),
      });
      for (const attach of links.splice(0)) attach();
      await runtime.start(spec.init);
    },
    accept: (link) => whenRunning((actor) => actor.accept(link)),
    connect: (link) => whenRunning((actor) => actor.connect(link)),
    disconnect: (linkId, reason) => whenRunning((actor) => actor.disconnect(linkId, fromWireError(reason))),
    dismiss: (callee, reason) => whenRunning((actor) => actor.dismiss(callee, fromWireError(reason))),
    health: () => runtime?.health() ?? {},
    async stop() {
      await runtime?.stop();
      poller.close();
    },
  };
  exposeControl(control, data.control);
}
