import type { RefOf } from "../../../src/actor/index.ts";
import { workerModule } from "../../../src/actor/index.ts";
import { LIMITS, fault } from "../../../src/errors/index.ts";
import type { Queue as QueueProtocol } from "../../../src/queue/queue.protocol.ts";
import { Queue } from "../../../src/queue/queue.protocol.ts";
import type { BlobStore } from "../../../src/store/index.ts";
import { TaskDoor } from "../../../src/system/task-door.ts";
import { openSimulated, type Simulated } from "../../kit/simulated.ts";

type QueueRef = RefOf<typeof QueueProtocol>;
type Calls = QueueRef["call"];

export interface DoorKit extends AsyncDisposable, Pick<Simulated, "clock" | "drive" | "supervisor"> {
  readonly queue: QueueRef;
  readonly tasks: TaskDoor;
}

/**
 * The door over a real queue without a pool of its own, in one thread and on a clock that moves when nothing else can:
 * what is to be carried out needs a worker outside.
 */
export async function openDoor(
  init: { directory?: string; blobs?: (clock: Simulated["clock"]) => BlobStore } = {},
): Promise<DoorKit> {
  const module = workerModule("queue.actor").href;
  const simulated = await openSimulated({ modules: [module] });
  const { supervisor, clock, drive } = simulated;
  const { directory = null } = init;
  const queue = await drive(
    supervisor.spawn(Queue, {
      module,
      init: {
        directory,
        durability: directory === null ? "memory" : "flushed",
        order: { by: "priority" },
        quotas: [],
        modules: [],
        threads: 0,
        sharedPerThread: 0,
        heapMb: 64,
        graceMs: 0,
        roots: [],
        allowedHosts: [],
        keptTasks: LIMITS.queue.keptTasks,
        keptMs: LIMITS.queue.keptMs,
      },
    }),
  );
  const load = (): Promise<never> => Promise.reject(fault("BLOB_MISSING", { sha256: "ab" }));
  const blobs = init.blobs?.(clock) ?? null;
  return {
    clock,
    drive,
    supervisor,
    queue,
    tasks: new TaskDoor({ queue, clock, blobs, load }),
    [Symbol.asyncDispose]: () => simulated[Symbol.asyncDispose](),
  };
}

/** A queue that has only the calls that a test gives it. */
export function doorOver(calls: Partial<Calls>, clock: Simulated["clock"]): TaskDoor {
  const queue = { call: calls, ready: async () => undefined } as unknown as QueueRef;
  return new TaskDoor({ queue, clock, blobs: null, load: async () => undefined });
}

/** The same queue with some of its calls replaced. */
export function tampered(
  { queue, clock }: Pick<DoorKit, "queue" | "clock">,
  calls: Partial<Calls>,
): TaskDoor {
  return new TaskDoor({
    queue: { ...queue, call: { ...queue.call, ...calls } },
    clock,
    blobs: null,
    load: async () => undefined,
  });
}
