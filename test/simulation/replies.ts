import { unpackValue } from "../../src/codec/index.ts";
import type {
  QueueStats,
  QuotaStatus,
  TaskLogLine,
  TaskOutcome,
  TaskReceipt,
  TaskSpec,
  TaskStatus,
  WorkerStatus,
} from "../../src/queue/queue.protocol.ts";
import type { Checker } from "./checker.ts";
import { lineOf } from "./pool.ts";
import {
  ENDED,
  bounds,
  hasEnded,
  isBlocked,
  isBusy,
  isDeadLetter,
  type ModelLife,
  type ModelTask,
  type Version,
} from "./model.ts";

/**
 * What the outside is told, held against the model. A reply is true when it tells of a moment between its request and
 * itself; and from then on what it told may not be taken back.
 *
 * `since` is the number of the latest command when the request was sent.
 */
export class Replies {
  readonly #checker: Checker;
  /** Ids for which a submit was answered. */
  readonly accepted = new Set<string>();
  readonly #finished = new Set<string>();
  /** How tasks ended, as the outside was told. */
  readonly #ends = new Map<ModelTask, string>();

  constructor(checker: Checker) {
    this.#checker = checker;
  }

  receipts(specs: readonly TaskSpec[], receipts: readonly TaskReceipt[], since: number): void {
    for (const [index, { taskId, state }] of receipts.entries()) {
      this.accepted.add(taskId);
      const task = this.#find(taskId);
      if (!task) continue;
      this.#told(task, ({ life }) => life.state === state, since, `accepted and ${state}`);
      // A key that was accepted means this task from now on.
      const key = task.furtherKeys.find((each) => each.key === specs[index]?.idempotencyKey);
      if (key) this.#checker.durable = Math.max(this.#checker.durable, key.number);
    }
  }

  status(status: TaskStatus, since: number): void {
    const task = this.#find(status.taskId);
    if (!task) return;
    const { state, attempt, interruptions, priority, successor, deadLetter } = status;
    const isSame = (life: ModelLife): boolean =>
      life.state === state &&
      life.attempt === attempt &&
      life.interruptions === interruptions &&
      life.priority === priority &&
      life.successor === successor &&
      (life.state === "failed" && life.successor === null) === deadLetter;
    this.#told(task, ({ life }) => isSame(life), since, `${state}, attempt ${attempt}, priority ${priority}`);
    if (ENDED.includes(state)) this.#ended(task, state);
  }

  outcome(outcome: TaskOutcome, since: number): void {
    this.status(outcome, since);
    const { taskId, state, output } = outcome;
    const task = this.#checker.model.tasks.get(taskId);
    if (!task || state !== "completed") return;
    const made = output === null ? null : (unpackValue(output) as { taskId: string; token: number });
    if (made?.taskId !== taskId || made.token !== task.life.token) {
      this.#checker.broken(
        `the output of ${taskId} is ${JSON.stringify(made)}, and not that of token ${task.life.token}`,
      );
    }
  }

  /** Whoever runs it has been told to. */
  started(taskId: string, token: number, attempt: number, since: number): void {
    const task = this.#find(taskId);
    if (!task) return;
    const isOf = ({ life }: Version): boolean =>
      life.token === token && isBusy({ life } as ModelTask) && life.attempt === attempt;
    const found = this.#version(task, isOf, since);
    if (found) this.#checker.begun(found);
    else
      this.#checker.broken(
        `${taskId} is started under token ${token}, attempt ${attempt}, and was not claimed so`,
      );
  }

  finished(taskId: string, token: number): void {
    const key = `${taskId} ${token}`;
    if (this.#finished.has(key))
      this.#checker.broken(`the end of ${taskId} under token ${token} is accepted twice`);
    this.#finished.add(key);
    const task = this.#find(taskId);
    if (!task) return;
    this.#told(
      task,
      ({ life }) => life.token === token && !isBusy({ life } as ModelTask),
      0,
      `finished under token ${token}`,
    );
  }

  /** Every line is labelled with the attempt that wrote it. */
  lines(taskId: string, lines: readonly TaskLogLine[]): void {
    for (const { attempt, message } of lines) {
      if (message === lineOf({ taskId, attempt })) continue;
      this.#checker.broken(`a line of attempt ${attempt} of ${taskId} says that it is of ${message}`);
    }
  }

  /** @param known the task that there was when it was asked for */
  missing(taskId: string, known: ModelTask | undefined): void {
    const isThere = known !== undefined && this.#checker.model.tasks.get(taskId) === known;
    if (isThere) this.#checker.broken(`${taskId} is ${known.life.state}, and is said not to be there`);
  }

  /** All of them had ended, or were about to, when a cancellation was answered. */
  cancelled(taskIds: readonly string[], since: number): void {
    for (const taskId of taskIds) {
      const task = this.#find(taskId);
      const isOver = ({ life }: Version): boolean =>
        life.state === "cancelling" || ENDED.includes(life.state);
      if (task) this.#told(task, isOver, since, "cancelled");
    }
  }

  reprioritized(taskId: string, priority: number, since: number): void {
    const task = this.#find(taskId);
    if (task) this.#told(task, ({ life }) => life.priority === priority, since, `given priority ${priority}`);
  }

  made(taskId: string): void {
    this.accepted.add(taskId);
    const task = this.#find(taskId);
    if (task) this.#told(task, () => true, 0, "made");
  }

  released(group: string): void {
    for (const task of this.#checker.model.tasks.values())
      if (task.spec.group === group && !task.held) task.released = true;
  }

  /** The key by which the queue orders it, when nothing has happened since it was asked. */
  ordering(taskId: string, key: readonly number[], blockedBy: readonly string[], since: number): void {
    const { model } = this.#checker;
    const task = model.tasks.get(taskId);
    if (!task || model.number !== since || hasEnded(task)) return;
    const wanted = model.keys()(task);
    if (wanted.join() !== key.join())
      this.#checker.broken(`${taskId} is ordered by [${key.join()}], and should be by [${wanted.join()}]`);
    if (task.life.state !== "queued") return;
    const waits = task.waitsFor.filter((each) => !hasEnded(each)).map((each) => each.taskId);
    if (waits.toSorted().join() !== blockedBy.toSorted().join()) {
      this.#checker.broken(
        `${taskId} is blocked by [${blockedBy.join()}], and should be by [${waits.join()}]`,
      );
    }
  }

  /** Figures, when nothing has happened since they were asked for. */
  stats(stats: QueueStats, since: number): void {
    const { model } = this.#checker;
    if (model.number !== since) return;
    const tasks = [...model.tasks.values()];
    for (const state of ["queued", "running", "cancelling", "completed", "failed", "cancelled"] as const) {
      this.#figure(state, stats[state], tasks.filter(({ life }) => life.state === state).length);
    }
    this.#figure("dead letters", stats.deadLetters, tasks.filter(isDeadLetter).length);
    this.#figure(
      "blocked",
      stats.blocked,
      tasks.filter((task) => task.life.state === "queued" && isBlocked(task)).length,
    );
  }

  quotas(quotas: readonly QuotaStatus[], since: number): void {
    const { model } = this.#checker;
    if (model.number !== since) return;
    for (const quota of quotas) {
      const bound = [...model.live].filter((task) => bounds(quota, task));
      this.#figure(`running under ${quota.name}`, quota.running, bound.filter(isBusy).length);
      this.#figure(
        `waiting under ${quota.name}`,
        quota.waiting,
        bound.filter((task) => !isBusy(task)).length,
      );
    }
  }

  workers(workers: readonly WorkerStatus[], since: number): void {
    const { model } = this.#checker;
    if (model.number !== since) return;
    for (const { workerId, running } of workers) {
      const has = [...model.live].filter((task) => isBusy(task) && task.life.workerId === workerId);
      this.#figure(
        `with ${workerId}`,
        running.toSorted().join(),
        has
          .map(({ taskId }) => taskId)
          .toSorted()
          .join(),
      );
    }
  }

  #figure(name: string, told: number | string, wanted: number | string): void {
    if (told !== wanted) this.#checker.broken(`${name}: ${told}, and should be ${wanted}`);
  }

  #ended(task: ModelTask, state: string): void {
    const told = this.#ends.get(task);
    if (told !== undefined && told !== state)
      this.#checker.broken(`${task.taskId} has ended twice: ${told}, then ${state}`);
    this.#ends.set(task, state);
  }

  #find(taskId: string): ModelTask | undefined {
    const task = this.#checker.model.tasks.get(taskId);
    if (!task && !this.#checker.left.has(taskId))
      this.#checker.broken(`the outside is told of ${taskId}, which is not there`);
    return task;
  }

  #told(task: ModelTask, wanted: (version: Version) => boolean, since: number, what: string): void {
    const { taskId } = task;
    const found = this.#version(task, wanted, since);
    if (found) this.#checker.told(found);
    // Its id may have been given again meanwhile.
    else if (!this.#checker.left.has(taskId))
      this.#checker.broken(`the outside is told that ${taskId} is ${what}, and it was not`);
  }

  #version(
    { versions }: ModelTask,
    wanted: (version: Version) => boolean,
    since: number,
  ): Version | undefined {
    return versions.find(
      (version, index) => wanted(version) && (versions[index + 1]?.number ?? Infinity) > since,
    );
  }
}
