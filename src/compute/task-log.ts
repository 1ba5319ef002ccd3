import { inspect } from "node:util";
import { LIMITS } from "../errors/index.ts";
import type { TaskLogFields, TaskLogLevel, ThreadMessage } from "./thread-message.ts";

const { logRecords, logChars } = LIMITS.compute;

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
    if (this.#written > logRecords) return;
    const text = shortText(message, logChars);
    const record = { kind: "mcplusplus.log", taskId: this.#taskId, level, message: text } as const;
    try {
      this.#post({ ...record, fields });
    } catch {
      this.#post({ ...record, fields: { fieldsLeftOut: Object.keys(fields) } });
    }
  }

  /** Says what was left out, if anything was. */
  end(): void {
    const dropped = this.#written - logRecords;
    if (dropped <= 0) return;
    this.#post({
      kind: "mcplusplus.log",
      taskId: this.#taskId,
      level: "error",
      message: `${dropped} further log records of this attempt were left out; at most ${logRecords} are kept`,
      fields: { recordsLeftOut: dropped },
    });
  }
}
