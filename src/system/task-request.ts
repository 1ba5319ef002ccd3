import { Reference, packValue, unpackValue } from "../codec/index.ts";
import { LIMITS, fault } from "../errors/index.ts";
import type { TaskOutcome, TaskSpec } from "../queue/queue.protocol.ts";
import { assertWire, invalidArgument } from "../schema/index.ts";

/** A task as a program writes it. Only its action is compulsory; what is left out has the default of `TaskSpec`. */
export interface TaskRequest extends Omit<TaskSpec, "taskId" | "input" | "deadlineMs" | "group"> {
  /** Unique for as long as the task is kept; 1 to 512 characters. Default: a random UUID. */
  readonly id?: string;
  /** What its handler is given: anything that can cross a thread, also what `Reference`s stand for. Default `{}`. */
  readonly input?: unknown;
  /** When it should have ended: a date, ISO-8601 text with its zone, or milliseconds since 1970. */
  readonly deadline?: Date | string | number;
  /** Refuse it when it cannot end by its deadline at the present load; default false. */
  readonly admit?: boolean;
}

/** How a task ended, with its output as a value. */
export interface TaskResult extends Omit<TaskOutcome, "output"> {
  /** What its handler returned, when it completed; a large one is a `Reference`, which `system.load` reads. */
  readonly output: unknown;
}

/** @throws INVALID_ARGUMENT (the deadline), NOT_A_WIRE_VALUE (the input) */
export function toSpec(request: TaskRequest, taskId: string): TaskSpec {
  const { id: _id, admit: _admit, input = {}, deadline, ...rest } = request;
  return {
    ...rest,
    taskId,
    input: packInput(input, `the input of task "${taskId}"`),
    ...(deadline === undefined ? {} : { deadlineMs: deadlineMsOf(deadline) }),
  };
}

export function toResult({ output, ...rest }: TaskOutcome): TaskResult {
  return { ...rest, output: output === null ? undefined : unpackValue(output) };
}

/** @throws NOT_A_WIRE_VALUE */
export function packInput(value: unknown, what: string): Uint8Array {
  assertWire(withoutReferences(value), what);
  return packValue(value);
}

/** What is around an input in a message: names, numbers and the fields' own lengths. */
const FRAME_BYTES = 512;

/** About how many bytes of a message a task takes: enough to keep a batch well below what one message may have. */
export function messageBytesOf({ input, dependsOn = [], metadata }: TaskSpec): number {
  const dependencies = dependsOn.length * LIMITS.queue.nameChars;
  return FRAME_BYTES + input.byteLength + dependencies + (metadata ? packValue(metadata).byteLength : 0);
}

/** Date, time and zone: what lacks one of them means different moments on different machines. */
const ISO_TIME = /^\d{4}-\d\d-\d\dT\d\d:\d\d.*(?:Z|[+-]\d\d:?\d\d)$/i;

function deadlineMsOf(deadline: Date | string | number): number {
  if (typeof deadline === "number" && Number.isFinite(deadline)) return deadline;
  const ms =
    deadline instanceof Date
      ? deadline.getTime()
      : typeof deadline === "string" && ISO_TIME.test(deadline)
        ? Date.parse(deadline)
        : Number.NaN;
  if (!Number.isNaN(ms)) return ms;
  const got = typeof deadline === "string" ? JSON.stringify(deadline) : String(deadline);
  throw invalidArgument(
    "deadline",
    got,
    "a Date, a time like 2026-01-31T12:00:00Z, or milliseconds since 1970",
  );
}

/** References cross as what they are, in any place; the rest of the value is what must be plain. */
function withoutReferences(value: unknown, depth = 0): unknown {
  if (value instanceof Reference) return null;
  if (value instanceof Uint8Array) return value;
  if (typeof value !== "object" || value === null || depth > LIMITS.schema.wireDepth) return value;
  if (Array.isArray(value)) {
    const items = value.map((item) => withoutReferences(item, depth + 1));
    return items.some((item, index) => item !== value[index]) ? items : value;
  }
  const entries = Object.entries(value).map(
    ([key, field]) => [key, withoutReferences(field, depth + 1)] as const,
  );
  // Copied only where a reference was: what an instance of a class is would be lost in a copy.
  const same = entries.every(([key, field]) => (value as Record<string, unknown>)[key] === field);
  return same ? value : Object.fromEntries(entries);
}

/** @throws DEADLINE_UNREACHABLE */
export function unreachable(taskId: string, reason: string): Error {
  return fault("DEADLINE_UNREACHABLE", { taskId, reason });
}
