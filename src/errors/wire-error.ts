import { LIMITS } from "./limits.ts";
import { FAULTS, type FaultCode, type FaultDetails } from "./fault-table.ts";
import { Fault, isFault, sentenceFor } from "./fault.ts";
import { isError, peek, textOf } from "./thrown.ts";

/**
 * How an error crosses a thread, a file or a network: structured clone would lose the name, the code, the details
 * and the cause. No stack crosses: it is written to the log of the thread that threw.
 */
export interface WireError {
  readonly code: FaultCode;
  readonly message: string;
  readonly details: Record<string, unknown>;
  readonly cause?: WireError;
  readonly errors?: readonly WireError[];
}

const LIMIT = LIMITS.errors;
/** What an entry takes of that beside its text. */
const ENTRY_CHARS = 8;

/** What is left for the texts of one error. */
interface Room {
  chars: number;
}

/**
 * Whatever was thrown, as plain data: always a wire value, and below a megabyte, however large, cyclic or hostile it
 * is. What has no code becomes a `DEFECT`. Never throws.
 */
export function toWireError(error: unknown): WireError {
  return describe(error, 1, { chars: LIMIT.totalChars });
}

/**
 * What `toWireError` makes of the fault of a code, for errors that are kept or sent and never thrown: no stack is taken,
 * which is most of what an error costs.
 *
 * @param details what the code's row declares
 */
export function wireFault<C extends FaultCode>(code: C, details: FaultDetails<C>): WireError {
  return described(
    { code, message: sentenceFor(code, details), details: objectOf(details) },
    { chars: LIMIT.totalChars },
  );
}

/** Never throws: whatever another version, or a damaged file, says an error is, becomes a fault of this version. */
export function fromWireError(wire: WireError): Fault {
  return restore(wire, 1);
}

function describe(error: unknown, depth: number, room: Room): WireError {
  const own = described(asCoded(error) ?? asDefect(error), room);
  if (depth === LIMIT.causes || room.chars <= 0) return own;
  const cause = isError(error) ? peek(error, "cause") : undefined;
  const errors = holdsErrors(error) ? firstOf(peek(error, "errors"), LIMIT.siblings) : [];
  return {
    ...own,
    ...(cause === undefined ? {} : { cause: describe(cause, depth + 1, room) }),
    ...(errors.length === 0 ? {} : { errors: errors.map((each) => describe(each, depth + 1, room)) }),
  };
}

const described = ({ code, message, details }: Described, room: Room): Described => ({
  code,
  message: cut(message, room),
  details: plainDetails(details, room),
});

function restore(wire: unknown, depth: number): Fault {
  const code = peek(wire, "code");
  const text = peek(wire, "message");
  const message = typeof text === "string" ? text : "an error came without its sentence";
  const known = isKnown(code);
  const details = known ? objectOf(peek(wire, "details")) : { name: textOf(code), text: message };
  const cause = depth < LIMIT.causes ? peek(wire, "cause") : undefined;
  const errors = depth < LIMIT.causes ? firstOf(peek(wire, "errors"), LIMIT.siblings) : [];
  // The sentence was made where the error happened; a peer of another version may word it differently, and need not
  // send the details that this version's sentence is made of.
  return new Fault(known ? code : "DEFECT", details as FaultDetails<FaultCode>, {
    message,
    ...(cause === undefined ? {} : { cause: restore(cause, depth + 1) }),
    errors: errors.map((each) => restore(each, depth + 1)),
  });
}

/** As the codes of every version are written. */
const CODE = /^[A-Z][A-Z0-9_]{0,63}$/;

type Described = Pick<WireError, "code" | "message" | "details">;

/** One of ours, of any copy and version of this package: its parts are looked at like those of a stranger. */
function asCoded(error: unknown): Described | undefined {
  if (!isFault(error)) return undefined;
  const code = peek(error, "code");
  const message = peek(error, "message");
  if (typeof code !== "string" || !CODE.test(code) || typeof message !== "string") return undefined;
  // Another version may know more codes; whoever reads this finds out.
  return { code: code as FaultCode, message, details: objectOf(peek(error, "details")) };
}

function asDefect(error: unknown): Described {
  const details = isError(error)
    ? { name: textOf(peek(error, "name")), text: textOf(peek(error, "message")) }
    : { name: typeof error, text: textOf(error) };
  return { code: "DEFECT", message: FAULTS.DEFECT.sentence(details), details };
}

const isKnown = (code: unknown): code is FaultCode => typeof code === "string" && Object.hasOwn(FAULTS, code);

const holdsErrors = (error: unknown): boolean =>
  isFault(error) || (isError(error) && error instanceof AggregateError);

const objectOf = (value: unknown): Record<string, unknown> =>
  typeof value === "object" && value !== null ? (value as Record<string, unknown>) : {};

/** The fault table has texts, numbers and lists of names as details; anything else crosses as its text. */
function plainDetails(details: Record<string, unknown>, room: Room): Record<string, unknown> {
  const plain: Record<string, unknown> = {};
  for (const key of keysOf(details)) {
    const value = peek(details, key);
    plain[cut(key, room)] = isList(value) ? plainList(value, room) : plainScalar(value, room);
  }
  return plain;
}

function plainList(list: readonly unknown[], room: Room): unknown[] {
  const plain: unknown[] = [];
  for (const each of firstOf(list, LIMIT.detailItems)) {
    if (room.chars <= 0) break;
    plain.push(plainScalar(each, room));
  }
  return plain;
}

function plainScalar(value: unknown, room: Room): unknown {
  const crosses =
    typeof value === "number" || typeof value === "boolean" || value === null || value === undefined;
  if (!crosses) return cut(textOf(value), room);
  room.chars -= ENTRY_CHARS;
  return value;
}

function keysOf(details: object): string[] {
  try {
    // Whoever rebuilds the details by assignment would set their prototype by this one.
    return Object.keys(details)
      .filter((key) => key !== "__proto__")
      .slice(0, LIMIT.details);
  } catch {
    return [];
  }
}

function isList(value: unknown): value is readonly unknown[] {
  try {
    return Array.isArray(value);
  } catch {
    return false;
  }
}

function firstOf(value: unknown, count: number): unknown[] {
  try {
    return isList(value) ? value.slice(0, count) : [];
  } catch {
    return [];
  }
}

function cut(text: string, room: Room): string {
  const chars = Math.max(0, Math.min(LIMIT.textChars, room.chars));
  room.chars -= Math.min(text.length, chars) + ENTRY_CHARS;
  const kept = text.length <= chars ? text : `${text.slice(0, chars)}… (${text.length} characters)`;
  // Half of a surrogate pair, also one that the cut has made, is no text that can cross.
  return kept.toWellFormed();
}
