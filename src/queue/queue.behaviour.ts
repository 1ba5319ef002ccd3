import { isAbsolute, join } from "node:path";
import { actor, type Behaviour, type HandlersOf } from "../actor/index.ts";
import { openPool } from "../compute/index.ts";
import { LIMITS, assert, fault } from "../errors/index.ts";
import { checkPage, invalidArgument } from "../schema/index.ts";
import { openStore } from "../store/index.ts";
import { DeadLetters } from "./dead-letters.ts";
import { Handlers } from "./handlers.ts";
import { fittingAttempts, fittingItems } from "./message-page.ts";
import { LoneAttempts } from "./lone-attempts.ts";
import { OutsideWorkers } from "./outside-workers.ts";
import type { QueueContext, QueueInit } from "./queue-context.ts";
import { QueueEngine } from "./queue-engine.ts";
import { statsOf } from "./queue-figures.ts";
import { MIGRATIONS, QueueRows } from "./queue-rows.ts";
import { QueueCore, type CoreOptions, type Pause } from "./queue.core.ts";
import { Queue } from "./queue.protocol.ts";
import { checkOrder } from "./task-order.ts";
import { checkQuota, checkReason, checkSpecs } from "./task-spec.ts";
import { checkFilter } from "./task-filter.ts";
import { statusOf } from "./task-status.ts";

/** What the queue stands on; a simulation hands in its own. */
export interface QueueServices {
  readonly openStore: typeof openStore;
  readonly openPool: typeof openPool;
  /** For a checker that follows the core, or a core that is broken on purpose. */
  readonly makeCore?: (options: CoreOptions) => QueueCore;
}

/**
 * The durable task queue as an actor. Its thread owns the file and the handler pool, so that a claim and a start are
 * one step.
 */
export const queueBehaviour = queueBehaviourOver({ openStore, openPool });

export function queueBehaviourOver(services: QueueServices): Behaviour<typeof Queue.members> {
  return actor(Queue, (context, init) => {
    const { engine, handlers, attempts } = assemble(context, init, services);
    const { core, rows } = engine;
    const outside = new OutsideWorkers(engine, context);
    const openedAtMs = engine.nowMs();
    context.defer(async () => {
      // Half of the grace to end by themselves, the other half to end when told.
      await engine.close();
      await handlers.close(init.graceMs / 2);
      await rows.close();
    });
    context.reportHealth(() => {
      const oldestAtMs = core.oldestQueuedAtMs();
      return {
        queued: core.counts.queued,
        running: core.busy.size,
        paused: core.pause !== null,
        oldestQueuedMs: oldestAtMs === null ? null : Math.max(0, engine.nowMs() - oldestAtMs),
      };
    });
    engine.open();
    return {
      ...taskCalls(engine),
      ...operatorCalls(engine, handlers),
      ...workerCalls(engine, outside),
      compute: ({ action, input }, message) => attempts.compute(action, input, message),
      attempt: async ({ spec }, message) => ({ end: await attempts.attempt(spec, message) }),
      stopAttempt: ({ attemptId }) => attempts.stop(attemptId),
      async references({ from }) {
        const found = await engine.references(from);
        return { ...found, attemptMs: Math.max(found.attemptMs, attempts.oldestMs) };
      },
      stats: () => engine.confirmed(() => statsOf(engine, init, context.metrics, openedAtMs)),
    };
  });
}

type Calls = HandlersOf<typeof Queue.members>;

/** What those who submit tasks ask for. */
function taskCalls(
  engine: QueueEngine,
): Pick<
  Calls,
  | "submit"
  | "admission"
  | "status"
  | "position"
  | "outcome"
  | "wait"
  | "list"
  | "group"
  | "cancel"
  | "withdraw"
  | "reprioritize"
  | "retry"
  | "attempts"
  | "logs"
  | "release"
  | "forget"
  | "explain"
> {
  const { core, rows } = engine;
  return {
    submit: async ({ tasks }, message) => ({ tasks: await engine.submit(tasks, message) }),
    admission: ({ task }) => {
      checkSpecs([task]);
      const { deadlineMs } = task;
      if (deadlineMs === undefined)
        throw invalidArgument("deadlineMs", "undefined", "a time: that is the question");
      return core.admission({ ...task, deadlineMs }, engine.nowMs());
    },
    status: ({ taskId }) => engine.confirmed(() => statusOf(core.task(taskId))),
    position: ({ taskId }) => engine.confirmed(() => core.position(core.task(taskId), engine.nowMs())),
    outcome: ({ taskId }) => engine.results.of(taskId),
    wait: ({ taskId }, { signal }) => engine.results.wait(taskId, signal),
    async list({ filter, offset, limit }) {
      checkPage({ offset, limit });
      checkFilter(filter);
      return engine.confirmed(() => {
        const tasks = [];
        let total = 0;
        for (const task of core.select(filter)) {
          if (total >= offset && tasks.length < limit) tasks.push(statusOf(task));
          total += 1;
        }
        return { tasks, total };
      });
    },
    group: ({ group, offset, limit }) => engine.results.group(group, offset, limit),
    cancel: ({ taskIds, reason, force }) => engine.cancel(taskIds, reason, force),
    withdraw: async ({ taskIds }) => ({ withdrawn: await engine.withdraw(taskIds) }),
    reprioritize: ({ taskId, to }) => engine.reprioritize(taskId, to),
    async retry({ taskId, attempts, timeoutMs }, { traceparent }) {
      const change = {
        ...(attempts === undefined ? {} : { attempts }),
        ...(timeoutMs === undefined ? {} : { timeoutMs }),
      };
      const [made] = await engine.retry(() => [core.task(taskId)], change, traceparent);
      assert(made, "one task is made of one");
      return { taskId: made.taskId, retries: made.retries };
    },
    async attempts({ taskId }) {
      return { attempts: fittingAttempts(rows.attempts(await engine.confirmed(() => core.task(taskId)))) };
    },
    async logs({ taskId, offset, limit }) {
      checkPage({ offset, limit });
      const task = await engine.confirmed(() => core.task(taskId));
      const kept = rows.logs(task, offset, limit);
      // What a running attempt has logged is not on disk yet.
      const fresh = engine.logs.of(taskId);
      const start = Math.max(0, offset - kept.total);
      const lines = [...kept.lines, ...fresh.slice(start, start + limit - kept.lines.length)];
      return { lines: fittingItems(lines), total: kept.total + fresh.length, dropped: kept.dropped };
    },
    release: async ({ group }) => ({ released: await engine.release(group) }),
    forget: async ({ group }) => ({ forgotten: await engine.forget(group) }),
    explain: ({ taskId }) => engine.confirmed(() => core.explain(core.task(taskId), engine.nowMs())),
  };
}

/** What those who run the queue ask for. */
function operatorCalls(
  engine: QueueEngine,
  handlers: Handlers,
): Pick<
  Calls,
  | "pause"
  | "resume"
  | "clear"
  | "redrive"
  | "purge"
  | "setQuota"
  | "removeQuota"
  | "quotas"
  | "actions"
  | "backup"
> {
  const { core, rows } = engine;
  const letters = new DeadLetters(engine);
  return {
    async pause({ reason }) {
      checkReason(reason);
      const pause = core.pause ?? { sinceMs: engine.nowMs(), reason };
      await setPause(engine, pause);
      return { sinceMs: pause.sinceMs, queued: core.counts.queued, running: core.busy.size };
    },
    async resume() {
      await setPause(engine, null);
      return { queued: core.counts.queued };
    },
    clear: ({ states }) => letters.clear(states),
    redrive: ({ taskIds, filter, limit }) => letters.redrive(taskIds, filter, limit),
    purge: async ({ taskIds, filter }) => ({ purged: await letters.purge(taskIds, filter) }),
    async setQuota({ quota }) {
      checkQuota(quota);
      if (!core.quotas.has(quota) && core.quotas.all().length >= LIMITS.queue.quotas) {
        throw invalidArgument(
          "quota",
          `one more than ${LIMITS.queue.quotas}`,
          `at most ${LIMITS.queue.quotas}`,
        );
      }
      const before = core.setQuota(quota, engine.nowMs());
      await engine.decided(rows.saveQuota(quota, () => core.restoreQuotas(before)));
    },
    async removeQuota({ scope, name }) {
      const wasThere = core.quotas.has({ scope, name });
      const before = core.removeQuota({ scope, name });
      await engine.decided(rows.removeQuota({ scope, name }, () => core.restoreQuotas(before)));
      return wasThere;
    },
    quotas: () => engine.confirmed(() => ({ quotas: core.quotas.all().map(({ status }) => status) })),
    actions: async () => handlers.list(),
    backup: ({ path }) => {
      if (!isAbsolute(path)) throw invalidArgument("path", `"${path}"`, "an absolute path");
      return rows.backup(path);
    },
  };
}

async function setPause(engine: QueueEngine, pause: Pause | null): Promise<void> {
  const { core, rows } = engine;
  const before = core.pause;
  core.pause = pause;
  await engine.decided(rows.setPause(pause, () => (core.pause = before)));
}

/** What workers outside the queue's own pool ask for. */
function workerCalls(
  engine: QueueEngine,
  outside: OutsideWorkers,
): Pick<
  Calls,
  | "registerWorker"
  | "unregisterWorker"
  | "workers"
  | "worker"
  | "elsewhere"
  | "claim"
  | "endClaims"
  | "renew"
  | "finish"
  | "report"
> {
  const { core } = engine;
  return {
    registerWorker: ({ worker }) => outside.register(worker),
    unregisterWorker: ({ workerId, graceful, timeoutMs }) =>
      outside.unregister(workerId, graceful, timeoutMs),
    workers: () =>
      engine.confirmed(() => ({
        workers: core.workers.all().map((worker) => worker.status(engine.nowMs())),
      })),
    worker: ({ workerId }) => engine.confirmed(() => core.workers.get(workerId).status(engine.nowMs())),
    elsewhere: ({ actions }) => ({ actions: actions.filter((action) => core.workers.areOutside(action)) }),
    claim: async ({ waitMs, ...request }, { signal }) => ({
      leases: await outside.claim(request, waitMs, signal),
    }),
    endClaims: ({ workerId }) => ({ ended: outside.endClaims(workerId) }),
    renew: ({ workerId, leases, leaseMs }) => outside.renew(workerId, leases, leaseMs),
    finish: async ({ end, ...lease }) => ({ state: await outside.finish(lease, end) }),
    report: ({ progress, message, ...lease }) => outside.report(lease, progress, message),
  };
}

function assemble(
  context: QueueContext,
  init: QueueInit,
  services: QueueServices,
): { engine: QueueEngine; handlers: Handlers; attempts: LoneAttempts } {
  const { clock, scheduler, metrics, log, random } = context;
  const { durability, modules, threads, sharedPerThread, heapMb, graceMs, roots, order, keptTasks, keptMs } =
    init;
  checkOrder(order);
  for (const quota of init.quotas) checkQuota(quota);
  const directory = durability === "memory" ? null : init.directory;
  if (directory === null && durability !== "memory") {
    throw fault("INVALID_ARGUMENT", {
      argument: "directory",
      got: "null",
      allowed: "a path, unless durability is memory",
    });
  }
  const path = directory === null ? "the queue in memory" : join(directory, "queue.sqlite");
  const store = services.openStore({
    path,
    migrations: MIGRATIONS,
    // A large input that cannot be read interrupts its task.
    readWhole: ["task", "large_input"],
    durability,
    clock,
    scheduler,
    metrics,
    log,
  });
  context.atExit(() => store.abandon());

  const rows = new QueueRows(store);
  const loaded = rows.load();
  const { marks, workers, quotas, pause } = loaded;
  const { makeCore = (options) => new QueueCore(options) } = services;
  const core = makeCore({
    order,
    room: { threads, shared: threads * sharedPerThread },
    chance: () => random.next(),
    limits: { keptTasks, keptMs },
    marks,
    pause,
    // What was set while it ran counts more than what it is opened with.
    quotas: [...init.quotas, ...quotas],
    workers: workers.map(({ worker }) => worker),
    nowMs: clock.wallNow(),
  });
  core.load(loaded);

  const handlers = new Handlers({
    modules,
    openPool: () =>
      services.openPool({
        modules,
        threads,
        heapMb,
        graceMs,
        blobsDirectory: directory === null ? null : join(directory, "blobs"),
        roots,
        allowedHosts: init.allowedHosts,
        clock,
        log,
        onProgress(by, progress, message) {
          const attemptId = attempts.attemptIdOf(by);
          if (attemptId === undefined) engine.progressed(by, progress, message);
          else context.emit.attemptProgressed({ attemptId, progress, message });
        },
        onLog: (by, level, message, fields) => engine.logged(by, { level, message, fields }),
      }),
  });
  // A dead thread takes its handler threads with it; those of a killed inline queue have to be ended.
  context.atExit(() => void handlers.close(0));
  const engine = new QueueEngine(core, rows, handlers, context, init);
  const attempts = new LoneAttempts({ handlers, clock, random, graceMs: init.graceMs });
  return { engine, handlers, attempts };
}
