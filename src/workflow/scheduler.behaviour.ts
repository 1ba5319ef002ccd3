import { isAbsolute, join } from "node:path";
import { actor, type Behaviour } from "../actor/index.ts";
import { Cache } from "../cache/cache.protocol.ts";
import { LIMITS, fault } from "../errors/index.ts";
import { Queue } from "../queue/queue.protocol.ts";
import { checkNumber, invalidArgument } from "../schema/index.ts";
import { openBlobs, openStore } from "../store/index.ts";
import { BlobCollector } from "./blob-collector.ts";
import { EndedRuns } from "./ended-runs.ts";
import { watchQueue } from "./queue-watch.ts";
import { RunRetention } from "./run-retention.ts";
import { RunScheduler, type RunSchedulerServices } from "./run-scheduler.ts";
import { RUN_MIGRATIONS, RunRows } from "./run.rows.ts";
import { Scheduler } from "./workflow.protocol.ts";

/** The longest that values may be held at a time: whoever dies meanwhile holds them no longer than that. */
const HOLD_MS = 600_000;

/** What the scheduler stands on; a simulation hands in its own. */
export interface SchedulerServices {
  readonly openStore: typeof openStore;
  readonly openBlobs: typeof openBlobs;
  readonly loadExpressions: RunSchedulerServices["loadExpressions"];
  /** Runs that may be unfinished at a time; default 10,000. */
  readonly liveRunsMax?: number;
}

/**
 * The workflow engine as an actor. It keeps definitions, decisions and ends in a file of its own; the steps are tasks
 * of the queue, whose file is the only home of their results.
 */
export const schedulerBehaviour = schedulerBehaviourOver({
  openStore,
  openBlobs,
  // The package for expressions is large, and most runs have none.
  loadExpressions: async () => (await import("../compute/expression.ts")).checkExpression,
});

export function schedulerBehaviourOver(services: SchedulerServices): Behaviour<typeof Scheduler.members> {
  return actor(Scheduler, (context, init) => {
    const { clock, signal, log, metrics, scheduler: turns } = context;
    const { durability, idle = false } = init;
    const store = services.openStore({
      path: pathOf(init.directory, durability),
      migrations: RUN_MIGRATIONS,
      durability,
      clock,
      scheduler: turns,
      metrics,
      log,
    });
    context.atExit(() => store.abandon());
    context.defer(() => store.close());
    const rows = new RunRows(store);
    const queue = context.ref(Queue);
    const cache = context.ref(Cache);
    const common = { queue, clock, signal, log };
    // Where nothing is kept on disk there are no large values either.
    const blobs =
      init.directory === null || durability === "memory"
        ? null
        : services.openBlobs({ directory: join(init.directory, "blobs"), clock });
    const retention = new RunRetention({ ...common, runs: new EndedRuns(store) }, init);
    const scheduler = new RunScheduler(
      {
        ...common,
        cache,
        rows,
        blobs,
        metrics,
        turns,
        emit: context.emit.changed,
        emitEnd: context.emit.ended,
        loadExpressions: services.loadExpressions,
        idle,
      },
      retention,
      services.liveRunsMax,
    );
    context.defer(() => scheduler.close());
    const collector = idle ? null : blobs && new BlobCollector({ ...common, cache, rows, blobs });
    // Whoever waits for the end of this actor may remove its directory then.
    context.defer(() => collector?.hold(0));
    context.reportHealth(() => ({ liveRuns: scheduler.liveRuns, collected: collector?.last ?? null }));

    // None of them is waited for: the queue may come up later than this actor, and the runs with it.
    void scheduler.recover(rows.unfinished());
    void watchQueue(queue, scheduler, { clock, signal, log });
    retention.open();
    void collector?.start();
    // While this actor was away the clock may have been set, and others have gone on storing values.
    if (context.epoch > 1) void collector?.hold(LIMITS.store.collectedAgeMs);

    return {
      submit: ({ definition }, { traceparent }) => scheduler.submit(definition, traceparent),
      status: ({ workflowId }) => scheduler.status(workflowId),
      result: ({ workflowId }, message) => scheduler.result(workflowId, message),
      cancel: ({ workflowId, reason, force }) => scheduler.cancel(workflowId, { reason, force }),
      pause: ({ workflowId, reason }) => scheduler.pause(workflowId, reason),
      resume: ({ workflowId }) => scheduler.resume(workflowId),
      rerun: (request, { traceparent }) => scheduler.rerun(request, traceparent),
      history: ({ workflowId, ...page }) => scheduler.history(workflowId, page),
      list: (filter) => scheduler.list(filter),
      collect() {
        if (collector !== null) return collector.collect();
        const what = "the collection of large values";
        const why = idle ? "an idle system removes nothing" : "this scheduler keeps nothing on disk";
        throw fault("UNAVAILABLE", { what, why });
      },
      hold: async ({ forMs }) => {
        checkNumber("forMs", forMs, 0, HOLD_MS);
        await collector?.hold(forMs);
      },
      backup: ({ path }) => {
        if (!isAbsolute(path)) throw invalidArgument("path", `"${path}"`, "an absolute path");
        return rows.backup(path);
      },
    };
  });
}

function pathOf(directory: string | null, durability: string): string {
  if (durability === "memory") return "the scheduler in memory";
  if (directory === null) {
    throw fault("INVALID_ARGUMENT", {
      argument: "directory",
      got: "null",
      allowed: "a path, unless durability is memory",
    });
  }
  return join(directory, "scheduler.sqlite");
}
