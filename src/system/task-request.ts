import { randomUUID } from "node:crypto";
import { packValue, tryPack, unpackValue, type Packed, type Reference } from "../codec/index.ts";
import { LIMITS, fault } from "../errors/index.ts";
import type { TaskOutcome, TaskSpec } from "../queue/queue.protocol.ts";
import { checkName, invalidArgument, shortText } from "../schema/index.ts";
import { validTraceparent } from "../telemetry/index.ts";

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

/** A task as the queue takes it, and the values that its input refers to. */
export interface ReadyTask {
  readonly spec: TaskSpec;
  readonly references: readonly Reference[];
}

/** @throws INVALID_ARGUMENT (the id, the deadline, too large an input), NOT_A_WIRE_VALUE (the input, the metadata) */
export function toSpec(request: TaskRequest): ReadyTask {
  // Modules without types pass anything.
  const given: unknown = request;
  if (typeof given !== "object" || given === null) {
    throw invalidArgument("task", shortText(given), "an object with an action");
  }
  const { id: taskId = randomUUID(), admit: _admit, input = {}, deadline, traceparent, ...rest } = request;
  checkName("taskId", taskId, LIMITS.queue.nameChars);
  const { inputBytes, metadataBytes } = LIMITS.queue;
  const { bytes, references } = packed(input, "input", taskId, inputBytes);
  if (rest.metadata !== undefined) packed(rest.metadata, "metadata", taskId, metadataBytes);
  const deadlineMs = deadline === undefined ? {} : { deadlineMs: deadlineMsOf(deadline) };
  const trace = traceparent === undefined ? {} : traceOf({ traceparent });
  return { spec: { ...rest, taskId, input: bytes, ...deadlineMs, ...trace }, references };
}

/** What is handed on of the trace context that a program gives: nothing, when it gives none, or an invalid one. */
export function traceOf({ traceparent }: { readonly traceparent?: unknown }): { traceparent?: string } {
  const valid = validTraceparent(traceparent);
  return valid === undefined ? {} : { traceparent: valid };
}

/** @throws NOT_A_WIRE_VALUE, INVALID_ARGUMENT when it takes more than so many bytes */
function packed(
  value: unknown,
  argument: "input" | "metadata",
  taskId: string,
  bytesMax: number,
): Extract<Packed, { bytes: Uint8Array }> {
  const made = tryPack(value, bytesMax);
  if (made.bytes !== undefined) return made;
  if (!made.isTooLarge) {
    throw fault("NOT_A_WIRE_VALUE", { what: `the ${argument} of task "${taskId}"`, found: made.found });
  }
  const allowed = `at most ${bytesMax} bytes packed; a larger value goes by reference`;
  throw invalidArgument(argument, made.found, allowed);
}

export function toResult({ output, ...rest }: TaskOutcome): TaskResult {
  return { ...rest, output: output === null ? undefined : unpackValue(output) };
}

/** What is around an input in a message: names, numbers and the fields' own lengths. */
const FRAME_BYTES = 512;

/** About how many bytes of a message a task takes: enough to keep a batch well below what one message may have. */
export function messageBytesOf({ input, dependsOn, metadata }: TaskSpec): number {
  const dependencies = (dependsOn?.length ?? 0) * LIMITS.queue.nameChars;
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
  throw invalidArgument(
    "deadline",
    shortText(deadline),
    "a Date, a time like 2026-01-31T12:00:00Z, or milliseconds since 1970",
  );
}

/** @throws DEADLINE_UNREACHABLE */
export function unreachable(taskId: string, reason: string): Error {
  return fault("DEADLINE_UNREACHABLE", { taskId, reason });
}
