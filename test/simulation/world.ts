import { createHash } from "node:crypto";
import { fileURLToPath } from "node:url";
import type { CoreOptions } from "../../src/queue/queue.core.ts";
import { QueueCore } from "../../src/queue/queue.core.ts";
import { queueBehaviourOver } from "../../src/queue/queue.behaviour.ts";
import type { QueueInit } from "../../src/queue/queue-context.ts";
import { Queue, type TaskOrder } from "../../src/queue/queue.protocol.ts";
import { openStore } from "../../src/store/index.ts";
import { importBehaviour } from "../../src/supervisor/child.ts";
import { openSupervisor, type SupervisorHandle } from "../../src/supervisor/index.ts";
import { createLog } from "../../src/telemetry/index.ts";
import { manualClock, type ManualClock } from "../kit/manual-clock.ts";
import { microtasksDrainedInTurn } from "../kit/microtasks.ts";
import { seededRandom, type SeededRandom } from "../kit/seeded-random.ts";
import { Checker } from "./checker.ts";
import { SimulatedDisk } from "./disk.ts";
import { behaviours } from "./modules/simulated-queue.ts";
import { observed } from "./observed-core.ts";
import { SimulatedPool, type PoolWeather } from "./pool.ts";
import { Replies } from "./replies.ts";
import { Requests } from "./requests.ts";
import { emptyCounts, type Counts, type FaultKind } from "./tally.ts";
import { TASK_COMMANDS } from "./task-commands.ts";
import { OPERATOR_COMMANDS } from "./operator-commands.ts";
import { Turns } from "./turns.ts";

export interface WorldOptions {
  readonly seed: number;
  /** The core under test; default: the real one. */
  readonly makeCore?: (options: CoreOptions) => QueueCore;
  /** False: the disk says that it has flushed, and has not. */
  readonly honestDisk?: boolean;
  /** Show what happened also when all is well. */
  readonly history?: boolean;
}

export const COMMANDS = { ...TASK_COMMANDS, ...OPERATOR_COMMANDS };
const MODULE = fileURLToPath(new URL("modules/simulated-queue.ts", import.meta.url));
const MODULE_URL = new URL("modules/simulated-queue.ts", import.meta.url).href;
/** Lines of the history that a failure shows. */
const SHOWN_LINES = 80;

interface Line {
  readonly text: string;
  readonly more: unknown;
}

/**
 * One simulated machine: the real queue, actor shell, rings and supervisor in one thread, on a clock that stands still
 * until it is moved, a disk that forgets what was not flushed, and handlers whose luck the seed decides.
 */
export class World {
  readonly random: SeededRandom;
  readonly clock: ManualClock = manualClock(0, microtasksDrainedInTurn);
  readonly turns: Turns;
  readonly disk: SimulatedDisk;
  readonly counts: Counts = emptyCounts(Object.keys(COMMANDS));
  readonly checker: Checker;
  readonly replies: Replies;
  readonly requests: Requests;
  readonly weather: PoolWeather;
  readonly supervisor: SupervisorHandle;
  readonly #init: QueueInit;
  readonly #name: string;
  readonly #hash = createHash("sha256");
  readonly #lines: Line[] = [];
  /** Of the queue. What belongs to an earlier one is over. */
  #life: object | null = null;

  static async open(options: WorldOptions): Promise<World> {
    await importBehaviour(MODULE_URL);
    const world = new World(options);
    await world.start();
    return world;
  }

  private constructor({
    seed,
    makeCore = (options) => new QueueCore(options),
    honestDisk = true,
  }: WorldOptions) {
    this.random = seededRandom(seed);
    const { random, clock, counts } = this;
    this.turns = new Turns(seededRandom(seed ^ 0x5bd1e995), clock);
    this.disk = new SimulatedDisk(honestDisk);
    const threads = 1 + Math.floor(random.next() * 3);
    const sharedPerThread = 1 + Math.floor(random.next() * 3);
    const order = orderOf(random);
    const retires = random.next() < 0.2;
    this.checker = new Checker({
      order,
      threads,
      sharedPerThread,
      retires,
      onPair: (from, to) => {
        const pair = `${from}-${to}`;
        counts.statePairs[pair] = (counts.statePairs[pair] ?? 0) + 1;
      },
      onNote: (text, more) => this.#note(text, more),
    });
    this.replies = new Replies(this.checker);
    this.requests = new Requests({
      random,
      clock,
      checker: this.checker,
      replies: this.replies,
      commands: counts.commands,
    });
    this.weather = {
      clock,
      random,
      calm: false,
      onFault: (kind) => this.fault(kind),
      onBroken: (law) => this.checker.broken(law),
      onStart: ({ taskId, token, attempt }) => {
        // A handler starts only after its claim is committed, and its attempt is the one that runs.
        this.replies.started(taskId, token, attempt, this.checker.model.number);
      },
    };
    const log = createLog({
      component: "simulated",
      clock,
      level: "error",
      sink: (line) => this.#note(line),
    });
    this.supervisor = openSupervisor({
      intensity: { restarts: 1_000, periodMs: 1 },
      simulation: { clock, random: seededRandom(seed ^ 0x27d4eb2f), scheduler: this.turns, log },
    });
    this.#name = `world ${seed} ${worlds++}`;
    this.#init = {
      directory: this.#name,
      durability: "flushed",
      order,
      modules: [MODULE],
      threads,
      sharedPerThread,
      heapMb: 64,
      graceMs: 400,
      roots: [],
      allowedHosts: [],
      keptTasks: retires ? 10 : 100_000,
      keptMs: 604_800_000,
      quotas: [],
    };
    this.#provide(makeCore);
  }

  #provide(makeCore: (options: CoreOptions) => QueueCore): void {
    const { disk, checker } = this;
    behaviours.set(this.#name, {
      protocol: Queue,
      setup: (context, init) => {
        const life = {};
        this.#life = life;
        context.atExit(() => void (this.#life === life && (this.#life = null)));
        const behaviour = queueBehaviourOver({
          openStore: (options) => openStore({ ...options, driver: disk.driver }),
          openPool: (options) => new SimulatedPool(options, this.#init.sharedPerThread, this.weather),
          makeCore: (options) => observed(makeCore(options), options, checker, () => this.#life === life),
        });
        return behaviour.setup(context, init);
      },
    });
  }

  async start(): Promise<void> {
    const spawned = this.supervisor.spawn(Queue, {
      module: MODULE_URL,
      init: this.#init,
      mailbox: { ringBytes: 65_536 },
    });
    this.requests.queue = await this.turns.until(spawned);
  }

  fault(kind: FaultKind): void {
    this.counts.faults[kind] = (this.counts.faults[kind] ?? 0) + 1;
    this.#note(`! ${kind}`);
  }

  /** @param more is shown with the line, and is no part of the trace: it follows from what is */
  #note(text: string, more: unknown = null): void {
    this.#lines.push({ text: `${this.clock.now()} ${text}\n`, more });
    if (this.#lines.length >= 2 * SHOWN_LINES) this.#trace(SHOWN_LINES);
  }

  #trace(lines: number): void {
    let text = "";
    for (const line of this.#lines.splice(0, lines)) text += line.text;
    this.#hash.update(text);
  }

  /** The latest of what happened. */
  get lines(): readonly string[] {
    return this.#lines.slice(-SHOWN_LINES).map(shown);
  }

  /** Ends the world; resolves with the hash of everything that happened in it. */
  async close(): Promise<string> {
    await this.turns.until(this.supervisor.close());
    behaviours.delete(this.#name);
    this.disk.dispose();
    this.#trace(this.#lines.length);
    return this.#hash.digest("hex");
  }
}

let worlds = 0;

function shown({ text, more }: Line): string {
  const line = text.trimEnd();
  if (more === null) return line;
  const bytes = (_: string, each: unknown): unknown =>
    each instanceof Uint8Array ? `${each.byteLength} bytes` : each;
  return `${line} ${JSON.stringify(more, bytes)}`;
}

function orderOf(random: SeededRandom): TaskOrder {
  const orders: TaskOrder[] = [
    { by: "fifo" },
    { by: "priority" },
    { by: "priority", ageingMs: 500 },
    { by: "deadline" },
    { by: "priority_deadline" },
    { by: "priority_deadline", weightMs: 700, horizonMs: 5_000 },
  ];
  return orders[Math.floor(random.next() * orders.length)] ?? { by: "priority" };
}
