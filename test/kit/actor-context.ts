import type {
  ActorContext,
  EmittersOf,
  Members,
  MessageContext,
  Protocol,
  Ref,
} from "../../src/actor/index.ts";
import { assert, fault } from "../../src/errors/index.ts";
import type { Random, Scheduler } from "../../src/scope/index.ts";
import {
  createLog,
  createMetricsBlock,
  readMetrics,
  type MetricsSnapshot,
} from "../../src/telemetry/index.ts";
import { manualClock, type ManualClock } from "./manual-clock.ts";
import { seededRandom } from "./seeded-random.ts";
import { seededScheduler } from "./seeded-scheduler.ts";

export interface FakeActorOptions {
  readonly epoch?: number;
  readonly clock?: ManualClock;
  readonly random?: Random;
  readonly scheduler?: Scheduler;
  /** What `context.shared` is; default null. */
  readonly shared?: SharedArrayBuffer;
  /** What `context.ref` finds, by the name of the actor. */
  readonly refs?: Readonly<Record<string, Ref>>;
}

export interface EmittedEvent {
  readonly event: string;
  readonly params: unknown;
}

export interface LogRecord {
  readonly level: string;
  readonly message: string;
  readonly [field: string]: unknown;
}

/** The context of an actor that nobody runs: a test calls `behaviour.setup(fake.context, init)` and its handlers. */
export interface FakeActor<M extends Members> {
  readonly context: ActorContext<M>;
  readonly clock: ManualClock;
  /** What was emitted, in order. */
  readonly events: readonly EmittedEvent[];
  /** What was logged, in order. */
  readonly logged: readonly LogRecord[];
  /** What the report that was registered last says. */
  health(): Record<string, unknown>;
  metrics(): MetricsSnapshot;
  /** As the runtime does it: the signal aborts, the deferred cleanups run in reverse order, then those for the exit. */
  stop(): Promise<void>;
  /** As a crash does it: the signal aborts, and only what was registered for the exit runs. */
  crash(): void;
}

export function fakeActor<M extends Members>(
  protocol: Protocol<M>,
  options: FakeActorOptions = {},
): FakeActor<M> {
  const { clock = manualClock(), random = seededRandom(1), epoch = 1, refs = {} } = options;
  const events: EmittedEvent[] = [];
  const logged: LogRecord[] = [];
  const cleanups: (() => void | Promise<void>)[] = [];
  const releases: (() => void)[] = [];
  let report: () => Record<string, unknown> = () => ({});
  const stopping = new AbortController();
  /** The services answer until the cleanups have run, as in the real runtime. */
  const life = new AbortController();
  const scheduler = options.scheduler ?? seededScheduler(random);
  const metrics = createMetricsBlock();

  const emitters = protocol.order
    .filter((name) => protocol.members[name]?.kind === "event")
    .map((event) => [
      event,
      (params: unknown): void => void (life.signal.aborted || events.push({ event, params })),
    ]);

  const context: ActorContext<M> = {
    name: protocol.name,
    epoch,
    signal: stopping.signal,
    clock: {
      now: () => clock.now(),
      wallNow: () => clock.wallNow(),
      at: (atMs, run) => clock.at(atMs, () => void (life.signal.aborted || run())),
    },
    random,
    scheduler: { schedule: (run) => scheduler.schedule(() => void (life.signal.aborted || run())) },
    log: createLog({
      component: protocol.name,
      clock,
      level: "debug",
      sink: (line) => void logged.push(JSON.parse(line) as LogRecord),
    }),
    metrics,
    shared: options.shared ?? null,
    // One emitter per event member; the compiler cannot follow fromEntries.
    emit: Object.fromEntries(emitters) as EmittersOf<M>,
    ref: <N extends Members>(wanted: Protocol<N>, name: string = wanted.name): Ref<N> => {
      const found = refs[name];
      assert(found !== undefined, `the test hands in a ref named ${name}`);
      return found as Ref<N>;
    },
    atExit: (release) => void releases.push(release),
    defer: (cleanup) => void cleanups.push(cleanup),
    reportHealth: (latest) => (report = latest),
  };

  const askToStop = (): void => stopping.abort(fault("CANCELLED", { what: protocol.name }));
  const end = (): void => {
    life.abort();
    askToStop();
    for (const release of releases.splice(0).reverse()) release();
  };
  return {
    context,
    clock,
    events,
    logged,
    health: () => report(),
    metrics: () => readMetrics([metrics.buffer]),
    crash: end,
    async stop() {
      askToStop();
      for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
      end();
    },
  };
}

/** What a handler is told about a message that comes from the host and has no deadline. */
export function fakeMessage(overrides: Partial<MessageContext> = {}): MessageContext {
  return {
    signal: new AbortController().signal,
    deadlineMs: Infinity,
    traceparent: undefined,
    caller: "host",
    ...overrides,
  };
}
