/**
 * W3C trace context: who caused what, across threads, handlers and peers. Pure functions over plain values.
 *
 * @see https://www.w3.org/TR/trace-context/
 */

export interface Trace {
  /** 32 lower-case hexadecimal digits, not all zero; the same for everything one request causes. */
  readonly traceId: string;
  /** 16 lower-case hexadecimal digits, not all zero; what the specification calls parent-id. */
  readonly spanId: string;
  /** 0 to 255; bit 0 says that the caller may have recorded this trace. */
  readonly flags: number;
}

/** Anything that gives numbers from 0 (included) to 1 (excluded). */
interface Chance {
  next(): number;
}

const TRACE_ID_BYTES = 16;
const SPAN_ID_BYTES = 8;
/** Version, trace id, span id, flags. */
export const TRACE_BYTES = 1 + TRACE_ID_BYTES + SPAN_ID_BYTES + 1;

const BINARY_VERSION = 0;
const SAMPLED = 1;
/** Bit 1 ("the trace id is random") is to be handed on; unknown bits must not be. */
const KNOWN_FLAGS = 0b11;

const TRACEPARENT = /^([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(-.*)?$/;
const ZEROS = /^0+$/;

/**
 * Reads a `traceparent` header.
 *
 * @returns undefined for whatever the specification calls invalid; the receiver then starts a trace of its own
 * @see https://www.w3.org/TR/trace-context/#versioning-of-traceparent (a higher version is read by its first fields)
 */
export function parseTraceparent(header: string): Trace | undefined {
  const [, version, traceId, spanId, flags, rest] = TRACEPARENT.exec(header) ?? [];
  if (version === undefined || traceId === undefined || spanId === undefined || flags === undefined)
    return undefined;
  if (version === "ff" || (version === "00" && rest !== undefined)) return undefined;
  if (ZEROS.test(traceId) || ZEROS.test(spanId)) return undefined;
  return { traceId, spanId, flags: Number.parseInt(flags, 16) & KNOWN_FLAGS };
}

/** Writes a `traceparent` header, version 00. */
export function formatTraceparent({ traceId, spanId, flags }: Trace): string {
  return `00-${traceId}-${spanId}-${(flags & KNOWN_FLAGS).toString(16).padStart(2, "0")}`;
}

/**
 * What is handed on of a `traceparent` from outside: its trace, written in version 00. Undefined for whatever the
 * specification calls invalid, which is to be taken as if it were not there.
 */
export function validTraceparent(given: unknown): string | undefined {
  const trace = typeof given === "string" ? parseTraceparent(given) : undefined;
  return trace && formatTraceparent(trace);
}

/** The `traceparent` of work that the bearer of this one causes: the same trace, and a span of its own. */
export function childTraceparent(traceparent: string, random: Chance): string | undefined {
  const trace = parseTraceparent(traceparent);
  return trace && formatTraceparent(childSpan(trace, random));
}

/** The first span of a new trace. */
export function newTrace(random: Chance): Trace {
  return {
    traceId: randomHex(random, TRACE_ID_BYTES),
    spanId: randomHex(random, SPAN_ID_BYTES),
    flags: SAMPLED,
  };
}

/** A new span of the same trace, for work that `trace` causes. */
export function childSpan(trace: Trace, random: Chance): Trace {
  return { ...trace, spanId: randomHex(random, SPAN_ID_BYTES) };
}

/**
 * Writes the 26-byte form into a message header.
 *
 * @throws RangeError, a defect, when `target` has fewer than 26 bytes from `offset` on
 */
export function encodeTrace({ traceId, spanId, flags }: Trace, target: Uint8Array, offset: number): void {
  if (offset < 0 || offset + TRACE_BYTES > target.length) {
    throw new RangeError(`defect: a trace takes ${TRACE_BYTES} bytes; there are ${target.length - offset}`);
  }
  target[offset] = BINARY_VERSION;
  writeHex(traceId, target, offset + 1);
  writeHex(spanId, target, offset + 1 + TRACE_ID_BYTES);
  target[offset + TRACE_BYTES - 1] = flags & KNOWN_FLAGS;
}

/** Reads the 26-byte form; undefined when it is cut short, of another version, or has an id of zeros. */
export function decodeTrace(source: Uint8Array, offset: number): Trace | undefined {
  if (offset < 0 || offset + TRACE_BYTES > source.length || source[offset] !== BINARY_VERSION)
    return undefined;
  const traceId = readHex(source, offset + 1, TRACE_ID_BYTES);
  const spanId = readHex(source, offset + 1 + TRACE_ID_BYTES, SPAN_ID_BYTES);
  if (ZEROS.test(traceId) || ZEROS.test(spanId)) return undefined;
  return { traceId, spanId, flags: (source[offset + TRACE_BYTES - 1] ?? 0) & KNOWN_FLAGS };
}

function randomHex(random: Chance, bytes: number): string {
  let hex = "";
  for (let index = 0; index < bytes; index++) hex += hexByte(Math.floor(random.next() * 256));
  // An id of zeros means "none", and a generator may well give one: a seeded or a broken one sooner than others.
  return ZEROS.test(hex) ? `${hex.slice(0, -1)}1` : hex;
}

const hexByte = (byte: number): string => byte.toString(16).padStart(2, "0");

function writeHex(hex: string, target: Uint8Array, offset: number): void {
  for (let index = 0; index < hex.length / 2; index++) {
    target[offset + index] = Number.parseInt(hex.slice(2 * index, 2 * index + 2), 16);
  }
}

function readHex(source: Uint8Array, offset: number, bytes: number): string {
  let hex = "";
  for (let index = offset; index < offset + bytes; index++) hex += hexByte(source[index] ?? 0);
  return hex;
}
