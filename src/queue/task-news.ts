import { assert } from "../errors/index.ts";
import { METRICS } from "../telemetry/index.ts";
import { EndWaits } from "./end-waits.ts";
import type { QueueContext } from "./queue-context.ts";
import type { QueueCore } from "./queue.core.ts";
import type { TaskOutcome } from "./queue.protocol.ts";
import { RateWindow } from "./rate-window.ts";
import type { RowChange } from "./row-change.ts";
import type { AttemptEnd } from "./task-ends.ts";
import { statusOf } from "./task-status.ts";
import type { Task } from "./task.ts";
import { LOCAL } from "./workers.ts";

/** Tells the outside what is on disk: figures, events for the owners of groups, answers for those who wait. */
export class TaskNews {
  readonly waits = new EndWaits();
  readonly #core: QueueCore;
  readonly #context: QueueContext;
  readonly #completions = new RateWindow();

  constructor(core: QueueCore, context: QueueContext) {
    this.#core = core;
    this.#context = context;
  }

  endsPerMinute(nowMs: number): number {
    return this.#completions.perMinute(nowMs);
  }

  submitted(count: number): void {
    this.#context.metrics.count(METRICS.tasksSubmitted, count);
  }

  /** An attempt has begun, wherever. */
  started({ task, after }: Pick<RowChange, "task" | "after">): void {
    const { taskId, group, submittedAtMs } = task;
    const { attempt, startedAtMs, workerId } = after;
    assert(startedAtMs !== null && workerId !== null, `task ${taskId} has been claimed`);
    this.#context.metrics.count(METRICS.tasksStarted);
    if (attempt === 1) {
      this.#context.metrics.observe(METRICS.taskWaitSeconds, (startedAtMs - submittedAtMs) / 1_000);
    }
    if (group !== null) this.#context.emit.started({ taskId, group, attempt, startedAtMs, workerId });
  }

  /** Workers outside are to stop these tasks, each its own. @param tasks as they were while these had them */
  recalled(tasks: readonly Pick<Task, "taskId" | "life">[]): void {
    const byWorker = Map.groupBy(tasks, ({ life }) => life.workerId);
    for (const [workerId, its] of byWorker) {
      if (workerId === null || workerId === LOCAL) continue;
      this.#context.emit.recalled({ workerId, taskIds: its.map(({ taskId }) => taskId) });
    }
  }

  progressed({ taskId, group }: Task, progress: number, message: string): void {
    if (group !== null) this.#context.emit.progressed({ taskId, group, progress, message });
  }

  refused(): void {
    this.#context.metrics.count(METRICS.tasksFenced);
  }

  attemptEnded({ task, after }: RowChange, end: AttemptEnd, nowMs: number): void {
    const { metrics } = this.#context;
    const { startedAtMs, workerId } = after;
    const worker = this.#core.workers.find(workerId ?? LOCAL);
    if (end.kind === "interrupted") metrics.count(METRICS.tasksInterrupted);
    else if (startedAtMs !== null && end.kind !== "returned") {
      const runMs = nowMs - startedAtMs;
      metrics.observe(METRICS.taskRunSeconds, runMs / 1_000);
      this.#core.pace.observe(task.terms.action, runMs);
    }
    if (end.kind === "failed" && after.state === "queued") metrics.count(METRICS.tasksRetried);
    if (worker && end.kind === "completed") worker.completed += 1;
    if (worker && end.kind === "failed") worker.failed += 1;
  }

  /** Those among the rows whose tasks have ended. */
  ended(rows: readonly RowChange[]): void {
    for (const row of rows) if (row.after.endedAtMs !== null) this.#ended(row, row.after.endedAtMs);
    this.gauge();
  }

  gauge(): void {
    const { metrics } = this.#context;
    metrics.set(METRICS.tasksQueued, this.#core.counts.queued);
    metrics.set(METRICS.tasksRunning, this.#core.busy.size);
    metrics.set(METRICS.tasksBoosted, this.#core.boosts);
  }

  #ended({ task, after, output, error }: RowChange, endedAtMs: number): void {
    const { metrics, emit } = this.#context;
    if (after.state === "completed") metrics.count(METRICS.tasksCompleted);
    else if (after.state === "failed") metrics.count(METRICS.tasksFailed);
    else metrics.count(METRICS.tasksCancelled);
    if (task.deadlineMs !== null && endedAtMs > task.deadlineMs) metrics.count(METRICS.deadlinesMissed);
    metrics.observe(METRICS.taskTotalSeconds, (endedAtMs - task.submittedAtMs) / 1_000);
    this.#completions.count(endedAtMs);
    const isAwaited = this.waits.has(task.taskId);
    if (task.group === null && !isAwaited) return;
    const outcome: TaskOutcome = { ...statusOf(task), output: output ?? null, error: error ?? null };
    if (task.group !== null) emit.settled(outcome);
    if (isAwaited) this.waits.tell(outcome);
  }
}
