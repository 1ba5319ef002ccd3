import { assert, fault, fromWireError, toWireError } from "../errors/index.ts";
import type { Clock } from "../scope/index.ts";
import type { Log } from "../telemetry/index.ts";
import { Assignment, type AssignmentEnd } from "./assignment.ts";
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

/** Past this many runs beyond the capacity, a run is refused as interrupted: its caller does not look at `running`. */
export const WAITING_RUNS_MAX = 1_024;
const START_MS = 30_000;
const LOAD_MS = 30_000;

/** A handler pool. Nothing is loaded and no thread started before the first run or description. */
export function openPool(options: PoolOptions): ComputePool {
  return createPool(options, openThreads);
}

interface Run {
  readonly request: RunRequest;
  /** Null while it waits for a slot. */
  assignment: Assignment | null;
  readonly settle: (outcome: RunOutcome) => void;
}

/** Puts something into a slot and resolves when the slot is free again. */
type Waiter = (slot: number) => Promise<void>;

/** The pool over any threads. */
export function createPool(options: PoolOptions, open: (options: ThreadsOptions) => Threads): ComputePool {
  const { modules, threads: capacity, heapMb, graceMs, blobsDirectory, roots, clock, log } = options;
  const terms: PoolTerms = { modules, heapMb, startMs: START_MS, loadMs: options.loadMs ?? LOAD_MS };
  const slots = Slots.allocate(capacity);
  const free = Array.from({ length: capacity }, (_, slot) => slot);
  const waiting: Waiter[] = [];
  const runs = new Map<string, Run>();
  const assignments = new Set<Assignment>();
  let describing: Promise<readonly HandlerInfo[]> | null = null;
  let closing: Promise<void> | null = null;

  const onMessage = (message: ThreadMessage): void => {
    if (message.kind === "mcplusplus.log") {
      const { taskId, level, message: text, fields } = message;
      if (options.onLog !== undefined) options.onLog(taskId, level, text, fields);
      else log[level](text, taskId === null ? fields : { ...fields, task: taskId });
    } else if (runs.get(message.taskId)?.request.token === message.token) {
      options.onProgress(message.taskId, message.fraction, message.message);
    }
  };
  const threads = open({
    entry: TASK_RUNNER,
    threads: capacity,
    heapMb,
    setup: { slots: slots.buffer, modules, roots, blobsDirectory },
    onMessage,
    log,
  });

  const fill = (): void => {
    while (free.length > 0 && waiting.length > 0) {
      const slot = free.pop() as number;
      const waiter = waiting.shift() as Waiter;
      void waiter(slot).then(() => {
        slots.release(slot);
        free.push(slot);
        fill();
      });
    }
  };

  /** Follows one assignment to its end; `onEnd` hears of it as soon as it is certain. */
  const follow = async (
    assignment: Assignment,
    slot: number,
    onEnd: (end: AssignmentEnd, loadingModule: number) => void,
  ): Promise<void> => {
    assignments.add(assignment);
    const end = await assignment.ended;
    onEnd(end, slots.module(slot));
    await assignment.released;
    assignments.delete(assignment);
  };

  const start = (run: Run, slot: number): Promise<void> => {
    const { request, settle } = run;
    const { taskId, token, action, attempt, timeoutMs, input } = request;
    const assignment = new Assignment(
      { kind: "run", slot, token, taskId, action, attempt, timeoutMs, input: detached(input) },
      { slots, threads, clock },
      { startMs: terms.startMs, loadMs: terms.loadMs, timeoutMs, graceMs },
    );
    run.assignment = assignment;
    return follow(assignment, slot, (end, loadingModule) => {
      const last = lastProgressOf(end);
      if (last !== null) options.onProgress(taskId, last.fraction, last.message);
      settle(outcomeOf(end, request, terms, loadingModule));
    });
  };

  const describe = async (): Promise<readonly HandlerInfo[]> => {
    const { promise, resolve, reject } = Promise.withResolvers<readonly HandlerInfo[]>();
    waiting.push((slot) => {
      const assignment = new Assignment(
        { kind: "describe", slot, token: DESCRIBE_TOKEN },
        { slots, threads, clock },
        { startMs: terms.startMs, loadMs: terms.loadMs, timeoutMs: Number.POSITIVE_INFINITY, graceMs },
      );
      return follow(assignment, slot, (end, loadingModule) => {
        const described = handlersOf(end, terms, loadingModule);
        if ("handlers" in described) resolve(described.handlers);
        else reject(fromWireError(described.error));
      });
    });
    fill();
    return promise;
  };

  const closeAll = async (closeGraceMs: number): Promise<void> => {
    // What waits finds the pool closed when its turn comes; what has a thread is told to stop.
    for (const run of runs.values()) if (run.assignment === null) run.settle(CLOSED);
    waiting.length = 0;
    for (const assignment of assignments) assignment.stop("closing", closeGraceMs);
    await Promise.all([...assignments].map(({ ended }) => ended));
    await threads.close();
  };

  return {
    capacity,
    get running() {
      return runs.size;
    },
    async describe() {
      if (closing !== null) throw fault("UNAVAILABLE", { what: "the handler pool", why: "it is closed" });
      describing ??= describe().catch((error: unknown) => {
        describing = null;
        throw error;
      });
      return describing;
    },
    run(request) {
      assert(!runs.has(request.taskId), `task "${request.taskId}" runs already`);
      if (closing !== null) return Promise.resolve(CLOSED);
      if (waiting.length >= WAITING_RUNS_MAX) {
        return Promise.resolve(interrupted(`${WAITING_RUNS_MAX} runs wait for a thread already`));
      }
      const { promise, resolve } = Promise.withResolvers<RunOutcome>();
      const run: Run = {
        request,
        assignment: null,
        settle(outcome) {
          runs.delete(request.taskId);
          resolve(outcome);
        },
      };
      runs.set(request.taskId, run);
      waiting.push((slot) => (runs.get(request.taskId) === run ? start(run, slot) : Promise.resolve()));
      fill();
      return promise;
    },
    cancel(taskId, { graceMs: cancelGraceMs }) {
      const run = runs.get(taskId);
      if (run === undefined) return false;
      if (run.assignment !== null) return run.assignment.stop("cancelled", cancelGraceMs);
      run.settle({ kind: "cancelled", error: toWireError(fault("CANCELLED", { what: `task "${taskId}"` })) });
      return true;
    },
    close({ graceMs: closeGraceMs }) {
      closing ??= closeAll(closeGraceMs);
      return closing;
    },
  };
}

/** Tokens of leases begin at 1. */
const DESCRIBE_TOKEN = 0;
const CLOSED: RunOutcome = interrupted("the pool was closed");

function lastProgressOf(end: AssignmentEnd): Progress | null {
  return end.kind === "replied" && "progress" in end.reply ? end.reply.progress : null;
}

/** Structured clone copies the whole buffer under a view, and shares shared memory: only the view's bytes may cross. */
function detached(bytes: Uint8Array): Uint8Array {
  const alone = bytes.buffer instanceof ArrayBuffer && bytes.byteLength === bytes.buffer.byteLength;
  return alone ? bytes : new Uint8Array(bytes);
}
