import { createHash } from "node:crypto";
import { workerModule, type RefOf } from "../../../src/actor/index.ts";
import { Cache } from "../../../src/cache/cache.protocol.ts";
import { Generation } from "../../../src/cache/near.protocol.ts";
import { checkExpression } from "../../../src/compute/expression.ts";
import { LIMITS } from "../../../src/errors/index.ts";
import { queueBehaviourOver } from "../../../src/queue/queue.behaviour.ts";
import { Queue } from "../../../src/queue/queue.protocol.ts";
import { openStore } from "../../../src/store/index.ts";
import { importBehaviour } from "../../../src/supervisor/child.ts";
import { openSupervisor, type SupervisorHandle } from "../../../src/supervisor/index.ts";
import { createLog } from "../../../src/telemetry/index.ts";
import { schedulerBehaviourOver } from "../../../src/workflow/scheduler.behaviour.ts";
import { Scheduler } from "../../../src/workflow/workflow.protocol.ts";
import { planRun } from "../../crash/planned-run.ts";
import { RunLedger } from "../../crash/run-ledger.ts";
import { manualClock, type ManualClock } from "../../kit/manual-clock.ts";
import { microtasksDrainedInTurn } from "../../kit/microtasks.ts";
import { seededRandom, type SeededRandom } from "../../kit/seeded-random.ts";
import { MemoryBlobs } from "../../workflow/kit/memory-blobs.ts";
import { SimulatedDisk } from "../disk.ts";
import { behaviours as queues } from "../modules/simulated-queue.ts";
import { behaviours as schedulers } from "../modules/simulated-scheduler.ts";
import { Turns } from "../turns.ts";
import { PlannedPool, type Weather } from "./planned-pool.ts";

const QUEUE_URL = new URL("../modules/simulated-queue.ts", import.meta.url).href;
const SCHEDULER_URL = new URL("../modules/simulated-scheduler.ts", import.meta.url).href;
const CACHE_URL = workerModule("cache.actor").href;
/** Where the handlers would be. */
const LABOUR_URL = "file:///labour.tasks.ts";
const SHOWN_LINES = 80;

/** Where nothing is written: the handlers of this world are no handlers. */
export const JOURNAL = "/journal";

export interface WorkflowWorldOptions {
  readonly seed: number;
  /** False: the disks say that they have flushed, and have not. */
  readonly honestDisks?: boolean;
  /** Show what happened also when all is well. */
  readonly history?: boolean;
}

export type Disks = Readonly<Record<"queue" | "scheduler", SimulatedDisk>>;

/**
 * One simulated machine that runs workflows: the real scheduler, queue and cache in one thread, over disks that forget
 * what was not flushed, with handlers that do what the plan of each run says.
 */
export class WorkflowWorld {
  readonly random: SeededRandom;
  readonly clock: ManualClock = manualClock(0, microtasksDrainedInTurn);
  readonly turns: Turns;
  readonly disks: Disks;
  readonly ledger = new RunLedger((runId) => planRun(runId, JOURNAL).end);
  readonly weather: Weather;
  readonly supervisor: SupervisorHandle;
  readonly #name: string;
  readonly #hash = createHash("sha256");
  readonly #lines: string[] = [];
  #scheduler: RefOf<typeof Scheduler> | undefined;
  #moments = 0;

  static async open(options: WorkflowWorldOptions, onDeath: () => void): Promise<WorkflowWorld> {
    await Promise.all([QUEUE_URL, SCHEDULER_URL, CACHE_URL].map(importBehaviour));
    const world = new WorkflowWorld(options, onDeath);
    await world.#start();
    return world;
  }

  private constructor({ seed, honestDisks = true }: WorkflowWorldOptions, onDeath: () => void) {
    this.random = seededRandom(seed);
    const { random, clock } = this;
    this.turns = new Turns(seededRandom(seed ^ 0x5bd1e995), clock);
    this.disks = {
      queue: new SimulatedDisk(honestDisks),
      scheduler: new SimulatedDisk(honestDisks, "scheduler"),
    };
    this.weather = {
      clock,
      random,
      calm: false,
      onDeath,
      onStart: ({ taskId, attempt }) => {
        this.note(`${taskId} starts, attempt ${attempt}`);
        // Whatever was seen before this moment was seen in an earlier one.
        this.ledger.take({ say: "started", taskId, life: this.#moments + 1 });
      },
    };
    const log = createLog({
      component: "simulated",
      clock,
      level: "error",
      sink: (line) => this.note(line.trimEnd()),
    });
    this.supervisor = openSupervisor({
      intensity: { restarts: 1_000, periodMs: 1 },
      simulation: { clock, random: seededRandom(seed ^ 0x27d4eb2f), scheduler: this.turns, log },
    });
    this.#name = `workflows ${seed} ${worlds++}`;
    this.#provide();
  }

  #provide(): void {
    const { disks, clock, weather } = this;
    const blobs = new MemoryBlobs(clock);
    queues.set(
      this.#name,
      queueBehaviourOver({
        openStore: (options) => openStore({ ...options, driver: disks.queue.driver }),
        openPool: () => new PlannedPool(weather),
      }),
    );
    schedulers.set(
      this.#name,
      schedulerBehaviourOver({
        openStore: (options) => openStore({ ...options, driver: disks.scheduler.driver }),
        openBlobs: () => blobs,
        loadExpressions: () => Promise.resolve(checkExpression),
      }),
    );
  }

  async #start(): Promise<void> {
    const { supervisor, turns } = this;
    const directory = this.#name;
    const kept = { keptTasks: LIMITS.queue.keptTasks, keptMs: LIMITS.queue.keptMs };
    const mailbox = { ringBytes: 65_536 };
    await turns.until(
      supervisor.spawn(Cache, {
        module: CACHE_URL,
        init: { directory: null, policy: "lru", entriesMax: 1_000, sizeBytesMax: 1_000_000 },
        shared: Generation.create(),
        mailbox,
      }),
    );
    await turns.until(
      supervisor.spawn(Queue, {
        module: QUEUE_URL,
        init: {
          directory,
          durability: "flushed",
          order: { by: "priority" },
          modules: [LABOUR_URL],
          threads: 2,
          sharedPerThread: 4,
          heapMb: 64,
          graceMs: 400,
          roots: [],
          allowedHosts: [],
          quotas: [],
          ...kept,
        },
        mailbox,
      }),
    );
    this.#scheduler = await turns.until(
      supervisor.spawn(Scheduler, {
        module: SCHEDULER_URL,
        init: { directory, durability: "flushed", ...kept },
        calls: ["queue", "cache"],
        mailbox,
      }),
    );
  }

  get scheduler(): RefOf<typeof Scheduler> {
    if (!this.#scheduler) throw new Error("the world has not been started");
    return this.#scheduler;
  }

  /** What is seen from now on comes after all that has been seen. */
  moment(): void {
    this.ledger.begin(++this.#moments);
  }

  below(end: number): number {
    return Math.floor(this.random.next() * end);
  }

  note(text: string): void {
    // Worlds are numbered, but for the trace each is the only one.
    const line = `${this.clock.now()} ${text.replaceAll(this.#name, "world")}`;
    this.#hash.update(`${line}\n`);
    this.#lines.push(line);
    if (this.#lines.length >= 2 * SHOWN_LINES) this.#lines.splice(0, SHOWN_LINES);
  }

  /** The latest of what happened. */
  get lines(): readonly string[] {
    return this.#lines.slice(-SHOWN_LINES);
  }

  /** Ends the world; resolves with the hash of everything that happened in it. */
  async close(): Promise<string> {
    await this.turns.until(this.supervisor.close());
    queues.delete(this.#name);
    schedulers.delete(this.#name);
    for (const disk of Object.values(this.disks)) disk.dispose();
    return this.#hash.digest("hex");
  }
}

let worlds = 0;
