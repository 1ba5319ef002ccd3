import { packValue, unpackValue } from "../codec/index.ts";
import { LIMITS, fault, fromWireError, isFault, toWireError, type WireError } from "../errors/index.ts";
import { isName, shortText } from "../schema/index.ts";
import { validTraceparent } from "../telemetry/index.ts";
import type { GrantTerms } from "./remote.protocol.ts";

/**
 * What two nodes say to each other about work. Each message is one list in MessagePack, read field by field: whatever
 * a peer sends is either what is written here or `PEER_PROTOCOL`.
 *
 * The node whose task it is is called the asker, the one that carries it out the doer. An attempt is named by the
 * fencing token of its lease, which the asker's queue gives only once.
 */

/** Methods of requests. */
export const METHOD = {
  /** Asker to doer: shows its token, and learns the terms. */
  hello: "remote.hello",
  /** Asker to doer: tasks to carry out. */
  start: "remote.start",
  /** Asker to doer: attempts to stop. */
  stop: "remote.stop",
  /** Doer to asker: what has ended, how far the rest is, and that it is alive. */
  tell: "remote.tell",
  /** Either way: a piece of a large value of a task that both know. */
  blob: "remote.blob",
} as const;
export const METHOD_PREFIX = "remote.";

const VERSION = 1;
/** In version 00 of that format, which is the one that is sent. */
const TRACEPARENT_CHARS = 55;

/** Bytes that travel with the message, or where they can be asked for. */
export type Parcel = Uint8Array | { readonly sha256: string; readonly sizeBytes: number };

export interface Hello {
  /** Tells the lives of the asker apart. */
  readonly life: number;
  /** The sealed grant. */
  readonly token: Uint8Array;
  /** How long the doer may be silent. */
  readonly leaseMs: number;
}

/** What the doer allows, and how it stands. */
export interface Terms extends Omit<GrantTerms, "peerId"> {
  /** Tells the lives of the doer apart. */
  readonly life: number;
  /** That it has handlers for and lets the asker run. */
  readonly actions: readonly string[];
  /** Tasks that it has room for now. */
  readonly room: number;
  /** Tokens of the asker's attempts that it has. */
  readonly held: readonly number[];
}

export interface StartItem {
  readonly token: number;
  readonly taskId: string;
  readonly action: string;
  readonly input: Parcel;
  readonly attempt: number;
  readonly timeoutMs: number | null;
  /** W3C trace context of the attempt, a seventh field; there is none when it is part of no trace. */
  readonly traceparent?: string;
}

export interface Start {
  readonly life: number;
  readonly items: readonly StartItem[];
}

export interface Refused {
  readonly token: number;
  readonly error: WireError;
  /** When it may be worth another try; 0 = nothing is known of that. */
  readonly afterMs: number;
}

export interface Started {
  readonly life: number;
  /** Rises with each start: a later `tell` with a lower one was made before. */
  readonly sequence: number;
  readonly room: number;
  readonly refused: readonly Refused[];
}

/** `interrupted`: cut off through no fault of its own. `returned`: stopped, or not begun. */
export type EndKind = "completed" | "failed" | "interrupted" | "returned";

export interface EndItem {
  readonly token: number;
  readonly kind: EndKind;
  /** When completed. */
  readonly output: Parcel | null;
  /** When failed or interrupted. */
  readonly error: WireError | null;
}

export interface Tell {
  readonly life: number;
  readonly sequence: number;
  readonly room: number;
  /** All attempts that it has, ended ones that have not been taken included; null: it says nothing of that. */
  readonly held: readonly number[] | null;
  readonly progress: readonly {
    readonly token: number;
    readonly fraction: number;
    readonly message: string;
  }[];
  readonly ends: readonly EndItem[];
}

export interface Told {
  /** Ends that have been taken, or that nobody waits for. */
  readonly forget: readonly number[];
  /** Attempts to stop: cancelled, or somebody else's by now. */
  readonly stop: readonly number[];
}

export interface BlobAsk {
  readonly sha256: string;
  readonly offset: number;
  readonly length: number;
}

export interface BlobPiece {
  /** Of the whole. */
  readonly sizeBytes: number;
  readonly bytes: Uint8Array;
}

// --- writing ----------------------------------------------------------------------------------------------------------

export const writeHello = ({ life, token, leaseMs }: Hello): Uint8Array => packed(life, token, leaseMs);

export const writeTerms = (terms: Terms): Uint8Array =>
  packed(
    terms.life,
    terms.actions,
    terms.tools,
    terms.concurrency,
    terms.perMinute,
    terms.bytesMax,
    terms.expiresAtMs,
    terms.room,
    terms.held,
  );

export const writeStart = ({ life, items }: Start): Uint8Array =>
  packed(
    life,
    items.map(({ token, taskId, action, input, attempt, timeoutMs, traceparent }) => [
      token,
      taskId,
      action,
      packedParcel(input),
      attempt,
      timeoutMs,
      ...(traceparent === undefined ? [] : [traceparent]),
    ]),
  );

export const writeStarted = ({ life, sequence, room, refused }: Started): Uint8Array =>
  packed(
    life,
    sequence,
    room,
    refused.map(({ token, error, afterMs }) => [token, error, afterMs]),
  );

export const writeStop = (tokens: readonly number[]): Uint8Array => packed(tokens);

export const writeTell = ({ life, sequence, room, held, progress, ends }: Tell): Uint8Array =>
  packed(
    life,
    sequence,
    room,
    held,
    progress.map(({ token, fraction, message }) => [token, fraction, message]),
    ends.map(({ token, kind, output, error }) => [
      token,
      END_KINDS.indexOf(kind),
      output === null ? null : packedParcel(output),
      error,
    ]),
  );

export const writeTold = ({ forget, stop }: Told): Uint8Array => packed(forget, stop);
export const writeBlobAsk = ({ sha256, offset, length }: BlobAsk): Uint8Array =>
  packed(sha256, offset, length);
export const writeBlobPiece = ({ sizeBytes, bytes }: BlobPiece): Uint8Array => packed(sizeBytes, bytes);
export const EMPTY: Uint8Array = packValue([VERSION]);

const END_KINDS: readonly EndKind[] = ["completed", "failed", "interrupted", "returned"];

const packed = (...fields: readonly unknown[]): Uint8Array => packValue([VERSION, ...fields]);
const packedParcel = (parcel: Parcel): unknown =>
  parcel instanceof Uint8Array ? parcel : [parcel.sha256, parcel.sizeBytes];

// --- reading ----------------------------------------------------------------------------------------------------------

/** @throws PEER_PROTOCOL, as all of these do, for anything else */
export function readHello(peerId: string, body: Uint8Array): Hello {
  return reading(peerId, body, 3, ([life, token, leaseMs]) => ({
    life: integer(life, "its life"),
    token: bytes(token, LIMITS.remote.tokenChars, "its token"),
    leaseMs: integer(leaseMs, "the lease", LIMITS.queue.leaseMs),
  }));
}

export function readTerms(peerId: string, body: Uint8Array): Terms {
  const { concurrency, perMinute, bytesMax } = LIMITS.remote;
  return reading(peerId, body, 9, ([life, actions, tools, ...rest]) => ({
    life: integer(life, "its life"),
    actions: names(actions, "the actions"),
    tools: names(tools, "the tools"),
    concurrency: integer(rest[0], "the tasks at once", concurrency),
    perMinute: integer(rest[1], "the starts per minute", perMinute),
    bytesMax: integer(rest[2], "the bytes", bytesMax),
    expiresAtMs: integer(rest[3], "the end of the grant"),
    room: integer(rest[4], "its room", concurrency),
    held: tokens(rest[5]),
  }));
}

export function readStart(peerId: string, body: Uint8Array): Start {
  return reading(peerId, body, 2, ([life, items]) => ({
    life: integer(life, "its life"),
    items: list(items, LIMITS.remote.batchTasks, "the tasks").map(readItem),
  }));
}

function readItem(item: unknown): StartItem {
  const isTraced = Array.isArray(item) && item.length === 7;
  const [token, taskId, action, input, attempt, timeoutMs, trace] = fields(item, isTraced ? 7 : 6, "a task");
  const { nameChars, timeoutMs: timeoutMsMax } = LIMITS.queue;
  // As the specification has it, an invalid one counts for none.
  const traceparent = isTraced ? validTraceparent(text(trace, TRACEPARENT_CHARS, "a trace")) : undefined;
  return {
    token: integer(token, "a token"),
    taskId: name(taskId, nameChars, "the id of a task"),
    action: name(action, nameChars, "an action"),
    input: parcel(input, "an input"),
    attempt: integer(attempt, "the number of an attempt"),
    timeoutMs: timeoutMs === null ? null : integer(timeoutMs, "a time-out", timeoutMsMax),
    ...(traceparent !== undefined && { traceparent }),
  };
}

export function readStarted(peerId: string, body: Uint8Array): Started {
  return reading(peerId, body, 4, ([life, sequence, room, refused]) => ({
    life: integer(life, "its life"),
    sequence: integer(sequence, "its sequence"),
    room: integer(room, "its room", LIMITS.remote.concurrency),
    refused: list(refused, LIMITS.remote.batchTasks, "the refusals").map((each) => {
      const [token, error, afterMs] = fields(each, 3, "a refusal");
      return {
        token: integer(token, "a token"),
        error: plainError(error),
        afterMs: integer(afterMs, "a wait"),
      };
    }),
  }));
}

export const readStop = (peerId: string, body: Uint8Array): readonly number[] =>
  reading(peerId, body, 1, ([stopped]) => tokens(stopped));

export function readTell(peerId: string, body: Uint8Array): Tell {
  const { concurrency, batchTasks } = LIMITS.remote;
  return reading(peerId, body, 6, ([life, sequence, room, held, progress, ends]) => ({
    life: integer(life, "its life"),
    sequence: integer(sequence, "its sequence"),
    room: integer(room, "its room", concurrency),
    held: held === null ? null : tokens(held),
    progress: list(progress, concurrency, "the progress").map((each) => {
      const [token, fraction, message] = fields(each, 3, "progress");
      return {
        token: integer(token, "a token"),
        fraction: share(fraction),
        message: text(message, LIMITS.compute.progressChars, "a message"),
      };
    }),
    ends: list(ends, batchTasks, "the ends").map(readEnd),
  }));
}

function readEnd(end: unknown): EndItem {
  const [token, kind, output, error] = fields(end, 4, "an end");
  const named = END_KINDS[integer(kind, "the kind of an end", END_KINDS.length - 1)] ?? "returned";
  return {
    token: integer(token, "a token"),
    kind: named,
    output: named === "completed" ? parcel(output, "an output") : null,
    error: named === "failed" || named === "interrupted" ? plainError(error) : null,
  };
}

export const readTold = (peerId: string, body: Uint8Array): Told =>
  reading(peerId, body, 2, ([forget, stop]) => ({ forget: tokens(forget), stop: tokens(stop) }));

export function readBlobAsk(peerId: string, body: Uint8Array): BlobAsk {
  return reading(peerId, body, 3, ([sha256, offset, length]) => ({
    sha256: address(sha256),
    offset: integer(offset, "an offset"),
    length: integer(length, "a length", LIMITS.remote.pieceBytes),
  }));
}

export function readBlobPiece(peerId: string, body: Uint8Array): BlobPiece {
  return reading(peerId, body, 2, ([sizeBytes, piece]) => ({
    sizeBytes: integer(sizeBytes, "a size"),
    bytes: bytes(piece, LIMITS.remote.pieceBytes, "a piece"),
  }));
}

// --- fields -----------------------------------------------------------------------------------------------------------

/** Thrown while a message is read, and told as `PEER_PROTOCOL` with whom it came from. */
class Malformed extends Error {}

function reading<T>(
  peerId: string,
  body: Uint8Array,
  count: number,
  read: (fields: readonly unknown[]) => T,
): T {
  try {
    const [version, ...rest] = list(unpackValue(body), count + 1, "the message");
    if (version !== VERSION) throw new Malformed(`it speaks version ${shortText(version)}`);
    if (rest.length !== count)
      throw new Malformed(`its message has ${rest.length} fields instead of ${count}`);
    return read(rest);
  } catch (error) {
    if (!(error instanceof Malformed) && !isFault(error, "VALUE_CORRUPT")) throw error;
    throw fault("PEER_PROTOCOL", { peerId, why: error.message }, { cause: error });
  }
}

function list(value: unknown, most: number, what: string): readonly unknown[] {
  if (!Array.isArray(value)) throw new Malformed(`${what} are no list`);
  if (value.length > most) throw new Malformed(`${what} are more than ${most}`);
  return value;
}

function fields(value: unknown, count: number, what: string): readonly unknown[] {
  if (!Array.isArray(value) || value.length !== count) throw new Malformed(`${what} has not ${count} fields`);
  return value;
}

function integer(value: unknown, what: string, most: number = Number.MAX_SAFE_INTEGER): number {
  // A number above 32 bits may come as one of 64.
  const number = typeof value === "bigint" ? Number(value) : value;
  if (typeof number === "number" && Number.isSafeInteger(number) && number >= 0 && number <= most)
    return number;
  throw new Malformed(`${what} is no whole number from 0 to ${most}`);
}

function share(value: unknown): number {
  if (typeof value === "number" && value >= 0 && value <= 1) return value;
  throw new Malformed("progress is no number from 0 to 1");
}

function text(value: unknown, most: number, what: string): string {
  if (typeof value === "string" && value.length <= most && value.isWellFormed()) return value;
  throw new Malformed(`${what} is no text of at most ${most} characters`);
}

function name(value: unknown, most: number, what: string): string {
  if (isName(value, most)) return value;
  throw new Malformed(`${what} is no name of 1 to ${most} characters`);
}

const names = (value: unknown, what: string): readonly string[] =>
  list(value, LIMITS.remote.actions, what).map((each) => name(each, LIMITS.queue.nameChars, what));

const tokens = (value: unknown): readonly number[] =>
  list(value, LIMITS.remote.concurrency, "the tokens").map((each) => integer(each, "a token"));

function bytes(value: unknown, most: number, what: string): Uint8Array {
  if (value instanceof Uint8Array && value.byteLength <= most) return value;
  throw new Malformed(`${what} is no byte string of at most ${most} bytes`);
}

const ADDRESS = /^[0-9a-f]{64}$/;

function address(value: unknown): string {
  if (typeof value === "string" && ADDRESS.test(value)) return value;
  throw new Malformed("the address of a value is not 64 lower-case hexadecimal digits");
}

function parcel(value: unknown, what: string): Parcel {
  if (value instanceof Uint8Array) return bytes(value, LIMITS.remote.inlineBytes, what);
  const [sha256, sizeBytes] = fields(value, 2, what);
  return { sha256: address(sha256), sizeBytes: integer(sizeBytes, "a size", LIMITS.remote.bytesMax) };
}

/** Whatever another node says an error is, as one of ours. */
function plainError(value: unknown): WireError {
  if (typeof value !== "object" || value === null) throw new Malformed("an error is none");
  return toWireError(fromWireError(value as WireError));
}
