import type { AttemptEnd, ClaimTerms, CoreOptions, Kept } from "../../src/queue/queue.core.ts";
import type { Quota, TaskOrder, TaskSpec } from "../../src/queue/queue.protocol.ts";
import type { QuotasBefore } from "../../src/queue/quota-book.ts";
import type { RowChange } from "../../src/queue/row-change.ts";
import type { Retried, Retry } from "../../src/queue/submission.ts";
import type { Task, TaskLife } from "../../src/queue/task.ts";
import { Belief } from "./belief.ts";
import { ClaimLaws, type KnownQuota } from "./claim-laws.ts";
import {
  Model,
  bounds,
  hasEnded,
  hasKey,
  isBusy,
  pauseAfter,
  type Change,
  type ModelLife,
  type ModelTask,
  type Version,
} from "./model.ts";
import { ShareModel, type ShareState } from "./share-model.ts";

export interface CheckerOptions {
  readonly order: TaskOrder;
  readonly threads: number;
  readonly sharedPerThread: number;
  /** Ended tasks may leave by themselves. */
  readonly retires: boolean;
  readonly onPair: Model["onPair"];
  /** @param more to be shown beside it */
  readonly onNote: (text: string, more?: unknown) => void;
}

/**
 * The history checker: follows every command of the queue at the moment at which it is decided, with a model that is
 * computed from the commands alone, and holds the queue to its laws at claims, refusals, restarts and replies.
 *
 * What is acknowledged is durable: `durable` is the number of the latest command that somebody outside was told of.
 * Whatever a restart finds must be the state after some command that is not earlier than that one. What a handler has
 * begun need not be flushed, and only the loss of power may take it.
 */
export class Checker {
  readonly model: Model;
  /** Broken laws, in the order in which they were found. */
  readonly violations: string[] = [];
  readonly options: CheckerOptions;
  readonly pause = new Belief<boolean>(false);
  readonly quotas = new Map<string, KnownQuota>();
  readonly registered = new Map<string, Belief<boolean>>();
  /** Requests under way that make ended tasks leave. */
  removals = 0;
  durable = 0;
  /** The number of the latest command of whose claim a handler has begun. */
  #begun = 0;
  /** Ids of tasks that have been forgotten. */
  readonly left = new Set<string>();
  /** The highest token that somebody outside has seen. */
  #tokenSeen = 0;
  #tokenGiven = 0;
  /** Where the handlers of this life are. */
  #placeOf: (action: string) => string = nowhere;
  readonly #laws: ClaimLaws;
  readonly #shares = new ShareModel();
  /** Whose turn it was before a start, and before a change of quotas. */
  readonly #turns = new WeakMap<RowChange | QuotasBefore, ShareState>();
  readonly #changes = new WeakMap<RowChange, Change>();

  constructor(options: CheckerOptions) {
    this.options = options;
    this.model = new Model(options.order, options.onPair);
    const { model, quotas } = this;
    const { threads, sharedPerThread } = options;
    this.#laws = new ClaimLaws({
      model,
      quotas,
      shares: this.#shares,
      threads,
      sharedPerThread,
      broken: (law) => this.broken(law),
    });
  }

  broken(law: string): void {
    this.options.onNote(`BROKEN: ${law}`);
    this.violations.push(law);
  }

  note(text: string, more?: unknown): void {
    this.options.onNote(text, more);
  }

  /** The outside has been told of this: from now on nothing may take it back. */
  told({ number, life }: Version): void {
    this.durable = Math.max(this.durable, number);
    this.#tokenSeen = Math.max(this.#tokenSeen, life.token);
  }

  /** A handler has begun: the death of the process may not take that back. */
  begun({ number }: Version): void {
    this.#begun = Math.max(this.#begun, number);
  }

  /** What was not flushed is gone, and every handler with it. */
  powerFailed(): void {
    this.#begun = 0;
  }

  // --- submitting ---------------------------------------------------------------------------------------------------

  /** The code with which such a submit must be refused; null when it must be accepted; before the queue answers. */
  verdict(specs: readonly TaskSpec[]): string | null {
    const fresh = new Map<string, TaskSpec>();
    const keyed = new Map<string, TaskSpec>();
    for (const spec of specs) {
      const { idempotencyKey: key } = spec;
      const known = this.model.tasks.get(spec.taskId)?.spec ?? fresh.get(spec.taskId);
      if (known && !isSameWork(known, spec)) return "ALREADY_EXISTS";
      const first = this.#ofKey(key)?.spec ?? keyed.get(key ?? "");
      if (first && !isSameWork(first, spec)) return "IDEMPOTENCY_CONFLICT";
      if (!first && key !== undefined) keyed.set(key, known ?? spec);
      if (known || first) continue;
      for (const dependency of spec.dependsOn ?? []) {
        if (fresh.has(dependency)) continue;
        const blocker = this.model.tasks.get(dependency);
        if (!blocker && !this.left.has(dependency)) return "UNKNOWN_DEPENDENCY";
        const inVain = !blocker || (hasEnded(blocker) && blocker.life.state !== "completed");
        if (inVain && spec.onDependencyFailure !== "run") return "DEPENDENCY_FAILED";
      }
      fresh.set(spec.taskId, spec);
    }
    return this.#exceeds([...fresh.values()]) ? "QUOTA_EXCEEDED" : null;
  }

  /** The same for tasks that are to be done again. */
  retryVerdict(again: readonly Retry[]): string | null {
    const origins = again.flatMap(({ task }) => this.model.tasks.get(task.taskId) ?? []);
    if (!origins.every(hasEnded)) return "TASK_NOT_FINISHED";
    if (origins.some(({ life }) => life.state === "completed")) return "TASK_ENDED";
    return this.#exceeds(origins.map(({ spec }) => spec)) ? "QUOTA_EXCEEDED" : null;
  }

  #ofKey(key: string | undefined): ModelTask | undefined {
    return key === undefined ? undefined : this.model.tasks.values().find((task) => hasKey(task, key));
  }

  #exceeds(fresh: readonly TaskSpec[]): boolean {
    for (const { quota } of this.quotas.values()) {
      const limit = quota.known?.queued;
      if (!quota.known || limit === undefined) continue;
      const one = quota.known;
      const more = fresh.filter((spec) => bounds(one, { spec } as ModelTask)).length;
      const waiting = [...this.model.live].filter(
        (task) => task.life.state === "queued" && bounds(one, task),
      ).length;
      if (more > 0 && waiting + more > limit) return true;
    }
    return false;
  }

  /** Are the quotas' figures certain enough to predict an answer? */
  get isCertain(): boolean {
    return [...this.quotas.values()].every(({ quota }) => quota.known !== undefined);
  }

  submitted(
    specs: readonly TaskSpec[],
    tasks: readonly { readonly task: Task; readonly replayed: boolean }[],
    rows: readonly RowChange[],
    nowMs: number,
  ): void {
    const made: ModelTask[] = [];
    const keys: { task: ModelTask; key: string }[] = [];
    for (const [index, { task, replayed }] of tasks.entries()) {
      const spec = specs[index] as TaskSpec;
      const { taskId, idempotencyKey: key } = spec;
      const named = this.model.tasks.get(taskId) ?? made.find((each) => each.taskId === taskId);
      const keyed =
        this.#ofKey(key) ??
        made.find((each) => hasKey(each, key)) ??
        keys.find((each) => each.key === key)?.task;
      const known = keyed ?? named;
      if (replayed !== (known !== undefined))
        this.broken(`${task.taskId} is ${replayed ? "not " : ""}known, and the receipt says otherwise`);
      else if (known && known.taskId !== task.taskId)
        this.broken(`${taskId} under the key ${key} is ${task.taskId}, and should be ${known.taskId}`);
      if (!known) made.push(this.#made(task, spec, made, nowMs));
      else if (key !== undefined && !keyed) keys.push({ task: known, key });
    }
    const changes = this.model.add(made, keys);
    const givenRows = rows.filter((row) => row.key !== undefined);
    const given = givenRows.map((row) => `${row.task.taskId} ${row.key}`).join();
    const wanted = keys.map(({ task, key }) => `${task.taskId} ${key}`).join();
    if (given !== wanted) this.broken(`the keys [${given}] are written, and should be [${wanted}]`);
    this.#wrote(
      changes,
      rows.filter((row) => row.key === undefined),
    );
  }

  retried(
    again: readonly Retry[],
    made: readonly Retried[],
    rows: readonly RowChange[],
    nowMs: number,
  ): void {
    const pairs: { made: ModelTask; origin: ModelTask }[] = [];
    for (const [index, { origin, task }] of made.entries()) {
      const known = this.#known(origin.taskId);
      if (!known) return;
      if (!hasEnded(known) || known.life.state === "completed")
        this.broken(`${origin.taskId} is retried, and is ${known.life.state}`);
      const { dependsOn: _, idempotencyKey: __, group: ___, delayMs: ____, ...work } = known.spec;
      const attempts = again[index]?.change.attempts ?? known.spec.attempts ?? 1;
      const spec = { ...work, taskId: task.taskId, attempts, priority: known.life.priority };
      pairs.push({ made: this.#made(task, spec, [], nowMs), origin: known });
    }
    this.#wrote(this.model.retry(pairs), rows);
  }

  #made(task: Task, spec: TaskSpec, earlier: readonly ModelTask[], nowMs: number): ModelTask {
    const { sequence, taskId } = task;
    for (const other of this.model.tasks.values()) {
      if (other.sequence >= sequence)
        this.broken(`${taskId} is submitted after ${other.taskId}, and its sequence says otherwise`);
    }
    const notBeforeMs = spec.delayMs === undefined || spec.delayMs === 0 ? null : nowMs + spec.delayMs;
    return {
      taskId,
      sequence,
      spec,
      place: this.#placeOf(spec.action),
      submittedAtMs: nowMs,
      waitsFor: [...new Set(spec.dependsOn)].flatMap(
        (id) => this.model.tasks.get(id) ?? earlier.find((each) => each.taskId === id) ?? [],
      ),
      held: spec.group !== undefined,
      furtherKeys: [],
      released: false,
      life: freshLife(spec.priority ?? 1, notBeforeMs),
      versions: [],
    };
  }

  // --- claiming -----------------------------------------------------------------------------------------------------

  claimed({ worker, max, leaseMs }: ClaimTerms, rows: readonly RowChange[], nowMs: number): void {
    const { workerId } = worker;
    if (rows.length > 0) {
      if (this.pause.known === true)
        this.broken(`a paused queue gives ${rows[0]?.task.taskId} to ${workerId}`);
      if (worker.draining) this.broken(`${workerId} drains, and is given ${rows[0]?.task.taskId}`);
    }
    const leaseUntilMs = leaseMs === null ? null : nowMs + leaseMs;
    const keys = this.model.keys();
    for (const row of rows) {
      const task = this.#known(row.task.taskId);
      if (!task) continue;
      const { token } = row.after;
      this.#laws.mayStart(task, workerId, nowMs);
      if (this.violations.length > 0) return;
      this.#laws.isNext(task, workerId, nowMs, keys);
      if (token <= this.#tokenGiven)
        this.broken(`the token ${token} of ${task.taskId} is not above ${this.#tokenGiven}`);
      this.#tokenGiven = token;
      for (const { quota, starts } of this.quotas.values()) {
        if (quota.known && bounds(quota.known, task))
          this.#laws.isPaced(quota.known, starts, { atMs: nowMs, row });
      }
      this.#wrote(this.model.claim([{ task, token }], workerId, leaseUntilMs), [row]);
      this.#turns.set(row, this.#shares.state);
      this.#laws.start(task, nowMs);
    }
    if (rows.length >= max || worker.draining || this.pause.known !== false) return;
    for (const task of this.model.live) {
      if (this.#laws.couldTake(task, workerId, nowMs) && this.#laws.isFree(task, null)) {
        this.broken(`${workerId} could take ${task.taskId}, and does not`);
      }
    }
  }

  // --- ending -------------------------------------------------------------------------------------------------------

  /** @param rows null: the queue answered that the lease was lost */
  settled(
    taskId: string,
    token: number,
    end: AttemptEnd,
    rows: readonly RowChange[] | null,
    nowMs: number,
  ): void {
    const task = this.model.tasks.get(taskId);
    const isHeld = task !== undefined && isBusy(task) && task.life.token === token;
    if (rows === null) {
      if (isHeld) this.broken(`${taskId} runs under token ${token}, and its end is refused`);
      return;
    }
    if (!isHeld) return this.broken(`${taskId} does not run under token ${token}, and its end is accepted`);
    const { leaseUntilMs, workerId, attempt } = task.life;
    const isDraining = end.kind === "interrupted" && end.error === undefined;
    if (end.kind === "interrupted" && leaseUntilMs !== null && leaseUntilMs > nowMs && !isDraining) {
      this.broken(`${workerId} loses ${taskId} ${leaseUntilMs - nowMs} ms before its lease ends`);
    }
    const row = rows.find((each) => each.task.taskId === taskId);
    const notBeforeMs = row?.after.notBeforeMs ?? null;
    const changes = this.model.settle(task, end, notBeforeMs);
    if (end.kind === "failed" && task.life.state === "queued") {
      const [least, most] = pauseAfter(task.spec.backoff, attempt);
      const paused = notBeforeMs === null ? 0 : notBeforeMs - nowMs;
      if (paused < least || paused > most)
        this.broken(`${taskId} is tried again after ${paused} ms, not ${least} to ${most}`);
    }
    this.#wrote(changes, rows);
  }

  cancelled(taskIds: readonly string[], rows: readonly RowChange[]): void {
    const tasks = taskIds.map((taskId) => this.#known(taskId)).filter((task) => task !== undefined);
    this.#wrote(this.model.cancel(new Set(tasks)), rows);
  }

  reprioritized(taskId: string, priority: number, row: RowChange): void {
    const task = this.#known(taskId);
    if (task) this.#wrote(this.model.reprioritize(task, priority), [row]);
  }

  renewed(taskId: string, leaseUntilMs: number): void {
    const task = this.#known(taskId);
    if (task) this.model.renew(task, leaseUntilMs);
  }

  forgot(tasks: readonly Task[]): void {
    for (const { taskId, sequence } of tasks) {
      const task = this.model.tasks.get(taskId);
      // Two requests may have named it.
      if (task?.sequence !== sequence) continue;
      if (!hasEnded(task) || task.held)
        this.broken(`${taskId} is ${task.life.state}${task.held ? " and held" : ""}, and is forgotten`);
      else if (this.removals === 0 && !this.options.retires)
        this.broken(`${taskId} is forgotten, and nobody asked for it`);
      this.options.onPair(task.life.state, "none");
      this.left.add(taskId);
      this.model.number += 1;
      this.model.drop(task);
    }
  }

  /** Handlers came or went. What the pool runs was placed when it started. */
  placed(placeOf: (action: string) => string): void {
    this.#placeOf = placeOf;
    for (const task of this.model.live) {
      if (!isBusy(task) || task.life.workerId !== "local") task.place = placeOf(task.spec.action);
    }
  }

  held(tasks: readonly Task[], held: boolean): void {
    for (const { taskId } of tasks) {
      const task = this.model.tasks.get(taskId);
      if (task) task.held = held;
    }
  }

  quotaSet(quota: Quota, before: QuotasBefore): void {
    this.#turns.set(before, this.#shares.state);
    this.#shares.set(quota, quota.weight);
  }

  quotaRemoved(quota: Pick<Quota, "scope" | "name">, before: QuotasBefore): void {
    this.#turns.set(before, this.#shares.state);
    this.#shares.set(quota, undefined);
  }

  quotasRestored(before: QuotasBefore): void {
    this.#shares.state = this.#turns.get(before) ?? this.#shares.state;
  }

  undone(rows: readonly RowChange[]): void {
    for (const row of rows.toReversed()) {
      const change = this.#changes.get(row);
      if (change) this.model.undo(change);
      if (row.key !== undefined) this.model.tasks.get(row.task.taskId)?.furtherKeys.pop();
      this.#shares.state = this.#turns.get(row) ?? this.#shares.state;
    }
    // What did not happen is not counted.
    for (const known of this.quotas.values())
      known.starts = known.starts.filter(({ row }) => !rows.includes(row));
  }

  // --- restarts -----------------------------------------------------------------------------------------------------

  /** A new life has read what was kept. */
  opened({ pause, quotas, workers }: CoreOptions): void {
    this.#placeOf = nowhere;
    if (!this.pause.seen(pause !== null))
      this.broken(`after the restart the queue is ${pause ? "" : "not "}paused`);
    for (const [key, { quota, starts }] of this.quotas) {
      starts.length = 0;
      const found = quotas.find((each) => keyOf(each) === key);
      if (!quota.seen(found ?? null))
        this.broken(`after the restart the quota ${JSON.stringify(found)} is not what was set`);
    }
    this.#shares.open(quotas);
    this.model.workers.clear();
    for (const spec of workers) this.model.workers.set(spec.workerId, spec);
    for (const [workerId, isThere] of this.registered) {
      const found = this.model.workers.has(workerId);
      if (!isThere.seen(found))
        this.broken(`after the restart worker ${workerId} is ${found ? "still" : "not"} registered`);
    }
  }

  /** What a restart finds is the state after one command, and that is not earlier than what was acknowledged. */
  loaded(tasks: readonly Task[], { furtherKeys, departed }: Pick<Kept, "furtherKeys" | "departed">): void {
    const found = new Map(tasks.map((task) => [task.sequence, task]));
    let least = { number: 0, why: "" };
    let below = { number: Infinity, why: "" };
    const atLeast = (number: number, why: string): void =>
      void (number > least.number && (least = { number, why }));
    const lessThan = (number: number, why: string): void =>
      void (number < below.number && (below = { number, why }));
    for (const task of this.model.tasks.values()) {
      const { taskId, sequence, versions } = task;
      const row = found.get(sequence);
      found.delete(sequence);
      if (!row) {
        const mayHaveLeft = hasEnded(task) && !task.held && (this.removals > 0 || this.options.retires);
        if (!mayHaveLeft) lessThan(versions[0]?.number ?? 0, `${taskId} is not there`);
        else this.left.add(taskId);
        this.model.drop(task);
        continue;
      }
      const first = versions.findIndex(({ life }) => isSameLife(life, row.life));
      const last = versions.findLastIndex(({ life }) => isSameLife(life, row.life));
      const version = versions[last];
      if (!version) {
        this.broken(`after the restart ${taskId} is as it never was: ${textOf(row.life)}`);
        continue;
      }
      const next = versions[last + 1];
      const why = `${taskId} is ${textOf(row.life)}`;
      const keys = furtherKeys.get(sequence) ?? [];
      const lost = task.furtherKeys[keys.length];
      if (keys.some((key, index) => task.furtherKeys[index]?.key !== key))
        this.broken(`after the restart ${taskId} has the keys [${keys.join()}], which it was never given`);
      atLeast(task.furtherKeys[keys.length - 1]?.number ?? 0, `${taskId} has the keys [${keys.join()}]`);
      if (lost) lessThan(lost.number, `${taskId} has not the key ${lost.key}`);
      task.furtherKeys.length = keys.length;
      atLeast(versions[first]?.number ?? 0, why);
      if (next) lessThan(next.number, why);
      versions.length = last + 1;
      this.model.put(task, { ...version.life, leaseUntilMs: row.life.leaseUntilMs, isLeft: true });
      if (task.released && row.held) this.broken(`the release of ${taskId} is lost`);
      task.held = row.held;
      task.place = this.#placeOf(task.spec.action);
    }
    for (const { taskId } of found.values())
      this.broken(`after the restart there is ${taskId}, which had left or never was`);
    const ids = new Set(departed);
    if (ids.symmetricDifference(this.left).size > 0)
      this.broken(
        `after the restart [${[...ids].join()}] have left, and should be [${[...this.left].join()}]`,
      );
    if (this.durable >= below.number) this.broken(`what was acknowledged is lost: ${below.why}`);
    else if (this.#begun >= below.number) this.broken(`what a handler had begun is lost: ${below.why}`);
    this.#begun = 0;
    if (least.number >= below.number)
      this.broken(`a restart finds half of it: ${least.why}, and ${below.why}`);
    this.removals = 0;
    // Whatever came later has never been.
    this.#tokenGiven = this.#tokenSeen;
    for (const task of this.model.tasks.values())
      this.#tokenGiven = Math.max(this.#tokenGiven, task.life.token);
  }

  // --- rows ---------------------------------------------------------------------------------------------------------

  #known(taskId: string): ModelTask | undefined {
    const task = this.model.tasks.get(taskId);
    if (!task) this.broken(`there is no task ${taskId}, and something happens to it`);
    return task;
  }

  /** Joins what the model changed with the rows that the queue will write, and compares them. */
  #wrote(changes: readonly Change[], rows: readonly RowChange[]): void {
    for (const row of rows) {
      const { taskId } = row.task;
      const change = changes.find(({ task }) => task.taskId === taskId);
      if (!change) {
        this.broken(`${taskId} changes for no reason: ${textOf(row.after)}`);
        continue;
      }
      this.#changes.set(row, change);
      if (!isSameLife(change.task.life, row.after)) {
        this.broken(`${taskId} is ${textOf(row.after)}, and should be ${textOf(change.task.life)}`);
      }
      this.note(`${taskId} ${textOf(row.after)}`);
    }
  }
}

export const keyOf = ({ scope, name }: Pick<Quota, "scope" | "name">): string => `${scope} ${name}`;

const nowhere = (): string => "elsewhere";

function isSameWork(a: TaskSpec, b: TaskSpec): boolean {
  return a.action === b.action && Buffer.compare(a.input, b.input) === 0;
}

/** What of a life is kept through a restart, and must be equal in queue and model. */
const KEPT = [
  "state",
  "priority",
  "attempt",
  "interruptions",
  "token",
  "workerId",
  "notBeforeMs",
  "successor",
] as const;

function isSameLife(a: ModelLife | TaskLife, b: ModelLife | TaskLife): boolean {
  for (const name of KEPT) if (a[name] !== b[name]) return false;
  return true;
}

function textOf({
  state,
  priority,
  attempt,
  interruptions,
  token,
  workerId,
  notBeforeMs,
  successor,
}: ModelLife | TaskLife): string {
  return `${state} p${priority} a${attempt} i${interruptions} t${token} w${workerId} n${notBeforeMs} s${successor}`;
}

function freshLife(priority: number, notBeforeMs: number | null): ModelLife {
  return {
    state: "queued",
    priority,
    attempt: 0,
    interruptions: 0,
    token: 0,
    workerId: null,
    leaseUntilMs: null,
    notBeforeMs,
    successor: null,
    isLeft: false,
  };
}
