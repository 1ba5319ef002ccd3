import type { RefOf } from "../actor/index.ts";
import { isFault } from "../errors/index.ts";
import type { Log } from "../telemetry/index.ts";
import type { Queue, TaskOutcome } from "../queue/queue.protocol.ts";
import { untilAgain, type Patience } from "./again.ts";
import type { TaskStart } from "./task-owner.ts";

/** Whoever follows the tasks of the queue. */
export interface QueueListener {
  /** The streams stand anew: what happened before is not told, so whoever needs it looks it up now. */
  subscribed(): void;
  started(event: TaskStart & { taskId: string; group: string | null }): void;
  progressed(event: { taskId: string; progress: number; message: string }): void;
  settled(outcome: TaskOutcome): void;
}

/** Events that may wait while the scheduler is busy with a large graph. */
const BUFFER = 16_384;

/**
 * Follows the queue's events until the signal aborts or the queue is stopped for good. When the queue restarts, or
 * events are lost, it subscribes again and says so.
 */
export async function watchQueue(
  queue: RefOf<typeof Queue>,
  listener: QueueListener,
  patience: Patience & { readonly log: Log },
): Promise<void> {
  const { signal, log } = patience;
  let tries = 0;
  while (!signal.aborted) {
    try {
      await queue.ready({ signal });
      await listen(queue, listener, signal, () => (tries = 0));
    } catch (error) {
      if (signal.aborted) return;
      if (!isFault(error)) throw error;
      if (isFault(error, "ACTOR_STOPPED"))
        return log.warn("the queue has been stopped; unfinished runs wait for its return");
      await untilAgain(queue, error, tries++, patience);
    }
  }
}

/** Rejects with whatever ended the first of the streams. */
async function listen(
  queue: RefOf<typeof Queue>,
  listener: QueueListener,
  life: AbortSignal,
  onEvent: () => void,
): Promise<void> {
  const others = new AbortController();
  const options = { signal: AbortSignal.any([life, others.signal]), buffer: BUFFER };
  const follow = async <T>(events: AsyncIterable<T>, tell: (event: T) => void): Promise<void> => {
    for await (const event of events) {
      onEvent();
      tell(event);
    }
  };
  const streams = [
    follow(queue.on.started(options), (event) => listener.started(event)),
    follow(queue.on.progressed(options), (event) => listener.progressed(event)),
    follow(queue.on.settled(options), (event) => listener.settled(event)),
  ];
  // After subscribing, so that nothing falls between what is looked up and what is told.
  listener.subscribed();
  try {
    await Promise.race(streams);
  } finally {
    others.abort();
    await Promise.allSettled(streams);
  }
}
