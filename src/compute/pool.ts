import { LIMITS, assert, fault, fromWireError, type Fault } from "../errors/index.ts";
import type { Clock } from "../scope/index.ts";
import type { Log } from "../telemetry/index.ts";
import type { AssignmentEnd } from "./assignment.ts";
import { LoneRuns } from "./lone-runs.ts";
import {
  handlersOf,
  interrupted,
  outcomeOf,
  textOfCrash,
  type PoolTerms,
  type RunOutcome,
} from "./run-outcome.ts";
import { SharedRuns, SLOTS_PER_SESSION } from "./shared-runs.ts";
import { Slots } from "./slots.ts";
import type {
  AttemptName,
  HandlerInfo,
  Isolation,
  Progress,
  TaskLogFields,
  TaskLogLevel,
  ThreadMessage,
} from "./thread-message.ts";
import { openThreads, TASK_RUNNER, type Threads, type ThreadsOptions } from "./threads.ts";

export interface PoolOptions {
  /** File URLs of the modules that export what `defineTasks` returned. */
  readonly modules: readonly string[];
  /**
   * From 1: handlers that run at once with a thread alone, and threads that may be shared beside those. So at most
   * twice as many threads live at once, each with its own memory.
   */
  readonly threads: number;
  /** Memory of one thread, in MB. */
  readonly heapMb: number;
  /** From a time-out to the end of the thread, in milliseconds. */
  readonly graceMs: number;
  /** Where values are kept by their content; null when nothing is kept on disk. */
  readonly blobsDirectory: string | null;
  /** Absolute directories that handlers may read and write through their context. */
  readonly roots: readonly string[];
  /** Hosts that the action `http_fetch` may reach, as `HostRules` takes them. */
  readonly allowedHosts: readonly string[];
  readonly clock: Clock;
  readonly log: Log;
  readonly onProgress: (by: AttemptName, fraction: number, message: string) => void;
  /** What handlers log and print; default: the pool's own log. Records may arrive after the outcome of their attempt. */
  readonly onLog?: (
    by: AttemptName | null,
    level: TaskLogLevel,
    message: string,
    fields: TaskLogFields,
  ) => void;
  /** For the import of all modules on one thread; default 30,000. */
  readonly loadMs?: number;
}

/** Its task is unique among the runs that have not ended; its token is a whole number from 1. */
export interface RunRequest extends AttemptName {
  readonly action: string;
  /** What `packValue` made of the input. */
  readonly input: Uint8Array;
  /** Counted from the call of the handler, not while it waits for a thread; Infinity = none. */
  readonly timeoutMs: number;
  /** Its handler's isolation; `elsewhere` = not known, and then it has a thread alone. */
  readonly place: Isolation | "elsewhere";
}

export interface ComputePool {
  /**
   * All handlers, the built-in ones first. The modules are imported on a thread of the pool, never on the caller's.
   *
   * @throws MODULE_INVALID, also when the import exits, never ends or uses up the memory; UNAVAILABLE once closed, and
   *   where there are no threads
   */
  describe(): Promise<readonly HandlerInfo[]>;
  /**
   * Runs one attempt. Never rejects. More than `capacity` wait their turn. One that shares a thread is interrupted when
   * a neighbour ends it.
   */
  run(request: RunRequest): Promise<RunOutcome>;
  /**
   * Withdraws a run: one that waits ends at once, one that runs is told to stop and loses its thread after the grace.
   * A second call can shorten the grace. It is `cancelled` then, whatever its handler still returns.
   *
   * @returns false when there is no such run, or it has ended and only its outcome is on the way
   */
  cancel(taskId: string, options: { readonly graceMs: number }): boolean;
  /** Runs that can go on at once: with a thread alone, and on shared threads. */
  readonly capacity: { readonly threads: number; readonly shared: number };
  /** Runs that have not ended, waiting ones included. */
  readonly running: number;
  /** Stops all runs, which end `interrupted`, and then all threads. Resolves when none is left; may be called twice. */
  close(options: { readonly graceMs: number }): Promise<void>;
}

/** Tokens of leases begin at 1. */
const DESCRIBE_TOKEN = 0;

/** Suspects that are remembered; the oldest is forgotten first, and then shares a thread once more. */
const SUSPECTS_MAX = 4_096;

/** A handler pool. Nothing is loaded and no thread started before the first run or description. */
export function openPool(options: PoolOptions): ComputePool {
  return new HandlerPool(options, openThreads);
}

interface Run {
  readonly token: number;
  readonly outcome: Promise<RunOutcome>;
  /** False when it has ended. */
  readonly stop: (graceMs: number) => boolean;
}

/** The pool over any threads. */
export class HandlerPool implements ComputePool {
  readonly capacity: ComputePool["capacity"];
  readonly #options: PoolOptions;
  readonly #terms: PoolTerms;
  readonly #threads: Threads;
  readonly #lone: LoneRuns;
  readonly #shared: SharedRuns;
  readonly #runs = new Map<string, Run>();
  /** Tasks that may have ended a thread that they shared: the next time they have one alone, and then it is certain. */
  readonly #suspects = new Set<string>();
  #describing: Promise<readonly HandlerInfo[]> | null = null;
  #closing: Promise<void> | null = null;

  constructor(options: PoolOptions, open: (options: ThreadsOptions) => Threads) {
    const { modules, threads, heapMb, graceMs, blobsDirectory, clock, log } = options;
    const { roots, allowedHosts } = options;
    const { startMs, sharedPerThread } = LIMITS.compute;
    const { loadMs = LIMITS.compute.loadMs } = options;
    this.capacity = { threads, shared: threads * sharedPerThread };
    this.#options = options;
    this.#terms = { modules, heapMb, startMs, loadMs };
    const slots = Slots.allocate(threads + threads * SLOTS_PER_SESSION);
    const setup = { slots: slots.buffer, modules, roots, allowedHosts, blobsDirectory };
    const onMessage = (message: ThreadMessage): void => this.#hear(message);
    this.#threads = open({ entry: TASK_RUNNER, threads: 2 * threads, heapMb, setup, onMessage, log });
    const services = { slots, clock, threads: this.#threads };
    const limits = { startMs, loadMs, graceMs };
    this.#lone = new LoneRuns({ ...limits, services, threads });
    this.#shared = new SharedRuns({
      ...limits,
      services,
      threads,
      firstSlot: threads,
      textOf: (crash) => textOfCrash(crash, this.#terms),
      onSuspect: (taskId) => this.#suspect(taskId),
      onMessage,
    });
  }

  get running(): number {
    return this.#runs.size;
  }

  async describe(): Promise<readonly HandlerInfo[]> {
    if (this.#closing !== null) throw closedFault();
    if (this.capacity.threads === 0) {
      throw fault("UNAVAILABLE", { what: "the list of handlers", why: "there is no thread to load them" });
    }
    this.#describing ??= this.#describe().catch((error: unknown) => {
      // A module may have been mended meanwhile.
      this.#describing = null;
      throw error;
    });
    return this.#describing;
  }

  run(request: RunRequest): Promise<RunOutcome> {
    const { taskId, token, action, attempt, timeoutMs, input, traceparent } = request;
    assert(!this.#runs.has(taskId), `task "${taskId}" runs already`);
    if (this.#closing !== null) return Promise.resolve(interrupted("the pool was closed"));
    const line = request.place === "shared" && !this.#suspects.has(taskId) ? this.#shared : this.#lone;
    const { waitingRuns } = LIMITS.compute;
    // Interrupted, and so tried again: a caller that comes this far does not look at `running`.
    if (line.waiting >= waitingRuns) {
      return Promise.resolve(interrupted(`${waitingRuns} runs wait for a thread already`));
    }
    const { promise: outcome, resolve } = Promise.withResolvers<RunOutcome>();
    const attemptRequest = {
      kind: "run",
      token,
      taskId,
      action,
      attempt,
      timeoutMs,
      input: line === this.#lone ? detached(input) : input,
      ...(traceparent !== undefined && { traceparent }),
    } as const;
    const stop = line.run(attemptRequest, (end, module) => {
      if (line === this.#lone) this.#suspects.delete(taskId);
      const last = lastProgressOf(end);
      if (last !== null) this.#options.onProgress({ taskId, token, attempt }, last.fraction, last.message);
      this.#runs.delete(taskId);
      resolve(outcomeOf(end, request, this.#terms, module));
    });
    this.#runs.set(taskId, { token, outcome, stop });
    return outcome;
  }

  cancel(taskId: string, { graceMs }: { readonly graceMs: number }): boolean {
    return this.#runs.get(taskId)?.stop(graceMs) ?? false;
  }

  close({ graceMs }: { readonly graceMs: number }): Promise<void> {
    this.#closing ??= this.#close(graceMs);
    return this.#closing;
  }

  async #close(graceMs: number): Promise<void> {
    this.#shared.stopAll(graceMs);
    await this.#lone.stopAll(graceMs);
    await Promise.all(this.#runs.values().map(({ outcome }) => outcome));
    await this.#threads.close();
    await this.#shared.closed();
  }

  #describe(): Promise<readonly HandlerInfo[]> {
    const { promise, resolve, reject } = Promise.withResolvers<readonly HandlerInfo[]>();
    this.#lone.run({ kind: "describe", token: DESCRIBE_TOKEN }, (end, module) => {
      const described = handlersOf(end, this.#terms, module);
      if ("handlers" in described) resolve(described.handlers);
      else reject(fromWireError(described.error));
    });
    return promise;
  }

  #suspect(taskId: string): void {
    this.#suspects.add(taskId);
    const [oldest] = this.#suspects;
    if (this.#suspects.size > SUSPECTS_MAX && oldest !== undefined) this.#suspects.delete(oldest);
  }

  #hear(message: ThreadMessage): void {
    const { onLog, onProgress, log } = this.#options;
    const { by } = message;
    if (message.kind === "mcplusplus.log") {
      const { level, message: text, fields } = message;
      if (onLog !== undefined) onLog(by, level, text, fields);
      // What a handler complains about is no error of the system's.
      else
        log[level === "error" ? "warn" : level](text, by === null ? fields : { ...fields, task: by.taskId });
    } else if (this.#runs.get(message.by.taskId)?.token === message.by.token) {
      onProgress(message.by, message.fraction, message.message);
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
