import type { RefOf } from "../actor/index.ts";
import { unpackValue, type Reference } from "../codec/index.ts";
import { storedOutput } from "../compute/values.ts";
import { LIMITS, fault, isFault, sentenceOf, toWireError } from "../errors/index.ts";
import type { Lease, LeaseEnd, Queue } from "../queue/queue.protocol.ts";
import { checkFunction, checkInteger, checkNumber, checkObject, checkSignal } from "../schema/index.ts";
import { linkSignals, withScope, type Clock, type Scope, type Timer } from "../scope/index.ts";
import type { BlobStore } from "../store/index.ts";
import { throughRestarts } from "./through-restarts.ts";

/** What the doors to tasks stand on. */
export interface TaskServices {
  readonly queue: RefOf<typeof Queue>;
  readonly clock: Clock;
  /** Null: nothing is on disk. */
  readonly blobs: BlobStore | null;
  readonly load: (reference: Reference) => Promise<unknown>;
}

/** What a handler of `work` is given beside its input. */
export interface WorkContext {
  readonly taskId: string;
  /** From 1. */
  readonly attempt: number;
  /** W3C trace context of this attempt, as of the `TaskContext` of a handler; undefined: it is part of no trace. */
  readonly traceparent: string | undefined;
  /** Aborts when the task is cancelled, its time has run out, its lease is lost, or the worker stops. */
  readonly signal: AbortSignal;
  /**
   * Says how far the work is. Several calls within 100 ms count as one.
   *
   * @param fraction from 0 to 1; what lies outside is taken as the nearer end
   * @throws INVALID_ARGUMENT when it is no number
   */
  progress(fraction: number, message?: string): void;
  /** Reads what a `Reference` in the input stands for. @throws BLOB_MISSING, BLOB_CORRUPT */
  load(reference: Reference): Promise<unknown>;
}

/** May be given any input: what submitters put there is theirs to know. */
export type WorkHandler = (input: never, context: WorkContext) => unknown;

export interface WorkOptions {
  /** 1 to 512 characters; not `local`. Of two loops with one id, each takes the other's leases for its own. */
  readonly workerId: string;
  /** By action. */
  readonly handlers: Readonly<Record<string, WorkHandler>>;
  /** What else tasks may require of it; the names of the handlers are capabilities already. */
  readonly capabilities?: readonly string[];
  /** Tasks that it has at once; default 5. 1 to 1,000. */
  readonly concurrency?: number;
  /** How long the queue waits for a sign of life before it gives a task to someone else; default 30,000. */
  readonly leaseMs?: number;
  /** Aborting it ends the work. */
  readonly signal: AbortSignal;
}

/** What a worker did. */
export interface WorkSummary {
  readonly completed: number;
  readonly failed: number;
  /** Left by their handlers, because they were cancelled. */
  readonly cancelled: number;
  /** Given back, because the worker stopped: someone else runs them anew. */
  readonly returned: number;
  /** Ended too late: someone else has them. */
  readonly lost: number;
}

/** A handler that is cut off dies with its worker, which then tells nothing. */
type WorkEnd = Exclude<LeaseEnd, { kind: "interrupted" }>;

/** One task in the hands of the worker. */
interface Held {
  readonly lease: Lease;
  readonly controller: AbortController;
  /** On the clock's `now()`: when the lease ends unless it is renewed. */
  untilMs: number;
  /** Its end will be refused. */
  lost: boolean;
}

const CONCURRENCY = 5;
const LEASE_MS = 30_000;
/** How long one question for tasks waits in the queue, and what its answer may take beyond that. */
const POLL_MS = 20_000;
const POLL_MARGIN_MS = 5_000;
/** Before the queue is asked again after a failure that may pass. */
const AGAIN_MS = 1_000;
const PROGRESS_INTERVAL_MS = 100;
const LEAVE_MS = 10_000;

/**
 * A worker outside the queue's own pool, in the caller's process: registers, takes tasks as there are some, renews
 * their leases at a third of their time, and tells the queue how each ended.
 *
 * Structured: when `run` settles, no handler runs, and the worker is unregistered. A handler that does not heed its
 * signal is waited for. Its task is charged when it throws or when its time is over; not when the worker stops or the
 * lease is lost. At least once: a task whose end could not be told is run again.
 */
export class TaskWorker {
  readonly #services: TaskServices;
  readonly #options: Required<WorkOptions>;
  readonly #held = new Set<Held>();
  readonly #counts = { completed: 0, failed: 0, cancelled: 0, returned: 0, lost: 0 };
  /** Aborts when the caller says so, or when the scope is lost. */
  readonly #stopping = new AbortController();
  /** Resolved when an attempt ends or the worker is told to stop. */
  #change = Promise.withResolvers<void>();

  /** @throws INVALID_ARGUMENT */
  constructor(services: TaskServices, options: WorkOptions) {
    const { capabilities = [], concurrency = CONCURRENCY, leaseMs = LEASE_MS } = options;
    const limits = LIMITS.queue;
    checkInteger("concurrency", concurrency, 1, limits.workerTasks);
    checkInteger("leaseMs", leaseMs, limits.leaseMsMin, limits.leaseMs);
    checkHandlers(options.handlers);
    checkSignal("signal", options.signal);
    this.#services = services;
    this.#options = { ...options, capabilities, concurrency, leaseMs };
  }

  /** Resolves when the signal has been aborted and nothing runs any more. */
  async run(): Promise<WorkSummary> {
    const { workerId, signal } = this.#options;
    const { clock } = this.#services;
    if (signal.aborted) return this.#counts;
    await this.#register();
    return withScope({ name: `worker "${workerId}"`, clock }, async (scope) => {
      scope.defer(() => this.#leave(scope));
      scope.defer(
        linkSignals([signal, scope.signal], () => {
          this.#stopping.abort(this.#stopped());
          for (const held of this.#held) held.controller.abort(this.#stopped());
          this.#changed();
        }),
      );
      void scope.spawn(() => this.#renew(scope));
      void scope.spawn((signal) => this.#heedRecalls(signal, scope));
      await this.#takeTasks(scope);
      while (this.#held.size > 0) await this.#change.promise;
      scope.cancel("it was told to stop");
      return { ...this.#counts };
    });
  }

  async #register(): Promise<void> {
    const { workerId, handlers, capabilities, concurrency } = this.#options;
    const { queue } = this.#services;
    const worker = {
      workerId,
      capabilities: [...new Set([...Object.keys(handlers), ...capabilities])],
      maxConcurrent: concurrency,
    };
    await throughRestarts(queue, () => queue.call.registerWorker({ worker }));
  }

  /** Takes as many as there is room for, until it is told to stop. */
  async #takeTasks(scope: Scope): Promise<void> {
    const { concurrency } = this.#options;
    while (!this.#stopping.signal.aborted) {
      const room = concurrency - this.#held.size;
      if (room === 0) await this.#change.promise;
      else
        for (const lease of await this.#claim(room, scope))
          void scope.spawn(() => this.#attempt(lease, scope));
    }
  }

  async #claim(max: number, scope: Scope): Promise<readonly Lease[]> {
    const { workerId, leaseMs } = this.#options;
    const { queue } = this.#services;
    const { signal } = this.#stopping;
    try {
      const { leases } = await queue.call.claim(
        { workerId, max, leaseMs, waitMs: POLL_MS },
        { signal, timeoutMs: POLL_MS + POLL_MARGIN_MS },
      );
      return leases;
    } catch (error) {
      // What the queue handed out meanwhile it takes back when the worker leaves.
      if (signal.aborted) return [];
      if (!isFault(error) || !error.retryable) throw error;
      if (isFault(error, "ACTOR_RESTARTING")) {
        await queue.ready();
        await this.#register();
      } else await scope.sleep(AGAIN_MS);
      return [];
    }
  }

  async #attempt(lease: Lease, scope: Scope): Promise<void> {
    const { clock } = this.#services;
    const { action, timeoutMs } = lease;
    const controller = new AbortController();
    const held: Held = { lease, controller, untilMs: clock.now() + this.#options.leaseMs, lost: false };
    this.#held.add(held);
    if (this.#stopping.signal.aborted) controller.abort(this.#stopped());
    const timer =
      timeoutMs === null
        ? undefined
        : clock.at(clock.now() + timeoutMs, () =>
            controller.abort(fault("HANDLER_TIMEOUT", { action, timeoutMs })),
          );
    try {
      const end = await this.#carryOut(held);
      timer?.cancel();
      await this.#finish(held, end, scope);
    } finally {
      timer?.cancel();
      this.#held.delete(held);
      this.#changed();
    }
  }

  /** Never rejects: whatever the handler does is an end. */
  async #carryOut({ lease, controller }: Held): Promise<WorkEnd> {
    const { taskId, action, input, attempt, traceparent } = lease;
    const { signal } = controller;
    if (signal.aborted) return { kind: "returned" };
    const report = this.#reporter(lease);
    try {
      const { handlers } = this.#options;
      const handler = Object.hasOwn(handlers, action) ? handlers[action] : undefined;
      if (!handler) throw fault("UNKNOWN_ACTION", { action, known: Object.keys(handlers) });
      const { load, blobs } = this.#services;
      const context: WorkContext = Object.freeze({
        taskId,
        attempt,
        traceparent,
        signal,
        progress: report.progress,
        load,
      });
      const output: unknown = await handler(unpackValue(input) as never, context);
      return { kind: "completed", output: await storedOutput(output ?? null, action, blobs) };
    } catch (error) {
      const reason: unknown = signal.reason;
      // The queue knows whether the task is being cancelled, or is to be run by someone else.
      if (isFault(reason, "CANCELLED")) return { kind: "returned" };
      // A handler that was told to leave mostly throws an echo of why.
      if (signal.aborted) return { kind: "failed", error: toWireError(reason) };
      const failure = isFault(error)
        ? error
        : fault("HANDLER_FAILED", { action, text: sentenceOf(error) }, { cause: error });
      return { kind: "failed", error: toWireError(failure) };
    } finally {
      report.end();
    }
  }

  /** Tells the queue how it ended, for as long as the lease holds. */
  async #finish(held: Held, first: WorkEnd, scope: Scope): Promise<void> {
    const { queue } = this.#services;
    const { taskId, token } = held.lease;
    const { workerId } = this.#options;
    let end = first;
    while (!held.lost) {
      try {
        const told = { workerId, taskId, token, end };
        const { state } = await throughRestarts(queue, () => queue.call.finish(told));
        this.#counts[end.kind === "returned" && state === "cancelled" ? state : end.kind] += 1;
        return;
      } catch (error) {
        if (!isFault(error)) throw error;
        if (error.code === "LEASE_LOST" || error.code === "TASK_NOT_FOUND") break;
        if (error.retryable) await scope.sleep(AGAIN_MS);
        else if (end.kind !== "completed") throw error;
        // Too large, most likely: the task must not be run again and again for it.
        else end = { kind: "failed", error: toWireError(outputRefused(held.lease, error)) };
      }
    }
    this.#counts.lost += 1;
  }

  /** Keeps the leases, and tells handlers whose lease is gone or whose task is being cancelled. */
  async #renew(scope: Scope): Promise<void> {
    for (;;) {
      await scope.sleep(this.#options.leaseMs / 3);
      const asked = [...this.#held];
      await this.#ask(asked);
      // Nobody has answered for a whole lease, so that the tasks may be someone else's by now.
      for (const held of asked) if (held.untilMs <= this.#services.clock.now()) this.#lose(held);
    }
  }

  /** A cancellation does not wait for the next renewal, unless the news of it is lost. */
  async #heedRecalls(signal: AbortSignal, scope: Scope): Promise<void> {
    const { queue } = this.#services;
    while (!signal.aborted) {
      try {
        for await (const { workerId, taskIds } of queue.on.recalled({ signal })) {
          if (workerId !== this.#options.workerId) continue;
          await this.#ask([...this.#held].filter(({ lease }) => taskIds.includes(lease.taskId)));
        }
      } catch (error) {
        if (!isFault(error) || !error.retryable) return;
        // What happened meanwhile the next renewal tells.
        if (isFault(error, "ACTOR_RESTARTING")) await queue.ready({ signal }).catch(() => undefined);
        else await scope.sleep(AGAIN_MS);
      }
    }
  }

  /** Renews the leases of these, and learns what is to become of them. */
  async #ask(asked: readonly Held[]): Promise<void> {
    const { workerId, leaseMs } = this.#options;
    const { queue, clock } = this.#services;
    const leases = asked.map(({ lease: { taskId, token } }) => ({ taskId, token }));
    const untilMs = clock.now() + leaseMs;
    try {
      const answer = await throughRestarts(queue, () => queue.call.renew({ workerId, leases, leaseMs }));
      const [lost, cancelling] = [new Set(answer.lost), new Set(answer.cancelling)];
      for (const held of asked) {
        const { taskId } = held.lease;
        if (lost.has(taskId)) this.#lose(held);
        else held.untilMs = untilMs;
        if (cancelling.has(taskId)) held.controller.abort(fault("CANCELLED", { what: `task "${taskId}"` }));
      }
    } catch (error) {
      if (!isFault(error) || !error.retryable) throw error;
    }
  }

  #lose(held: Held): void {
    held.lost = true;
    held.controller.abort(fault("LEASE_LOST", { taskId: held.lease.taskId }));
  }

  /** Sends the newest report per interval. What becomes of a report is nobody's concern: the end tells. */
  #reporter({ taskId, token }: Lease): { progress: WorkContext["progress"]; end: () => void } {
    const { queue, clock } = this.#services;
    const { workerId } = this.#options;
    let newest: { progress: number; message: string } | null = null;
    let timer: Timer | undefined;
    let ended = false;
    const send = (): void => {
      timer = undefined;
      if (newest === null || ended) return;
      queue.call.report({ workerId, taskId, token, ...newest }).catch(() => undefined);
      newest = null;
      timer = clock.at(clock.now() + PROGRESS_INTERVAL_MS, send);
    };
    return {
      progress(fraction, message = "") {
        checkNumber("fraction", fraction, -Infinity, Infinity);
        newest = { progress: Math.min(1, Math.max(0, fraction)), message };
        if (timer === undefined) send();
      },
      end() {
        ended = true;
        timer?.cancel();
      },
    };
  }

  /** Whatever it still has is queued again at once. A queue that has gone has forgotten it anyway. */
  async #leave(scope: Scope): Promise<void> {
    const { workerId } = this.#options;
    const { queue } = this.#services;
    await scope
      .shield({ timeoutMs: LEAVE_MS }, () =>
        queue.call.unregisterWorker({ workerId, graceful: false, timeoutMs: 0 }),
      )
      .catch((error: unknown) => {
        if (!isFault(error)) throw error;
      });
  }

  #changed(): void {
    this.#change.resolve();
    this.#change = Promise.withResolvers();
  }

  #stopped(): Error {
    return fault("CANCELLED", { what: `worker "${this.#options.workerId}"`, reason: "it was told to stop" });
  }
}

function checkHandlers(handlers: Readonly<Record<string, WorkHandler>>): void {
  checkObject("handlers", handlers);
  for (const [action, each] of Object.entries(handlers)) checkFunction(`handlers.${action}`, each);
}

function outputRefused({ action }: Lease, cause: Error): Error {
  return fault("OUTPUT_INVALID", { what: action, problems: [cause.message] }, { cause });
}
