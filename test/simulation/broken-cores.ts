import { isFault } from "../../src/errors/index.ts";
import {
  QueueCore,
  type AttemptEnd,
  type ClaimTerms,
  type CoreOptions,
  type Kept,
} from "../../src/queue/queue.core.ts";
import type { QuotasBefore } from "../../src/queue/quota-book.ts";
import type { TaskLogLine } from "../../src/queue/queue.protocol.ts";
import type { RowChange } from "../../src/queue/row-change.ts";
import type { Seats } from "../../src/queue/seats.ts";
import { isBefore, type OrderKey } from "../../src/queue/task-order.ts";
import type { Task, TaskLife } from "../../src/queue/task.ts";

/** Cores with one fault each: a checker that does not find it checks nothing. */
class LosesATask extends QueueCore {
  override submit(...args: Parameters<QueueCore["submit"]>): ReturnType<QueueCore["submit"]> {
    const { tasks, rows } = super.submit(...args);
    const isLost = ({ task }: RowChange): boolean => task.sequence % 7 === 0;
    QueueCore.prototype.forget.call(
      this,
      rows.filter(isLost).map(({ task }) => task),
    );
    return { tasks, rows: rows.filter((row) => !isLost(row)) };
  }
}

class InvertsTheOrder extends QueueCore {
  constructor(options: CoreOptions) {
    super({ ...options, order: options.order.by === "fifo" ? { by: "priority" } : { by: "fifo" } });
  }
}

class ClaimsTwice extends QueueCore {
  override claim(terms: ClaimTerms, nowMs: number): RowChange[] {
    const rows = super.claim(terms, nowMs);
    const [row] = rows;
    if (row === undefined || rows.length >= terms.max || row.after.token % 5 !== 0) return rows;
    const after = { ...row.after, token: row.after.token + 1 };
    return [...rows, { ...row, before: row.after, after }];
  }
}

class ForgetsToUndo extends QueueCore {
  override undo(): void {
    // As if the disk had taken it.
  }
}

class NeverLowersWhatWasInherited extends QueueCore {
  readonly #keys = new Map<Task, OrderKey>();

  #hold(): void {
    const seats = this.seats as Seats;
    for (const task of this.select({ states: ["queued"] })) {
      const known = this.#keys.get(task);
      const isLower = known && isBefore(known, task.key);
      if (isLower && task.heir === null) {
        seats.take(task);
        task.key = known;
        seats.put(task);
      } else if (task.heir !== null) this.#keys.set(task, task.key);
    }
  }

  override submit(...args: Parameters<QueueCore["submit"]>): ReturnType<QueueCore["submit"]> {
    const result = super.submit(...args);
    this.#hold();
    return result;
  }

  override cancel(...args: Parameters<QueueCore["cancel"]>): ReturnType<QueueCore["cancel"]> {
    this.#hold();
    const result = super.cancel(...args);
    this.#hold();
    return result;
  }

  override reprioritize(...args: Parameters<QueueCore["reprioritize"]>): RowChange {
    this.#hold();
    const row = super.reprioritize(...args);
    this.#hold();
    return row;
  }
}

type SettleArgs = [string, number, AttemptEnd, number, (readonly TaskLogLine[])?];

class ChargesInterruptions extends QueueCore {
  override settle(...[taskId, token, end, nowMs, log]: SettleArgs): RowChange[] {
    const rows = super.settle(taskId, token, end, nowMs, log);
    const [row] = rows;
    if (end.kind === "interrupted" && row?.after.state === "queued")
      change(row, { attempt: row.after.attempt + 1 });
    return rows;
  }
}

class DropsDeadLetters extends QueueCore {
  override settle(...args: SettleArgs): RowChange[] {
    const rows = super.settle(...args);
    for (const { task, after } of rows)
      if (after.state === "failed") QueueCore.prototype.forget.call(this, [task]);
    return rows;
  }
}

class EndsLeasesEarly extends QueueCore {
  override expired(nowMs: number): Task | undefined {
    return super.expired(nowMs + 60_000);
  }
}

class RepeatsAToken extends QueueCore {
  override claim(terms: ClaimTerms, nowMs: number): RowChange[] {
    const rows = super.claim(terms, nowMs);
    for (const row of rows) if (row.after.token % 4 === 0) change(row, { token: row.after.token - 1 });
    return rows;
  }
}

class AcceptsLateEnds extends QueueCore {
  override holds(workerId: string, taskId: string, token: number): boolean {
    return super.holds(workerId, taskId, token) || (this.has(taskId) && this.busy.has(this.task(taskId)));
  }

  override settle(...[taskId, token, end, nowMs, log]: SettleArgs): RowChange[] {
    try {
      return super.settle(taskId, token, end, nowMs, log);
    } catch (error) {
      if (!isFault(error, "LEASE_LOST") || !this.has(taskId) || !this.busy.has(this.task(taskId)))
        throw error;
      return super.settle(taskId, this.task(taskId).life.token, end, nowMs, log);
    }
  }
}

class IgnoresQuotas extends QueueCore {
  override setQuota(): QuotasBefore {
    // Those that are there stay.
    return this.quotas.before;
  }
}

class IgnoresWhoseTurnItIs extends QueueCore {
  constructor(options: CoreOptions) {
    super(options);
    this.quotas.shares.charge = () => null;
  }
}

class ForgetsWhatHasLeft extends QueueCore {
  override load(kept: Kept): void {
    super.load({ ...kept, departed: [] });
  }
}

class LosesFurtherKeys extends QueueCore {
  override submit(...args: Parameters<QueueCore["submit"]>): ReturnType<QueueCore["submit"]> {
    const { tasks, rows } = super.submit(...args);
    return { tasks, rows: rows.filter(({ key }) => key === undefined) };
  }
}

class RetriesBeyondQuotas extends QueueCore {
  override retry(...args: Parameters<QueueCore["retry"]>): ReturnType<QueueCore["retry"]> {
    const bounds = this.quotas.all().map(({ quota }) => quota);
    for (const { queued: _, ...quota } of bounds) QueueCore.prototype.setQuota.call(this, quota, args[1]);
    try {
      return super.retry(...args);
    } finally {
      for (const quota of bounds) QueueCore.prototype.setQuota.call(this, quota, args[1]);
    }
  }
}

class StartsWhilePaused extends QueueCore {
  override claim(terms: ClaimTerms, nowMs: number): RowChange[] {
    const { pause } = this;
    this.pause = null;
    const rows = super.claim(terms, nowMs);
    this.pause = pause;
    return rows;
  }
}

class StartsTooSoon extends QueueCore {
  override claim(terms: ClaimTerms, nowMs: number): RowChange[] {
    return super.claim(terms, nowMs + 1_000);
  }
}

class IgnoresDependencies extends QueueCore {
  override submit(...[specs, ...rest]: Parameters<QueueCore["submit"]>): ReturnType<QueueCore["submit"]> {
    return super.submit(
      specs.map(({ dependsOn: _, ...spec }) => spec),
      ...rest,
    );
  }
}

function change({ task, after }: RowChange, patch: Partial<TaskLife>): void {
  Object.assign(after, patch);
  task.life = after;
}

/** By what is wrong with it. */
export const BROKEN_CORES: Readonly<Record<string, new (options: CoreOptions) => QueueCore>> = {
  "loses a task": LosesATask,
  "inverts the order": InvertsTheOrder,
  "claims a task twice": ClaimsTwice,
  "forgets to undo": ForgetsToUndo,
  "never lowers what was inherited": NeverLowersWhatWasInherited,
  "charges an attempt for an interruption": ChargesInterruptions,
  "lets a dead letter vanish": DropsDeadLetters,
  "ends a lease early": EndsLeasesEarly,
  "repeats a token": RepeatsAToken,
  "accepts an end under an old token": AcceptsLateEnds,
  "ignores quotas": IgnoresQuotas,
  "ignores whose turn it is": IgnoresWhoseTurnItIs,
  "forgets what has left": ForgetsWhatHasLeft,
  "loses keys that tasks were given later": LosesFurtherKeys,
  "retries beyond quotas": RetriesBeyondQuotas,
  "starts tasks while it is paused": StartsWhilePaused,
  "starts a task too soon": StartsTooSoon,
  "ignores dependencies": IgnoresDependencies,
};
