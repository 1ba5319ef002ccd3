import type { Quota } from "../../src/queue/queue.protocol.ts";
import type { RowChange } from "../../src/queue/row-change.ts";
import type { Belief } from "./belief.ts";
import { bounds, isBlocked, isBusy, suits, type Key, type Model, type ModelTask } from "./model.ts";
import type { ShareModel } from "./share-model.ts";

/** One start that counts against a rate. */
export interface Start {
  readonly atMs: number;
  readonly row: RowChange;
}

/** A quota, and what has been started under it. */
export interface KnownQuota {
  readonly quota: Belief<Quota | null>;
  starts: Start[];
}

export interface ClaimLawsOptions {
  readonly model: Model;
  readonly quotas: ReadonlyMap<string, KnownQuota>;
  readonly shares: ShareModel;
  /** Of the queue's own pool: alone on a thread, and on shared ones. */
  readonly threads: number;
  readonly sharedPerThread: number;
  readonly broken: (law: string) => void;
}

/** What must be true of a task at the moment at which it is given to a worker. */
export class ClaimLaws {
  readonly model: Model;
  readonly quotas: ReadonlyMap<string, KnownQuota>;
  readonly options: ClaimLawsOptions;
  readonly broken: (law: string) => void;

  constructor(options: ClaimLawsOptions) {
    this.model = options.model;
    this.quotas = options.quotas;
    this.options = options;
    this.broken = options.broken;
  }

  mayStart(task: ModelTask, workerId: string, nowMs: number): void {
    const { taskId, life } = task;
    const spec = this.model.workers.get(workerId);
    if (isBusy(task)) this.broken(`${taskId} is given to ${workerId} while ${life.workerId} has it`);
    else if (life.state !== "queued") this.broken(`${taskId} is ${life.state}, and given to ${workerId}`);
    else if (isBlocked(task)) this.broken(`${taskId} starts before what it depends on has ended`);
    else if ((life.notBeforeMs ?? 0) > nowMs)
      this.broken(`${taskId} starts ${(life.notBeforeMs ?? 0) - nowMs} ms too soon`);
    else if (!suits(task, workerId, spec)) this.broken(`${workerId} cannot do ${taskId}`);
    else if (!this.#hasRoom(task, workerId)) this.broken(`${workerId} has no room for ${taskId}`);
    for (const { quota } of this.quotas.values()) {
      const limit = quota.known?.concurrency ?? Infinity;
      if (!quota.known || !bounds(quota.known, task)) continue;
      if (this.#running(quota.known) >= limit) {
        this.broken(`${taskId} starts beyond the quota of ${quota.known.name}: ${limit} at once`);
      }
    }
  }

  /** It is the turn of its share, and nothing of that share that runs before it could have been taken instead. */
  isNext(task: ModelTask, workerId: string, nowMs: number, keys: (task: ModelTask) => Key): void {
    const { shares } = this.options;
    const key = [shares.passOf(task), ...keys(task)];
    for (const other of this.model.live) {
      if (other === task || !isReady(other, nowMs)) continue;
      const theirs = [shares.passOf(other), ...keys(other)];
      if (!isBefore(theirs, key)) continue;
      if (this.couldTake(other, workerId, nowMs) && this.isFree(other, task)) {
        this.broken(`${task.taskId} [${key.join()}] starts before ${other.taskId} [${theirs.join()}]`);
      }
    }
  }

  /** The start is counted; those that could start now are in line. */
  start(task: ModelTask, nowMs: number): void {
    const { model, options } = this;
    options.shares.serve(
      task,
      model.live.values().filter((other) => isReady(other, nowMs)),
    );
  }

  couldTake(task: ModelTask, workerId: string, nowMs: number): boolean {
    return (
      isReady(task, nowMs) &&
      suits(task, workerId, this.model.workers.get(workerId)) &&
      this.#hasRoom(task, workerId)
    );
  }

  /** Certainly not held up by quotas; against a rival that the same ones bound, only the order counts. */
  isFree(task: ModelTask, rival: ModelTask | null): boolean {
    for (const { quota } of this.quotas.values()) {
      if (quota.known === undefined) return false;
      if (quota.known === null) continue;
      const one = quota.known;
      const alike = rival !== null && bounds(one, rival) === bounds(one, task);
      if (!bounds(one, task) || alike) continue;
      if (one.perSecond !== undefined || this.#running(one) >= (one.concurrency ?? Infinity)) return false;
    }
    return true;
  }

  #hasRoom(task: ModelTask, workerId: string): boolean {
    let has = 0;
    for (const other of this.model.live) {
      if (other.life.workerId !== workerId || !isBusy(other)) continue;
      const isRival = other.life.isLeft || (other.place === "thread") === (task.place === "thread");
      if (workerId !== "local" || isRival) has += 1;
    }
    if (workerId !== "local") return has < (this.model.workers.get(workerId)?.maxConcurrent ?? 5);
    return has < this.options.threads * (task.place === "thread" ? 1 : this.options.sharedPerThread);
  }

  #running(quota: Quota): number {
    let running = 0;
    for (const task of this.model.live) if (isBusy(task) && bounds(quota, task)) running += 1;
    return running;
  }

  /** Between any earlier start and this one there were not more than the rate and the burst allow. */
  isPaced({ name, perSecond, burst }: Quota, starts: Start[], latest: Start): void {
    starts.push(latest);
    if (perSecond === undefined) return;
    const most = burst ?? Math.max(1, perSecond);
    for (const [index, { atMs }] of starts.entries()) {
      const spanMs = latest.atMs - atMs;
      const allowed = most + (spanMs / 1_000) * perSecond + 1e-6;
      if (starts.length - index > allowed)
        this.broken(`${starts.length - index} starts of ${name} in ${spanMs} ms`);
    }
  }
}

function isReady(task: ModelTask, nowMs: number): boolean {
  const { state, notBeforeMs } = task.life;
  return state === "queued" && (notBeforeMs ?? 0) <= nowMs && !isBlocked(task);
}

function isBefore(a: readonly number[], b: readonly number[]): boolean {
  for (let index = 0; index < a.length; index++) {
    const [mine, theirs] = [a[index] as number, b[index] as number];
    if (mine !== theirs) return mine < theirs;
  }
  return false;
}
