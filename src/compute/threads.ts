import { workerModule } from "../actor/index.ts";
import type { Piscina } from "piscina";
import { sentenceOf } from "../errors/index.ts";
import { openCompileCache, type CompileCache } from "./compile-cache.ts";
import type { Log } from "../telemetry/index.ts";
import {
  isThreadMessage,
  type AttemptRequest,
  type DescribeRequest,
  type ThreadMessage,
  type ThreadReply,
  type ThreadSetup,
} from "./thread-message.ts";

/** The threads under the pool, as far as the pool knows them. */
export interface Threads {
  /** Rejects when the thread ends under it, with what `crashOf` reads. Call it for no more attempts than threads. */
  run(request: AttemptRequest | DescribeRequest): Promise<ThreadReply>;
  /** Ends one thread; whatever runs on it rejects. Another takes its place when it is needed. */
  terminate(threadId: number): void;
  /** Is the thread being terminated, or was it within this turn? A last attempt may still have been given to it. */
  isTerminated(threadId: number): boolean;
  /** If no thread is left although some are waited for, gives up the waiting ones and starts anew. */
  recover(): void;
  /** Ends them all; what still runs rejects. */
  close(): Promise<void>;
}

export interface ThreadsOptions {
  /** The module that each thread loads. */
  readonly entry: URL;
  readonly threads: number;
  readonly heapMb: number;
  readonly setup: ThreadSetup;
  readonly onMessage: (message: ThreadMessage) => void;
  readonly log: Log;
}

/** For what a handler allocates and soon drops. Less makes loads that parse and sort a quarter slower. */
const YOUNG_HEAP_MB = 16;

/** An idle thread ends after so long; a new one takes about 50 ms. */
const IDLE_MS = 10_000;

export const TASK_RUNNER = workerModule("task-runner");

/**
 * Threads by Piscina, which is loaded with the first attempt: an idle system has neither it nor any thread.
 *
 * Piscina never gets a signal (aborting it kills the thread with no grace), never more than one attempt per thread
 * (an exit rejects all that the thread has), and never parks a thread by `Atomics.wait` (its timers would stand).
 */
export function openThreads(options: ThreadsOptions): Threads {
  let opening: Promise<Piscina> | null = null;
  let opened: Piscina | null = null;
  let compiled: CompileCache | null = null;
  let unsettled = 0;
  const terminated = new Set<number>();

  const open = async (): Promise<Piscina> => {
    const piscina = await import("piscina");
    compiled ??= await openCompileCache([options.entry.href, ...options.setup.modules]);
    const pool = new piscina.Piscina({
      filename: options.entry.href,
      name: "run",
      minThreads: 0,
      maxThreads: options.threads,
      concurrentTasksPerWorker: 1,
      idleTimeout: IDLE_MS,
      atomics: "disabled",
      recordTiming: false,
      // Without a bound on the young heap, ordinary growth can jump past the little that Node grants a thread to end
      // in, and V8 then aborts the whole process. One huge growing array or Map still can.
      resourceLimits: { maxOldGenerationSizeMb: options.heapMb, maxYoungGenerationSizeMb: YOUNG_HEAP_MB },
      workerData: options.setup,
      ...(compiled.env === undefined ? {} : { env: compiled.env }),
    });
    pool.on("message", (message: unknown) => {
      if (isThreadMessage(message)) options.onMessage(message);
    });
    // A thread died with nothing assigned to it: something left running by an earlier attempt threw.
    pool.on("error", (error: unknown) => {
      options.log.warn("an idle handler thread ended", { why: sentenceOf(error) });
      recover();
    });
    opened = pool;
    return pool;
  };
  const recover = (): void => {
    const lost = opened;
    if (lost === null || unsettled === 0 || lost.threads.length > 0) return;
    opening = null;
    opened = null;
    void lost.destroy();
  };

  return {
    async run(request) {
      unsettled += 1;
      try {
        opening ??= open();
        return (await (await opening).run(request)) as ThreadReply;
      } finally {
        unsettled -= 1;
      }
    },
    terminate(threadId) {
      const thread = opened?.threads.find((each) => each.threadId === threadId);
      if (thread === undefined) return;
      terminated.add(threadId);
      // What the end of the thread rejects is dealt with before the next turn.
      void thread.terminate().then(() => setImmediate(() => terminated.delete(threadId)));
    },
    isTerminated: (threadId) => terminated.has(threadId),
    recover,
    async close() {
      await (await opening)?.destroy();
      await compiled?.remove();
    },
  };
}
