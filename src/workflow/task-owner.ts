import type { WireError } from "../errors/index.ts";
import type { TaskEnd } from "./run-effect.ts";
import type { KeptOutput } from "./run-memory.ts";
import type { RunTask } from "./run-step.ts";

/** One attempt has begun; `startedAtMs` null = when that was is not known. */
export interface TaskStart {
  readonly attempt: number;
  readonly startedAtMs: number | null;
  /** Who has it; null = that is not known. */
  readonly workerId: string | null;
}

/** What a task is asked for: it hears what becomes of it. */
export interface TaskOwner {
  started(task: RunTask, start: TaskStart): void;
  /** @param progress 0 to 1 */
  progressed(task: RunTask, progress: number, message: string | null): void;
  /** The queue has it back in line: what ran it died. */
  interrupted(task: RunTask): void;
  settled(task: RunTask, end: TaskEnd): void;
  /** Its output was there already, and nothing runs. */
  found(task: RunTask, kept: KeptOutput): void;
  /** It cannot be asked for. */
  failed(task: RunTask, error: WireError): void;
  /** Nobody will be asked for it any more: the run is being stopped. */
  dropped(task: RunTask): void;
}
