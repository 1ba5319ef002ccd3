import type { LIMITS } from "../errors/index.ts";
import type { Quota, TaskOrder, WorkerSpec } from "./queue.protocol.ts";
import type { Task } from "./task.ts";
import type { LocalRoom, Worker } from "./workers.ts";

export interface Pause {
  readonly sinceMs: number;
  readonly reason: string;
}

/** What the core enforces itself; the rest of the queue's limits is checked at the door. */
export type CoreLimits = Pick<
  typeof LIMITS.queue,
  "interruptions" | "keptTasks" | "keptMs" | "waiters" | "positionTasks" | "furtherKeys" | "departedIds"
>;

export interface CoreOptions {
  readonly order: TaskOrder;
  readonly room: LocalRoom;
  /** From 0 up to, not including, 1: what jitter is made of. */
  readonly chance: () => number;
  readonly limits?: Partial<CoreLimits>;
  /** The highest sequence and token that were ever given: new ones are above them. */
  readonly marks: Marks;
  readonly pause: Pause | null;
  readonly quotas: readonly Quota[];
  readonly workers: readonly WorkerSpec[];
  readonly nowMs: number;
}

export interface Marks {
  readonly sequence: number;
  readonly token: number;
}

export interface ClaimTerms {
  readonly worker: Worker;
  readonly max: number;
  /** Null: until it ends, however long that takes. */
  readonly leaseMs: number | null;
  /** Only these; default: all that it can. */
  readonly actions?: readonly string[] | undefined;
}

/** What the disk has kept, to be taken over by a core. */
export interface Kept {
  /** In submission order, untied. */
  readonly tasks: Iterable<Task>;
  /** By sequence: what those tasks were submitted to wait for that were to wait at all, ended ones too. */
  readonly dependsOn: ReadonlyMap<number, readonly string[]>;
  /** By sequence: the idempotency keys that tasks were given after their submit. */
  readonly furtherKeys: ReadonlyMap<number, readonly string[]>;
  /** Ids of tasks that have left, the latest last. */
  readonly departed: Iterable<string>;
}
