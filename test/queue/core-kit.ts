import * as fc from "fast-check";
import { expect } from "vitest";
import { fault, isFault, toWireError, type WireError } from "../../src/errors/index.ts";
import { QueueCore, type AttemptEnd, type CoreLimits, type CoreOptions } from "../../src/queue/queue.core.ts";
import type { Quota, TaskOrder, TaskSpec, TaskStatus, WorkerSpec } from "../../src/queue/queue.protocol.ts";
import type { RowChange } from "../../src/queue/row-change.ts";
import type { Retried } from "../../src/queue/submission.ts";
import { fingerprintOf } from "../../src/queue/task-spec.ts";
import { statusOf } from "../../src/queue/task-status.ts";
import type { Place, Task } from "../../src/queue/task.ts";

export const bytes = (...values: number[]): Uint8Array => Uint8Array.from(values);
export const spec = (taskId: string, more: Partial<TaskSpec> = {}): TaskSpec => ({
  taskId,
  action: "echo",
  input: bytes(1),
  ...more,
});
export const boom: WireError = toWireError(fault("HANDLER_FAILED", { action: "echo", text: "boom" }));
export const completed: AttemptEnd = { kind: "completed", output: bytes(7) };
export const failed: AttemptEnd = { kind: "failed", error: boom };
const ENDS: readonly AttemptEnd[] = [
  completed,
  failed,
  { kind: "cancelled" },
  { kind: "interrupted" },
  { kind: "returned" },
];

/** Where the pool would run an action, by its name. */
export const placeOf = (action: string): Place =>
  action === "far" ? "elsewhere" : action === "shared" ? "shared" : "thread";

export type KitOptions = Partial<Omit<CoreOptions, "limits">> & { readonly limits?: Partial<CoreLimits> };

/** A core with what it leaves to its shell: the fingerprints of known tasks, and which worker is meant by a name. */
export class CoreKit {
  readonly core: QueueCore;
  readonly #fingerprints = new Map<Task, Uint8Array>();

  constructor(options: KitOptions = {}) {
    this.core = new QueueCore({
      order: { by: "priority" },
      room: { threads: 1_000, shared: 1_000 },
      chance: () => 0.5,
      marks: { sequence: 0, token: 0 },
      pause: null,
      quotas: [],
      workers: [],
      nowMs: 0,
      ...options,
    });
    this.core.place(placeOf);
  }

  submit(specs: readonly TaskSpec[], nowMs = 0): ReturnType<QueueCore["submit"]> {
    const answer = this.core.submit(
      specs,
      (task, fingerprint) => Buffer.compare(this.#fingerprints.get(task) ?? bytes(), fingerprint) === 0,
      nowMs,
    );
    for (const { task, content } of answer.rows)
      if (content)
        this.#fingerprints.set(task, fingerprintOf({ action: task.terms.action, input: content.input }));
    return answer;
  }

  claim(max = Infinity, nowMs = 0, workerId = "local", leaseMs: number | null = null): RowChange[] {
    return this.core.claim({ worker: this.core.workers.get(workerId), max, leaseMs }, nowMs);
  }

  /** Claims all that there is and says which, in order. */
  claimed(max = Infinity, nowMs = 0, workerId = "local"): string[] {
    return this.claim(max, nowMs, workerId).map(({ task }) => task.taskId);
  }

  /** Claims one task and says which, with its token. */
  claimOne(nowMs = 0, workerId = "local"): { taskId: string; token: number } {
    const [row] = this.claim(1, nowMs, workerId);
    if (!row) throw new Error("nothing could be claimed");
    return { taskId: row.task.taskId, token: row.after.token };
  }

  /** Ends the attempt that runs. */
  settle(taskId: string, end: AttemptEnd, nowMs = 0): RowChange[] {
    return this.core.settle(taskId, this.core.task(taskId).life.token, end, nowMs);
  }

  retry(taskId: string, nowMs = 0, change = {}): Retried & { rows: RowChange[] } {
    const { made, rows } = this.retryAll([taskId], nowMs, change);
    const [one] = made;
    if (!one) throw new Error("nothing was made");
    return { ...one, rows };
  }

  retryAll(taskIds: readonly string[], nowMs = 0, change = {}): ReturnType<QueueCore["retry"]> {
    const again = taskIds.map((taskId) => {
      const content = { input: bytes(1), metadata: null, dependsOn: [] };
      return { task: this.core.task(taskId), content, change };
    });
    return this.core.retry(again, nowMs);
  }

  status(taskId: string): TaskStatus {
    return statusOf(this.core.task(taskId));
  }

  setQuota(quota: Quota, nowMs = 0): void {
    this.core.setQuota(quota, nowMs);
  }
}

/** What `toThrow` compares a fault with. */
export const codeOf = (code: string): unknown => expect.objectContaining({ code });

/** The code of the fault that `act` throws, or null. */
function faultOf(act: () => unknown): string | null {
  try {
    act();
  } catch (error) {
    if (isFault(error)) return error.code;
    throw error;
  }
  return null;
}

// --- random commands --------------------------------------------------------------------------------------------------

const IDS = ["a", "b", "c", "d", "e", "f", "g", "h", "i", "j", "k", "l"] as const;
export const WORKERS: readonly WorkerSpec[] = [
  { workerId: "near", capabilities: ["far", "gpu"], maxConcurrent: 2 },
  { workerId: "wide", capabilities: ["echo", "far"], maxConcurrent: 3 },
];
export const ORDERS: readonly TaskOrder[] = [
  { by: "fifo" },
  { by: "priority" },
  { by: "priority", ageingMs: 10 },
  { by: "deadline" },
  { by: "priority_deadline" },
  { by: "priority_deadline", weightMs: 10, horizonMs: 50 },
];

const some = <T>(values: readonly T[], maxLength: number): fc.Arbitrary<T[]> =>
  fc.uniqueArray(fc.constantFrom(...values), { maxLength });
const seldom = <T>(value: fc.Arbitrary<T>): fc.Arbitrary<T | undefined> =>
  fc.oneof({ weight: 4, arbitrary: fc.constant(undefined) }, { weight: 1, arbitrary: value });
const maybe = <T>(value: fc.Arbitrary<T>): fc.Arbitrary<T | undefined> =>
  fc.option(value, { nil: undefined, freq: 2 });

const anySpec: fc.Arbitrary<TaskSpec> = fc
  .record({
    taskId: fc.constantFrom(...IDS),
    input: fc.constant(bytes(1)),
    priority: fc.integer({ min: -1, max: 3 }),
    attempts: fc.integer({ min: 1, max: 3 }),
    backoff: maybe(fc.constantFrom({ shape: "fixed", delayMs: 8 } as const, { delayMs: 4, jitter: 0.5 })),
    deadlineMs: maybe(fc.integer({ min: 0, max: 4 }).map((step) => step * 25)),
    delayMs: maybe(fc.constantFrom(0, 5, 20)),
    dependsOn: some(IDS, 4),
    onDependencyFailure: maybe(fc.constantFrom("cancel", "run")),
    idempotencyKey: seldom(fc.constantFrom("k", "l")),
    group: seldom(fc.constantFrom("G", "H")),
    tags: some(["x", "y"], 2),
    requires: fc.constantFrom([], [], [], ["gpu"]),
  })
  .map((made) => {
    const given = Object.fromEntries(Object.entries(made).filter(([, value]) => value !== undefined));
    return {
      ...given,
      action: made.taskId < "j" ? "echo" : made.taskId === "j" ? "shared" : "far",
    } as unknown as TaskSpec;
  });

/** Commands whose every effect is in their rows. */
export const rowCommand = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.record({
      do: fc.constant("submit" as const),
      specs: fc.array(anySpec, { minLength: 1, maxLength: 3 }),
      // Mostly what is to be accepted: dependencies that are known and have not failed.
      isRash: fc.integer({ min: 0, max: 9 }).map((each) => each === 0),
    }),
  },
  {
    weight: 6,
    arbitrary: fc.record({
      do: fc.constant("claim" as const),
      worker: fc.constantFrom("local", "local", "near", "wide"),
      max: fc.integer({ min: 1, max: 3 }),
    }),
  },
  {
    weight: 6,
    arbitrary: fc.record({
      do: fc.constant("settle" as const),
      at: fc.nat(99),
      end: fc.constantFrom(...ENDS, completed, failed),
    }),
  },
  {
    weight: 1,
    arbitrary: fc.record({ do: fc.constant("cancel" as const), at: fc.array(fc.nat(99), { maxLength: 2 }) }),
  },
  {
    weight: 2,
    arbitrary: fc.record({
      do: fc.constant("reprioritize" as const),
      at: fc.nat(99),
      priority: fc.integer({ min: -3, max: 5 }),
    }),
  },
  { weight: 1, arbitrary: fc.record({ do: fc.constant("retry" as const), at: fc.nat(99) }) },
);

const anyTag = fc.constantFrom({ scope: "tag", name: "x" } as const, { scope: "tag", name: "y" } as const);
export const anyQuota: fc.Arbitrary<Quota> = fc
  .oneof(
    fc.tuple(
      fc.oneof({ weight: 2, arbitrary: anyTag }, fc.constant({ scope: "action", name: "echo" } as const)),
      fc.constantFrom(
        { concurrency: 0 },
        { concurrency: 1 },
        { concurrency: 2 },
        { perSecond: 125, burst: 1 },
        { perSecond: 62.5, burst: 3 },
        { perSecond: 250, burst: 2 },
        { queued: 3 },
      ),
    ),
    fc.tuple(
      anyTag,
      fc.constantFrom(
        { weight: 1 },
        { weight: 2 },
        { weight: 0.25 },
        { weight: 2, concurrency: 2 },
        { weight: 2, perSecond: 125, burst: 2 },
      ),
    ),
  )
  .map(([what, quota]) => ({ ...what, ...quota }));

/** Whatever else may happen to a core. */
const otherCommand = fc.oneof(
  {
    weight: 4,
    arbitrary: fc.record({ do: fc.constant("wait" as const), ms: fc.constantFrom(1, 3, 10, 40) }),
  },
  {
    weight: 1,
    arbitrary: fc.record({ do: fc.constant("pause" as const), on: fc.constantFrom(true, false, false) }),
  },
  { weight: 1, arbitrary: fc.record({ do: fc.constant("quota" as const), quota: anyQuota }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant("unquota" as const), quota: anyQuota }) },
  {
    weight: 1,
    arbitrary: fc.record({ do: fc.constant("release" as const), group: fc.constantFrom("G", "H") }),
  },
  { weight: 3, arbitrary: fc.constant({ do: "retire" as const }) },
  {
    weight: 1,
    arbitrary: fc.record({
      do: fc.constant("drain" as const),
      worker: fc.constantFrom("near", "wide"),
      on: fc.constantFrom(true, false, false),
    }),
  },
  { weight: 2, arbitrary: fc.constant({ do: "expire" as const }) },
);
export const anyCommand = fc.oneof(
  { weight: 3, arbitrary: rowCommand },
  { weight: 1, arbitrary: otherCommand },
);
/** Where it says `at`, that one of the tasks there are then, counted around. */
export type Command = typeof anyCommand extends fc.Arbitrary<infer C> ? C : never;

export const LEASE_MS = 30;
/** Few of everything, so that random commands meet every bound. */
export const SMALL: KitOptions = {
  room: { threads: 3, shared: 1 },
  workers: WORKERS,
  limits: { interruptions: 1, keptTasks: 2, keptMs: 60, waiters: 3, furtherKeys: 1, departedIds: 4 },
};

/** Applies random commands to a core, with the time that passes between them. */
export class CoreDriver extends CoreKit {
  nowMs = 0;
  /** What `apply` was refused with, or null. */
  refused: string | null = null;

  /** The rows, none for a command that was refused. */
  apply(command: Command): RowChange[] {
    let rows: RowChange[] = [];
    this.refused = faultOf(() => (rows = this.#apply(command)));
    return rows;
  }

  /** Those that somebody has, in the order of their submission. */
  get busy(): Task[] {
    return [...this.core.busy].toSorted((a, b) => a.sequence - b.sequence);
  }

  /** The task that a command means by a number. */
  named(at: number): string {
    const tasks = [...this.core.select({})];
    return tasks[at % (tasks.length + 1)]?.taskId ?? "nobody";
  }

  /** What a submit asks for. */
  asked({ specs, isRash }: Extract<Command, { do: "submit" }>): TaskSpec[] {
    if (isRash) return specs;
    const earlier = new Set<string>();
    return specs.map((each) => {
      const dependsOn = (each.dependsOn ?? []).filter((id) => {
        if (!this.core.has(id)) return earlier.has(id);
        const { state } = this.core.task(id).life;
        return each.onDependencyFailure === "run" || (state !== "failed" && state !== "cancelled");
      });
      earlier.add(each.taskId);
      return { ...each, dependsOn };
    });
  }

  #apply(command: Command): RowChange[] {
    const { core, nowMs } = this;
    switch (command.do) {
      case "submit":
        return this.submit(this.asked(command), nowMs).rows;
      case "claim":
        return this.claim(command.max, nowMs, command.worker, command.worker === "local" ? null : LEASE_MS);
      case "settle": {
        const task = this.busy[command.at % Math.max(1, core.busy.size)];
        return task ? core.settle(task.taskId, task.life.token, command.end, nowMs) : [];
      }
      case "cancel":
        return core.cancel(
          command.at.map((at) => this.named(at)),
          "why",
          nowMs,
        ).rows;
      case "reprioritize":
        return [core.reprioritize(core.task(this.named(command.at)), command.priority)];
      case "retry":
        return this.retry(this.named(command.at), nowMs).rows;
      case "wait":
        this.nowMs += command.ms;
        return [];
      case "pause":
        core.pause = command.on ? { sinceMs: nowMs, reason: "" } : null;
        return [];
      case "quota":
        this.setQuota(command.quota, nowMs);
        return [];
      case "unquota":
        core.removeQuota(command.quota);
        return [];
      case "release":
        core.release(command.group);
        return [];
      case "retire":
        core.forget(core.leaving(nowMs, 100));
        return [];
      case "drain":
        core.workers.get(command.worker).draining = command.on;
        return [];
      case "expire":
        break;
    }
    const rows: RowChange[] = [];
    for (let task = core.expired(nowMs); task; task = core.expired(nowMs)) {
      rows.push(...core.settle(task.taskId, task.life.token, { kind: "interrupted" }, nowMs));
    }
    return rows;
  }
}

/** How far each share is, by its tag. */
export const passesOf = ({ quotas: { shares } }: QueueCore): Record<string, number> =>
  Object.fromEntries(
    ["", "x", "y"]
      .map((tag) => [tag, shares.of([tag])] as const)
      .flatMap(([tag, share]) => (share.tag === tag ? [[tag, share.pass] as const] : [])),
  );

/** Everything that the outside can see of a core, tokens and sequences apart. */
export function viewOf(driver: CoreDriver): unknown {
  const { core, nowMs } = driver;
  // Nothing is claimed, but the queue learns how late it is.
  driver.claim(0, nowMs);
  const tasks = [...core.select({})];
  return {
    counts: { ...core.counts },
    blocked: core.seats.blocked,
    deadLetters: core.seats.deadLetters,
    byPriority: [...core.seats.queuedByPriority].toSorted(([a], [b]) => a - b),
    tasks: tasks.map((task) => {
      const { blockedBy, ...status } = statusOf(task);
      const { blockers, ordering } = core.explain(task, nowMs);
      const { ahead, estimatedStartMs } = core.position(task, nowMs);
      return {
        ...status,
        progress: 0,
        blockedBy: new Set(blockedBy),
        causes: blockers.map(({ cause }) => cause),
        key: ordering.key.slice(0, 2),
        ahead: status.state === "queued" ? ahead : 0,
        estimatedStartMs,
        leaseUntilMs: task.life.leaseUntilMs,
        cancelReason: task.life.cancelReason,
        held: task.held,
      };
    }),
    busy: driver.busy.map(({ taskId }) => taskId),
    groups: ["G", "H"].map((group) => [...core.group(group)].map(({ taskId }) => taskId)),
    leaving: core.leaving(nowMs + 1_000_000, 1_000).map(({ taskId }) => taskId),
    quotas: core.quotas.all().map((use) => ({ ...use.status, allowedAtMs: use.allowedAtMs(nowMs) })),
    passes: passesOf(core),
    workers: core.workers.all().map((worker) => {
      const { running, ...status } = worker.status(nowMs);
      return { ...status, running: new Set(running) };
    }),
    nextChangeAtMs: core.nextChangeAtMs(nowMs),
    expired: core.expired(nowMs + 1_000_000)?.taskId,
  };
}

/** Lets everybody work until nothing moves any more, and tells who started what, and how all of it ended. */
export function drain(driver: CoreDriver): string[] {
  const { core } = driver;
  const story: string[] = [];
  core.pause = null;
  for (let round = 0; round < 500; round++) {
    let moved = false;
    for (const { workerId, draining } of core.workers.all()) {
      if (draining) continue;
      for (const { task } of driver.claim(1, driver.nowMs, workerId)) {
        story.push(`${workerId} has ${task.taskId}`);
        moved = true;
      }
    }
    const [first] = driver.busy;
    if (first) {
      driver.settle(first.taskId, first.sequence % 5 === 0 ? failed : completed, driver.nowMs);
      moved = true;
    }
    if (moved) continue;
    const nextMs = core.nextChangeAtMs(driver.nowMs);
    if (nextMs === Infinity) break;
    driver.nowMs = nextMs;
  }
  return [...story, ...Array.from(core.select({}), ({ taskId, life }) => `${taskId} ${life.state}`)];
}
