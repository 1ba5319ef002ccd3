import { MessageChannel, receiveMessageOnPort, type MessagePort, type Worker } from "node:worker_threads";
import { workerModule } from "../actor/index.ts";
import type { Piscina } from "piscina";
import { fault, sentenceOf } from "../errors/index.ts";
import { openCompileCache, type CompileCache } from "./compile-cache.ts";
import type { Log } from "../telemetry/index.ts";
import { watchCpu } from "./cpu-watch.ts";
import { memoryBounds, watchMemory } from "./memory-watch.ts";
import type { FromShared, ToShared } from "./shared-thread.ts";
import { Slots, type Phase } from "./slots.ts";
import type { RunnerTask } from "./task-runner.ts";
import { isThreadMessage } from "./sound-message.ts";
import type {
  AttemptRequest,
  DescribeRequest,
  ShareRequest,
  ThreadMessage,
  ThreadReply,
  ThreadSetup,
} from "./thread-message.ts";

/** The threads under the pool, as far as the pool knows them. */
export interface Threads {
  /**
   * Rejects when the thread ends under it, also because it used up its memory, with what `crashOf` reads. Call it for
   * no more attempts than threads.
   */
  run(request: AttemptRequest | DescribeRequest): Promise<ThreadReply>;
  /** Has a thread serve many attempts at once. It need not run yet: what is posted waits for it. */
  share(request: ShareRequest, hear: (message: FromShared) => void): SharedLink;
  /** Ends one thread; whatever runs on it rejects. Another takes its place when it is needed. */
  terminate(threadId: number): void;
  /** Is the thread being terminated, or was it within this turn? A last attempt may still have been given to it. */
  isTerminated(threadId: number): boolean;
  /** If no thread is left although some are waited for, gives up the waiting ones and starts anew. */
  recover(): void;
  /** Ends them all; what still runs rejects. */
  close(): Promise<void>;
}

export interface SharedLink {
  post(message: ToShared): void;
  /**
   * Resolves when the thread has closed, as it was told to. Rejects when it ended before, with what `crashOf` reads;
   * all that it had sent has been heard then.
   */
  readonly ended: Promise<void>;
}

export interface ThreadsOptions {
  /** The module that each thread loads. */
  readonly entry: URL;
  /** At most so many run. */
  readonly threads: number;
  readonly heapMb: number;
  readonly setup: ThreadSetup;
  readonly onMessage: (message: ThreadMessage) => void;
  readonly log: Log;
}

/** For what a handler allocates and soon drops. Less makes loads that parse and sort a quarter slower. */
const YOUNG_HEAP_MB = 16;

/** While an attempt is in one of these, what its thread holds is its own. */
const HELD: ReadonlySet<Phase | "gone"> = new Set(["loading", "running", "cancelled", "timedOut"]);

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
  const slots = new Slots(options.setup.slots);
  const { endAtMb } = memoryBounds(options.heapMb);

  const open = async (): Promise<Piscina> => {
    const piscina = await import("piscina");
    compiled ??= await openCompileCache([options.entry.href, ...options.setup.modules]);
    const pool = new piscina.Piscina(settingsOf(options, compiled));
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

  const end = (thread: Worker): void => {
    const { threadId } = thread;
    terminated.add(threadId);
    // What the end of the thread rejects is dealt with before the next turn.
    void thread.terminate().then(() => setImmediate(() => terminated.delete(threadId)));
  };
  const threadById = (threadId: number): Worker | null =>
    opened?.threads.find((each) => each.threadId === threadId) ?? null;

  /** The thread whose memory is the attempt's, or that of all who share it. */
  const holder = ({ slot, token }: RunnerTask): Worker | null =>
    HELD.has(slots.phase(slot, token)) ? threadById(slots.thread(slot)) : null;

  const run = async (task: RunnerTask, moved: MessagePort[] = []): Promise<ThreadReply> => {
    unsettled += 1;
    const unwatch = watchMemory(() => holder(task), endAtMb, end);
    const unwatchCpu = watchCpu(
      () => slots.cpuMs(task.slot),
      () => holder(task),
      end,
    );
    try {
      opening ??= open();
      return (await (await opening).run(task, { transferList: moved })) as ThreadReply;
    } catch (error) {
      const [forMemory, forCpu] = [unwatch(), unwatchCpu()];
      const endedId = forMemory ?? forCpu;
      if (endedId === null) throw error;
      // This attempt is to blame: its thread is not being ended because of the one before.
      terminated.delete(endedId);
      const action = task.kind === "run" ? task.action : task.kind;
      throw forMemory === null
        ? fault("HANDLER_CPU_EXCEEDED", { action, cpuMs: slots.cpuMs(task.slot) ?? 0 })
        : fault("HANDLER_OUT_OF_MEMORY", { action, limitMb: options.heapMb });
    } finally {
      unwatch();
      unwatchCpu();
      unsettled -= 1;
    }
  };

  return {
    run: (request) => run(request),
    share: (request, hear) => linkTo((port) => run({ ...request, port }, [port]), hear),
    terminate(threadId) {
      const thread = threadById(threadId);
      if (thread !== null) end(thread);
    },
    isTerminated: (threadId) => terminated.has(threadId),
    recover,
    async close() {
      await (await opening)?.destroy();
      await compiled?.remove();
    },
  };
}

function linkTo(
  serve: (far: MessagePort) => Promise<ThreadReply>,
  hear: (message: FromShared) => void,
): SharedLink {
  const { port1: near, port2: far } = new MessageChannel();
  near.on("message", hear);
  const served = async (): Promise<void> => {
    try {
      await serve(far);
    } finally {
      // The end of a thread can overtake what it sent.
      for (let left = receiveMessageOnPort(near); left !== undefined; left = receiveMessageOnPort(near)) {
        hear(left.message as FromShared);
      }
      near.close();
    }
  };
  return { post: (message) => near.postMessage(message), ended: served() };
}

function settingsOf({ entry, threads, heapMb, setup }: ThreadsOptions, { env }: CompileCache) {
  return {
    filename: entry.href,
    name: "run",
    minThreads: 0,
    maxThreads: threads,
    concurrentTasksPerWorker: 1,
    idleTimeout: IDLE_MS,
    atomics: "disabled",
    recordTiming: false,
    resourceLimits: {
      maxOldGenerationSizeMb: memoryBounds(heapMb).v8LimitMb,
      maxYoungGenerationSizeMb: YOUNG_HEAP_MB,
    },
    workerData: setup,
    ...(env === undefined ? {} : { env }),
  } as const;
}
