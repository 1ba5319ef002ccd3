import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { AttemptEnd } from "../../src/queue/queue.core.ts";
import type { Quota, TaskOrder, TaskSpec, TaskState } from "../../src/queue/queue.protocol.ts";
import { statusOf } from "../../src/queue/task-status.ts";
import { testSeed } from "../kit/seeded-random.ts";
import {
  CoreDriver,
  LEASE_MS,
  ORDERS,
  SMALL,
  WORKERS,
  anyCommand,
  passesOf,
  placeOf,
  type Command,
} from "./core-kit.ts";

interface Plain {
  readonly taskId: string;
  readonly sequence: number;
  readonly spec: TaskSpec;
  readonly waitsFor: readonly Plain[];
  readonly submittedAtMs: number;
  readonly origin: string | null;
  held: boolean;
  /** Idempotency keys under which it is known. */
  keys: readonly string[];
  state: TaskState;
  priority: number;
  attempt: number;
  interruptions: number;
  workerId: string | null;
  leaseUntilMs: number;
  notBeforeMs: number;
  endedAtMs: number | null;
  successor: string | null;
}

interface PlainQuota {
  readonly quota: Quota;
  readonly setAtMs: number;
  /** Starts that were left then. */
  readonly tokens: number;
  readonly starts: number[];
}

type Key = readonly [number, number];
class Refused extends Error {}

const byName = (a: { name: string }, b: { name: string }): number => a.name.localeCompare(b.name);

const isSmaller = ([a, b]: Key, [c, d]: Key): boolean => (a === c ? b < d : a < c);
const isLive = ({ endedAtMs }: Plain): boolean => endedAtMs === null;
const isBusy = ({ state }: Plain): boolean => state === "running" || state === "cancelling";

/** The queue's laws as plainly as they can be said: lists, and everything worked out anew for each question. */
class Model {
  tasks: Plain[] = [];
  nowMs = 0;
  paused = false;
  readonly draining = new Set<string>();
  readonly quotas = new Map<string, PlainQuota>();
  /** By tag; "" stands for all without a weighted one. */
  readonly shares = new Map([["", { weight: 1, pass: 0 }]]);
  /** Ids of those that left last, the latest last. */
  left: string[] = [];
  #served = 0;
  readonly #order: TaskOrder;
  #sequence = 0;

  constructor(order: TaskOrder) {
    this.#order = order;
  }

  /** Ids of what was claimed, or the code of the refusal. */
  apply(command: Command, asked: CoreDriver["asked"]): string[] | string {
    const kept = this.tasks.map((task) => ({ task, keys: task.keys }));
    const sequence = this.#sequence;
    try {
      return this.#apply(command, asked);
    } catch (error) {
      if (!(error instanceof Refused)) throw error;
      this.tasks = kept.map(({ task, keys }) => Object.assign(task, { keys }));
      this.#sequence = sequence;
      return error.message;
    }
  }

  /** Those that could start now if somebody took them, in order. */
  ready(): Plain[] {
    return this.tasks
      .filter(
        (task) => task.state === "queued" && !task.waitsFor.some(isLive) && task.notBeforeMs <= this.nowMs,
      )
      .toSorted((a, b) => {
        const [mine, theirs] = [this.key(a), this.key(b)];
        return isSmaller(mine, theirs) ? -1 : isSmaller(theirs, mine) ? 1 : a.sequence - b.sequence;
      });
  }

  /** Its own, or that of the most urgent task that waits for it. */
  key(task: Plain): Key {
    const keys = isLive(task) ? this.#waitersOf(task).map((waiter) => this.key(waiter)) : [];
    return keys.reduce((least, key) => (isSmaller(key, least) ? key : least), this.own(task));
  }

  own({ priority, submittedAtMs, spec: { deadlineMs } }: Plain): Key {
    const order = this.#order;
    switch (order.by) {
      case "fifo":
        return [0, 0];
      case "deadline":
        return [deadlineMs ?? Infinity, -priority];
      case "priority":
        return [submittedAtMs / (order.ageingMs ?? Infinity) - priority, deadlineMs ?? Infinity];
      case "priority_deadline":
        break;
    }
    const { weightMs = (0.7 / 0.3) * 1_000, horizonMs = 3_600_000 } = order;
    return [(deadlineMs ?? submittedAtMs + horizonMs) - weightMs * priority, 0];
  }

  quotasOf({ action, tags = [] }: TaskSpec): PlainQuota[] {
    return [...this.quotas.values()].filter(({ quota: { scope, name } }) =>
      scope === "action" ? name === action : tags.includes(name),
    );
  }

  used(quota: Quota, which: (task: Plain) => boolean): number {
    return this.tasks.filter(
      (task) => which(task) && this.quotasOf(task.spec).some((each) => each.quota === quota),
    ).length;
  }

  leaving(): Plain[] {
    const ended = this.tasks
      .filter((task) => !isLive(task) && !task.held)
      .toSorted((a, b) => (a.endedAtMs ?? 0) - (b.endedAtMs ?? 0) || a.sequence - b.sequence);
    return ended.filter(
      (task, index) => ended.length - index > 2 || this.nowMs - (task.endedAtMs ?? 0) >= 60,
    );
  }

  #apply(command: Command, asked: CoreDriver["asked"]): string[] {
    switch (command.do) {
      case "submit":
        this.#submit(asked(command));
        break;
      case "claim":
        return this.#claim(command.worker, command.max);
      case "settle": {
        const busy = this.tasks.filter(isBusy);
        const task = busy[command.at % busy.length];
        if (task) this.#settle(task, command.end);
        break;
      }
      case "cancel":
        for (const task of command.at.map((at) => this.#at(at))) {
          if (task.state === "running") task.state = "cancelling";
          else if (task.state === "queued") this.#end(task, "cancelled");
        }
        break;
      case "reprioritize": {
        const task = this.#at(command.at);
        if (!isLive(task)) throw new Refused("TASK_ENDED");
        task.priority = command.priority;
        break;
      }
      case "retry":
        this.#retry(this.#at(command.at));
        break;
      case "expire":
        for (const task of this.tasks
          .filter((each) => isBusy(each) && each.leaseUntilMs <= this.nowMs)
          .toSorted((a, b) => a.leaseUntilMs - b.leaseUntilMs || a.sequence - b.sequence))
          this.#settle(task, { kind: "interrupted" });
        break;
      case "retire": {
        const leaving = this.leaving();
        this.tasks = this.tasks.filter((task) => !leaving.includes(task));
        const ids = leaving.map(({ taskId }) => taskId);
        this.left = [...this.left.filter((id) => !ids.includes(id)), ...ids].slice(-4);
        break;
      }
      case "wait":
      case "pause":
      case "release":
      case "drain":
      case "quota":
      case "unquota":
        this.#arrange(command);
        break;
    }
    return [];
  }

  #arrange(command: Command): void {
    if (command.do === "wait") this.nowMs += command.ms;
    else if (command.do === "pause") this.paused = command.on;
    else if (command.do === "release") {
      for (const task of this.tasks) if (task.spec.group === command.group) task.held = false;
    } else if (command.do === "drain") {
      if (command.on) this.draining.add(command.worker);
      else this.draining.delete(command.worker);
    } else if (command.do === "quota" || command.do === "unquota") {
      const { quota } = command;
      const key = `${quota.scope} ${quota.name}`;
      const before = this.quotas.get(key);
      const tokens = before?.quota.perSecond === undefined ? Infinity : this.#tokensOf(before);
      if (command.do === "unquota") this.quotas.delete(key);
      else this.quotas.set(key, { quota, setAtMs: this.nowMs, tokens, starts: [] });
      if (quota.scope === "tag")
        this.#setShare(quota.name, command.do === "quota" ? quota.weight : undefined);
    }
  }

  /** As many starts ahead or behind as before. */
  #setShare(tag: string, weight: number | undefined): void {
    const known = this.shares.get(tag) ?? { weight: 1, pass: this.#served };
    if (weight === undefined) this.shares.delete(tag);
    else if (weight !== known.weight || !this.shares.has(tag)) {
      const pass = this.#served + ((known.pass - this.#served) * known.weight) / weight;
      this.shares.set(tag, { weight, pass });
    }
  }

  #submit(specs: readonly TaskSpec[]): void {
    const before = this.#sequence;
    for (const spec of specs) {
      const known = this.tasks.find(({ taskId }) => taskId === spec.taskId);
      if (known && known.spec.action !== spec.action) throw new Refused("ALREADY_EXISTS");
      const key = spec.idempotencyKey;
      const first = this.tasks.find(({ keys }) => key !== undefined && keys.includes(key));
      if (first && first.spec.action !== spec.action) throw new Refused("IDEMPOTENCY_CONFLICT");
      if (known && !first && key !== undefined) {
        const given = known.keys.length - (known.spec.idempotencyKey === undefined ? 0 : 1);
        if (given >= 1) throw new Refused("INVALID_ARGUMENT");
        known.keys = [...known.keys, key];
      }
      if (known || first) continue;
      const waitsFor = (spec.dependsOn ?? []).flatMap((id) => {
        const blocker = this.tasks.find(({ taskId }) => taskId === id);
        if (!blocker && !this.left.includes(id)) throw new Refused("UNKNOWN_DEPENDENCY");
        if (!blocker && spec.onDependencyFailure !== "run") throw new Refused("DEPENDENCY_FAILED");
        if (!blocker) return [];
        if (!isLive(blocker) && blocker.state !== "completed" && spec.onDependencyFailure !== "run")
          throw new Refused("DEPENDENCY_FAILED");
        if (isLive(blocker) && this.#waitersOf(blocker).length >= 3) throw new Refused("INVALID_ARGUMENT");
        return blocker;
      });
      this.#add(spec, waitsFor, null);
    }
    for (const { quota } of this.quotas.values()) {
      const isNew = this.used(quota, (task) => task.sequence > before) > 0;
      if (isNew && this.used(quota, ({ state }) => state === "queued") > (quota.queued ?? Infinity))
        throw new Refused("QUOTA_EXCEEDED");
    }
  }

  #add(spec: TaskSpec, waitsFor: readonly Plain[], origin: string | null): void {
    this.#sequence += 1;
    this.tasks.push({
      taskId: spec.taskId,
      sequence: this.#sequence,
      spec,
      waitsFor,
      submittedAtMs: this.nowMs,
      origin,
      held: spec.group !== undefined,
      keys: spec.idempotencyKey === undefined ? [] : [spec.idempotencyKey],
      state: "queued",
      priority: spec.priority ?? 1,
      attempt: 0,
      interruptions: 0,
      workerId: null,
      leaseUntilMs: Infinity,
      notBeforeMs: this.nowMs + (spec.delayMs ?? 0),
      endedAtMs: null,
      successor: null,
    });
  }

  #claim(workerId: string, max: number): string[] {
    const claimed: string[] = [];
    while (claimed.length < max && !this.paused && !this.draining.has(workerId)) {
      const able = this.ready().filter((each) => this.#canTake(workerId, each) && this.#isAllowed(each));
      const furthest = Math.min(...able.map((each) => this.#shareOf(each).pass));
      const task = able.find((each) => this.#shareOf(each).pass === furthest);
      if (!task) break;
      for (const { starts } of this.quotasOf(task.spec)) starts.push(this.nowMs);
      task.state = "running";
      task.attempt += 1;
      task.workerId = workerId;
      task.leaseUntilMs = workerId === "local" ? Infinity : this.nowMs + LEASE_MS;
      this.#serve(task);
      claimed.push(task.taskId);
    }
    return claimed;
  }

  #shareOf({ spec: { tags = [] } }: Plain): { weight: number; pass: number } {
    const tag = tags.find((each) => this.shares.has(each)) ?? "";
    return this.shares.get(tag) ?? { weight: 1, pass: 0 };
  }

  /** The turn of its share is over; those that have nothing to do come along. */
  #serve(task: Plain): void {
    if (this.shares.size === 1) return;
    const share = this.#shareOf(task);
    const busy = new Set(this.ready().map((each) => this.#shareOf(each)));
    this.#served = share.pass;
    share.pass += 1 / share.weight;
    for (const other of this.shares.values())
      if (!busy.has(other)) other.pass = Math.max(other.pass, this.#served);
  }

  #canTake(workerId: string, { spec }: Plain): boolean {
    const running = this.tasks.filter((task) => isBusy(task) && task.workerId === workerId);
    const requires = spec.requires ?? [];
    if (workerId === "local") {
      const place = placeOf(spec.action);
      const there = running.filter((task) => placeOf(task.spec.action) === place).length;
      return requires.length === 0 && place !== "elsewhere" && there < (place === "thread" ? 3 : 1);
    }
    const worker = WORKERS.find((each) => each.workerId === workerId);
    if (!worker) return false;
    const can = [spec.action, ...requires].every((each) => worker.capabilities.includes(each));
    return can && running.length < (worker.maxConcurrent ?? 5);
  }

  #isAllowed({ spec }: Plain): boolean {
    return this.quotasOf(spec).every((known) => {
      const { concurrency = Infinity, perSecond } = known.quota;
      if (this.used(known.quota, isBusy) >= concurrency) return false;
      return perSecond === undefined || this.#tokensOf(known) >= 1;
    });
  }

  /** Starts that the rate allows at once. */
  #tokensOf({ quota: { perSecond = 0, burst = 1 }, setAtMs, tokens: left, starts }: PlainQuota): number {
    let [tokens, atMs] = [Math.min(burst, left), setAtMs];
    for (const startMs of starts) {
      tokens = Math.min(burst, tokens + (startMs - atMs) * (perSecond / 1_000)) - 1;
      atMs = startMs;
    }
    return Math.min(burst, tokens + (this.nowMs - atMs) * (perSecond / 1_000));
  }

  #settle(task: Plain, end: AttemptEnd): void {
    task.leaseUntilMs = Infinity;
    if (end.kind === "completed") return this.#end(task, "completed");
    if (task.state === "cancelling") return this.#end(task, "cancelled");
    if (end.kind === "failed") {
      const { attempts = 1, backoff } = task.spec;
      if (task.attempt >= attempts) return this.#end(task, "failed");
      task.state = "queued";
      const grown = backoff === undefined ? 0 : backoff.shape === "fixed" ? 8 : 4 * 2 ** (task.attempt - 1);
      task.notBeforeMs = this.nowMs + Math.round(grown * (backoff?.jitter === undefined ? 1 : 0.75));
      return;
    }
    task.attempt -= 1;
    if (end.kind !== "returned") task.interruptions += 1;
    if (task.interruptions > 1 && end.kind !== "returned") return this.#end(task, "failed");
    task.state = "queued";
  }

  #end(task: Plain, state: TaskState): void {
    const waiters = this.#waitersOf(task);
    task.state = state;
    task.endedAtMs = this.nowMs;
    if (state === "completed") return;
    for (const waiter of waiters) {
      if (isLive(waiter) && waiter.spec.onDependencyFailure !== "run") this.#end(waiter, "cancelled");
    }
  }

  #retry(task: Plain): void {
    if (isLive(task)) throw new Refused("TASK_NOT_FINISHED");
    if (task.state === "completed") throw new Refused("TASK_ENDED");
    const [root = ""] = task.taskId.split("-retry-");
    let retries = 1;
    while (this.tasks.some(({ taskId }) => taskId === `${root}-retry-${retries}`)) retries += 1;
    const taskId = `${root}-retry-${retries}`;
    for (const { quota } of this.quotasOf(task.spec)) {
      const waiting = this.used(quota, ({ state }) => state === "queued");
      if (waiting >= (quota.queued ?? Infinity)) throw new Refused("QUOTA_EXCEEDED");
    }
    const { group: _, delayMs: __, idempotencyKey: ___, ...spec } = task.spec;
    this.#add({ ...spec, taskId, priority: task.priority }, [], task.taskId);
    task.successor = taskId;
  }

  #waitersOf(task: Plain): Plain[] {
    return this.tasks.filter((each) => isLive(each) && each.waitsFor.includes(task));
  }

  #at(at: number): Plain {
    const task = this.tasks[at % (this.tasks.length + 1)];
    if (!task) throw new Refused("TASK_NOT_FOUND");
    return task;
  }
}

function modelView(model: Model): unknown {
  const ready = model.ready();
  return {
    tasks: model.tasks.map((task) => ({
      taskId: task.taskId,
      state: task.state,
      priority: task.priority,
      attempt: task.attempt,
      interruptions: task.interruptions,
      workerId: task.workerId,
      endedAtMs: task.endedAtMs,
      blockedBy:
        task.state === "queued"
          ? task.waitsFor
              .filter(isLive)
              .map(({ taskId }) => taskId)
              .toSorted()
          : [],
      successor: task.successor,
      inherits: isSmaller(model.key(task), model.own(task)),
      key: model.key(task).map((each) => each + 0),
      ahead: ready.includes(task) ? ready.indexOf(task) : null,
    })),
    quotas: [...model.quotas.values()]
      .map(({ quota }) => ({
        name: `${quota.scope} ${quota.name}`,
        running: model.used(quota, isBusy),
        waiting: model.used(quota, ({ state }) => state === "queued"),
      }))
      .toSorted(byName),
    leaving: model.leaving().map(({ taskId }) => taskId),
    passes: Object.fromEntries(Array.from(model.shares, ([tag, { pass }]) => [tag, pass])),
  };
}

function coreView(driver: CoreDriver, model: Model): unknown {
  const { core, nowMs } = driver;
  driver.claim(0, nowMs);
  const ready = new Set(model.ready().map(({ taskId }) => taskId));
  return {
    tasks: Array.from(core.select({}), (task) => {
      const {
        taskId,
        state,
        priority,
        attempt,
        interruptions,
        workerId,
        endedAtMs,
        blockedBy,
        successor,
        inherits,
      } = statusOf(task);
      return {
        ...{ taskId, state, priority, attempt, interruptions, workerId, endedAtMs, successor, inherits },
        blockedBy: blockedBy.toSorted(),
        // No zero is below zero.
        key: [task.key.first + 0, task.key.second + 0],
        ahead: ready.has(taskId) ? core.position(task, nowMs).ahead : null,
      };
    }),
    quotas: core.quotas
      .all()
      .map(({ quota, running, waiting }) => ({ name: `${quota.scope} ${quota.name}`, running, waiting }))
      .toSorted(byName),
    leaving: core.leaving(nowMs, 1_000).map(({ taskId }) => taskId),
    passes: passesOf(core),
  };
}

describe("the queue", () => {
  it("does what a naive queue of lists does, command by command", () => {
    const seed = testSeed();
    const commands = fc.array(anyCommand, { maxLength: 80, size: "max" });
    fc.assert(
      fc.property(fc.constantFrom(...ORDERS), commands, (order, all) => {
        const driver = new CoreDriver({ ...SMALL, order });
        const model = new Model(order);
        for (const command of all) {
          const asked = command.do === "submit" ? driver.asked(command) : [];
          const rows = driver.apply(command);
          const claimed = command.do === "claim" ? rows.map(({ task }) => task.taskId) : [];
          expect(driver.refused ?? claimed).toEqual(model.apply(command, () => asked));
          expect(coreView(driver, model)).toEqual(modelView(model));
        }
      }),
      { seed, numRuns: 300 },
    );
  }, 60_000);
});
