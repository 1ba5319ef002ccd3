import { LIMITS, assert, fault, fromWireError, toWireError, type Fault } from "../errors/index.ts";
import type { Clock } from "../scope/index.ts";
import type { Log } from "../telemetry/index.ts";
import { Assignment, type AssignmentEnd, type AssignmentServices } from "./assignment.ts";
import { handlersOf, interrupted, outcomeOf, type PoolTerms, type RunOutcome } from "./run-outcome.ts";
import { Slots } from "./slots.ts";
import type { HandlerInfo, Progress, TaskLogFields, TaskLogLevel, ThreadMessage } from "./thread-message.ts";
import { openThreads, TASK_RUNNER, type Threads, type ThreadsOptions } from "./threads.ts";

export interface PoolOptions {
  /** File URLs of the modules that export what `defineTasks` returned. */
  readonly modules: readonly string[];
  /** Handlers that run at once, each on a thread of its own; from 1. */
  readonly threads: number;
  /** Memory of one thread, in MB. */
  readonly heapMb: number;
  /** From a time-out to the end of the thread, in milliseconds. */
  readonly graceMs: number;
  /** Where values are kept by their content; null when nothing is kept on disk. */
  readonly blobsDirectory: string | null;
  /** Absolute directories that handlers may read and write through their context. */
  readonly roots: readonly string[];
  readonly clock: Clock;
  readonly log: Log;
  readonly onProgress: (taskId: string, fraction: number, message: string) => void;
  /** What handlers log and print; default: the pool's own log. Records may arrive after the outcome. */
  readonly onLog?: (
    taskId: string | null,
    level: TaskLogLevel,
    message: string,
    fields: TaskLogFields,
  ) => void;
  /** For the import of all modules on one thread; default 30,000. */
  readonly loadMs?: number;
}

export interface RunRequest {
  /** Unique among the runs that have not ended. */
  readonly taskId: string;
  /** The fencing token of the lease; a whole number from 1. */
  readonly token: number;
  readonly action: string;
  /** What `packValue` made of the input. */
  readonly input: Uint8Array;
  /** Counted from the call of the handler, not while it waits for a thread; Infinity = none. */
  readonly timeoutMs: number;
  /** From 1. */
  readonly attempt: number;
}

export interface ComputePool {
  /**
   * All handlers, the built-in ones first. The modules are imported on a thread of the pool, never on the caller's.
   *
   * @throws MODULE_INVALID, also when the import exits, never ends or uses up the memory; UNAVAILABLE once closed
   */
  describe(): Promise<readonly HandlerInfo[]>;
  /** Runs one attempt. Never rejects. More than `capacity` wait their turn. */
  run(request: RunRequest): Promise<RunOutcome>;
  /**
   * Withdraws a run: one that waits ends at once, one that runs is told to stop and loses its thread after the grace.
   * A second call can shorten the grace. It is `cancelled` then, whatever its handler still returns.
   *
   * @returns false when there is no such run, or it has ended and only its outcome is on the way
   */
  cancel(taskId: string, options: { readonly graceMs: number }): boolean;
  /** Runs that can go on at once. */
  readonly capacity: number;
  /** Runs that have not ended, waiting ones included. */
  readonly running: number;
  /** Stops all runs, which end `interrupted`, and then all threads. Resolves when none is left; may be called twice. */
  close(options: { readonly graceMs: number }): Promise<void>;
}

/** Tokens of leases begin at 1. */
const DESCRIBE_TOKEN = 0;
const CLOSED: RunOutcome = interrupted("the pool was closed");

/** A handler pool. Nothing is loaded and no thread started before the first run or description. */
export function openPool(options: PoolOptions): ComputePool {
  return new HandlerPool(options, openThreads);
}

interface Waiter {
  /** Resolves when the slot is free again. */
  start(slot: number): Promise<void>;
  /** The pool was closed before its turn came. */
  refuse(): void;
}

interface Run extends Waiter {
  readonly token: number;
  /** Null while it waits for a slot. */
  assignment: Assignment | null;
  settle(outcome: RunOutcome): void;
}

/** The pool over any threads. */
export class HandlerPool implements ComputePool {
  readonly capacity: number;
  readonly #options: PoolOptions;
  readonly #terms: PoolTerms;
  readonly #services: AssignmentServices;
  readonly #free: number[];
  readonly #waiting: Waiter[] = [];
  readonly #runs = new Map<string, Run>();
  readonly #assignments = new Set<Assignment>();
  #describing: Promise<readonly HandlerInfo[]> | null = null;
  #closing: Promise<void> | null = null;

  constructor(options: PoolOptions, open: (options: ThreadsOptions) => Threads) {
    const {
      modules,
      threads,
      heapMb,
      blobsDirectory,
      roots,
      clock,
      log,
      loadMs = LIMITS.compute.loadMs,
    } = options;
    this.capacity = threads;
    this.#options = options;
    this.#terms = { modules, heapMb, startMs: LIMITS.compute.startMs, loadMs };
    this.#free = Array.from({ length: threads }, (_, slot) => slot);
    const slots = Slots.allocate(threads);
    const setup = { slots: slots.buffer, modules, roots, blobsDirectory };
    const onMessage = (message: ThreadMessage): void => this.#hear(message);
    this.#services = {
      slots,
      clock,
      threads: open({ entry: TASK_RUNNER, threads, heapMb, setup, onMessage, log }),
    };
  }

  get running(): number {
    return this.#runs.size;
  }

  async describe(): Promise<readonly HandlerInfo[]> {
    if (this.#closing !== null) throw closedFault();
    this.#describing ??= this.#describe().catch((error: unknown) => {
      // A module may have been mended meanwhile.
      this.#describing = null;
      throw error;
    });
    return this.#describing;
  }

  run(request: RunRequest): Promise<RunOutcome> {
    const { taskId } = request;
    assert(!this.#runs.has(taskId), `task "${taskId}" runs already`);
    if (this.#closing !== null) return Promise.resolve(CLOSED);
    const { waitingRuns } = LIMITS.compute;
    // Interrupted, and so tried again: a caller that comes this far does not look at `running`.
    if (this.#waiting.length >= waitingRuns) {
      return Promise.resolve(interrupted(`${waitingRuns} runs wait for a thread already`));
    }
    const { promise, resolve } = Promise.withResolvers<RunOutcome>();
    const run: Run = {
      assignment: null,
      token: request.token,
      start: (slot) => this.#start(request, run, slot),
      refuse: () => run.settle(CLOSED),
      settle: (outcome) => {
        this.#runs.delete(taskId);
        resolve(outcome);
      },
    };
    this.#runs.set(taskId, run);
    this.#waiting.push(run);
    this.#fill();
    return promise;
  }

  cancel(taskId: string, { graceMs }: { readonly graceMs: number }): boolean {
    const run = this.#runs.get(taskId);
    if (run === undefined) return false;
    if (run.assignment !== null) return run.assignment.stop("cancelled", graceMs);
    this.#waiting.splice(this.#waiting.indexOf(run), 1);
    run.settle({ kind: "cancelled", error: toWireError(fault("CANCELLED", { what: `task "${taskId}"` })) });
    return true;
  }

  close({ graceMs }: { readonly graceMs: number }): Promise<void> {
    this.#closing ??= this.#close(graceMs);
    return this.#closing;
  }

  async #close(graceMs: number): Promise<void> {
    for (const waiter of this.#waiting.splice(0)) waiter.refuse();
    for (const assignment of this.#assignments) assignment.stop("closing", graceMs);
    await Promise.all([...this.#assignments].map(({ ended }) => ended));
    await this.#services.threads.close();
  }

  #fill(): void {
    while (this.#free.length > 0) {
      const waiter = this.#waiting.shift();
      if (waiter === undefined) return;
      const slot = this.#free.pop() ?? 0;
      void waiter.start(slot).then(() => {
        this.#services.slots.release(slot);
        this.#free.push(slot);
        this.#fill();
      });
    }
  }

  #start(request: RunRequest, run: Run, slot: number): Promise<void> {
    const { taskId, token, action, attempt, timeoutMs, input } = request;
    run.assignment = new Assignment(
      { kind: "run", slot, token, taskId, action, attempt, timeoutMs, input: detached(input) },
      this.#services,
      { ...this.#terms, timeoutMs, graceMs: this.#options.graceMs },
    );
    return this.#follow(run.assignment, (end) => {
      const last = lastProgressOf(end);
      if (last !== null) this.#options.onProgress(taskId, last.fraction, last.message);
      run.settle(outcomeOf(end, request, this.#terms, this.#services.slots.module(slot)));
    });
  }

  #describe(): Promise<readonly HandlerInfo[]> {
    const { promise, resolve, reject } = Promise.withResolvers<readonly HandlerInfo[]>();
    this.#waiting.push({
      start: (slot) => {
        const assignment = new Assignment({ kind: "describe", slot, token: DESCRIBE_TOKEN }, this.#services, {
          ...this.#terms,
          timeoutMs: Number.POSITIVE_INFINITY,
          graceMs: this.#options.graceMs,
        });
        return this.#follow(assignment, (end) => {
          const described = handlersOf(end, this.#terms, this.#services.slots.module(slot));
          if ("handlers" in described) resolve(described.handlers);
          else reject(fromWireError(described.error));
        });
      },
      refuse: () => reject(closedFault()),
    });
    this.#fill();
    return promise;
  }

  /** Follows one assignment until its slot is free; `onEnd` hears of its end as soon as that is certain. */
  async #follow(assignment: Assignment, onEnd: (end: AssignmentEnd) => void): Promise<void> {
    this.#assignments.add(assignment);
    onEnd(await assignment.ended);
    await assignment.released;
    this.#assignments.delete(assignment);
  }

  #hear(message: ThreadMessage): void {
    const { onLog, onProgress, log } = this.#options;
    const { taskId } = message;
    if (message.kind === "mcplusplus.log") {
      const { level, message: text, fields } = message;
      if (onLog !== undefined) onLog(taskId, level, text, fields);
      // What a handler complains about is no error of the system's.
      else
        log[level === "error" ? "warn" : level](text, taskId === null ? fields : { ...fields, task: taskId });
    } else if (this.#runs.get(message.taskId)?.token === message.token) {
      onProgress(message.taskId, message.fraction, message.message);
    }
  }
}

const closedFault = (): Fault => fault("UNAVAILABLE", { what: "the handler pool", why: "it is closed" });

function lastProgressOf(end: AssignmentEnd): Progress | null {
  return end.kind === "replied" && "progress" in end.reply ? end.reply.progress : null;
}

/** Structured clone copies the whole buffer under a view, and shares shared memory: only the view's bytes may cross. */
function detached(bytes: Uint8Array): Uint8Array {
  const alone = bytes.buffer instanceof ArrayBuffer && bytes.byteLength === bytes.buffer.byteLength;
  return alone ? bytes : new Uint8Array(bytes);
}
