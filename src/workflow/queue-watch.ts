import { followActor, type RefOf } from "../actor/index.ts";
import type { Queue, TaskOutcome } from "../queue/queue.protocol.ts";
import type { Patience } from "../scope/index.ts";
import type { Log } from "../telemetry/index.ts";
import type { TaskStart } from "./task-owner.ts";

/** Whoever follows the tasks of the queue. */
export interface QueueListener {
  /** The streams stand anew: what happened before is not told, so whoever needs it looks it up now. */
  subscribed(): void;
  started(event: TaskStart & { taskId: string; group: string | null }): void;
  progressed(event: { taskId: string; progress: number; message: string }): void;
  settled(outcome: TaskOutcome): void;
}

/** Follows the queue's events until the signal aborts or the queue is stopped for good. */
export async function watchQueue(
  queue: RefOf<typeof Queue>,
  listener: QueueListener,
  patience: Patience & { readonly log: Log },
): Promise<void> {
  const stopped = await followActor(
    queue,
    ({ hear }) => {
      hear(queue.on.started, (event) => listener.started(event));
      hear(queue.on.progressed, (event) => listener.progressed(event));
      hear(queue.on.settled, (event) => listener.settled(event));
      listener.subscribed();
    },
    patience,
  );
  if (stopped)
    patience.log.warn("the queue has been stopped; unfinished runs wait for its return", {
      why: stopped.message,
    });
}
