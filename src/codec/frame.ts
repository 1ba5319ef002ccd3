/**
 * The header of every frame on a link. Words are in the byte order of the machine: both sides are threads of one
 * process.
 *
 *     0        4      5       6        8             12            16               24
 *     | size   | kind | flags | member | correlation | total bytes | deadline (f64) | payload …
 *
 * `size` is the ring's: the whole frame, header included. `member` is an index into the protocol's order.
 * `total bytes` is the payload of the whole message when it is carried in pieces, and 0 otherwise. `deadline` is on
 * the scale of `Clock.now()`, which all threads of a process share; Infinity = none.
 */
export const FRAME_HEADER_BYTES = 24;

export const KIND = {
  /** Asks for one reply under this correlation. */
  call: 1,
  /** Wants no reply. */
  cast: 2,
  /** The result of a call. */
  reply: 3,
  /** The error of a call, as a wire error. */
  fail: 4,
  /** The caller no longer wants the reply to this correlation. */
  cancel: 5,
  /** Start sending events of this member under this correlation; the payload is the buffer's bound. */
  subscribe: 6,
  unsubscribe: 7,
  event: 8,
  /** No more events under this correlation; the payload is a wire error. */
  end: 9,
  /** Record structures that later payloads of this direction use. */
  define: 10,
} as const;

export type Kind = (typeof KIND)[keyof typeof KIND];

export const FLAG = {
  /** More pieces of this message follow. */
  more: 1,
  /** The payload begins with a W3C traceparent, 55 ASCII characters. */
  trace: 2,
} as const;

export const TRACEPARENT_BYTES = 55;

export interface FrameHeader {
  kind: Kind;
  flags: number;
  member: number;
  correlation: number;
  totalBytes: number;
  deadlineMs: number;
}

/** The same memory seen three ways; a frame starts at a multiple of 8. */
export interface FrameMemory {
  readonly bytes: Buffer;
  readonly words: Int32Array;
  readonly doubles: Float64Array;
}

/** Writes all but the size word, which is the ring's. */
export function writeFrameHeader(memory: FrameMemory, offset: number, header: Readonly<FrameHeader>): void {
  const word = offset >> 2;
  memory.words[word + 1] = header.kind | (header.flags << 8) | (header.member << 16);
  memory.words[word + 2] = header.correlation;
  memory.words[word + 3] = header.totalBytes;
  memory.doubles[(offset >> 3) + 2] = header.deadlineMs;
}

/** Fills `into`, which the caller reuses from frame to frame. */
export function readFrameHeader(memory: FrameMemory, offset: number, into: FrameHeader): void {
  const word = offset >> 2;
  const first = memory.words[word + 1] as number;
  into.kind = (first & 0xff) as Kind;
  into.flags = (first >>> 8) & 0xff;
  into.member = first >>> 16;
  into.correlation = (memory.words[word + 2] as number) >>> 0;
  into.totalBytes = (memory.words[word + 3] as number) >>> 0;
  into.deadlineMs = memory.doubles[(offset >> 3) + 2] as number;
}
