import { isAbsolute, join } from "node:path";
import { actor, type Behaviour } from "../actor/index.ts";
import { Cache } from "../cache/cache.protocol.ts";
import { fault } from "../errors/index.ts";
import { Queue } from "../queue/queue.protocol.ts";
import { invalidArgument } from "../schema/index.ts";
import { openStore } from "../store/index.ts";
import { watchQueue } from "./queue-watch.ts";
import { RunScheduler } from "./run-scheduler.ts";
import { RUN_MIGRATIONS, RunRows } from "./run.rows.ts";
import { Scheduler } from "./workflow.protocol.ts";

/** What the scheduler stands on; a simulation hands in its own. */
export interface SchedulerServices {
  readonly openStore: typeof openStore;
  /** Runs that may be unfinished at a time; default 10,000. */
  readonly liveRunsMax?: number;
}

/**
 * The workflow engine as an actor. It keeps definitions, decisions and ends in a file of its own; the steps are tasks
 * of the queue, whose file is the only home of their results.
 */
export const schedulerBehaviour = schedulerBehaviourOver({ openStore });

export function schedulerBehaviourOver(services: SchedulerServices): Behaviour<typeof Scheduler.members> {
  return actor(Scheduler, (context, init) => {
    const { clock, signal, log, metrics, scheduler: turns } = context;
    const { durability } = init;
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
    const emit = context.emit.changed;
    const parts = { queue, cache: context.ref(Cache), rows, clock, signal, log, metrics, emit };
    const scheduler = new RunScheduler(parts, services.liveRunsMax);
    context.reportHealth(() => ({ liveRuns: scheduler.liveRuns }));

    // Neither is waited for: the queue may come up later than this actor, and the runs with it.
    void scheduler.recover(rows.unfinished());
    void watchQueue(queue, scheduler, { clock, signal, log });

    return {
      submit: ({ definition }) => scheduler.submit(definition),
      status: ({ workflowId }) => scheduler.status(workflowId),
      result: ({ workflowId }, message) => scheduler.result(workflowId, message),
      cancel: ({ workflowId, reason, force }) => scheduler.cancel(workflowId, { reason, force }),
      list: (filter) => scheduler.list(filter),
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
