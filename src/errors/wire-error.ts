import { FAULTS, type FaultCode, type FaultDetails } from "./fault-table.ts";
import { Fault, isFault } from "./fault.ts";

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

/** Causes below this depth are cut: a chain made in a loop must not grow without bound. */
const DEPTH_MAX = 4;
/** Of the failures of one scope, as many cross. */
const ERRORS_MAX = 16;
/** A longer text is cut: a handler may put a whole document into its message. */
const TEXT_CHARS_MAX = 2_000;

const cut = (text: string): string =>
  text.length <= TEXT_CHARS_MAX ? text : `${text.slice(0, TEXT_CHARS_MAX)}… (${text.length} characters)`;

export function toWireError(error: unknown, depth = 1): WireError {
  const own = isFault(error) ? error : asDefect(error);
  const cause = error instanceof Error && error.cause !== undefined && depth < DEPTH_MAX ? error.cause : undefined;
  const errors = depth < DEPTH_MAX ? own.errors.slice(0, ERRORS_MAX) : [];
  return {
    code: own.code,
    message: cut(own.message),
    details: own.details as Record<string, unknown>,
    ...(cause === undefined ? {} : { cause: toWireError(cause, depth + 1) }),
    ...(errors.length === 0 ? {} : { errors: errors.map((each) => toWireError(each, depth + 1)) }),
  };
}

export function fromWireError(wire: WireError): Fault {
  const code: FaultCode = Object.hasOwn(FAULTS, wire.code) ? wire.code : "DEFECT";
  const details = (code === wire.code ? wire.details : { name: wire.code, text: wire.message }) as FaultDetails<FaultCode>;
  const fault = new Fault(code, details, {
    ...(wire.cause === undefined ? {} : { cause: fromWireError(wire.cause) }),
    errors: (wire.errors ?? []).map(fromWireError),
  });
  // The sentence was made where the error happened; a peer of another version may word it differently.
  fault.message = wire.message;
  return fault;
}

function asDefect(error: unknown): Fault<"DEFECT"> {
  const name = error instanceof Error ? error.name : typeof error;
  const text = cut(error instanceof Error ? error.message : String(error));
  return new Fault("DEFECT", { name, text }, error instanceof AggregateError ? { errors: error.errors } : {});
}
