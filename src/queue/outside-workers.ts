import { LIMITS, fault, isFault } from "../errors/index.ts";
import { checkInteger, checkNumber, checkTexts, cutText } from "../schema/index.ts";
import { unlessLate, type Clock, type Random } from "../scope/index.ts";
import { attemptSpan } from "./attempt-span.ts";
import { ClaimWaits, type ClaimRequest } from "./claim-waits.ts";
import type { QueueContext } from "./queue-context.ts";
import type { QueueEngine } from "./queue-engine.ts";
import type { AttemptEnd } from "./queue.core.ts";
import type { Lease, LeaseEnd, TaskState, WorkerSpec, WorkerStatus } from "./queue.protocol.ts";
import type { RowChange } from "./row-change.ts";
import { checkLease, checkWorker } from "./task-spec.ts";
import type { Task } from "./task.ts";
import type { OutsideWorker } from "./workers.ts";

interface LeaseRef {
  readonly workerId: string;
  readonly taskId: string;
  readonly token: number;
}

/** Tasks in one claim. */
const CLAIM_MAX = 1_000;

/**
 * Workers that are not the queue's own pool: they pull tasks under leases with an end, and every word about an attempt
 * is checked against its fencing token.
 */
export class OutsideWorkers {
  readonly #engine: QueueEngine;
  readonly #clock: Clock;
  readonly #random: Random;
  readonly #waits: ClaimWaits;
  /** Told when a draining worker has nothing left. */
  readonly #drained = new Map<string, () => void>();

  constructor(engine: QueueEngine, { clock, random }: Pick<QueueContext, "clock" | "random">) {
    this.#engine = engine;
    this.#clock = clock;
    this.#random = random;
    this.#waits = new ClaimWaits(clock);
    engine.onChange = () => this.#look();
  }

  async register(spec: WorkerSpec): Promise<WorkerStatus> {
    checkWorker(spec);
    const { workers } = this.#engine.core;
    if (workers.find(spec.workerId)) workers.outside(spec.workerId);
    else if (workers.all().length > LIMITS.queue.workers) {
      throw fault("INVALID_ARGUMENT", {
        argument: "workers",
        got: `one more than ${LIMITS.queue.workers}`,
        allowed: `at most ${LIMITS.queue.workers}; unregister one first`,
      });
    }
    await this.#engine.track(this.#engine.rows.saveWorker(spec, this.#engine.nowMs()));
    const worker = workers.add(spec, this.#engine.nowMs());
    this.#engine.pump();
    return worker.status(this.#engine.nowMs());
  }

  async unregister(
    workerId: string,
    graceful: boolean,
    timeoutMs: number,
  ): Promise<{ completed: number; abandoned: number }> {
    checkNumber("timeoutMs", timeoutMs, 0, LIMITS.queue.leaseMs);
    const { core } = this.#engine;
    const worker = core.workers.outside(workerId);
    worker.draining = true;
    if (graceful && worker.running.size > 0) await this.#untilDrained(worker, timeoutMs);
    const abandoned = [...worker.running];
    try {
      for (const task of abandoned) await this.#abandon(task);
      await this.#engine.track(this.#engine.rows.removeWorker(workerId));
    } catch (error) {
      // Refused, it goes on as it was.
      worker.draining = false;
      this.#engine.pump();
      throw error;
    }
    core.workers.remove(workerId);
    this.#engine.pump();
    return { completed: worker.completed, abandoned: abandoned.length };
  }

  async claim(request: ClaimRequest, waitMs: number, signal: AbortSignal): Promise<Lease[]> {
    checkInteger("max", request.max, 1, CLAIM_MAX);
    checkInteger("waitMs", waitMs, 0, LIMITS.queue.waitMs);
    checkLease(request.leaseMs);
    if (request.actions !== undefined) checkTexts("actions", request.actions);
    const untilMs = this.#clock.now() + waitMs;
    let rows = this.#take(request);
    for (let leftMs = waitMs; rows.length === 0 && leftMs > 0; leftMs = untilMs - this.#clock.now()) {
      // Whoever is gone would take tasks with it until its lease ends.
      if (await this.#waits.wait(request, leftMs, signal)) return [];
      // Somebody else may have been quicker.
      rows = this.#take(request);
    }
    if (rows.length === 0) return [];
    this.#engine.arm();
    await this.#engine.commit(rows);
    return rows.map((row) => {
      this.#engine.news.started(row);
      return this.#leaseOf(row);
    });
  }

  endClaims(workerId: string): number {
    return this.#waits.end(workerId);
  }

  renew(
    workerId: string,
    leases: readonly { readonly taskId: string; readonly token: number }[],
    leaseMs: number,
  ): { lost: string[]; cancelling: string[] } {
    checkLease(leaseMs);
    const { core } = this.#engine;
    const nowMs = this.#engine.nowMs();
    core.workers.outside(workerId).lastSeenMs = nowMs;
    const lost: string[] = [];
    const cancelling: string[] = [];
    for (const { taskId, token } of leases) {
      if (!core.holds(workerId, taskId, token)) {
        lost.push(taskId);
        continue;
      }
      const task = core.task(taskId);
      core.renew(task, nowMs + leaseMs);
      if (task.life.state === "cancelling") cancelling.push(taskId);
    }
    return { lost, cancelling };
  }

  async finish({ workerId, taskId, token }: LeaseRef, end: LeaseEnd): Promise<TaskState> {
    const { core } = this.#engine;
    if (!core.holds(workerId, taskId, token)) throw fault("LEASE_LOST", { taskId });
    core.workers.outside(workerId).lastSeenMs = this.#engine.nowMs();
    const state = await this.#engine.tryEnd(taskId, token, endOf(end, core.task(taskId)));
    this.#engine.pump();
    return state;
  }

  report({ workerId, taskId, token }: LeaseRef, progress: number, message: string): boolean {
    checkNumber("progress", progress, 0, 1);
    if (!this.#engine.core.holds(workerId, taskId, token)) return false;
    this.#engine.core.workers.outside(workerId).lastSeenMs = this.#engine.nowMs();
    this.#engine.progressed({ taskId, token }, progress, cutText(message, LIMITS.compute.progressChars));
    return true;
  }

  #take({ workerId, max, leaseMs, actions }: ClaimRequest): RowChange[] {
    const { core } = this.#engine;
    const worker = core.workers.outside(workerId);
    const nowMs = this.#engine.nowMs();
    worker.lastSeenMs = nowMs;
    return core.claim({ worker, max, leaseMs, actions }, nowMs);
  }

  #look(): void {
    const { core } = this.#engine;
    this.#waits.wake(({ workerId, actions }) => {
      const worker = core.workers.find(workerId);
      return !worker || worker.draining || core.couldClaim(worker, this.#engine.nowMs(), actions);
    });
    for (const [workerId, resume] of this.#drained) {
      if (core.workers.find(workerId)?.running.size === 0) resume();
    }
  }

  async #untilDrained(worker: OutsideWorker, timeoutMs: number): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#drained.set(worker.workerId, resolve);
    await unlessLate(promise, timeoutMs, this.#clock);
    this.#drained.delete(worker.workerId);
  }

  async #abandon({ taskId, life }: Task): Promise<void> {
    try {
      await this.#engine.tryEnd(taskId, life.token, { kind: "interrupted" });
      this.#engine.news.recalled([{ taskId, life }]);
    } catch (error) {
      // It ended by itself meanwhile.
      if (!isFault(error, "LEASE_LOST")) throw error;
    }
  }

  #leaseOf({ task, after }: RowChange): Lease {
    return {
      taskId: task.taskId,
      token: after.token,
      action: task.terms.action,
      input: this.#engine.takeInput(task),
      attempt: after.attempt,
      timeoutMs: task.terms.timeoutMs,
      leaseUntilMs: after.leaseUntilMs ?? 0,
      ...attemptSpan(task, this.#random),
    };
  }
}

/** Work that is given back while it is being cancelled has been stopped as was wished. */
function endOf(end: LeaseEnd, task: Task): AttemptEnd {
  return end.kind === "returned" && task.life.state === "cancelling" ? { kind: "cancelled" } : end;
}
