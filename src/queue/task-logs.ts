import { LIMITS } from "../errors/index.ts";
import { findNonWire } from "../schema/index.ts";
import type { Log } from "../telemetry/index.ts";
import type { TaskLogLine } from "./queue.protocol.ts";
import { hasEnded, type Task } from "./task.ts";

/** A line as a handler thread sends it. */
export interface LoggedLine {
  readonly level: "info" | "error";
  readonly message: string;
  readonly fields: Readonly<Record<string, unknown>>;
}

/** What attempts log, until they end and it is written with their ends. */
export class TaskLogs {
  readonly #log: Log;
  /** For lines that come after the end of their task: what a thread says last may come after its answer. */
  readonly #append: (task: Task, lines: readonly TaskLogLine[]) => void;
  readonly #lines = new Map<string, TaskLogLine[]>();

  constructor(log: Log, append: (task: Task, lines: readonly TaskLogLine[]) => void) {
    this.#log = log;
    this.#append = append;
  }

  /** @param task undefined: nobody's line, or that of a task which has left */
  add(task: Task | undefined, { level, message, fields }: LoggedLine, atMs: number): void {
    const place = task === undefined ? fields : { ...fields, task: task.taskId };
    // What a handler complains about is no error of the system's.
    this.#log[level === "error" ? "warn" : level](message, place);
    if (task === undefined) return;
    const sound = findNonWire(fields) === undefined;
    const kept = sound ? (fields as TaskLogLine["fields"]) : { left_out: Object.keys(fields) };
    const line = { level, message, fields: kept, atMs, attempt: task.life.attempt };
    if (hasEnded(task)) return this.#append(task, [line]);
    const lines = this.#lines.get(task.taskId) ?? [];
    if (lines.length >= LIMITS.compute.logRecords) return;
    this.#lines.set(task.taskId, lines);
    lines.push(line);
  }

  /** What is not written yet. */
  of(taskId: string): readonly TaskLogLine[] {
    return this.#lines.get(taskId) ?? [];
  }

  /** It is being written. */
  take(taskId: string): void {
    this.#lines.delete(taskId);
  }

  /** It could not be written. */
  putBack(taskId: string, lines: readonly TaskLogLine[]): void {
    if (lines.length > 0) this.#lines.set(taskId, [...lines, ...this.of(taskId)]);
  }
}
