import { assert } from "../errors/index.ts";
import { TASK_STATES } from "./queue.protocol.ts";
import { Task, freshLife, type TaskLife, type Terms } from "./task.ts";
import { LOCAL } from "./workers.ts";

/** Shorter than `null`, and in almost every row. */
const NEVER = -1;

/** Values of one task in what is read back; see `queue-schema.ts`. */
const HEAD_VALUES = 7;
const LIFE_VALUES = 9;

type Rare = readonly [
  group: string | null,
  deadlineMs: number | null,
  notBeforeMs: number | null,
  idempotencyKey: string | null,
  origin: string | null,
  dependsOn: readonly string[],
  /** Of what is part of a trace alone. */
  traceparent?: string,
];
type RareLife = readonly [
  leaseUntilMs: number | null,
  notBeforeMs: number | null,
  cancelReason: string | null,
  successor: string | null,
];

/**
 * What is fixed about a task, as its row has it. Its terms have a row already.
 *
 * @param held as it was when the change was decided: the task itself may have been released since
 */
export function headOf(task: Task, life: TaskLife, dependsOn: readonly string[], held: boolean): string {
  const { sequence, taskId, terms, group, submittedAtMs, deadlineMs, idempotencyKey, origin, traceparent } =
    task;
  assert(terms.id > 0, "the terms of a task have a row");
  const isPlain =
    group === null &&
    deadlineMs === null &&
    life.notBeforeMs === null &&
    idempotencyKey === null &&
    origin === null &&
    traceparent === null &&
    dependsOn.length === 0;
  const trace: [traceparent?: string] = traceparent === null ? [] : [traceparent];
  const rare: Rare | 0 = isPlain
    ? 0
    : [group, deadlineMs, life.notBeforeMs, idempotencyKey, origin, dependsOn, ...trace];
  const more = rare === 0 ? "0" : JSON.stringify(rare);
  const values = [
    sequence,
    JSON.stringify(taskId),
    terms.id,
    submittedAtMs,
    life.priority,
    more,
    held ? 1 : 0,
  ];
  // In one go: of a template all that comes between is left behind as well, twice as much for each of a million tasks.
  return values.join();
}

/** Null for a life that follows from the head alone. */
export function lifeOf({ submittedAtMs }: Task, life: TaskLife, isNew: boolean): string | null {
  const { state, priority, attempt, interruptions, token, startedAtMs, endedAtMs, workerId } = life;
  const { leaseUntilMs, notBeforeMs, cancelReason, successor } = life;
  if (isNew && state === "queued" && token === 0 && interruptions === 0 && successor === null) return null;
  const isPlain =
    leaseUntilMs === null && notBeforeMs === null && cancelReason === null && successor === null;
  const rare: RareLife | 0 = isPlain ? 0 : [leaseUntilMs, notBeforeMs, cancelReason, successor];
  const more = rare === 0 ? "0" : JSON.stringify(rare);
  // The worker of almost every task is the queue's own, which is therefore written as 1.
  const worker = workerId === LOCAL ? "1" : workerId === null ? "0" : JSON.stringify(workerId);
  const counts = `${priority},${attempt},${interruptions},${token}`;
  const times = `${textOf(startedAtMs, submittedAtMs)},${textOf(endedAtMs, startedAtMs ?? submittedAtMs)}`;
  return `${TASK_STATES.indexOf(state)},${counts},${times},${worker},${more}`;
}

/**
 * A time as what has passed since an earlier one: a third of the characters, and a row that grows less when its task
 * is claimed splits fewer pages. In quotes as it is, when the clock was set back or the difference is not exact.
 */
function textOf(timeMs: number | null, sinceMs: number): string {
  if (timeMs === null) return String(NEVER);
  const passedMs = timeMs - sinceMs;
  return passedMs >= 0 && sinceMs + passedMs === timeMs ? String(passedMs) : `"${timeMs}"`;
}

function timeFrom(written: number | string, sinceMs: number): number | null {
  if (typeof written === "string") return Number(written);
  return written === NEVER ? null : sinceMs + written;
}

/** For what it is to wait for, from the values of one head. */
export function dependsOnOf(head: string): readonly string[] {
  const rare = (JSON.parse(`[${head}]`) as unknown[])[5] as Rare | 0;
  return rare === 0 ? [] : rare[5];
}

/**
 * Makes tasks of what the rows of one block were joined to. What many of them have in common they share: terms,
 * group, and the life of those that were never claimed.
 */
export class TaskReader {
  readonly tasks: Task[] = [];
  /** By sequence, of those tasks that depend on any. */
  readonly dependsOn = new Map<number, readonly string[]>();
  readonly usedTerms = new Set<Terms>();
  highestToken = 0;
  readonly #terms: ReadonlyMap<number, Terms>;
  readonly #fresh = new Map<number, TaskLife>();
  #latestTerms: Terms | undefined;
  #latestGroup: string | null = null;

  constructor(terms: ReadonlyMap<number, Terms>) {
    this.#terms = terms;
  }

  /**
   * @param fresh the heads of tasks whose life has not changed yet, joined by commas; null = none
   * @param changed the heads of all others, each with its life behind it
   * @throws when a text is not what `headOf` and `lifeOf` made
   */
  add(fresh: string | null, changed: string | null): void {
    const waiting = valuesOf(fresh, HEAD_VALUES);
    const others = valuesOf(changed, HEAD_VALUES + LIFE_VALUES);
    let at = 0;
    // Both are in the order of their sequences, which come first.
    for (let index = 0; index < waiting.length; index += HEAD_VALUES) {
      const sequence = waiting[index] as number;
      for (; at < others.length && (others[at] as number) < sequence; at += HEAD_VALUES + LIFE_VALUES) {
        this.#addChanged(others, at);
      }
      const more = waiting[index + 5] as Rare | 0;
      this.#add(waiting, index, this.#freshLife(waiting[index + 4] as number, more === 0 ? null : more[2]));
    }
    for (; at < others.length; at += HEAD_VALUES + LIFE_VALUES) this.#addChanged(others, at);
  }

  #addChanged(values: readonly unknown[], at: number): void {
    const life = lifeFrom(values, at + HEAD_VALUES, values[at + 3] as number);
    if (life.token > this.highestToken) this.highestToken = life.token;
    this.#add(values, at, life);
  }

  #add(values: readonly unknown[], at: number, life: TaskLife): void {
    const sequence = values[at] as number;
    const more = values[at + 5] as Rare | 0;
    if (more !== 0 && more[5].length > 0) this.dependsOn.set(sequence, more[5]);
    this.tasks.push(
      new Task({
        sequence,
        taskId: values[at + 1] as string,
        terms: this.#termsOf(values[at + 2] as number),
        group: more === 0 ? null : this.#group(more[0]),
        submittedAtMs: values[at + 3] as number,
        deadlineMs: more === 0 ? null : more[1],
        idempotencyKey: more === 0 ? null : more[3],
        origin: more === 0 ? null : more[4],
        traceparent: more === 0 ? null : (more[6] ?? null),
        held: values[at + 6] === 1,
        life,
      }),
    );
  }

  #termsOf(id: number): Terms {
    if (this.#latestTerms?.id === id) return this.#latestTerms;
    const terms = this.#terms.get(id);
    if (!terms) throw new Error(`terms ${id} are missing`);
    this.usedTerms.add(terms);
    this.#latestTerms = terms;
    return terms;
  }

  /** Tasks of one group tend to be neighbours, and then they share its name. */
  #group(group: string | null): string | null {
    if (group !== this.#latestGroup) this.#latestGroup = group;
    return this.#latestGroup;
  }

  #freshLife(priority: number, notBeforeMs: number | null): TaskLife {
    if (notBeforeMs !== null) return freshLife(priority, notBeforeMs);
    let life = this.#fresh.get(priority);
    if (!life) this.#fresh.set(priority, (life = freshLife(priority, null)));
    return life;
  }
}

function lifeFrom(values: readonly unknown[], at: number, submittedAtMs: number): TaskLife {
  const state = TASK_STATES[values[at] as number];
  if (!state) throw new Error(`there is no state ${String(values[at])}`);
  const worker = values[at + 7] as 0 | 1 | string;
  const more = values[at + 8] as RareLife | 0;
  const startedAtMs = timeFrom(values[at + 5] as number | string, submittedAtMs);
  return {
    state,
    priority: values[at + 1] as number,
    attempt: values[at + 2] as number,
    interruptions: values[at + 3] as number,
    token: values[at + 4] as number,
    workerId: worker === 0 ? null : worker === 1 ? LOCAL : worker,
    place: null,
    leaseUntilMs: more === 0 ? null : more[0],
    notBeforeMs: more === 0 ? null : more[1],
    startedAtMs,
    endedAtMs: timeFrom(values[at + 6] as number | string, startedAtMs ?? submittedAtMs),
    cancelReason: more === 0 ? null : more[2],
    successor: more === 0 ? null : more[3],
  };
}

function valuesOf(text: string | null, perTask: number): readonly unknown[] {
  if (text === null) return [];
  const values = JSON.parse(`[${text}]`) as unknown[];
  if (values.length % perTask !== 0) throw new Error(`a task has ${perTask} values`);
  return values;
}
