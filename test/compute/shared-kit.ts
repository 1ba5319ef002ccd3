import { packValue } from "../../src/codec/index.ts";
import { reportOf, requestsOf, type SlotReply } from "../../src/compute/chunk.ts";
import { HandlerPool, type PoolOptions, type RunRequest } from "../../src/compute/pool.ts";
import type { RunOutcome } from "../../src/compute/run-outcome.ts";
import { SharedState } from "../../src/compute/shared-state.ts";
import type { FromShared, ToShared } from "../../src/compute/shared-thread.ts";
import { Slots } from "../../src/compute/slots.ts";
import type { AttemptRequest, ShareRequest, ThreadReply } from "../../src/compute/thread-message.ts";
import type { Log } from "../../src/telemetry/index.ts";
import { manualClock, type ManualClock } from "../kit/manual-clock.ts";
import { microtasksDrained } from "../kit/microtasks.ts";

export const COMPLETED: ThreadReply = { kind: "completed", output: packValue(1), progress: null };
export const GRACE_MS = 500;

/** A shared thread that the test plays. */
export class PlayedThread {
  readonly threadId: number;
  readonly request: ShareRequest;
  readonly state: SharedState;
  /** Attempts that were sent and not taken up. */
  readonly sent: AttemptRequest[] = [];
  /** How many attempts came in each message. */
  readonly chunks: number[] = [];
  looks = 0;
  readonly ended = Promise.withResolvers<void>();
  closed = false;
  answers = true;
  readonly #slots: Slots;
  readonly #clock: ManualClock;
  readonly #hear: (message: FromShared) => void;

  constructor(
    threadId: number,
    request: ShareRequest,
    slots: Slots,
    clock: ManualClock,
    hear: (message: FromShared) => void,
  ) {
    this.threadId = threadId;
    this.request = request;
    this.state = new SharedState(request.state);
    this.#slots = slots;
    this.#clock = clock;
    this.#hear = hear;
  }

  post(message: ToShared): void {
    if (message === "close") {
      this.closed = true;
      this.ended.resolve();
    } else if ("look" in message) {
      this.looks = message.look;
      if (this.answers) this.state.answer(message.look);
    } else {
      const requests = requestsOf(message);
      this.chunks.push(requests.length);
      this.sent.push(...requests);
    }
  }

  /** It has started. */
  open(): this {
    const { slot, token } = this.request;
    this.#slots.enter(slot, token, this.threadId, this.#clock.now());
    this.#slots.begin(slot, token, this.#clock.now());
    return this;
  }

  /** Takes up the next attempts, up to the calls of their handlers, and says so. Returns those that were there still. */
  take(count = this.sent.length, turnMs = 0.01): AttemptRequest[] {
    const taken = this.sent.splice(0, count);
    const begun = taken.filter(({ slot, token }) => {
      this.#slots.noteTurn(slot, turnMs);
      return (
        this.#slots.enter(slot, token, this.threadId, this.#clock.now()) &&
        this.#slots.begin(slot, token, this.#clock.now())
      );
    });
    this.#hear(reportOf(taken.length, []));
    return begun;
  }

  reply(...replies: SlotReply[]): void {
    this.#hear(reportOf(0, replies));
  }

  complete(...requests: AttemptRequest[]): void {
    for (const { slot, token } of requests) this.#slots.end(slot, token);
    this.reply(...requests.map(({ slot }) => ({ slot, reply: COMPLETED })));
  }

  /** It heeds its stop. */
  stop({ slot, token }: AttemptRequest): void {
    this.#slots.leave(slot, token);
    this.reply({ slot, reply: { kind: "stopped" } });
  }

  crash(error: unknown = new Error("worker exited with code: 3")): void {
    this.ended.reject(error);
  }
}

export interface SharedKit {
  readonly pool: HandlerPool;
  readonly slots: Slots;
  readonly clock: ManualClock;
  readonly threads: PlayedThread[];
  /** Attempts that were given a thread alone; each completes when it is called. */
  readonly alone: { readonly request: AttemptRequest; complete(): void }[];
  readonly terminated: number[];
  recoveries: number;
  /** The newest thread. */
  thread(): PlayedThread;
  /** Starts a run; tasks are called "t1", "t2" and so on unless told otherwise. */
  run(more?: Partial<RunRequest>): Promise<RunOutcome>;
  runs(count: number, more?: Partial<RunRequest>): Promise<RunOutcome>[];
}

const SILENT: Log = { debug() {}, info() {}, warn() {}, error() {}, child: () => SILENT };

export function sharedKit(options: Partial<PoolOptions> = {}): SharedKit {
  const clock = manualClock(5_000);
  const threads: PlayedThread[] = [];
  const alone: SharedKit["alone"] = [];
  const terminated: number[] = [];
  let slots = Slots.allocate(1);
  let count = 0;
  const kit: SharedKit = {
    clock,
    threads,
    alone,
    terminated,
    recoveries: 0,
    get slots() {
      return slots;
    },
    pool: new HandlerPool(
      {
        modules: ["file:///a.ts"],
        threads: 1,
        heapMb: 64,
        graceMs: GRACE_MS,
        blobsDirectory: null,
        roots: [],
        allowedHosts: [],
        clock,
        log: SILENT,
        loadMs: 2_000,
        onProgress: () => {},
        ...options,
      },
      ({ setup }) => {
        slots = new Slots(setup.slots);
        return {
          run(request) {
            const { promise, resolve } = Promise.withResolvers<ThreadReply>();
            if (request.kind === "run") alone.push({ request, complete: () => resolve(COMPLETED) });
            return promise;
          },
          share(request, hear) {
            const thread = new PlayedThread(7 + threads.length, request, slots, clock, hear);
            threads.push(thread);
            return { post: (message) => thread.post(message), ended: thread.ended.promise };
          },
          terminate(threadId) {
            terminated.push(threadId);
            threads
              .find((each) => each.threadId === threadId)
              ?.crash(new Error("worker exited with code: 1"));
          },
          isTerminated: (threadId) => terminated.includes(threadId),
          recover: () => void kit.recoveries++,
          close: () => {
            for (const thread of threads) thread.crash(new Error("Terminating worker thread"));
            return Promise.resolve();
          },
        };
      },
    ),
    thread() {
      const thread = threads.at(-1);
      if (thread === undefined) throw new Error("no thread is shared");
      return thread;
    },
    run(more) {
      count += 1;
      return kit.pool.run({
        taskId: `t${count}`,
        token: 1,
        action: "work",
        input: packValue(count),
        timeoutMs: Infinity,
        attempt: 1,
        place: "shared",
        ...more,
      });
    },
    runs: (wanted, more) => Array.from({ length: wanted }, () => kit.run(more)),
  };
  return kit;
}

/** A kit whose thread runs that many attempts. */
export async function runningKit(
  count: number,
  options: Partial<PoolOptions> = {},
  more: Partial<RunRequest> = {},
): Promise<{
  kit: SharedKit;
  thread: PlayedThread;
  begun: AttemptRequest[];
  outcomes: Promise<RunOutcome>[];
}> {
  const kit = sharedKit(options);
  const outcomes = kit.runs(count, more);
  const thread = kit.thread().open();
  const begun: AttemptRequest[] = [];
  while (begun.length < count) {
    await microtasksDrained();
    begun.push(...thread.take());
  }
  return { kit, thread, begun, outcomes };
}
