import { MessageChannel, Worker } from "node:worker_threads";
import {
  handshakeOf,
  threadBells,
  type Connection,
  type InitOf,
  type Members,
  type Protocol,
  type Ref,
  workerModule,
} from "../actor/index.ts";
import { LIMITS, fault, type Fault } from "../errors/index.ts";
import { Presence, ThreadPoller, createBell } from "../ring/index.ts";
import { assertWire } from "../schema/index.ts";
import { systemClock } from "../scope/index.ts";
import {
  attachMetrics,
  createMetricsBlock,
  readMetrics,
  type MetricsBlock,
  type MetricsSnapshot,
} from "../telemetry/index.ts";
import { SimulatedPlace, childMaker, type Simulation } from "./child-maker.ts";
import type { ChildHealth, ChildSpec } from "./child.ts";
import { exposeControl, wrapControl } from "./control.ts";
import { HostEnd } from "./host-end.ts";
import type { SupervisorThreadData } from "./supervisor-thread.ts";
import type { Intensity, Strategy } from "./supervisor.core.ts";
import { SUPERVISOR_METHODS, Supervisor, type HostSide, type SupervisorApi } from "./supervisor.ts";
import { threadLog } from "./thread-log.ts";

/**
 * What is asked of a supervisor to start an actor. The module is needed, and `init` where the protocol has one;
 * everything else has a default.
 */
export type SpawnOptions<M extends Members> = Pick<ChildSpec, "module"> &
  Partial<Omit<ChildSpec, "handshake" | "init" | "metrics" | "module" | "slot">> &
  InitOption<InitOf<M>>;

type InitOption<I> = [I] extends [void] ? { readonly init?: undefined } : { readonly init: I };

export interface SupervisorSetup {
  /** "thread" (default): on a thread of its own. "host": beside the program, which then must not block. */
  readonly supervisor?: "thread" | "host";
  readonly strategy?: Strategy;
  readonly intensity?: Intensity;
  /** Everything inline in this thread, on this clock, chance and order of turns. Implies `supervisor: "host"`. */
  readonly simulation?: Simulation;
}

/** A running supervisor, seen from the program. */
export interface SupervisorHandle {
  /**
   * Resolves when the actor's setup has finished. When it rejects, nothing of the actor is left.
   *
   * @throws INVALID_ARGUMENT, NOT_A_WIRE_VALUE (`init`), ALREADY_EXISTS, PROTOCOL_MISMATCH
   * @throws ACTOR_START_FAILED when setup throws (its cause is what was thrown) or the module holds no behaviour
   * @throws DEADLINE_EXCEEDED when setup takes longer than `startTimeoutMs`
   * @throws ACTOR_STOPPED when the supervisor, or this actor, is stopped meanwhile
   */
  spawn<M extends Members>(protocol: Protocol<M>, options: SpawnOptions<M>): Promise<Ref<M>>;
  /** Ends an actor for good; resolves when nothing of it is left. Then the name is free. @throws UNKNOWN_NAME */
  stopChild(name: string): Promise<void>;
  /** Ends an actor's life as a crash would; it is restarted. @throws UNKNOWN_NAME */
  kill(name: string): Promise<void>;
  health(): Promise<ChildHealth[]>;
  metrics(): MetricsSnapshot;
  /** Figures of the thread that the supervisor was opened on. */
  readonly hostMetrics: MetricsBlock;
  /** Refs over this connection reach the running actor of its name from now on, and those that `spawn` gave do not. */
  adopt(connection: Connection): void;
  /** Rejects when the supervisor gives up or dies. Never resolves, and an orderly `close` leaves it pending. */
  readonly failed: Promise<never>;
  /** Stops every actor, last one first, and every thread. Asked again, it waits for the same end. */
  close(): Promise<void>;
}

export function openSupervisor(setup: SupervisorSetup = {}): SupervisorHandle {
  const presence = Presence.create();
  const strategy = setup.strategy ?? "one_for_one";
  const intensity = setup.intensity ?? {
    restarts: LIMITS.supervisor.restarts,
    periodMs: LIMITS.supervisor.restartPeriodMs,
  };
  const failure = Promise.withResolvers<never>();
  failure.promise.catch(() => undefined); // whoever cares awaits `failed`
  const blocks = [createMetricsBlock().buffer, createMetricsBlock().buffer];
  const [hostBlock, supervisorBlock] = blocks as [SharedArrayBuffer, SharedArrayBuffer];
  const onGaveUp = (reason: Fault): void => failure.reject(reason);
  const metrics = attachMetrics(hostBlock);
  const parts = { strategy, intensity, presence, supervisorBlock, metrics, onGaveUp };
  const { api, end, close } = setup.simulation
    ? simulated(setup.simulation, parts)
    : (setup.supervisor ?? "thread") === "thread"
      ? onThread(parts)
      : beside(parts);
  let slots = 0;
  return {
    async spawn(protocol, options) {
      const name = options.name ?? protocol.name;
      // The type depends on the protocol; that it fits has been checked where spawn was called.
      const { init } = options as { readonly init?: unknown };
      assertWire(init, `the init of ${name}`);
      const block = createMetricsBlock().buffer;
      blocks.push(block);
      await api.spawn({
        name,
        handshake: handshakeOf(protocol),
        module: options.module,
        init,
        calls: options.calls ?? [],
        placement: setup.simulation ? "inline" : (options.placement ?? "thread"),
        restart: options.restart ?? "permanent",
        startTimeoutMs: options.startTimeoutMs ?? LIMITS.supervisor.startTimeoutMs,
        shutdownMs: options.shutdownMs ?? LIMITS.supervisor.shutdownMs,
        mailbox: options.mailbox ?? {},
        youngHeapMb: options.youngHeapMb ?? null,
        metrics: block,
        shared: options.shared ?? null,
        slot: ++slots,
      });
      return end.ref(protocol, name);
    },
    stopChild: (name) => api.stopChild(name),
    kill: (name) => api.kill(name),
    health: () => api.health(),
    metrics: () => readMetrics(blocks),
    hostMetrics: metrics,
    adopt: (connection) => end.adopt(connection),
    failed: failure.promise,
    close,
  };
}

interface Parts {
  readonly strategy: Strategy;
  readonly intensity: Intensity;
  readonly presence: SharedArrayBuffer;
  readonly supervisorBlock: SharedArrayBuffer;
  readonly metrics: ReturnType<typeof attachMetrics>;
  readonly onGaveUp: (reason: Fault) => void;
}

interface Opened {
  readonly api: SupervisorApi;
  readonly end: HostEnd;
  readonly close: () => Promise<void>;
}

function simulated(simulation: Simulation, parts: Parts): Opened {
  const place = new SimulatedPlace(simulation);
  const { metrics, onGaveUp } = parts;
  const end = new HostEnd(
    { poller: place.hostPoller, clock: simulation.clock, metrics },
    place.bellOf,
    onGaveUp,
  );
  const api = new Supervisor({
    ...parts,
    ...simulation,
    metrics: attachMetrics(parts.supervisorBlock),
    host: end,
    hostBell: null,
    makeChild: place.makeChild,
  });
  return { api, end, close: () => api.stop().finally(() => end.close()) };
}

function beside(parts: Parts): Opened {
  const { end, bell } = hostEnd(parts);
  const api = new Supervisor({
    ...parts,
    clock: systemClock,
    log: threadLog("supervisor"),
    metrics: attachMetrics(parts.supervisorBlock),
    host: end,
    hostBell: bell,
    makeChild: childMaker(parts.presence),
  });
  return { api, end, close: () => api.stop().finally(() => end.close()) };
}

function onThread(parts: Parts): Opened {
  const { end, bell } = hostEnd(parts);
  const control = new MessageChannel();
  const { strategy, intensity, presence } = parts;
  const workerData: SupervisorThreadData = {
    control: control.port2,
    hostBell: bell,
    presence,
    metrics: parts.supervisorBlock,
    strategy,
    intensity,
  };
  const worker = new Worker(workerModule("supervisor"), {
    name: "supervisor",
    // It allocates at human rates.
    resourceLimits: { maxYoungGenerationSizeMb: 3 },
    workerData,
    transferList: [control.port2],
    stdout: true,
  });
  worker.stdout.on("data", (chunk: Buffer) => process.stderr.write(chunk));
  const told: HostSide = {
    connect: (link) => end.connect(link),
    disconnect: (linkId, reason) => end.disconnect(linkId, reason),
    dismiss: (callee, reason) => end.dismiss(callee, reason),
    gaveUp: (reason) => end.gaveUp(reason),
  };
  exposeControl(told, control.port1);
  const remote = wrapControl<SupervisorApi>(control.port1, SUPERVISOR_METHODS);
  const exited = Promise.withResolvers<never>();
  exited.promise.catch(() => undefined);
  let why: unknown;
  let closing: Promise<void> | undefined;
  worker.on("error", (error) => {
    why = error;
  });
  worker.on("exit", () => {
    const reason = fault("ACTOR_STOPPED", { actor: "the system" }, { cause: why });
    control.port1.close();
    end.close(reason);
    exited.reject(reason);
    if (!closing) parts.onGaveUp(reason);
  });
  /** A supervisor that died answers nothing. */
  const answered = <T>(answer: Promise<T>): Promise<T> => Promise.race([answer, exited.promise]);
  const api: SupervisorApi = {
    spawn: (spec) => answered(remote.spawn(spec)),
    stopChild: (name) => answered(remote.stopChild(name)),
    kill: (name) => answered(remote.kill(name)),
    health: () => answered(remote.health()),
    stop: () => answered(remote.stop()),
  };
  const stopAll = async (): Promise<void> => {
    const late = Promise.withResolvers<void>();
    const timer = systemClock.at(systemClock.now() + LIMITS.supervisor.closeMs, () => late.resolve());
    await Promise.race([api.stop().catch(() => undefined), late.promise]);
    timer.cancel();
    await worker.terminate();
  };
  return { api, end, close: () => (closing ??= stopAll()) };
}

function hostEnd({ presence, metrics, onGaveUp }: Parts): { end: HostEnd; bell: SharedArrayBuffer } {
  const bell = createBell();
  const poller = new ThreadPoller(bell, new Presence(presence, 0), { metrics });
  return { end: new HostEnd({ poller, clock: systemClock, metrics }, threadBells, onGaveUp), bell };
}
