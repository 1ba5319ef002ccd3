import { LIMITS } from "../../src/errors/index.ts";
import type { AttemptEnd } from "../../src/queue/queue.core.ts";
import type {
  Backoff,
  Quota,
  TaskOrder,
  TaskSpec,
  TaskState,
  WorkerSpec,
} from "../../src/queue/queue.protocol.ts";

/** What the model holds to be true of a task at one moment. Replaced as a whole at each change. */
export interface ModelLife {
  readonly state: TaskState;
  readonly priority: number;
  readonly attempt: number;
  readonly interruptions: number;
  readonly token: number;
  readonly workerId: string | null;
  readonly leaseUntilMs: number | null;
  readonly notBeforeMs: number | null;
  readonly successor: string | null;
  /** It comes from an earlier life and has not been claimed in this one: if the pool has it, nobody knows where. */
  readonly isLeft: boolean;
}

/** A life with the number of the command that made it: commands reach the disk in the order of their numbers. */
export interface Version {
  readonly number: number;
  readonly life: ModelLife;
}

/** Given to a task by the command of this number. */
export interface ModelKey {
  readonly number: number;
  readonly key: string;
}

export interface ModelTask {
  readonly taskId: string;
  readonly sequence: number;
  readonly spec: TaskSpec;
  /** Where it would run, which changes as handlers become known. */
  place: string;
  readonly submittedAtMs: number;
  /** The tasks themselves, not their ids: an id may become free and be given again. */
  readonly waitsFor: readonly ModelTask[];
  held: boolean;
  /** Idempotency keys that later submits gave to it, in their order. */
  readonly furtherKeys: ModelKey[];
  /** The release of its group was acknowledged. */
  released: boolean;
  life: ModelLife;
  readonly versions: Version[];
}

export interface Change {
  readonly task: ModelTask;
  /** Null: the command made the task. */
  readonly before: ModelLife | null;
}

export const ENDED: readonly TaskState[] = ["completed", "failed", "cancelled"];
export const hasEnded = ({ life }: ModelTask): boolean => ENDED.includes(life.state);
export const isBusy = ({ life }: ModelTask): boolean =>
  life.state === "running" || life.state === "cancelling";
export const isBlocked = ({ waitsFor }: ModelTask): boolean => waitsFor.some((each) => !hasEnded(each));
export const isDeadLetter = ({ life }: ModelTask): boolean =>
  life.state === "failed" && life.successor === null;

export type Key = readonly [number, number, number];

/**
 * What a queue is, in the simplest words: no heap, no index, no lane, no dirty set. Order and inheritance are
 * computed from nothing each time that they are asked for. It shares no code with the core.
 */
export class Model {
  readonly order: TaskOrder;
  readonly tasks = new Map<string, ModelTask>();
  /** Those that have not ended. */
  readonly live = new Set<ModelTask>();
  readonly workers = new Map<string, WorkerSpec>();
  /** Of the latest command. */
  number = 0;
  /** Told of every change of state: a coverage figure. */
  readonly onPair: (from: TaskState | "none", to: TaskState | "none") => void;
  #changes: Change[] = [];

  constructor(order: TaskOrder, onPair: Model["onPair"]) {
    this.order = order;
    this.onPair = onPair;
  }

  // --- commands: each answers with what it changed ------------------------------------------------------------------

  /** @param keys that tasks are given which are there, or among the new ones */
  add(
    tasks: readonly ModelTask[],
    keys: readonly { readonly task: ModelTask; readonly key: string }[],
  ): Change[] {
    return this.#command(() => {
      for (const task of tasks) this.#admit(task);
      for (const { task, key } of keys) task.furtherKeys.push({ number: this.number, key });
    });
  }

  retry(pairs: readonly { readonly made: ModelTask; readonly origin: ModelTask }[]): Change[] {
    return this.#command(() => {
      for (const { made, origin } of pairs) {
        this.#admit(made);
        this.#set(origin, { successor: made.taskId });
      }
    });
  }

  claim(
    tasks: readonly { readonly task: ModelTask; readonly token: number }[],
    workerId: string,
    leaseUntilMs: number | null,
  ): Change[] {
    return this.#command(() => {
      for (const { task, token } of tasks) {
        const attempt = task.life.attempt + 1;
        this.#set(task, { state: "running", attempt, token, workerId, leaseUntilMs, isLeft: false });
      }
    });
  }

  /** @param notBeforeMs when the next attempt may start, should this one have failed */
  settle(task: ModelTask, end: AttemptEnd, notBeforeMs: number | null): Change[] {
    return this.#command(() => {
      const { state, attempt, interruptions } = task.life;
      const isStopped = state === "cancelling";
      if (end.kind === "completed") this.#end(task, "completed");
      else if (isStopped) this.#end(task, "cancelled");
      else if (end.kind === "failed") {
        if (attempt >= (task.spec.attempts ?? 1)) this.#end(task, "failed");
        else this.#set(task, { state: "queued", notBeforeMs, leaseUntilMs: null });
      } else {
        const count = end.kind === "returned" ? 0 : 1;
        const given = { attempt: attempt - 1, interruptions: interruptions + count, leaseUntilMs: null };
        if (count === 1 && given.interruptions > LIMITS.queue.interruptions) this.#end(task, "failed", given);
        else this.#set(task, { ...given, state: "queued" });
      }
    });
  }

  cancel(tasks: ReadonlySet<ModelTask>): Change[] {
    return this.#command(() => {
      for (const task of tasks) {
        if (task.life.state === "queued") this.#end(task, "cancelled");
        else if (task.life.state === "running") this.#set(task, { state: "cancelling" });
      }
    });
  }

  reprioritize(task: ModelTask, priority: number): Change[] {
    return this.#command(() => this.#set(task, { priority }));
  }

  /** Of no consequence on disk. */
  renew(task: ModelTask, leaseUntilMs: number): void {
    task.life = { ...task.life, leaseUntilMs };
  }

  undo({ task, before }: Change): void {
    task.versions.pop();
    if (before === null) return this.drop(task);
    const { token, leaseUntilMs } = task.life;
    // A lease that was renewed in between stays renewed: the worker has been told so.
    const isRenewed = isBusy(task) && token === before.token && leaseUntilMs !== null;
    this.put(task, isRenewed ? { ...before, leaseUntilMs } : before);
  }

  drop(task: ModelTask): void {
    this.tasks.delete(task.taskId);
    this.live.delete(task);
  }

  put(task: ModelTask, life: ModelLife): void {
    task.life = life;
    if (hasEnded(task)) this.live.delete(task);
    else this.live.add(task);
  }

  // --- order --------------------------------------------------------------------------------------------------------

  /** Effective keys of all that has not ended: by the definition, not by any clever way. */
  keys(): (task: ModelTask) => Key {
    const waiters = new Map<ModelTask, ModelTask[]>();
    for (const task of this.live) {
      for (const blocker of task.waitsFor) {
        if (hasEnded(blocker)) continue;
        const known = waiters.get(blocker);
        if (known) known.push(task);
        else waiters.set(blocker, [task]);
      }
    }
    const known = new Map<ModelTask, readonly [number, number]>();
    const urgency = (task: ModelTask): readonly [number, number] => {
      let best = known.get(task);
      if (best) return best;
      best = this.#own(task);
      for (const waiter of waiters.get(task) ?? []) {
        const theirs = urgency(waiter);
        if (theirs[0] < best[0] || (theirs[0] === best[0] && theirs[1] < best[1])) best = theirs;
      }
      known.set(task, best);
      return best;
    };
    return (task) => [...urgency(task), task.sequence];
  }

  #own({ spec, submittedAtMs, life: { priority } }: ModelTask): readonly [number, number] {
    const { order } = this;
    const deadlineMs = spec.deadlineMs ?? Infinity;
    switch (order.by) {
      case "deadline":
        return [deadlineMs, -priority];
      case "priority":
        if (order.ageingMs === undefined) return [-priority, deadlineMs];
        return [submittedAtMs / order.ageingMs - priority, deadlineMs];
      case "priority_deadline": {
        const { weightMs = (0.7 / 0.3) * 1_000, horizonMs = 3_600_000 } = order;
        return [(spec.deadlineMs ?? submittedAtMs + horizonMs) - weightMs * priority, 0];
      }
      case "fifo":
        break;
    }
    return [0, 0];
  }

  // --- changes ------------------------------------------------------------------------------------------------------

  #command(change: () => void): Change[] {
    this.number += 1;
    this.#changes = [];
    change();
    for (const { task } of this.#changes) task.versions.push({ number: this.number, life: task.life });
    return this.#changes;
  }

  #admit(task: ModelTask): void {
    this.tasks.set(task.taskId, task);
    this.live.add(task);
    this.onPair("none", task.life.state);
    this.#changes.push({ task, before: null });
  }

  #set(task: ModelTask, patch: Partial<ModelLife>): void {
    const before = task.life;
    this.#changes.push({ task, before });
    this.put(task, { ...before, ...patch });
    if (before.state !== task.life.state) this.onPair(before.state, task.life.state);
  }

  /** Also those that waited for it in vain. */
  #end(task: ModelTask, state: TaskState, patch: Partial<ModelLife> = {}): void {
    this.#set(task, { ...patch, state, leaseUntilMs: null });
    if (state === "completed") return;
    for (const waiter of [...this.live]) {
      if (waiter.life.state !== "queued" || waiter.spec.onDependencyFailure === "run") continue;
      if (waiter.waitsFor.includes(task)) this.#end(waiter, "cancelled");
    }
  }
}

/** The shortest and the longest pause that may come after a failed attempt. */
export function pauseAfter(
  backoff: Partial<Backoff> | undefined,
  attempt: number,
): readonly [number, number] {
  if (backoff === undefined) return [0, 0];
  const { shape = "exponential", delayMs = 1_000, factor = 2, maxDelayMs = 300_000, jitter = 0 } = backoff;
  const wanted = {
    none: 0,
    fixed: delayMs,
    linear: delayMs * attempt,
    exponential: delayMs * factor ** (attempt - 1),
  };
  const most = Math.min(wanted[shape], maxDelayMs);
  return [Math.floor(most * (1 - jitter)), Math.ceil(most)];
}

/** Does the key mean this task? */
export function hasKey({ spec, furtherKeys }: ModelTask, key: string | undefined): boolean {
  if (key === undefined) return false;
  return spec.idempotencyKey === key || furtherKeys.some((each) => each.key === key);
}

/** Does the quota bound this task? */
export function bounds({ scope, name }: Quota, { spec }: ModelTask): boolean {
  return scope === "action" ? spec.action === name : (spec.tags ?? []).includes(name);
}

/** Could it run on this worker, as far as its kind is concerned? */
export function suits(task: ModelTask, workerId: string, spec: WorkerSpec | undefined): boolean {
  const { action, requires = [] } = task.spec;
  if (workerId === "local") return task.place !== "elsewhere" && requires.length === 0;
  return spec !== undefined && [action, ...requires].every((each) => spec.capabilities.includes(each));
}
