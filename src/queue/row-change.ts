import type { WireError } from "../errors/index.ts";
import type { AttemptRecord, TaskLogLine, WireRecord } from "./queue.protocol.ts";
import type { Task, TaskLife } from "./task.ts";

/** What a new task brings that only the disk keeps. */
export interface Content {
  readonly input: Uint8Array;
  readonly metadata: WireRecord | null;
  /** A retry takes over what its origin has. */
  readonly dependsOn: readonly string[];
}

/** One row to write, and enough to take the change back. */
export interface RowChange {
  readonly task: Task;
  /** Null: the task is new. */
  readonly before: TaskLife | null;
  readonly after: TaskLife;
  /** Present when the task is new. */
  readonly content?: Content;
  readonly output?: Uint8Array;
  readonly error?: WireError;
  /** An attempt that ended without completing the task. */
  readonly attempt?: AttemptRecord;
  readonly log?: readonly TaskLogLine[];
  /** A further idempotency key, of a task that was submitted without it. Nothing else changes then. */
  readonly key?: string;
  /** Of a claim: what it was charged and what it wiped out, when there was any of it. */
  readonly start?: { readonly refund: (() => void) | null; readonly progress: number | null };
}

/** A task that is submitted and claimed in one is written as claimed. */
export function merged(rows: readonly RowChange[], claims: readonly RowChange[]): RowChange[] {
  if (rows.length === 0 || claims.length === 0) return [...rows, ...claims];
  const claimed = new Map(claims.map((claim) => [claim.task, claim]));
  const first = rows.map((row) => {
    const claim = row.before === null ? claimed.get(row.task) : undefined;
    if (!claim) return row;
    claimed.delete(row.task);
    return { ...row, after: claim.after };
  });
  return [...first, ...claimed.values()];
}
