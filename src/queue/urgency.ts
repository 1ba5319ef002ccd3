import { IndexedHeap, NOWHERE, type HeapItem } from "../order/index.ts";
import { isBefore, isEqual, type KeyOf, type OrderKey } from "./task-order.ts";
import { hasEnded, type Task } from "./task.ts";

interface Pending extends HeapItem {
  readonly task: Task;
}

/**
 * Priority inheritance: a task that others wait for is as urgent as the most urgent of them, across any number of
 * tasks between, and no longer than they wait. Tasks whose key may have changed are marked, and settled together:
 * latest first, since whoever waits was submitted after what it waits for, so that each is looked at once.
 *
 * @see https://doi.org/10.1109/12.57058 (Sha, Rajkumar and Lehoczky 1990, priority inheritance protocols)
 */
export class Urgencies {
  readonly #keyOf: KeyOf;
  readonly #move: (task: Task, change: () => void) => void;
  readonly #pending = new IndexedHeap<Pending>((a, b) => a.task.sequence > b.task.sequence);
  readonly #marked = new Set<Task>();
  /** Times that a task became more urgent than it is by itself. */
  boosts = 0;

  /** @param move changes a key, and keeps whatever is ordered by it in order */
  constructor(keyOf: KeyOf, move: (task: Task, change: () => void) => void) {
    this.#keyOf = keyOf;
    this.#move = move;
  }

  mark(task: Task): void {
    if (this.#marked.has(task)) return;
    this.#marked.add(task);
    this.#pending.insert({ slot: NOWHERE, task });
  }

  /** It is gone, and stands nowhere: to settle it would put it back. */
  unmark(task: Task): void {
    this.#marked.delete(task);
  }

  settle(): void {
    for (;;) {
      const pending = this.#pending.pop();
      if (!pending) return;
      if (this.#marked.delete(pending.task)) this.#settle(pending.task);
    }
  }

  /** The key of a task by itself. */
  own(task: Task): OrderKey {
    const { submittedAtMs, deadlineMs, life } = task;
    return this.#keyOf({ priority: life.priority, submittedAtMs, deadlineMs });
  }

  #settle(task: Task): void {
    let key = this.own(task);
    let heir: Task | null = null;
    if (task.ties !== null && !hasEnded(task)) {
      for (const waiter of task.ties.waiters) {
        if (!isBefore(waiter.key, key)) continue;
        key = waiter.key;
        heir = waiter.heir ?? waiter;
      }
    }
    if (task.heir === null && heir !== null) this.boosts += 1;
    if (isEqual(key, task.key) && heir === task.heir) return;
    this.#move(task, () => {
      task.key = key;
      if (task.ties !== null) task.ties.heir = heir;
    });
    if (task.ties !== null) for (const blocker of task.ties.blockers) this.mark(blocker);
  }
}
