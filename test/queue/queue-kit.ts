import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { onTestFinished } from "vitest";
import type { HandlersOf } from "../../src/actor/index.ts";
import { packValue, unpackValue } from "../../src/codec/index.ts";
import type {
  ComputePool,
  HandlerInfo,
  PoolOptions,
  RunOutcome,
  RunRequest,
} from "../../src/compute/index.ts";
import { LIMITS, fault, toWireError } from "../../src/errors/index.ts";
import { queueBehaviourOver } from "../../src/queue/queue.behaviour.ts";
import type { QueueInit } from "../../src/queue/queue-context.ts";
import { Queue, type TaskOutcome, type TaskSpec } from "../../src/queue/queue.protocol.ts";
import { openSqlite } from "../../src/store/driver.ts";
import { openStore, type Driver } from "../../src/store/index.ts";
import { fakeActor, fakeMessage, type FakeActor } from "../kit/actor-context.ts";
import { manualClock, type ManualClock } from "../kit/manual-clock.ts";
import { seededRandom } from "../kit/seeded-random.ts";
import { seededScheduler, type SeededScheduler } from "../kit/seeded-scheduler.ts";

type Members = typeof Queue.members;

/** A pool whose handlers end when the test says so. */
export class FakePool implements ComputePool {
  readonly options: PoolOptions;
  /** Every attempt that was started, in order. */
  readonly started: RunRequest[] = [];
  readonly cancels: { taskId: string; graceMs: number }[] = [];
  handlers: HandlerInfo[] | Promise<HandlerInfo[]> | Error = [];
  describes = 0;
  closedWithGraceMs: number | null = null;
  readonly #open = new Map<string, (outcome: RunOutcome) => void>();

  constructor(options: PoolOptions) {
    this.options = options;
  }

  get capacity(): ComputePool["capacity"] {
    const { threads } = this.options;
    return { threads, shared: threads };
  }

  get running(): number {
    return this.#open.size;
  }

  get runningIds(): string[] {
    return [...this.#open.keys()];
  }

  describe(): Promise<readonly HandlerInfo[]> {
    this.describes += 1;
    return this.handlers instanceof Error ? Promise.reject(this.handlers) : Promise.resolve(this.handlers);
  }

  run(request: RunRequest): Promise<RunOutcome> {
    if (this.#open.has(request.taskId)) throw new Error(`${request.taskId} runs twice at once`);
    if (this.#open.size >= this.options.threads) throw new Error("more handlers than threads");
    this.started.push(request);
    return new Promise((resolve) => this.#open.set(request.taskId, resolve));
  }

  /** False when no such attempt runs. */
  end(taskId: string, outcome: RunOutcome): boolean {
    const resolve = this.#open.get(taskId);
    this.#open.delete(taskId);
    resolve?.(outcome);
    return resolve !== undefined;
  }

  cancel(taskId: string, { graceMs }: { readonly graceMs: number }): boolean {
    this.cancels.push({ taskId, graceMs });
    return this.#open.has(taskId);
  }

  close({ graceMs }: { readonly graceMs: number }): Promise<void> {
    this.closedWithGraceMs = graceMs;
    for (const taskId of this.runningIds)
      this.end(taskId, { kind: "interrupted", why: "the pool was closed" });
    return Promise.resolve();
  }
}

/** A disk that can be told to fail; what it throws is what SQLite throws. */
export class Disk {
  /** Commits that still fit. */
  room = Infinity;
  /** Whether inputs can be read. */
  readable = true;
  commits = 0;

  readonly driver = (path: string): Driver => {
    const real = openSqlite(path);
    return {
      get isTransaction() {
        return real.isTransaction;
      },
      exec: (sql) => {
        if (sql === "COMMIT") {
          if (this.room === 0) throw Object.assign(new Error("database or disk is full"), { errcode: 13 });
          this.room -= 1;
          this.commits += 1;
        }
        real.exec(sql);
      },
      prepare: (sql) => {
        const statement = real.prepare(sql);
        if (!sql.includes("SELECT input")) return statement;
        return Object.assign(Object.create(statement) as typeof statement, {
          get: (sequence: number) => {
            if (!this.readable) throw Object.assign(new Error("disk I/O error"), { errcode: 10 });
            return statement.get(sequence);
          },
        });
      },
      close: () => real.close(),
    };
  };
}

const GRACE_MS = 5_000;

export interface QueueKit {
  readonly queue: HandlersOf<Members>;
  readonly actor: FakeActor<Members>;
  readonly clock: ManualClock;
  readonly scheduler: SeededScheduler;
  readonly disk: Disk;
  /** Fails when no handler was ever needed. */
  readonly pool: FakePool;
  readonly poolOpened: boolean;
  /** Runs every turn that is ready, commits among them. */
  turns(): Promise<void>;
  /** The result of a call, after the turns it needs. */
  answer<T>(call: T | Promise<T>): Promise<T>;
  /** Submits and answers; the tasks are `echo` unless they say otherwise. */
  submit(...tasks: (Partial<TaskSpec> & { taskId: string })[]): Promise<void>;
  /** Likewise, but they belong to no group, and nothing keeps them from leaving. */
  submitAlone(...tasks: (Partial<TaskSpec> & { taskId: string })[]): Promise<void>;
  status(taskId: string): Promise<{ state: string; attempt: number; interruptions: number }>;
  /** Ends a running attempt and runs the turns. */
  end(taskId: string, outcome?: RunOutcome): Promise<void>;
  /** An orderly stop; handlers that run get their grace. */
  stop(): Promise<void>;
  settled(): TaskOutcome[];
  events(name: string): unknown[];
}

export interface KitOptions {
  readonly directory?: string | null;
  readonly init?: Partial<QueueInit>;
  readonly disk?: Disk;
  readonly clock?: ManualClock;
  readonly seed?: number;
  readonly handlers?: FakePool["handlers"];
}

export const completed = (value: unknown = "done"): RunOutcome => ({
  kind: "completed",
  output: packValue(value),
});
export const failedWith = (text: string): RunOutcome => ({
  kind: "failed",
  error: toWireError(fault("HANDLER_FAILED", { action: "echo", text })),
});
export const outputOf = ({ output }: TaskOutcome): unknown => (output === null ? null : unpackValue(output));

export function specOf(more: Partial<TaskSpec> & { taskId: string }): TaskSpec {
  // Of tasks that belong to a group the queue tells what happens to them.
  return { action: "echo", input: packValue({ n: 1 }), group: "kit", ...more };
}

export function temporaryDirectory(): string {
  const directory = mkdtempSync(join(tmpdir(), "queue-"));
  onTestFinished(() => rmSync(directory, { recursive: true, force: true }));
  return directory;
}

/** One life of the queue. Another one on the same directory, after `actor.crash()` or `actor.stop()`, is the next. */
export async function openKit(options: KitOptions = {}): Promise<QueueKit> {
  const { directory = null, disk = new Disk(), clock = manualClock(), seed = 1 } = options;
  const scheduler = seededScheduler(seededRandom(seed));
  const actor = fakeActor(Queue, { clock, scheduler });
  let ended = false;
  actor.context.atExit(() => (ended = true));
  // As the actor's interface has it: timers and turns go on until the last deferred cleanup has run.
  const context = {
    ...actor.context,
    clock: { ...clock, at: (atMs: number, run: () => void) => clock.at(atMs, () => void (ended || run())) },
    scheduler: { schedule: (run: () => void) => scheduler.schedule(() => void (ended || run())) },
  };
  let pool: FakePool | null = null;
  const behaviour = queueBehaviourOver({
    openStore: (storeOptions) => openStore({ ...storeOptions, driver: disk.driver }),
    openPool: (poolOptions) => {
      pool = new FakePool(poolOptions);
      pool.handlers = options.handlers ?? [];
      return pool;
    },
  });
  const queue = await behaviour.setup(context, {
    directory,
    durability: directory === null ? "memory" : "flushed",
    modules: [],
    order: { by: "priority" },
    quotas: [],
    keptTasks: LIMITS.queue.keptTasks,
    keptMs: LIMITS.queue.keptMs,
    threads: 1,
    // The built-in handlers share threads: so as many run at once as there are threads.
    sharedPerThread: 1,
    heapMb: 64,
    graceMs: GRACE_MS,
    roots: [],
    allowedHosts: [],
    ...options.init,
  });
  const turns = async (): Promise<void> => void (await scheduler.runAll());
  const answer = async <T>(call: T | Promise<T>): Promise<T> => {
    // Whether it rejects is for the caller to see, below.
    Promise.resolve(call).catch(() => undefined);
    await turns();
    return call;
  };
  const events = (name: string): unknown[] =>
    actor.events.filter(({ event }) => event === name).map(({ params }) => params);
  const kit: QueueKit = {
    queue,
    actor,
    clock,
    scheduler,
    disk,
    get pool() {
      if (pool === null) throw new Error("no handler was needed yet");
      return pool;
    },
    get poolOpened() {
      return pool !== null;
    },
    turns,
    answer,
    submit: async (...tasks) =>
      void (await answer(queue.submit({ tasks: tasks.map(specOf) }, fakeMessage()))),
    submitAlone: async (...tasks) => {
      const alone = tasks.map((task) => {
        const { group: _, ...spec } = specOf(task);
        return spec;
      });
      await answer(queue.submit({ tasks: alone }, fakeMessage()));
    },
    status: (taskId) => answer(queue.status({ taskId }, fakeMessage())),
    async end(taskId, outcome = completed()) {
      if (!kit.pool.end(taskId, outcome)) throw new Error(`${taskId} does not run`);
      await turns();
    },
    async stop() {
      const stopped = actor.stop();
      await turns();
      await clock.advance(GRACE_MS);
      await turns();
      await stopped;
    },
    events,
    settled: () => events("settled") as TaskOutcome[],
  };
  await turns();
  return kit;
}
