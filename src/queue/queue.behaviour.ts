import { join } from "node:path";
import { actor, type Behaviour } from "../actor/index.ts";
import { openPool } from "../compute/index.ts";
import { fault } from "../errors/index.ts";
import { openStore } from "../store/index.ts";
import { Handlers } from "./handlers.ts";
import { QueueEngine, type QueueContext, type QueueInit } from "./queue-engine.ts";
import { MIGRATIONS, QueueRows } from "./queue-rows.ts";
import { QueueCore } from "./queue.core.ts";
import { Queue } from "./queue.protocol.ts";
import { statusOf } from "./task.ts";

/** What the queue stands on; a simulation hands in its own. */
export interface QueueServices {
  readonly openStore: typeof openStore;
  readonly openPool: typeof openPool;
}

/**
 * The durable task queue as an actor. Its thread owns the file and the handler pool, so that a claim and a start are
 * one step.
 */
export const queueBehaviour = queueBehaviourOver({ openStore, openPool });

export function queueBehaviourOver(services: QueueServices): Behaviour<typeof Queue.members> {
  return actor(Queue, (context, init) => {
    const { engine, core, rows, handlers } = assemble(context, init, services);
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
        oldestQueuedMs: oldestAtMs === null ? null : Math.max(0, context.clock.wallNow() - oldestAtMs),
      };
    });
    engine.open();

    return {
      submit: async ({ tasks }) => ({ tasks: await engine.submit(tasks) }),
      async status({ taskId }) {
        await engine.flushed();
        return statusOf(core.task(taskId));
      },
      outcome: ({ taskId }) => engine.outcome(taskId),
      group: ({ group, offset, limit }) => engine.group(group, offset, limit),
      cancel: ({ taskIds, reason, force }) => engine.cancel(taskIds, reason, force),
      release: async ({ group }) => ({ released: await engine.release(group) }),
      actions: async () => handlers.list(),
      async stats() {
        await engine.flushed();
        const { queued, completed, failed, cancelled } = core.counts;
        const running = core.busy.size;
        const { durability, threads } = init;
        return { durability, queued, running, completed, failed, cancelled, ...rows.figures, threads };
      },
    };
  });
}

function assemble(
  context: QueueContext,
  init: QueueInit,
  services: QueueServices,
): { engine: QueueEngine; core: QueueCore; rows: QueueRows; handlers: Handlers } {
  const { clock, scheduler, metrics, log } = context;
  const { durability, modules, threads, heapMb, graceMs, roots } = init;
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
    durability,
    clock,
    scheduler,
    metrics,
    log,
  });
  context.atExit(() => store.abandon());

  const rows = new QueueRows(store);
  const { tasks, marks } = rows.load();
  const core = new QueueCore(marks);
  for (const task of tasks) core.load(task);

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
        clock,
        log,
        onProgress: (taskId, fraction, message) => engine.progressed(taskId, fraction, message),
      }),
  });
  // A dead thread takes its handler threads with it; those of a killed inline queue have to be ended.
  context.atExit(() => void handlers.close(0));
  const engine = new QueueEngine(core, rows, handlers, context, init);
  return { engine, core, rows, handlers };
}
