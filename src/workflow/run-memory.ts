import type { TaskOutcome } from "../queue/queue.protocol.ts";
import type { CancelRequest } from "./run-effect.ts";

/** What outlives the scheduler: the queue's tasks of the run, and what its own rows hold. */
export interface RunMemory {
  /** By name: `formatTaskName`. */
  readonly tasks: ReadonlyMap<string, TaskOutcome>;
  readonly kept: KeptOutputs;
  readonly marks: RunMarks;
}

/** An output for which the queue has no task. */
export interface KeptOutput {
  readonly output: Uint8Array;
  readonly atMs: number;
  /** It comes from an earlier run, not from the cache. */
  readonly reused: boolean;
}

/** By step id, then by the place of the item, or `WHOLE`. */
export type KeptOutputs = ReadonlyMap<string, ReadonlyMap<number, KeptOutput>>;

/** In place of an item: the output of the whole step. */
export const WHOLE = -1;

/** What was decided about a run from outside. Times are milliseconds since 1970. */
export interface RunMarks {
  readonly cancel: (CancelRequest & { readonly atMs: number }) | null;
  /** Its time ran out. */
  readonly expiredAtMs: number | null;
  readonly pause: { readonly reason: string; readonly atMs: number } | null;
  /** Times that it was paused. */
  readonly generation: number;
}

export const NO_MARKS: RunMarks = { cancel: null, expiredAtMs: null, pause: null, generation: 0 };

/** Those that undo steps. */
export const compensationsOf = ({ tasks }: RunMemory): RunMemory["tasks"] =>
  new Map([...tasks].filter(([name]) => isCompensation(name)));

const isCompensation = (name: string): boolean => name.endsWith("/compensate");

/** When the first task of a step failed, or was cancelled; Infinity when none was. */
export function firstFailureAtMs({ tasks }: RunMemory): number {
  let first = Infinity;
  for (const [name, { state, endedAtMs }] of tasks) {
    if (isCompensation(name)) continue;
    if (state === "failed" || state === "cancelled") first = Math.min(first, endedAtMs ?? Infinity);
  }
  return first;
}
