import type { RowChange } from "./row-change.ts";
import type { Seats } from "./seats.ts";
import { hasEnded, isBusy, type Task, type TaskLife } from "./task.ts";
import { Urgencies } from "./urgency.ts";
import type { KeyOf } from "./task-order.ts";

/**
 * All tasks that the queue knows, and the one place where their lives change: where a task stands, who waits for it and
 * how urgent it is follow from that, here.
 */
export class TaskBook {
  readonly seats: Seats;
  readonly urgencies: Urgencies;
  readonly #tasks = new Map<string, Task>();
  readonly #groups = new Map<string, Set<Task>>();
  readonly #byKey = new Map<string, Task>();
  /** Keys that tasks were given after their submit. */
  readonly #furtherKeys = new Map<Task, string[]>();
  /** Taken over from disk, in submission order; those from `#indexed` on are not found by any name yet. */
  #loaded: Task[] = [];
  #indexed = 0;
  /** Of those, the ones that somebody has or had since, who will ask for them before all others are found. */
  readonly #early = new Map<string, Task>();

  constructor(seats: Seats, keyOf: KeyOf) {
    this.seats = seats;
    this.urgencies = new Urgencies(keyOf, (task, change) => this.reseat(task, change));
  }

  get(taskId: string): Task | undefined {
    const known = this.#tasks.get(taskId) ?? this.#early.get(taskId);
    if (known !== undefined || this.#loaded.length === 0) return known;
    this.index();
    return this.#tasks.get(taskId);
  }

  /** By its idempotency key. */
  ofKey(key: string): Task | undefined {
    this.index();
    return this.#byKey.get(key);
  }

  /** How many keys it was given after its submit. */
  furtherKeysOf(task: Task): number {
    return this.#furtherKeys.get(task)?.length ?? 0;
  }

  addKey(task: Task, key: string): void {
    this.index();
    this.#byKey.set(key, task);
    const keys = this.#furtherKeys.get(task);
    if (keys) keys.push(key);
    else this.#furtherKeys.set(task, [key]);
  }

  /** The latest that it was given. */
  takeKey(task: Task): void {
    const keys = this.#furtherKeys.get(task) ?? [];
    const key = keys.pop();
    if (key !== undefined) this.#byKey.delete(key);
    if (keys.length === 0) this.#furtherKeys.delete(task);
  }

  /** In submission order; an unknown group is an empty one. */
  group(group: string): ReadonlySet<Task> {
    this.index();
    return this.#groups.get(group) ?? new Set();
  }

  /** In submission order. */
  all(): IterableIterator<Task> {
    this.index();
    return this.#tasks.values();
  }

  /**
   * Loaded tasks can be claimed before they can be found: finding names takes as long as all the rest of a load. Whoever
   * asks for a name that is not found yet waits for all of them, so let them be indexed in the background before.
   *
   * @param most tasks in this call
   * @returns whether some are left
   */
  index(most = Infinity): boolean {
    if (this.#loaded.length === 0) return false;
    const end = Math.min(this.#loaded.length, this.#indexed + most);
    for (; this.#indexed < end; this.#indexed++) this.#name(this.#loaded[this.#indexed] as Task);
    if (this.#indexed < this.#loaded.length) return true;
    this.#loaded = [];
    this.#indexed = 0;
    this.#early.clear();
    return false;
  }

  /** Takes over a task as it stands on disk; in submission order, and before anything else. */
  load(task: Task, dependsOn: readonly string[], furtherKeys: readonly string[]): void {
    this.#loaded.push(task);
    if (isBusy(task)) this.#early.set(task.taskId, task);
    if (furtherKeys.length > 0) this.#furtherKeys.set(task, [...furtherKeys]);
    this.#seat(task, dependsOn);
  }

  /** Changes something that decides where a task stands. */
  reseat(task: Task, change: () => void): void {
    this.seats.take(task);
    change();
    this.seats.put(task);
  }

  change(task: Task, patch: Partial<TaskLife>): RowChange {
    const before = task.life;
    this.put(task, { ...before, ...patch });
    return { task, before, after: task.life };
  }

  put(task: Task, after: TaskLife): void {
    const before = task.life;
    if (this.#loaded.length > 0) this.#early.set(task.taskId, task);
    this.reseat(task, () => (task.life = after));
    const [had, has] = [before.endedAtMs !== null, after.endedAtMs !== null];
    if (had !== has && task.ties !== null) this.#retie(task, has);
    if (before.priority !== after.priority) this.urgencies.mark(task);
  }

  /** @param dependsOn tasks that were there before it; those that have left since do not count */
  admit(task: Task, dependsOn: readonly string[]): void {
    this.index();
    this.#name(task);
    this.#seat(task, dependsOn);
  }

  #name(task: Task): void {
    this.#tasks.set(task.taskId, task);
    if (task.idempotencyKey !== null) this.#byKey.set(task.idempotencyKey, task);
    if (this.#furtherKeys.size > 0)
      for (const key of this.#furtherKeys.get(task) ?? []) this.#byKey.set(key, task);
    if (task.group === null) return;
    const group = this.#groups.get(task.group);
    if (group) group.add(task);
    else this.#groups.set(task.group, new Set([task]));
  }

  #seat(task: Task, dependsOn: readonly string[]): void {
    task.key = this.urgencies.own(task);
    if (dependsOn.length > 0 && !hasEnded(task)) this.#tie(task, dependsOn);
    this.seats.put(task);
  }

  dismiss(task: Task): void {
    this.index();
    this.seats.take(task);
    if (task.ties !== null && !hasEnded(task)) this.#retie(task, true);
    this.urgencies.unmark(task);
    this.#tasks.delete(task.taskId);
    if (task.idempotencyKey !== null) this.#byKey.delete(task.idempotencyKey);
    while (this.furtherKeysOf(task) > 0) this.takeKey(task);
    if (task.group === null) return;
    const group = this.#groups.get(task.group);
    group?.delete(task);
    if (group?.size === 0) this.#groups.delete(task.group);
  }

  /** Tasks that were dismissed stand again where they stood, in submission order. */
  readmit(tasks: readonly Task[]): void {
    for (const task of tasks) {
      this.#name(task);
      this.seats.put(task);
      if (task.ties !== null) this.#retie(task, false);
    }
    const inOrder = [...this.#tasks.values()].toSorted((a, b) => a.sequence - b.sequence);
    this.#tasks.clear();
    for (const task of inOrder) this.#tasks.set(task.taskId, task);
    for (const group of new Set(tasks.flatMap((task) => task.group ?? []))) {
      const members = [...this.group(group)].toSorted((a, b) => a.sequence - b.sequence);
      this.#groups.set(group, new Set(members));
    }
  }

  #tie(task: Task, dependsOn: readonly string[]): void {
    const blockers = new Set<Task>();
    task.ties = { dependsOn, blockers, waiters: new Set(), heir: null };
    for (const taskId of dependsOn) {
      const blocker = this.get(taskId);
      // What it waits for came before it: under the id of one that has left it may be the task itself that is found.
      if (!blocker || blocker === task || hasEnded(blocker)) continue;
      blockers.add(blocker);
      blocker.ties ??= { dependsOn: [], blockers: new Set(), waiters: new Set(), heir: null };
      blocker.ties.waiters.add(task);
      this.urgencies.mark(blocker);
    }
  }

  /** Nobody waits for a task that has ended, and it waits for nobody; taking the end back ties them again. */
  #retie(task: Task, ended: boolean): void {
    const { waiters = [], dependsOn = [] } = task.ties ?? {};
    this.urgencies.mark(task);
    for (const waiter of waiters) {
      this.reseat(waiter, () => {
        if (ended) waiter.ties?.blockers.delete(task);
        else waiter.ties?.blockers.add(task);
      });
    }
    for (const taskId of dependsOn) {
      const blocker = this.get(taskId);
      // Its id may have become free, and been given to a task that came after this one.
      if (!blocker?.ties || blocker.sequence >= task.sequence) continue;
      if (ended) blocker.ties.waiters.delete(task);
      else blocker.ties.waiters.add(task);
      this.urgencies.mark(blocker);
    }
  }
}
