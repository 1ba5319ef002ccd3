import { call, event, init, protocol } from "../actor/index.ts";
import type { WireError } from "../errors/index.ts";
import type { Wire } from "../schema/index.ts";
import type { LookPlace } from "../store/index.ts";

/** For the submitter, or for a reader: the queue does not look inside. */
export type WireRecord = { readonly [key: string]: Wire };

/** Where a task is in its life. Waiting for others, for a time or for a retry is `queued` too. */
/** In the order in which a task comes to them. The store writes a state as its place here: only ever append. */
export const TASK_STATES = ["queued", "running", "cancelling", "completed", "failed", "cancelled"] as const;
export type TaskState = (typeof TASK_STATES)[number];

/** States whose tasks can be cleared away. */
export const CLEARED_STATES = ["queued", "completed", "failed", "cancelled"] as const;
export type ClearedState = (typeof CLEARED_STATES)[number];

/**
 * Which of the tasks that could run runs next. Ties end in submission order, so that each is total.
 *
 * - `fifo`: submission order alone.
 * - `priority`: priority (higher first), then deadline; with `ageingMs`, one point of priority is made up for by so
 *   many milliseconds of waiting, so that nothing starves.
 * - `deadline`: earliest deadline first (none last), then priority.
 * - `priority_deadline`: earliest virtual deadline first, which is the deadline less `weightMs` per point of priority.
 *   A task without a deadline has one `horizonMs` after its submission.
 *
 * @see https://doi.org/10.1145/321738.321743 (Liu and Layland 1973, on earliest deadline first)
 */
export type TaskOrder =
  | { readonly by: "fifo" }
  | { readonly by: "priority"; readonly ageingMs?: number }
  | { readonly by: "deadline" }
  | { readonly by: "priority_deadline"; readonly weightMs?: number; readonly horizonMs?: number };

/** How long to wait before attempt n + 1 after attempt n failed: never more than `maxDelayMs`. */
export interface Backoff {
  /** `fixed`: the delay; `linear`: n times the delay; `exponential`: the delay times factor^(n - 1). */
  readonly shape: "none" | "fixed" | "linear" | "exponential";
  readonly delayMs: number;
  readonly factor: number;
  readonly maxDelayMs: number;
  /** 0 to 1: the share of the delay that chance may take off. @see https://aws.amazon.com/blogs/architecture/exponential-backoff-and-jitter/ */
  readonly jitter: number;
}

export interface TaskSpec {
  /** Unique for as long as the task is kept; 1 to 512 characters. */
  readonly taskId: string;
  /** The handler that does it. */
  readonly action: string;
  /** What `packValue` made of the handler's input. */
  readonly input: Uint8Array;
  /** Higher runs sooner; -1,000,000 to 1,000,000, default 1. */
  readonly priority?: number;
  /** How long one attempt may run, in milliseconds; default: the handler's own, else 300,000. */
  readonly timeoutMs?: number;
  /** Attempts before the task is failed; default 1. */
  readonly attempts?: number;
  /** Between attempts; what is left out has its default: exponential, 1 s, factor 2, at most 300 s, jitter 0. */
  readonly backoff?: Partial<Backoff>;
  /** Tasks of one group (a workflow run) are listed and released together. */
  readonly group?: string;
  /** Ids of tasks that must complete first; each is known, or stands earlier in the same submit. */
  readonly dependsOn?: readonly string[];
  /** What becomes of this task when one of those fails or is cancelled; default `cancel`. */
  readonly onDependencyFailure?: "cancel" | "run";
  /** Wall-clock milliseconds since 1970 by which it should have ended. It orders tasks and is never a reason to stop one. */
  readonly deadlineMs?: number;
  /** Not to start sooner than so many milliseconds after its submission. */
  readonly delayMs?: number;
  /** The same key with the same work is the same task, whatever its id. */
  readonly idempotencyKey?: string;
  readonly tags?: readonly string[];
  /** Capabilities that its worker must have, beside the action. */
  readonly requires?: readonly string[];
  /** For the submitter; the queue does not look inside. */
  readonly metadata?: WireRecord;
  /** W3C trace context of whoever submits it, for its handler; no part of its work. One that is invalid is left out. */
  readonly traceparent?: string;
}

/** What a submit answers for each task. */
export interface TaskReceipt {
  readonly taskId: string;
  readonly state: TaskState;
  /** It was there already: under its id, or under its idempotency key, and then `taskId` is that of the first. */
  readonly replayed: boolean;
}

export interface TaskStatus {
  readonly taskId: string;
  readonly action: string;
  readonly group: string | null;
  readonly state: TaskState;
  readonly priority: number;
  /** Attempts started so far, those that were interrupted not counted. */
  readonly attempt: number;
  readonly attempts: number;
  /** Attempts cut off by the death of their thread's neighbour, thread or process; not charged. */
  readonly interruptions: number;
  /** 0 to 1, as the handler reports it. */
  readonly progress: number;
  /** Wall-clock milliseconds since 1970; null = not yet. */
  readonly submittedAtMs: number;
  readonly startedAtMs: number | null;
  readonly endedAtMs: number | null;
  readonly deadlineMs: number | null;
  /** Queued, and not to start before: a delay, or the pause before a retry. */
  readonly notBeforeMs: number | null;
  /** Queued, and waiting for these to end. */
  readonly blockedBy: readonly string[];
  /** Who has it, or had it last; null = never started. `local` is the queue's own pool. */
  readonly workerId: string | null;
  readonly tags: readonly string[];
  /** Failed for good, and neither retried nor redriven since. */
  readonly deadLetter: boolean;
  /** The task that this one was made from by a retry or redrive. */
  readonly origin: string | null;
  /** The latest task that was made from this one. */
  readonly successor: string | null;
  /** It runs sooner than its own priority and deadline say, because a more urgent task waits for it. */
  readonly inherits: boolean;
}

/** How a task ended. */
export interface TaskOutcome extends TaskStatus {
  /** What `packValue` made of the output, when `completed`. A large one is a `Reference`. */
  readonly output: Uint8Array | null;
  readonly error: WireError | null;
}

/** One attempt that did not complete its task. */
export interface AttemptRecord {
  readonly attempt: number;
  readonly kind: "failed" | "interrupted";
  readonly startedAtMs: number;
  readonly endedAtMs: number;
  readonly workerId: string;
  readonly error: WireError | null;
}

export interface TaskLogLine {
  readonly atMs: number;
  readonly attempt: number;
  readonly level: "info" | "error";
  readonly message: string;
  readonly fields: WireRecord;
}

/** All given conditions hold for a listed task. */
export interface TaskFilter {
  readonly states?: readonly TaskState[];
  readonly workerId?: string;
  readonly action?: string;
  readonly group?: string;
  /** Every one of them. */
  readonly tags?: readonly string[];
  readonly priorityMin?: number;
  readonly deadLetter?: boolean;
}

/** Where a task stands among those that wait. */
export interface QueuePosition {
  /** Queued tasks that are ahead of it, itself not counted. */
  readonly ahead: number;
  /** False: at least `ahead`, and counting went no further. */
  readonly exact: boolean;
  /** When it would start at the present pace; null when nothing is known of that pace, or it cannot run at all. */
  readonly estimatedStartMs: number | null;
}

export interface Admission {
  readonly feasible: boolean;
  readonly estimatedEndMs: number | null;
  readonly reason: string;
}

// --- workers ----------------------------------------------------------------------------------------------------------

export interface WorkerSpec {
  /** 1 to 512 characters; `local` is the queue's own pool. */
  readonly workerId: string;
  /** Names of actions it has handlers for, and whatever else tasks may require. */
  readonly capabilities: readonly string[];
  /** Those of them that are actions it takes; default: all. What it merely has makes of no task one of its own then. */
  readonly actions?: readonly string[];
  /** Tasks it may have at once; default 5. */
  readonly maxConcurrent?: number;
  readonly resourceLimits?: WireRecord;
  readonly metadata?: WireRecord;
}

/** What the id of a worker begins with that is another node; its id follows. */
export const PEER_WORKER = "peer:";

/** The peer that a worker is; null: it is none, but the queue's own pool or another process. */
export const peerOfWorker = (workerId: string): string | null =>
  workerId.startsWith(PEER_WORKER) ? workerId.slice(PEER_WORKER.length) : null;

export type WorkerState = "active" | "idle" | "busy" | "draining" | "offline";

export interface WorkerStatus {
  readonly workerId: string;
  /** `active`: has work and room; `idle`: has none; `busy`: has no room; `offline`: silent for longer than its leases. */
  readonly state: WorkerState;
  readonly capabilities: readonly string[];
  readonly maxConcurrent: number;
  readonly resourceLimits: WireRecord;
  readonly metadata: WireRecord;
  readonly registeredAtMs: number;
  readonly lastSeenMs: number;
  /** Ids of what it has now. */
  readonly running: readonly string[];
  readonly completed: number;
  readonly failed: number;
}

/** A task in the hands of a worker outside the queue's own pool, until its lease ends. */
export interface Lease {
  readonly taskId: string;
  /** To be shown with every later call about this attempt. */
  readonly token: number;
  readonly action: string;
  readonly input: Uint8Array;
  readonly attempt: number;
  /** Null: the worker's own. */
  readonly timeoutMs: number | null;
  readonly leaseUntilMs: number;
  /** Of this attempt: the trace that the task is part of, with a span of its own. */
  readonly traceparent?: string;
}

export type LeaseEnd =
  | { readonly kind: "completed"; readonly output: Uint8Array }
  | { readonly kind: "failed"; readonly error: WireError }
  /** Cut off through no fault of the task: not charged, but counted. */
  | { readonly kind: "interrupted"; readonly error: WireError }
  /** Given back untouched: not charged. */
  | { readonly kind: "returned" };

/** One attempt of work that is no task of this queue. */
export interface AttemptSpec {
  /** Unique among those under way; its handler is told what stands after the last NUL as the id of its task. */
  readonly attemptId: string;
  readonly action: string;
  /** Packed. */
  readonly input: Uint8Array;
  /** From 1: what its handler is told. */
  readonly attempt: number;
  /** Null: the handler's own, else the queue's. */
  readonly timeoutMs: number | null;
}

/** How such an attempt ended. */
export type AttemptEnding =
  | { readonly kind: "completed"; readonly output: Uint8Array }
  | { readonly kind: "failed"; readonly error: WireError }
  /** It was stopped, as `stopAttempt` asked. */
  | { readonly kind: "cancelled" }
  /** Cut off through no fault of its own: it may be made once more. */
  | { readonly kind: "interrupted"; readonly error: WireError };

// --- quotas -----------------------------------------------------------------------------------------------------------

/** Bounds for all tasks of one action, or all that bear one tag. What is left out is not bounded. */
export interface Quota {
  readonly scope: "action" | "tag";
  /** The action or the tag. */
  readonly name: string;
  /** Attempts that run at once; 0 holds them all. */
  readonly concurrency?: number;
  /** Starts per second, and how many may come at once after a pause (default: one second's worth, at least 1). */
  readonly perSecond?: number;
  readonly burst?: number;
  /** Queued tasks; a submit beyond it is refused. */
  readonly queued?: number;
  /**
   * Of a tag: its tasks share the workers with other such tags and with the rest (weight 1) in proportion to the
   * weights, by starts. A task with several such tags counts for the first.
   *
   * @see https://doi.org/10.1109/32.879815 stride scheduling (Waldspurger and Weihl 1995)
   */
  readonly weight?: number;
}

export interface QuotaStatus extends Quota {
  readonly running: number;
  readonly waiting: number;
}

// --- explanations -----------------------------------------------------------------------------------------------------

/** Why a task is not running. The first is what holds it; with that removed the next may show. */
export type Blocker =
  | { readonly cause: "ended"; readonly state: TaskState }
  | { readonly cause: "running"; readonly workerId: string; readonly state: TaskState }
  | { readonly cause: "dependency"; readonly taskIds: readonly string[] }
  | { readonly cause: "delay"; readonly untilMs: number }
  | { readonly cause: "backoff"; readonly untilMs: number; readonly attempt: number }
  | { readonly cause: "paused"; readonly sinceMs: number; readonly reason: string }
  /** The queue was opened to be looked at: nothing here runs handlers. */
  | { readonly cause: "idle" }
  | { readonly cause: "no_worker"; readonly needs: readonly string[] }
  | { readonly cause: "worker_draining"; readonly workerIds: readonly string[] }
  | { readonly cause: "worker_offline"; readonly workerIds: readonly string[] }
  | { readonly cause: "worker_busy"; readonly workerIds: readonly string[] }
  | {
      readonly cause: "quota_concurrency";
      readonly scope: Quota["scope"];
      readonly name: string;
      readonly limit: number;
    }
  | {
      readonly cause: "quota_rate";
      readonly scope: Quota["scope"];
      readonly name: string;
      readonly untilMs: number;
    }
  | { readonly cause: "share"; readonly tag: string; readonly before: string }
  | { readonly cause: "order"; readonly ahead: number; readonly next: string };

export interface OrderingKey {
  readonly by: TaskOrder["by"];
  /** Compared from the left, smaller first; the last is the submission sequence. */
  readonly key: readonly [number, number, number];
  /** The task whose urgency this is, when it is not its own. */
  readonly inheritedFrom: string | null;
}

export interface Explanation {
  readonly taskId: string;
  readonly blockers: readonly Blocker[];
  readonly ordering: OrderingKey;
  /** One sentence for each blocker, in the same order. */
  readonly sentences: readonly string[];
}

export interface ActionInfo {
  readonly name: string;
  readonly description: string;
  /** URL of the module that defines it, or "built-in". */
  readonly module: string;
  /** Its own time-out for one attempt; null = the queue's. */
  readonly timeoutMs: number | null;
  /** Of the module's file, in hex, so that a run can tell that its handlers changed; null for built-in ones. */
  readonly moduleSha256: string | null;
}

/** Seconds, from all that were observed since the queue was opened; null figures before the first. */
export interface DurationFigures {
  readonly count: number;
  readonly mean: number | null;
  readonly p50: number | null;
  readonly p95: number | null;
  readonly p99: number | null;
  readonly max: number | null;
}

export interface QueueStats {
  readonly durability: "flushed" | "committed" | "memory";
  readonly order: TaskOrder;
  readonly paused: { readonly sinceMs: number; readonly reason: string } | null;
  readonly queued: number;
  /** Of the queued ones: those that wait for a time, and those that wait for others. */
  readonly delayed: number;
  readonly blocked: number;
  readonly running: number;
  readonly cancelling: number;
  readonly completed: number;
  readonly failed: number;
  readonly cancelled: number;
  readonly deadLetters: number;
  /** Highest priority first; at most 100, the rest are in the last. */
  readonly queuedByPriority: readonly { readonly priority: number; readonly queued: number }[];
  readonly oldestQueuedMs: number | null;
  /** Since the queue was opened. */
  readonly wait: DurationFigures;
  readonly run: DurationFigures;
  readonly total: DurationFigures;
  readonly throughputPerMinute: number;
  readonly deadlineMisses: number;
  readonly boosts: number;
  readonly fenced: number;
  readonly retries: number;
  readonly interruptions: number;
  readonly commits: number;
  readonly commitsPerSecond: number;
  readonly meanBatch: number | null;
  readonly rows: number;
  readonly threads: number;
}

type LeaseRef = { readonly workerId: string; readonly taskId: string; readonly token: number };

export const Queue = protocol("queue", {
  init: init<{
    /** Absent with durability `memory`. */
    directory: string | null;
    durability: "flushed" | "committed" | "memory";
    order: TaskOrder;
    /** URLs of the modules that export handlers. */
    modules: string[];
    /** Handlers that run at once on threads of their own, and handlers that share one such thread. */
    threads: number;
    sharedPerThread: number;
    /** Memory of one handler thread. */
    heapMb: number;
    /** How long a cancelled handler may take to notice before its thread is terminated. */
    graceMs: number;
    /** Absolute directories that `ctx.path` accepts. */
    roots: string[];
    /** Hosts that the action `http_fetch` may reach. */
    allowedHosts: string[];
    /** Ended tasks beyond so many, or older than so long, leave. */
    keptTasks: number;
    keptMs: number;
    quotas: Quota[];
  }>(),
  /**
   * Accepted as a whole or not at all. Resolves when all are on disk at the queue's durability level. A task that is
   * there already with the same action and input is returned as it stands, so that a caller may safely ask again.
   */
  submit: call<{ tasks: TaskSpec[] }, { tasks: TaskReceipt[] }>(),
  /** Can a task like this end by its deadline at the present load? Changes nothing. */
  admission: call<{ task: TaskSpec }, Admission>(),
  status: call<{ taskId: string }, TaskStatus>(),
  position: call<{ taskId: string }, QueuePosition>(),
  /** Rejects with `TASK_NOT_FINISHED` before the end. */
  outcome: call<{ taskId: string }, TaskOutcome>(),
  /** Resolves at the end of the task, with how it ended. */
  wait: call<{ taskId: string }, TaskOutcome>(),
  /** In submission order; `limit` is 1 to 1,000. */
  list: call<{ filter: TaskFilter; offset: number; limit: number }, { tasks: TaskStatus[]; total: number }>(),
  /**
   * Tasks of a group in submission order, ended ones with their output; at most 1,000 a page. A page of large outputs
   * ends early, though never empty before the end: go on at `offset + tasks.length` until `total`.
   */
  group: call<{ group: string; offset: number; limit: number }, { tasks: TaskOutcome[]; total: number }>(),
  /** Queued ones end at once; running handlers see their signal, and after the grace their thread is terminated. */
  cancel: call<
    { taskIds: string[]; reason: string; force: boolean },
    { cancelled: number; cancelling: number }
  >(),
  /**
   * Takes tasks back: they are gone as if they had never been submitted. Those that an attempt was made of stay, as do
   * those that others, or callers, wait for, and those that have ended.
   */
  withdraw: call<{ taskIds: string[] }, { withdrawn: string[] }>(),
  /** Of a task that has not ended. By value or by difference; the result is cut to the allowed range. */
  reprioritize: call<
    { taskId: string; to: { priority: number } | { delta: number } },
    { before: number; after: number }
  >(),
  /** No new starts; what runs finishes. Survives a restart. */
  pause: call<{ reason: string }, { sinceMs: number; queued: number; running: number }>(),
  resume: call<void, { queued: number }>(),
  /** Queued tasks are cancelled; ended ones are forgotten, and their ids are free. */
  clear: call<{ states: ClearedState[] }, { cleared: number; remaining: number }>(),
  /**
   * A new task with the work of one that failed or was cancelled; the old one stays and names it. Its id is the old
   * one's with `-retry-N`, and quotas admit it as they do a submit. It is part of the trace of the call (`traceparent`),
   * or of that of the old one.
   */
  retry: call<
    { taskId: string; attempts?: number; timeoutMs?: number },
    { taskId: string; retries: number }
  >(),
  /** `retry` for dead letters, oldest first, at most `limit` (1 to 1,000), all or none; without ids, all that match. */
  redrive: call<
    { taskIds: string[] | null; filter: TaskFilter; limit: number },
    { redriven: { taskId: string; newTaskId: string }[]; remaining: number }
  >(),
  /** Forgets dead letters. */
  purge: call<{ taskIds: string[] | null; filter: TaskFilter }, { purged: number }>(),
  /** Every attempt that did not complete the task, oldest first; where their errors are too much for a message, in brief. */
  attempts: call<{ taskId: string }, { attempts: AttemptRecord[] }>(),
  /** Oldest first; a page of long lines ends early. */
  logs: call<
    { taskId: string; offset: number; limit: number },
    { lines: TaskLogLine[]; total: number; dropped: number }
  >(),
  /** The group's owner needs its tasks no longer: they may leave with retention. */
  release: call<{ group: string }, { released: number }>(),
  /** The group's owner has forgotten it: it is released, and those of its tasks that have ended leave now. */
  forget: call<{ group: string }, { forgotten: number }>(),
  explain: call<{ taskId: string }, Explanation>(),

  registerWorker: call<{ worker: WorkerSpec }, WorkerStatus>(),
  /**
   * Graceful: it gets no more tasks, and what it has may end within the time; the rest is interrupted and queued
   * again. Resolves when it is gone.
   */
  unregisterWorker: call<
    { workerId: string; graceful: boolean; timeoutMs: number },
    { completed: number; abandoned: number }
  >(),
  workers: call<void, { workers: WorkerStatus[] }>(),
  worker: call<{ workerId: string }, WorkerStatus>(),
  /** Those of the actions that a registered worker takes. */
  elsewhere: call<{ actions: string[] }, { actions: string[] }>(),
  /**
   * The next tasks that this worker may take, as soon as there is one, at most `max`; none when `waitMs` have passed.
   * `actions` narrows it to these for this once.
   */
  claim: call<
    { workerId: string; max: number; leaseMs: number; waitMs: number; actions?: string[] },
    { leases: Lease[] }
  >(),
  /** Claims of this worker that wait are answered now, with nothing: so none is lost on its way, as by withdrawing the call. */
  endClaims: call<{ workerId: string }, { ended: number }>(),
  /** Also the sign of life of a worker. Names the leases that it has lost. */
  renew: call<
    { workerId: string; leases: { taskId: string; token: number }[]; leaseMs: number },
    { lost: string[]; cancelling: string[] }
  >(),
  /** Resolves when the end is on disk. Rejects with `LEASE_LOST`, and nothing changes. */
  finish: call<LeaseRef & { end: LeaseEnd }, { state: TaskState }>(),
  report: call<LeaseRef & { progress: number; message: string }, boolean>(),

  setQuota: call<{ quota: Quota }>(),
  removeQuota: call<{ scope: Quota["scope"]; name: string }, boolean>(),
  quotas: call<void, { quotas: QuotaStatus[] }>(),

  /**
   * Runs a handler once, on a thread alone, without a task: nothing of it is on disk, in order or under a quota, and nobody
   * makes a second attempt. It is cancelled with its call. Input and output are packed; a large output goes by reference.
   * Rejects with the failure of the handler; with `UNAVAILABLE` when it was cut off, and may have done something, or when
   * too many wait for a thread, and with what `actions` rejects with. It is part of the trace of its call.
   */
  compute: call<{ action: string; input: Uint8Array }, { output: Uint8Array }>(),
  /**
   * The same for whoever keeps tasks of its own and sends them here: on the thread that the handler declares, with a time
   * of its own, and with its end told as a task's would be, once the handler has ended and not before. Rejects with
   * `ALREADY_EXISTS`, and with what `actions` rejects with. Cancelled with its call, and then its end is told to nobody.
   * It is part of the trace of its call.
   */
  attempt: call<{ spec: AttemptSpec }, { end: AttemptEnding }>(),
  /** False when there is no such attempt, or it has just ended. */
  stopAttempt: call<{ attemptId: string }, boolean>(),
  /** Loads the modules on a handler thread on first use. Rejects with `MODULE_INVALID`. */
  actions: call<void, ActionInfo[]>(),
  stats: call<void, QueueStats>(),
  /**
   * Addresses of the large values that tasks name, a part of them at a time: go on at `next` until it is null. Whatever
   * names a value from the first call to the last is told, and nothing that is told gone can come back. `attemptMs` is
   * how long the oldest attempt has been running: what its handler stores is named only when it ends.
   */
  references: call<{ from: LookPlace }, { addresses: string[]; next: LookPlace | null; attemptMs: number }>(),
  /** A consistent copy of the queue's file at an absolute path that does not exist yet; writes go on meanwhile. */
  backup: call<{ path: string }, { sizeBytes: number }>(),

  /** The next three are told of tasks that belong to a group: whoever owns it follows them. */
  started: event<{
    taskId: string;
    group: string | null;
    attempt: number;
    startedAtMs: number;
    /** Who has it; `local` is the queue's own pool. */
    workerId: string;
  }>(),
  progressed: event<{ taskId: string; group: string | null; progress: number; message: string }>(),
  /** After the end is on disk. */
  settled: event<TaskOutcome>(),
  /** A worker outside is to stop these: they are being cancelled, or are its own no longer. `renew` tells which. */
  recalled: event<{ workerId: string; taskIds: string[] }>(),
  /** How far an attempt is that is no task of this queue: 0 to 1. */
  attemptProgressed: event<{ attemptId: string; progress: number; message: string }>(),
});
