import { writeSync } from "node:fs";
import { isatty } from "node:tty";
import { LIMITS, isCancellation, isFault, toWireError } from "../errors/index.ts";
import { METRICS, type MetricsBlock } from "./metrics.ts";

/**
 * Structured log records, one line each. They go to standard error: standard output belongs to the protocol that a
 * stdio server speaks, and one stray line there breaks its client.
 */

const LEVELS = { debug: 0, info: 1, warn: 2, error: 3 } as const;
export type LogLevel = keyof typeof LEVELS;
export type LogFields = Readonly<Record<string, unknown>>;

export interface Log {
  debug(message: string, fields?: LogFields): void;
  info(message: string, fields?: LogFields): void;
  warn(message: string, fields?: LogFields): void;
  error(message: string, fields?: LogFields): void;
  /** A log whose records carry these fields too; `component` replaces the parent's. */
  child(fields: LogFields & { readonly component?: string }): Log;
}

export interface LogOptions {
  readonly component: string;
  readonly clock: { wallNow(): number };
  /** Records below it are not made; default `info`. */
  readonly level?: LogLevel;
  /** Receives one line without its line break; default is standard error. */
  readonly sink?: (line: string) => void;
  /** `human` is for a terminal; default `json`, except on standard error when that is a terminal. */
  readonly format?: "json" | "human";
  /** Counts the records that the sink refused. */
  readonly metrics?: MetricsBlock;
}

const { lineChars, textChars, depth: depthMax, items: itemsMax } = LIMITS.telemetry;
/** Room for the closing count of the fields left out. */
const RESERVED_CHARS = 32;

/** What is called so is not to be shown. */
export const SECRET_NAME = /token|secret|passw|authorization|api[-_]?key|private[-_]?key|cookie|credential/i;
/** Keys that a record has anyway; a field of that name gets a leading underscore. */
const OWN_KEYS: ReadonlySet<string> = new Set(["time", "level", "component", "message"]);
// oxlint-disable-next-line no-control-regex -- control characters are what it is for
const CONTROLS = /[\u0000-\u001f\u007f-\u009f]/g;

/**
 * Writing a record never throws and never waits for anyone: a sink that throws loses the record, and
 * `logRecordsDropped` counts it. Fields whose key looks like a secret are written as `[redacted]`; an error in a
 * field is written in its wire form, with the stack only if it is a defect.
 */
export function createLog(options: LogOptions): Log {
  const { component, clock, level = "info", sink = writeToStandardError, metrics } = options;
  const human = (options.format ?? (options.sink === undefined && isatty(2) ? "human" : "json")) === "human";
  const format = human ? humanLine : jsonLine;

  const make = (component: string, inherited: LogFields): Log => {
    const at =
      (own: LogLevel) =>
      (message: string, fields?: LogFields): void => {
        if (LEVELS[own] < LEVELS[level]) return;
        try {
          const time = new Date(clock.wallNow()).toISOString();
          sink(
            format(
              { time, level: own, component, message: cut(message, textChars) },
              { ...inherited, ...fields },
            ),
          );
        } catch {
          metrics?.count(METRICS.logRecordsDropped);
        }
      };
    return Object.freeze({
      debug: at("debug"),
      info: at("info"),
      warn: at("warn"),
      error: at("error"),
      child: ({ component: named = component, ...fields }: LogFields & { readonly component?: string }) =>
        make(named, { ...inherited, ...fields }),
    });
  };
  return make(component, {});
}

/**
 * Straight to the descriptor: in a worker thread `process.stderr` goes by way of the main thread's event loop, so
 * the last words of a dying thread, or of one beside a blocked main thread, would never come out.
 */
function writeToStandardError(line: string): void {
  writeSync(2, `${line}\n`);
}

interface Head {
  readonly time: string;
  readonly level: LogLevel;
  readonly component: string;
  readonly message: string;
}

function jsonLine(head: Head, fields: LogFields): string {
  const start = JSON.stringify(head).slice(0, -1);
  const { pieces, leftOut } = fitting(
    fields,
    lineChars - start.length,
    (key, text) => `,${JSON.stringify(key)}:${text}`,
  );
  return `${start}${pieces}${leftOut === 0 ? "" : `,"fieldsLeftOut":${leftOut}`}}`;
}

function humanLine({ time, level, component, message }: Head, fields: LogFields): string {
  // A control character in a message could move the cursor of the terminal or forge a line.
  const start = `${time} ${level.toUpperCase().padEnd(5)} ${component}: ${message.replace(CONTROLS, " ")}`;
  const { pieces, leftOut } = fitting(
    fields,
    lineChars - start.length,
    (key, text) => ` ${key.replace(CONTROLS, " ")}=${text}`,
  );
  return `${start}${pieces}${leftOut === 0 ? "" : ` fieldsLeftOut=${leftOut}`}`;
}

/** The fields in their order, as long as there is room for them. */
function fitting(
  fields: LogFields,
  roomChars: number,
  join: (key: string, text: string) => string,
): { pieces: string; leftOut: number } {
  let pieces = "";
  let leftOut = 0;
  for (const [key, value] of Object.entries(fields)) {
    const plain = SECRET_NAME.test(key) ? "[redacted]" : plainOf(value, 1);
    if (plain === undefined) continue;
    const piece = join(OWN_KEYS.has(key) ? `_${key}` : key, JSON.stringify(plain));
    if (pieces.length + piece.length + RESERVED_CHARS > roomChars) leftOut += 1;
    else pieces += piece;
  }
  return { pieces, leftOut };
}

/** A bounded copy that JSON can write, without secrets; undefined for what says nothing. */
function plainOf(value: unknown, depth: number): unknown {
  if (typeof value === "string") return cut(value, textChars);
  if (typeof value === "bigint") return String(value);
  if (typeof value === "number") return Number.isFinite(value) ? value : String(value);
  if (typeof value === "function" || typeof value === "symbol") return `[${typeof value}]`;
  return typeof value === "object" && value !== null ? plainObject(value, depth) : value;
}

function plainObject(value: object, depth: number): unknown {
  if (value instanceof Date) return Number.isNaN(value.getTime()) ? "[invalid date]" : value.toISOString();
  if (ArrayBuffer.isView(value)) return `[${value.byteLength} bytes]`;
  if (depth > depthMax) return "[too deep]";
  if (value instanceof Error) return plainError(value, depth);
  if (Array.isArray(value)) {
    const items = value.slice(0, itemsMax).map((item) => plainOf(item, depth + 1) ?? null);
    return value.length > itemsMax ? [...items, `[${value.length - itemsMax} more]`] : items;
  }
  const entries = Object.entries(value);
  const plain: [string, unknown][] = entries
    .slice(0, itemsMax)
    .map(([key, item]) => [key, SECRET_NAME.test(key) ? "[redacted]" : plainOf(item, depth + 1)]);
  if (entries.length > itemsMax) plain.push(["more", entries.length - itemsMax]);
  return Object.fromEntries(plain);
}

/** Only a defect is worth its stack: a fault or a cancellation is expected, and its sentence says it all. */
function plainError(error: Error, depth: number): unknown {
  const wire = plainOf(toWireError(error), depth) as Record<string, unknown>;
  const expected = isCancellation(error) || (isFault(error) && error.code !== "DEFECT");
  return expected ? wire : { ...wire, stack: cut(error.stack ?? "", textChars) };
}

const cut = (text: string, charsMax: number): string =>
  text.length <= charsMax ? text : `${text.slice(0, charsMax)}… (${text.length} characters)`;
