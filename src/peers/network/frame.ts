import { LIMITS } from "../../errors/index.ts";

/**
 * Frames of the link between two peers, and how they are found again in a stream of bytes that is cut anywhere.
 *
 *     0          4      5          9
 *     | length   | kind | id       | payload …
 *     | u32      | u8   | u32      | length - 5 bytes
 *
 * Numbers are big-endian; the length does not count itself. The page is docs/guide/peer-wire.md.
 */

export const KIND = {
  request: 1,
  piece: 2,
  cancel: 3,
  reply: 4,
  failure: 5,
  credit: 6,
  ping: 7,
  pong: 8,
} as const;
export type Kind = (typeof KIND)[keyof typeof KIND];

export const HEADER_BYTES = 9;
/** Of what the length counts beside the payload. */
const COUNTED_BYTES = 5;

const HEAD_FIXED_BYTES = 10;
const TRACEPARENT_BYTES = 55;
/** Of the count of bytes ahead of a reply, and of a failure. */
const REPLY_HEAD_BYTES = 4;
const { chunkBytes, bodyBytes, methodChars, requestMs } = LIMITS.network;
const PAYLOAD_BYTES_MAX = HEAD_FIXED_BYTES + methodChars + TRACEPARENT_BYTES + chunkBytes;

/** How a peer breaks the rules, as it is counted. */
export type Offence = "frame_oversize" | "frame_invalid" | "credit" | "slow_reader";

/** The other side has broken the rules: its stream is of no use any more. */
export class Violation extends Error {
  readonly offence: Offence;

  constructor(offence: Offence, why: string) {
    super(why);
    this.name = "Violation";
    this.offence = offence;
  }
}

const invalid = (why: string): Violation => new Violation("frame_invalid", why);

// --- reading ----------------------------------------------------------------------------------------------------------

/**
 * Takes one frame. The payload is valid during the call only.
 *
 * @returns false: the stream has ended meanwhile, and the rest is of no interest
 */
export type TakeFrame = (kind: Kind, id: number, payload: Buffer) => boolean;

/** Keeps at most one frame, and none whose length and kind have not been checked. */
export class FrameReader {
  readonly #take: TakeFrame;
  readonly #header = Buffer.alloc(HEADER_BYTES);
  #headerFilled = 0;
  /** Of a frame that is not whole yet. */
  #payload: Buffer | undefined;
  #payloadFilled = 0;

  constructor(take: TakeFrame) {
    this.#take = take;
  }

  /** @throws Violation; what follows must not be pushed */
  push(chunk: Uint8Array): void {
    const bytes = Buffer.from(chunk.buffer, chunk.byteOffset, chunk.byteLength);
    let at = this.#payload === undefined ? 0 : this.#fill(bytes, 0);
    if (at < 0) return;
    while (at < bytes.length) {
      let header = bytes;
      let headerAt = at;
      if (this.#headerFilled > 0 || bytes.length - at < HEADER_BYTES) {
        const copied = bytes.copy(
          this.#header,
          this.#headerFilled,
          at,
          at + HEADER_BYTES - this.#headerFilled,
        );
        this.#headerFilled += copied;
        at += copied;
        if (this.#headerFilled < HEADER_BYTES) return;
        this.#headerFilled = 0;
        header = this.#header;
        headerAt = 0;
      } else at += HEADER_BYTES;
      const payloadBytes = payloadBytesIn(header, headerAt);
      if (bytes.length - at < payloadBytes) {
        if (header !== this.#header) header.copy(this.#header, 0, headerAt, headerAt + HEADER_BYTES);
        this.#payload = Buffer.allocUnsafe(payloadBytes);
        this.#payloadFilled = 0;
        at = this.#fill(bytes, at);
        if (at < 0) return;
        continue;
      }
      const payload = bytes.subarray(at, at + payloadBytes);
      at += payloadBytes;
      // The kind has been checked with the length.
      if (!this.#take(header[headerAt + 4] as Kind, header.readUInt32BE(headerAt + 5), payload)) return;
    }
  }

  /** Goes on with the frame that is not whole. @returns where the next one begins; -1: there is nothing more to do */
  #fill(bytes: Buffer, from: number): number {
    const payload = this.#payload as Buffer;
    const copied = bytes.copy(payload, this.#payloadFilled, from);
    this.#payloadFilled += copied;
    if (this.#payloadFilled < payload.length) return -1;
    this.#payload = undefined;
    const goesOn = this.#take(this.#header[4] as Kind, this.#header.readUInt32BE(5), payload);
    return goesOn ? from + copied : -1;
  }
}

/** Least and most payload of each kind, by its number. */
const PAYLOADS: readonly (readonly [number, number] | undefined)[] = [
  undefined,
  [HEAD_FIXED_BYTES + 1, PAYLOAD_BYTES_MAX],
  [1, chunkBytes],
  [0, 0],
  [REPLY_HEAD_BYTES, REPLY_HEAD_BYTES + chunkBytes],
  [REPLY_HEAD_BYTES, REPLY_HEAD_BYTES + chunkBytes],
  [4, 4],
  [0, 0],
  [0, 0],
];

/** Checks a header before anything is kept for its frame. */
function payloadBytesIn(header: Buffer, at: number): number {
  const length = header.readUInt32BE(at);
  const kind = header[at + 4] as number;
  if (length > COUNTED_BYTES + PAYLOAD_BYTES_MAX)
    throw new Violation("frame_oversize", `a frame of ${length} bytes`);
  const [least, most] = PAYLOADS[kind] ?? [1, 0];
  if (least > most) throw invalid(`a frame of kind ${kind}`);
  const payloadBytes = length - COUNTED_BYTES;
  if (payloadBytes > most)
    throw new Violation("frame_oversize", `a frame of kind ${kind} with ${length} bytes`);
  if (payloadBytes < least) throw invalid(`a frame of kind ${kind} with ${length} bytes`);
  return payloadBytes;
}

// --- heads ------------------------------------------------------------------------------------------------------------

export interface RequestHead {
  readonly remainingMs: number;
  readonly bodyBytes: number;
  readonly method: string;
  readonly traceparent: string | undefined;
}

const METHOD = /^[A-Za-z0-9._/-]+$/;
const TRACEPARENT = /^[0-9a-f]{2}-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}$/;

export const isMethod = (method: string): boolean => method.length <= methodChars && METHOD.test(method);

/** @throws Violation */
export function readRequest(payload: Buffer): { readonly head: RequestHead; readonly first: Buffer } {
  const bytes = announcedBody(payload.readUInt32BE(4));
  const methodEnd = HEAD_FIXED_BYTES + (payload[8] as number);
  const traceBytes = payload[9] as number;
  const end = methodEnd + traceBytes;
  if (end > payload.length) throw invalid("a request whose head is cut");
  const method = payload.toString("latin1", HEAD_FIXED_BYTES, methodEnd);
  if (!isMethod(method)) throw invalid("a request whose method is no name");
  const trace = traceBytes === 0 ? undefined : payload.toString("latin1", methodEnd, end);
  if (trace !== undefined && !TRACEPARENT.test(trace))
    throw invalid("a request with a malformed traceparent");
  const first = payload.subarray(end);
  checkFirst(first, bytes);
  const remainingMs = Math.min(payload.readUInt32BE(0), requestMs);
  return { head: { remainingMs, bodyBytes: bytes, method, traceparent: trace }, first };
}

/** @throws Violation */
export function readReply(payload: Buffer): { readonly bodyBytes: number; readonly first: Buffer } {
  const bytes = announcedBody(payload.readUInt32BE(0));
  const first = payload.subarray(REPLY_HEAD_BYTES);
  checkFirst(first, bytes);
  return { bodyBytes: bytes, first };
}

function announcedBody(bytes: number): number {
  if (bytes > bodyBytes) throw new Violation("frame_oversize", `a body of ${bytes} bytes`);
  return bytes;
}

/** A body that goes on in pieces fills its first frame: else frames without any bytes could go on for ever. */
function checkFirst(first: Buffer, bytes: number): void {
  if (first.length === Math.min(bytes, chunkBytes)) return;
  throw invalid(`a body of ${bytes} bytes that begins with ${first.length}`);
}

// --- writing ----------------------------------------------------------------------------------------------------------

export function requestHead({ remainingMs, bodyBytes: bytes, method, traceparent }: RequestHead): Buffer {
  const trace = traceparent !== undefined && TRACEPARENT.test(traceparent) ? traceparent : "";
  const head = Buffer.allocUnsafe(HEAD_FIXED_BYTES + method.length + trace.length);
  head.writeUInt32BE(Math.max(0, Math.min(Math.ceil(remainingMs), requestMs)), 0);
  head.writeUInt32BE(bytes, 4);
  head[8] = method.length;
  head[9] = trace.length;
  head.write(method, HEAD_FIXED_BYTES, "latin1");
  if (trace !== "") head.write(trace, HEAD_FIXED_BYTES + method.length, "latin1");
  return head;
}

export function replyHead(bytes: number): Buffer {
  const head = Buffer.allocUnsafe(REPLY_HEAD_BYTES);
  head.writeUInt32BE(bytes, 0);
  return head;
}

/** @returns where the payload goes */
export function writeHeader(into: Buffer, at: number, kind: Kind, id: number, payloadBytes: number): number {
  into.writeUInt32BE(COUNTED_BYTES + payloadBytes, at);
  into[at + 4] = kind;
  into.writeUInt32BE(id, at + 5);
  return at + HEADER_BYTES;
}

/** A frame that takes no credit. */
export function controlFrame(kind: Kind, id: number, credit?: number): Buffer {
  const frame = Buffer.allocUnsafe(HEADER_BYTES + (credit === undefined ? 0 : 4));
  writeHeader(frame, 0, kind, id, frame.length - HEADER_BYTES);
  if (credit !== undefined) frame.writeUInt32BE(credit, HEADER_BYTES);
  return frame;
}
