import { untilAnswered, type RefOf } from "../actor/index.ts";
import { LIMITS, isFault } from "../errors/index.ts";
import type { Queue } from "../queue/queue.protocol.ts";
import type { Patience, Timer } from "../scope/index.ts";
import type { Log } from "../telemetry/index.ts";
import type { EndedRun, EndedRuns } from "./ended-runs.ts";

export interface RetentionServices extends Patience {
  readonly queue: RefOf<typeof Queue>;
  readonly runs: EndedRuns;
  readonly log: Log;
}

export interface RetentionBounds {
  /** Steps of ended runs: when there are more, the runs that ended first leave. */
  readonly keptTasks: number;
  /** How long ended runs are kept. */
  readonly keptMs: number;
}

/** Runs that leave in one transaction. */
const BATCH = 64;
const AGAIN_MS = 5_000;

/**
 * Lets ended runs leave that are too old or have too many steps together, each with its tasks; then its id is free.
 *
 * First the run goes, for good, and then its tasks: so nobody ever finds a run without its outputs. A death in between
 * is made up for by the next life, which finds the name of the run among those that are leaving.
 */
export class RunRetention {
  readonly #services: RetentionServices;
  readonly #bounds: RetentionBounds;
  /** Of ended runs that are kept. */
  #steps = 0;
  #isWorking = false;
  #timer: Timer | undefined;
  /** Runs that are gone, until their tasks are too. */
  readonly #leaving = new Map<string, PromiseWithResolvers<void>>();

  constructor(services: RetentionServices, bounds: RetentionBounds) {
    this.#services = services;
    this.#bounds = bounds;
    services.signal.addEventListener("abort", () => this.#timer?.cancel(), { once: true });
  }

  /** What an earlier life has left behind, and whatever is too much now. */
  open(): void {
    const { runs } = this.#services;
    this.#steps = runs.stepCount;
    for (const workflowId of runs.leaving()) this.#leaving.set(workflowId, Promise.withResolvers());
    void this.#work();
  }

  /** A run has ended, and its end is on disk. */
  ended(stepCount: number): void {
    const { keptTasks } = this.#bounds;
    const wereTooMany = this.#steps > keptTasks;
    this.#steps += stepCount;
    // Where the timer stands for the oldest, one that is younger changes nothing unless it makes them too many.
    const areTooMany = this.#steps > keptTasks;
    if (this.#timer === undefined || (areTooMany && !wereTooMany)) void this.#work();
  }

  /** Resolves when no task of an earlier run is in the way of a new one under its id. */
  async gone(workflowId: string): Promise<void> {
    await this.#leaving.get(workflowId)?.promise;
  }

  /** A defect in it is not caught: it ends the actor. */
  async #work(): Promise<void> {
    const { runs, signal, log } = this.#services;
    if (this.#isWorking || signal.aborted) return;
    this.#isWorking = true;
    try {
      await this.#forgetTasks();
      for (let due = this.#due(); due.length > 0; due = this.#due()) {
        await runs.leave(due.map(({ workflowId }) => workflowId));
        for (const { workflowId, stepCount } of due) {
          this.#steps -= stepCount;
          this.#leaving.set(workflowId, Promise.withResolvers());
        }
        await this.#forgetTasks();
      }
      this.#arm();
    } catch (error) {
      if (signal.aborted) return;
      if (!isFault(error)) throw error;
      log.debug("ended runs leave later", { error });
      this.#armIn(AGAIN_MS);
    } finally {
      this.#isWorking = false;
    }
  }

  /** Those that ended first. Whoever waited for one that has just ended is given time to read its outputs. */
  #due(): EndedRun[] {
    const { runs, clock } = this.#services;
    const { keptTasks, keptMs } = this.#bounds;
    const nowMs = clock.wallNow();
    const due: EndedRun[] = [];
    let steps = this.#steps;
    for (const run of runs.oldest(BATCH)) {
      const ageMs = nowMs - run.endedAtMs;
      if (ageMs < LIMITS.workflow.resultMs || (ageMs < keptMs && steps <= keptTasks)) break;
      due.push(run);
      steps -= run.stepCount;
    }
    return due;
  }

  async #forgetTasks(): Promise<void> {
    const { queue, runs, signal } = this.#services;
    for (const [group, gone] of this.#leaving) {
      const forget = (): Promise<unknown> => queue.call.forget({ group }, { signal, timeoutMs: Infinity });
      await untilAnswered(queue, forget, this.#services);
      await runs.left(group);
      this.#leaving.delete(group);
      gone.resolve();
    }
  }

  #arm(): void {
    const [oldest] = this.#services.runs.oldest(1);
    if (oldest === undefined) return;
    const keptMs = this.#steps > this.#bounds.keptTasks ? 0 : this.#bounds.keptMs;
    const atMs = oldest.endedAtMs + Math.max(keptMs, LIMITS.workflow.resultMs);
    this.#armIn(Math.max(1, atMs - this.#services.clock.wallNow()));
  }

  #armIn(ms: number): void {
    const { clock } = this.#services;
    this.#timer?.cancel();
    this.#timer = clock.at(clock.now() + ms, () => {
      this.#timer = undefined;
      void this.#work();
    });
  }
}
