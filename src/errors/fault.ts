import { FAULTS, type FaultCode, type FaultDetails } from "./fault-table.ts";
import { isError, peek, textOf } from "./thrown.ts";

/** `Symbol.for` survives two copies of this package in one process, where `instanceof` does not. */
const BRAND = Symbol.for("mcplusplus.fault");

/**
 * The one error class. Match on `code`, never on `message`.
 *
 * `details` has the shape that the code's row in the fault table declares.
 */
export class Fault<C extends FaultCode = FaultCode> extends Error {
  readonly code: C;
  readonly details: FaultDetails<C>;
  /** The failures that were collected, for code `SEVERAL`; else empty. */
  readonly errors: readonly unknown[];

  /**
   * @param options.message the sentence as it was made elsewhere: details that came from a peer of another version
   *   need not have what this version's sentence is made of
   */
  constructor(
    code: C,
    details: FaultDetails<C>,
    options: { cause?: unknown; errors?: readonly unknown[]; message?: string } = {},
  ) {
    super(
      options.message ?? sentenceFor(code, details),
      options.cause === undefined ? undefined : { cause: options.cause },
    );
    this.name = "Fault";
    this.code = code;
    this.details = details;
    this.errors = options.errors ?? [];
    Object.defineProperty(this, BRAND, { value: true });
  }

  /** True when the same request, unchanged, may succeed later. */
  get retryable(): boolean {
    return FAULTS[this.code].retryable;
  }
}

/** Never throws. */
export function sentenceFor<C extends FaultCode>(code: C, details: FaultDetails<C>): string {
  try {
    // The row and the details are tied by C; the compiler cannot follow that through an indexed union.
    return (FAULTS[code].sentence as (details: FaultDetails<C>) => string)(details);
  } catch {
    // A program without types has put something in a detail that is not even to be written out.
    return FAULTS[code].means;
  }
}

/**
 * Makes, and does not throw, the fault of a code.
 *
 * @param details what the code's row declares; its sentence is made of them
 * @param options.errors the failures that it stands for, for code `SEVERAL`
 */
export function fault<C extends FaultCode>(
  code: C,
  details: FaultDetails<C>,
  options?: { cause?: unknown; errors?: readonly unknown[] },
): Fault<C> {
  return new Fault(code, details, options);
}

/** Is this one of ours (of any copy of this package), and, if a code is given, of that code? */
export function isFault<C extends FaultCode = FaultCode>(error: unknown, code?: C): error is Fault<C> {
  return peek(error, BRAND) === true && (code === undefined || peek(error, "code") === code);
}

/**
 * Is this a cancellation, which is not a failure? Node's own interfaces reject with a fresh `AbortError` whose
 * cause is the abort reason: that is an echo of ours.
 */
export function isCancellation(error: unknown): boolean {
  if (isFault(error)) return isFault(error, "CANCELLED");
  if (!isError(error) || peek(error, "name") !== "AbortError") return false;
  const reason = peek(error, "cause");
  return !isFault(reason) || isFault(reason, "CANCELLED");
}

/** Ends the program's assumption, not its caller's request: a defect is never caught to continue. */
export function assert(condition: unknown, claim: string): asserts condition {
  if (!condition) throw new TypeError(`defect: ${claim}`);
}

/** Whatever was thrown, as one sentence without a stack. Never throws itself. */
export function sentenceOf(error: unknown): string {
  return isError(error) ? textOf(peek(error, "message") || peek(error, "name")) : textOf(error);
}
