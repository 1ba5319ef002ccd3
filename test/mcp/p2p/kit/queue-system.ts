import { fault } from "../../../../src/errors/index.ts";
import { Queue } from "../../../../src/queue/queue.protocol.ts";
import type { System } from "../../../../src/system/index.ts";
import { TaskDoor } from "../../../../src/system/task-door.ts";
import type { RefOf } from "../../../../src/actor/index.ts";
import { fakeMessage } from "../../../kit/actor-context.ts";
import type { ManualClock } from "../../../kit/manual-clock.ts";
import { openKit, type QueueKit } from "../../../queue/queue-kit.ts";
import { NO_SYSTEM } from "./peer-host.ts";

interface Options {
  readonly signal?: AbortSignal;
  readonly timeoutMs?: number;
}

type Handler = (params: unknown, context: unknown) => unknown;

/** As much of a system as `task_queue.rpc` needs: a real queue, in memory, on the test's own clock. */
export async function queueSystem(
  clock: ManualClock,
): Promise<{ system: System; kit: QueueKit; turns: () => Promise<void> }> {
  const kit = await openKit({ clock });
  const handlers = kit.queue as unknown as Record<string, Handler>;
  const ask = async (name: string, params: unknown, options: Options = {}): Promise<unknown> => {
    const { signal, timeoutMs = Infinity } = options;
    const cut = Promise.withResolvers<never>();
    const timer =
      timeoutMs === Infinity
        ? undefined
        : clock.at(clock.now() + timeoutMs, () =>
            cut.reject(fault("DEADLINE_EXCEEDED", { what: `queue.${name}`, timeoutMs })),
          );
    signal?.addEventListener("abort", () => cut.reject(fault("CANCELLED", { what: name })), { once: true });
    const answer = Promise.resolve(handlers[name]?.(params, fakeMessage(signal ? { signal } : {})));
    answer.catch(() => undefined);
    await kit.turns();
    return Promise.race([answer, cut.promise]).finally(() => timer?.cancel());
  };
  const names = Queue.order.filter((name) => Object.hasOwn(handlers, name));
  const call = Object.fromEntries(
    names.map((name) => [name, (params?: unknown, options?: Options) => ask(name, params, options)]),
  );
  const queue = { name: "queue", call, ready: async () => {} } as unknown as RefOf<typeof Queue>;
  const load = () => Promise.reject(fault("BLOB_MISSING", { sha256: "0" }));
  const tasks = new TaskDoor({ queue, clock, blobs: null, load });
  const actors = { ...NO_SYSTEM.actors, queue };
  const system = Object.assign(Object.create(NO_SYSTEM) as System, { actors, tasks, load });
  return { system, kit, turns: () => kit.turns() };
}
