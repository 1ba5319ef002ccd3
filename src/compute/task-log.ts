import { inspect } from "node:util";
import type { TaskLogFields, TaskLogLevel, ThreadMessage } from "./thread-message.ts";

/** Records that one attempt may write; the rest are counted, and the count is its last record. */
export const TASK_LOG_RECORDS_MAX = 1_000;
/** A longer text is cut. */
export const TASK_LOG_CHARS_MAX = 8_000;

/** At most so many characters of a text; modules without types pass anything for one. */
export function shortText(text: unknown, charsMax: number): string {
  const whole = typeof text === "string" ? text : inspect(text);
  return whole.length <= charsMax ? whole : `${whole.slice(0, charsMax)}…`;
}

/** What an attempt (or a thread that imports modules) logs and prints, bounded, on its way to the pool. */
export class TaskLog {
  readonly #taskId: string | null;
  readonly #post: (message: ThreadMessage) => void;
  #written = 0;

  constructor(taskId: string | null, post: (message: ThreadMessage) => void) {
    this.#taskId = taskId;
    this.#post = post;
  }

  /** Never throws: fields that cannot cross to the pool are named instead of sent. */
  write(level: TaskLogLevel, message: unknown, fields: TaskLogFields = {}): void {
    this.#written += 1;
    if (this.#written > TASK_LOG_RECORDS_MAX) return;
    const text = shortText(message, TASK_LOG_CHARS_MAX);
    const record = { kind: "mcplusplus.log", taskId: this.#taskId, level, message: text } as const;
    try {
      this.#post({ ...record, fields });
    } catch {
      this.#post({ ...record, fields: { fieldsLeftOut: Object.keys(fields) } });
    }
  }

  /** Says what was left out, if anything was. */
  end(): void {
    const dropped = this.#written - TASK_LOG_RECORDS_MAX;
    if (dropped <= 0) return;
    this.#post({
      kind: "mcplusplus.log",
      taskId: this.#taskId,
      level: "error",
      message: `${dropped} further log records of this attempt were left out; at most ${TASK_LOG_RECORDS_MAX} are kept`,
      fields: { recordsLeftOut: dropped },
    });
  }
}
