import { mayPass, type RefOf } from "../actor/index.ts";
import { isFault, type Fault } from "../errors/index.ts";
import type { Queue, TaskSpec } from "../queue/queue.protocol.ts";
import { pause, type Patience, type Scheduler } from "../scope/index.ts";
import type { RunTask } from "./run-step.ts";

/** A run, as the submitter sees it. */
export interface SubmittingRun {
  /** Made at the last moment; undefined = it is not wanted any more. */
  specOf(task: RunTask): TaskSpec | undefined;
  /** @param wasThere somebody has asked for it before, so it may have started or ended */
  accepted(task: RunTask, wasThere: boolean): void;
  /** For good. */
  refused(task: RunTask, error: Fault): void;
  /** It is open whether the queue has taken what was on its way. */
  doubted(error: Fault): void;
  /** Nothing of it is on its way any more. */
  arrived(): void;
}

export interface SubmitterServices extends Patience {
  readonly queue: RefOf<typeof Queue>;
  readonly turns: Scheduler;
  /** Nothing is sent: what is asked for waits until it is taken back, or for another life. Default false. */
  readonly idle?: boolean;
}

interface Sent {
  readonly run: SubmittingRun;
  readonly task: RunTask;
  readonly spec: TaskSpec;
}

/** Tasks in one submit, and the bytes of input after which no further one is added. */
const BATCH_TASKS = 256;
const BATCH_BYTES = 512 * 1_024;
/** Tasks that one run gets into a batch before the others have had theirs. */
const SHARE = 16;
/** Submits at a time: the queue writes all that it gets in one turn at once. */
const CALLS = 4;
/** First and longest pause before a full quota is tried again. */
const FULL_MS_MIN = 50;
const FULL_MS_MAX = 5_000;

const NONE: ReadonlySet<RunTask> = new Set();

/** Tasks of an action whose quota is full. */
interface Postponed {
  readonly tasks: Map<RunTask, SubmittingRun>;
  tries: number;
  isWaiting: boolean;
}

/**
 * Brings the tasks of all runs to the queue: what is asked for in one turn travels in one message, as far as it fits.
 *
 * The queue takes a batch as a whole or not at all, and does not say which task is wrong: halves, and halves of halves,
 * show it, so that one task that is refused stops no other.
 */
export class TaskSubmitter {
  readonly #services: SubmitterServices;
  readonly #waiting = new Map<SubmittingRun, Set<RunTask>>();
  /** Sent, and not answered. */
  readonly #onTheWay = new Map<SubmittingRun, Set<RunTask>>();
  readonly #postponed = new Map<string, Postponed>();
  #calls = 0;
  #turnScheduled = false;

  constructor(services: SubmitterServices) {
    this.#services = services;
  }

  add(run: SubmittingRun, task: RunTask): void {
    const waiting = this.#waiting.get(run);
    if (waiting) waiting.add(task);
    else this.#waiting.set(run, new Set([task]));
    this.#schedule();
  }

  /** Everything of the run that has not been sent. */
  takeBack(run: SubmittingRun): RunTask[] {
    const taken = [...(this.#waiting.get(run) ?? [])];
    this.#waiting.delete(run);
    for (const { tasks } of this.#postponed.values()) {
      for (const [task, owner] of tasks) {
        if (owner !== run) continue;
        tasks.delete(task);
        taken.push(task);
      }
    }
    return taken;
  }

  /** What of the run has been sent and not answered. */
  onTheWay(run: SubmittingRun): ReadonlySet<RunTask> {
    return this.#onTheWay.get(run) ?? NONE;
  }

  // --- batches --------------------------------------------------------------------------------------------------------

  /** In a turn of its own, so that all that happens in this one goes along. */
  #schedule(): void {
    if (this.#turnScheduled || this.#services.idle === true) return;
    this.#turnScheduled = true;
    this.#services.turns.schedule(() => {
      this.#turnScheduled = false;
      while (this.#calls < CALLS && this.#waiting.size > 0 && !this.#services.signal.aborted) {
        const batch = this.#nextBatch();
        if (batch.length > 0) void this.#send(batch);
      }
    });
  }

  #nextBatch(): Sent[] {
    const batch: Sent[] = [];
    let sizeBytes = 0;
    for (const [run, tasks] of this.#waiting) {
      let taken = 0;
      for (const task of tasks) {
        if (batch.length >= BATCH_TASKS || sizeBytes >= BATCH_BYTES) return batch;
        // To the end, where this loop finds it again when there is room left.
        if (taken++ === SHARE) {
          this.#waiting.delete(run);
          this.#waiting.set(run, tasks);
          break;
        }
        tasks.delete(task);
        const spec = run.specOf(task);
        if (spec === undefined || this.#isPostponed(run, task, spec)) continue;
        sizeBytes += spec.input.byteLength;
        batch.push({ run, task, spec });
        const onTheWay = this.#onTheWay.get(run);
        if (onTheWay) onTheWay.add(task);
        else this.#onTheWay.set(run, new Set([task]));
      }
      if (tasks.size === 0) this.#waiting.delete(run);
    }
    return batch;
  }

  /** Sends what is on its way, and tells each of its owners what has come of it. */
  async #send(batch: readonly Sent[]): Promise<void> {
    const { queue, signal } = this.#services;
    this.#calls += 1;
    try {
      const tasks = batch.map(({ spec }) => spec);
      const { tasks: receipts } = await queue.call.submit({ tasks }, { signal, timeoutMs: Infinity });
      this.#arrive(batch, ({ run, task, spec }, at) => {
        this.#hasRoom(spec.action);
        run.accepted(task, receipts[at]?.replayed === true);
      });
    } catch (error) {
      if (!isFault(error)) throw error;
      if (!signal.aborted) await this.#failed(batch, error);
    } finally {
      this.#calls -= 1;
      this.#schedule();
    }
  }

  async #failed(batch: readonly Sent[], error: Fault): Promise<void> {
    const { queue, signal } = this.#services;
    if (isFault(error, "MAILBOX_FULL")) {
      // Nothing was taken.
      await queue.writable({ signal }).catch(() => undefined);
      return this.#arrive(batch, ({ run, task }) => this.add(run, task));
    }
    if (isFault(error, "QUOTA_EXCEEDED") && error.details.scope === "action")
      return this.#postpone(batch, error.details.name);
    if (mayPass(error) || error.code === "ACTOR_STOPPED") {
      return this.#arrive(batch, ({ run }) => run.doubted(error));
    }
    if (batch.length === 1) return this.#arrive(batch, ({ run, task }) => run.refused(task, error));
    const half = Math.ceil(batch.length / 2);
    await Promise.all([this.#send(batch.slice(0, half)), this.#send(batch.slice(half))]);
  }

  #arrive(batch: readonly Sent[], tell: (sent: Sent, at: number) => void): void {
    const arrived = new Set<SubmittingRun>();
    for (const { run, task } of batch) {
      const onTheWay = this.#onTheWay.get(run);
      onTheWay?.delete(task);
      if (onTheWay?.size !== 0) continue;
      this.#onTheWay.delete(run);
      arrived.add(run);
    }
    batch.forEach(tell);
    for (const run of arrived) run.arrived();
  }

  // --- quotas of the queue ------------------------------------------------------------------------------------------

  #isPostponed(run: SubmittingRun, task: RunTask, { action }: TaskSpec): boolean {
    const postponed = this.#postponed.get(action);
    if (postponed?.isWaiting !== true) return false;
    postponed.tasks.set(task, run);
    return true;
  }

  #hasRoom(action: string): void {
    const postponed = this.#postponed.get(action);
    if (postponed === undefined) return;
    postponed.tries = 0;
    if (postponed.tasks.size === 0 && !postponed.isWaiting) this.#postponed.delete(action);
  }

  /** Others go on; of those that the quota concerns one half is tried again at once, and the other later. */
  async #postpone(batch: readonly Sent[], action: string): Promise<void> {
    const bounded = batch.filter(({ spec }) => spec.action === action);
    const others = batch.filter(({ spec }) => spec.action !== action);
    const now = bounded.slice(0, Math.floor(bounded.length / 2));
    const later = bounded.slice(now.length);
    const postponed = this.#postponed.get(action) ?? { tasks: new Map(), tries: 0, isWaiting: false };
    this.#postponed.set(action, postponed);
    this.#arrive(later, ({ run, task }) => postponed.tasks.set(task, run));
    if (!postponed.isWaiting) void this.#waitForRoom(postponed);
    const sent = [now, others].filter((some) => some.length > 0);
    await Promise.all(sent.map((some) => this.#send(some)));
  }

  async #waitForRoom(postponed: Postponed): Promise<void> {
    postponed.isWaiting = true;
    await pause(Math.min(FULL_MS_MAX, FULL_MS_MIN * 2 ** postponed.tries++), this.#services);
    postponed.isWaiting = false;
    for (const [task, run] of postponed.tasks) this.add(run, task);
    postponed.tasks.clear();
  }
}
