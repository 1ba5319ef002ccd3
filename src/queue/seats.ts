import { IndexedHeap } from "../order/index.ts";
import { Lanes } from "./lanes.ts";
import type { QuotaBook } from "./quota-book.ts";
import type { TaskState } from "./queue.protocol.ts";
import {
  dueBefore,
  endedBefore,
  expiresBefore,
  isBusy,
  isDeadLetter,
  type Place,
  type Task,
} from "./task.ts";
import type { Workers } from "./workers.ts";

/**
 * Where every task stands, which follows from its state alone: among the ready, the delayed or the blocked ones, with
 * a worker, or among those that have ended. Everything that is counted or ordered by state is kept here, so that a
 * change, and taking it back, is: out of the seat, change, into the seat.
 */
export class Seats {
  readonly lanes: Lanes;
  readonly counts: Record<TaskState, number> = {
    queued: 0,
    running: 0,
    cancelling: 0,
    completed: 0,
    failed: 0,
    cancelled: 0,
  };
  readonly queuedByPriority = new Map<number, number>();
  readonly busy = new Set<Task>();
  deadLetters = 0;
  readonly #workers: Workers;
  readonly #blocked = new Set<Task>();
  readonly #delayed = new IndexedHeap<Task>(dueBefore);
  readonly #leased = new IndexedHeap<Task>(expiresBefore);
  /** Ended tasks that nobody holds, for retention. */
  readonly #leaving = new IndexedHeap<Task>(endedBefore);
  #nowMs: number;

  constructor(book: QuotaBook, workers: Workers, nowMs: number) {
    this.lanes = new Lanes(book);
    this.#workers = workers;
    this.#nowMs = nowMs;
  }

  /** Queued tasks that wait for others. */
  get blocked(): number {
    return this.#blocked.size;
  }

  get delayed(): number {
    return this.#delayed.size;
  }

  /** Ended tasks that may leave. */
  get leaving(): number {
    return this.#leaving.size;
  }

  put(task: Task): void {
    this.#count(task, 1);
    const { state, notBeforeMs, leaseUntilMs } = task.life;
    if (state === "queued") {
      if (isBlocked(task)) return void this.#blocked.add(task);
      if (notBeforeMs !== null && notBeforeMs > this.#nowMs) this.#delayed.insert(task);
      else this.lanes.insert(task);
    } else if (isBusy(task)) {
      if (leaseUntilMs !== null) this.#leased.insert(task);
    } else if (!task.held) {
      this.#leaving.insert(task);
    }
  }

  take(task: Task): void {
    this.#count(task, -1);
    const { state } = task.life;
    if (state === "queued") {
      if (!this.#blocked.delete(task) && !this.lanes.remove(task)) this.#delayed.remove(task);
    } else if (isBusy(task)) this.#leased.remove(task);
    else this.#leaving.remove(task);
  }

  /** Time passes: tasks whose delay is over are ready. A clock that was set back holds nothing up again. */
  advance(nowMs: number): void {
    this.#nowMs = Math.max(this.#nowMs, nowMs);
    for (;;) {
      const due = this.#delayed.peek();
      if (!due || (due.life.notBeforeMs ?? 0) > this.#nowMs) return;
      this.#delayed.remove(due);
      this.lanes.insert(due);
    }
  }

  /** Is any task to run in such a place that is queued, or may be again? */
  waitFor(place: Place): boolean {
    for (const lane of this.lanes.open) if (lane.place === place) return true;
    for (const { terms } of this.#delayed.values()) if (this.lanes.of(terms).place === place) return true;
    for (const { terms } of this.#blocked) if (this.lanes.of(terms).place === place) return true;
    for (const { terms } of this.busy) if (this.lanes.of(terms).place === place) return true;
    return false;
  }

  /** All queued tasks, in no useful order. */
  *queued(): Generator<Task> {
    for (const { ready } of this.lanes.open) yield* ready.values();
    yield* this.#delayed.values();
    yield* this.#blocked;
  }

  /** When the next delay is over; Infinity when nothing is delayed. */
  get dueAtMs(): number {
    return this.#delayed.peek()?.life.notBeforeMs ?? Infinity;
  }

  /** Who outside loses its lease next. */
  get expiring(): Task | undefined {
    return this.#leased.peek();
  }

  /** Ended tasks, oldest first, while `leaves` says so, at most `most`. They stay where they are. */
  oldestEnded(most: number, leaves: (task: Task, left: number) => boolean): Task[] {
    const oldest: Task[] = [];
    while (oldest.length < most) {
      const task = this.#leaving.peek();
      if (!task || !leaves(task, this.#leaving.size)) break;
      this.#leaving.remove(task);
      oldest.push(task);
    }
    for (const task of oldest) this.#leaving.insert(task);
    return oldest;
  }

  #count(task: Task, by: 1 | -1): void {
    const { state, priority, workerId } = task.life;
    this.counts[state] += by;
    if (isDeadLetter(task)) this.deadLetters += by;
    if (state === "queued") {
      for (const use of this.lanes.of(task.terms).quotas) use.waiting += by;
      const queued = (this.queuedByPriority.get(priority) ?? 0) + by;
      if (queued === 0) this.queuedByPriority.delete(priority);
      else this.queuedByPriority.set(priority, queued);
      return;
    }
    if (!isBusy(task)) return;
    for (const use of this.lanes.of(task.terms).quotas) use.running += by;
    const worker = this.#workers.find(workerId ?? "");
    if (by === 1) this.busy.add(task);
    else this.busy.delete(task);
    if (by === 1) worker?.running.add(task);
    else worker?.running.delete(task);
    if (worker === this.#workers.local) this.#workers.local.count(task, by);
  }
}

function isBlocked({ ties }: Task): boolean {
  return ties !== null && ties.blockers.size > 0;
}
