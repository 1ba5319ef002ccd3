import { LIMITS } from "../errors/index.ts";
import { parseTraceparent, type Log } from "../telemetry/index.ts";
import type { TaskLogLine } from "./queue.protocol.ts";
import { isBusy, type Task } from "./task.ts";

/** A line as a handler thread sends it. */
export interface LoggedLine {
  readonly level: "info" | "error";
  readonly message: string;
  readonly fields: Readonly<Record<string, unknown>>;
}

/** Whose line it is. */
export interface LineOwner {
  readonly task: Task;
  /** The one that wrote it, which may be over. */
  readonly attempt: number;
}

/** What attempts log, until they end and it is written with their ends. */
export class TaskLogs {
  readonly #log: Log;
  /** For lines that come after the end of their attempt: what a thread says last may come after its answer. */
  readonly #append: (task: Task, lines: readonly TaskLogLine[]) => void;
  /** Of the attempts that run. */
  readonly #lines = new Map<string, TaskLogLine[]>();

  constructor(log: Log, append: (task: Task, lines: readonly TaskLogLine[]) => void) {
    this.#log = log;
    this.#append = append;
  }

  /**
   * @param of null: nobody's line, or that of a task which has left, or of an attempt that is made for none
   * @param traceparent of its attempt
   */
  add(of: LineOwner | null, { level, message, fields }: LoggedLine, atMs: number, traceparent = ""): void {
    const place = of === null ? fields : { ...fields, task: of.task.taskId };
    const trace = traceparent === "" ? undefined : parseTraceparent(traceparent);
    const placed = trace ? { ...place, trace: trace.traceId, span: trace.spanId } : place;
    // What a handler complains about is no error of the system's.
    this.#log[level === "error" ? "warn" : level](message, placed);
    if (of === null) return;
    // The pool has let wire values through only.
    const line = { level, message, fields: fields as TaskLogLine["fields"], atMs, attempt: of.attempt };
    if (isOver(of)) return this.#append(of.task, [line]);
    const { taskId } = of.task;
    const lines = this.#lines.get(taskId) ?? [];
    if (lines.length >= LINES_MAX) return;
    this.#lines.set(taskId, lines);
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

/** All that an attempt may log, and the line that counts the rest. */
const LINES_MAX = LIMITS.compute.logRecords + 1;

function isOver({ task, attempt }: LineOwner): boolean {
  return !isBusy(task) || task.life.attempt !== attempt;
}
