import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { HandlersOf } from "../../../src/actor/index.ts";
import { checkExpression } from "../../../src/compute/expression.ts";
import { openStore } from "../../../src/store/index.ts";
import { schedulerBehaviourOver } from "../../../src/workflow/scheduler.behaviour.ts";
import {
  Scheduler,
  type RunEnd,
  type RunEvent,
  type RunResult,
  type RunStatus,
  type SubmittedRun,
  type WorkflowDefinition,
} from "../../../src/workflow/workflow.protocol.ts";
import { fakeActor, fakeMessage, type FakeActor } from "../../kit/actor-context.ts";
import { manualClock } from "../../kit/manual-clock.ts";
import { microtasksDrained } from "../../kit/microtasks.ts";
import { seededRandom } from "../../kit/seeded-random.ts";
import { seededScheduler } from "../../kit/seeded-scheduler.ts";
import { FakeCache } from "./fake-cache.ts";
import { FakeQueue } from "./fake-queue.ts";
import { MemoryBlobs } from "./memory-blobs.ts";

type Members = typeof Scheduler.members;

/** A scheduler on a real file, between a queue and a cache that the test plays; all time and chance are the test's. */
export class SchedulerKit {
  readonly random;
  readonly turns;
  readonly clock = manualClock();
  readonly queue;
  readonly cache;
  readonly directory = mkdtempSync(join(tmpdir(), "scheduler-"));
  /** Opens the store of the next life. */
  openStore = openStore;
  liveRunsMax = 1_000;
  /** Of ended runs, in the next life. */
  keptTasks = 100_000;
  keptMs = 604_800_000;
  /** Is the next life one that hands nothing to the queue? */
  idle = false;
  readonly blobs = new MemoryBlobs(this.clock);
  #epoch = 0;
  #actor: FakeActor<Members> | undefined;
  #handlers: HandlersOf<Members> | undefined;

  constructor(seed = 1) {
    this.random = seededRandom(seed);
    this.turns = seededScheduler(this.random);
    this.queue = new FakeQueue(this.turns, this.clock);
    this.cache = new FakeCache(this.turns);
  }

  async start(): Promise<this> {
    this.#epoch += 1;
    this.#actor = fakeActor(Scheduler, {
      epoch: this.#epoch,
      clock: this.clock,
      random: this.random,
      scheduler: this.turns,
      refs: { queue: this.queue.ref, cache: this.cache.ref },
    });
    const behaviour = schedulerBehaviourOver({
      openStore: (options) => this.openStore(options),
      openBlobs: () => this.blobs,
      loadExpressions: () => Promise.resolve(checkExpression),
      liveRunsMax: this.liveRunsMax,
    });
    const init = {
      directory: this.directory,
      durability: "committed" as const,
      keptTasks: this.keptTasks,
      keptMs: this.keptMs,
      idle: this.idle,
    };
    this.#handlers = await behaviour.setup(this.#actor.context, init);
    return this;
  }

  get actor(): FakeActor<Members> {
    if (!this.#actor) throw new Error("the scheduler was not started");
    return this.#actor;
  }

  get call(): HandlersOf<Members> {
    if (!this.#handlers) throw new Error("the scheduler was not started");
    return this.#handlers;
  }

  /** Events of this life. */
  get events(): RunEvent[] {
    return this.#emitted("changed") as RunEvent[];
  }

  /** The ends of runs that were told in this life. */
  get ends(): RunEnd[] {
    return this.#emitted("ended") as RunEnd[];
  }

  #emitted(name: string): unknown[] {
    return this.actor.events.filter(({ event }) => event === name).map(({ params }) => params);
  }

  async crash(): Promise<void> {
    this.actor.crash();
    for (const { link } of [this.queue, this.cache]) link.hangUp(this.random.next());
    // The file is given back in a turn of its own.
    await microtasksDrained();
  }

  async restart(): Promise<this> {
    await this.crash();
    return this.start();
  }

  /** Runs everything that can run without more time and without the queue's handlers. */
  async settle(): Promise<void> {
    await this.turns.runAll();
    await microtasksDrained();
  }

  submit(definition: WorkflowDefinition): Promise<SubmittedRun> {
    return this.answer(this.call.submit({ definition }, fakeMessage()));
  }

  status(workflowId = "w"): Promise<RunStatus> {
    return this.answer(this.call.status({ workflowId }, fakeMessage()));
  }

  result(workflowId = "w"): Promise<RunResult> {
    return this.answer(this.call.result({ workflowId }, fakeMessage()));
  }

  /** What a call answers within the turns that need no more time and no handler. */
  async answer<T>(call: T | Promise<T>): Promise<T> {
    const answered = Promise.resolve(call);
    // Whoever awaits the return value hears of a failure; until then it is nobody's.
    answered.catch(() => undefined);
    await this.settle();
    return answered;
  }

  /** Step states by id: `a:completed b:running`. */
  async states(workflowId = "w"): Promise<string> {
    const { steps } = await this.status(workflowId);
    return steps.map(({ stepId, state }) => `${stepId}:${state}`).join(" ");
  }

  /** Lets the queue's handlers work until nothing is left to do. */
  async finish(): Promise<void> {
    await this.settle();
    while (this.queue.work(this.random)) await this.settle();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const stopping = this.#actor?.stop();
    await this.turns.runAll();
    await stopping;
    rmSync(this.directory, { recursive: true, force: true });
  }
}

export const openKit = (): Promise<SchedulerKit> => new SchedulerKit().start();

/** The outcome of a call, whether it has one yet or not. */
export function watch<T>(call: T | Promise<T>): { value: T | undefined; error: unknown; settled: boolean } {
  const seen = { value: undefined as T | undefined, error: undefined as unknown, settled: false };
  void Promise.resolve(call)
    .then(
      (value) => (seen.value = value),
      (error: unknown) => (seen.error = error),
    )
    .finally(() => (seen.settled = true));
  return seen;
}
