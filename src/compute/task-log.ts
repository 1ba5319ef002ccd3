import { inspect } from "node:util";
import { tryPack } from "../codec/index.ts";
import { LIMITS } from "../errors/index.ts";
import type { AttemptName, TaskLogFields, TaskLogLevel, ThreadMessage } from "./thread-message.ts";

const { logRecords, logBytes, logChars, logFieldsBytes } = LIMITS.compute;

/** At most so many characters of a text, fit to cross; modules without types pass anything for one. */
export function shortText(text: unknown, charsMax: number): string {
  const whole = typeof text === "string" ? text : shown(text);
  const kept = whole.length <= charsMax ? whole : `${whole.slice(0, charsMax)}…`;
  // The cut may have halved a surrogate pair.
  return kept.toWellFormed();
}

/** Some of a value, whatever its own way of showing itself does. */
function shown(value: unknown): string {
  try {
    return inspect(value, { depth: 2, maxArrayLength: 20, maxStringLength: 200 });
  } catch {
    return "something that cannot be shown";
  }
}

/** What an attempt (or a thread that imports modules) logs and prints, bounded, on its way to the pool. */
export class TaskLog {
  readonly #by: AttemptName | null;
  readonly #post: (message: ThreadMessage) => void;
  #left = { records: logRecords, bytes: logBytes };
  #dropped = 0;

  constructor(by: AttemptName | null, post: (message: ThreadMessage) => void) {
    this.#by = by;
    this.#post = post;
  }

  /** Never throws: fields that cannot cross, or are too many, are named instead of sent. */
  write(level: TaskLogLevel, message: unknown, fields: TaskLogFields = {}): void {
    if (this.#left.records === 0) return void this.#dropped++;
    const text = shortText(message, logChars);
    const sizeBytes = fieldsBytes(fields);
    this.#left.bytes -= Buffer.byteLength(text) + (sizeBytes ?? 0);
    if (this.#left.bytes < 0) this.#left.records = 0;
    if (this.#left.records === 0) return void this.#dropped++;
    this.#left.records -= 1;
    const record = { kind: "mcplusplus.log", by: this.#by, level, message: text } as const;
    try {
      if (sizeBytes !== undefined) return this.#post({ ...record, fields });
    } catch {
      // They changed while they were read.
    }
    this.#post({ ...record, fields: { fieldsLeftOut: namesOf(fields) } });
  }

  /** Says what was left out, if anything was. */
  end(): void {
    const dropped = this.#dropped;
    if (dropped === 0) return;
    const bounds = `at most ${logRecords}, and ${logBytes} bytes, are kept`;
    this.#post({
      kind: "mcplusplus.log",
      by: this.#by,
      level: "error",
      message: `${dropped} further log records of this attempt were left out; ${bounds}`,
      fields: { recordsLeftOut: dropped },
    });
  }
}

/** Undefined for what are no fields, too many, or cannot cross: modules without types pass anything. */
export function fieldsBytes(fields: unknown): number | undefined {
  if (typeof fields !== "object" || fields === null || Array.isArray(fields)) return undefined;
  return tryPack(fields, logFieldsBytes).bytes?.byteLength;
}

const NAMES_MAX = 20;
const NAME_CHARS = 100;

function namesOf(fields: unknown): string[] {
  try {
    const names = Object.keys(fields as object);
    return names.slice(0, NAMES_MAX).map((name) => shortText(name, NAME_CHARS));
  } catch {
    return [];
  }
}
