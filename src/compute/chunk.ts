import type { AttemptRequest, Progress, ThreadReply } from "./thread-message.ts";

/**
 * Attempts on their way to a shared thread, and what came of them on its way back: many in one message, and each
 * message few objects. Structured clone takes 3 to 4 microseconds for an attempt as an object with bytes of its own,
 * and one when all heads stand in one list and all bytes in one array (measured both ways together, 32 at a time).
 */
export interface Chunk {
  /** For each attempt the values of `HEAD`, then where its input ends. */
  readonly heads: readonly (string | number)[];
  readonly inputs: Uint8Array<ArrayBuffer>;
  /** Of those that are part of a trace: which of the attempts, and its `traceparent`. Absent: none is. */
  readonly traces?: readonly (readonly [place: number, traceparent: string])[];
}

/** Slot, token, task, action, attempt, time-out, end of the input. */
const HEAD_LENGTH = 7;

export function chunkOf(requests: readonly AttemptRequest[]): Chunk {
  const heads: (string | number)[] = [];
  const inputs = joined(requests.map(({ input }) => input));
  const traces: [number, string][] = [];
  let end = 0;
  for (const { slot, token, taskId, action, attempt, timeoutMs, input, traceparent } of requests) {
    if (traceparent !== undefined) traces.push([heads.length / HEAD_LENGTH, traceparent]);
    end += input.byteLength;
    heads.push(slot, token, taskId, action, attempt, timeoutMs, end);
  }
  return traces.length === 0 ? { heads, inputs } : { heads, inputs, traces };
}

/** Their inputs are views of one array. */
export function requestsOf({ heads, inputs, traces = [] }: Chunk): AttemptRequest[] {
  const requests: AttemptRequest[] = [];
  let start = 0;
  for (let at = 0; at < heads.length; at += HEAD_LENGTH) {
    const end = heads[at + 6] as number;
    requests.push({
      kind: "run",
      slot: heads[at] as number,
      token: heads[at + 1] as number,
      taskId: heads[at + 2] as string,
      action: heads[at + 3] as string,
      attempt: heads[at + 4] as number,
      timeoutMs: heads[at + 5] as number,
      input: inputs.subarray(start, end),
    });
    start = end;
  }
  for (const [place, traceparent] of traces) {
    const request = requests[place];
    if (request !== undefined) requests[place] = { ...request, traceparent };
  }
  return requests;
}

/** What a shared thread has done since it last said so. */
export interface Report {
  readonly kind: "mcplusplus.report";
  /** Attempts that it has passed, in the order in which they came: taken up, or found withdrawn. */
  readonly passed: number;
  /** For each plain completion its slot, then where its output ends. */
  readonly slots: readonly number[];
  readonly outputs: Uint8Array<ArrayBuffer>;
  /** Everything else: failures, stops, large outputs, and completions that bring progress. */
  readonly others: readonly SlotReply[];
}

export interface SlotReply {
  readonly slot: number;
  readonly reply: ThreadReply;
}

/** A larger output travels alone: whoever keeps a small one must not keep a large one with it. */
const JOINED_BYTES_MAX = 4_096;

export function reportOf(passed: number, replies: readonly SlotReply[]): Report {
  const slots: number[] = [];
  const parts: Uint8Array[] = [];
  const others: SlotReply[] = [];
  let end = 0;
  for (const each of replies) {
    const { slot, reply } = each;
    if (reply.kind !== "completed" || !isPlain(reply)) {
      others.push(each);
      continue;
    }
    parts.push(reply.output);
    end += reply.output.byteLength;
    slots.push(slot, end);
  }
  return { kind: "mcplusplus.report", passed, slots, outputs: joined(parts), others };
}

/** Each output is the receiver's own. */
export function repliesOf({ slots, outputs, others }: Report): SlotReply[] {
  const replies: SlotReply[] = [];
  let start = 0;
  for (let at = 0; at < slots.length; at += 2) {
    const end = slots[at + 1] ?? start;
    const output = outputs.slice(start, end);
    replies.push({ slot: slots[at] ?? 0, reply: { kind: "completed", output, progress: null } });
    start = end;
  }
  return replies.concat(others);
}

function isPlain({ output, progress }: { output: Uint8Array; progress: Progress | null }): boolean {
  return progress === null && output.byteLength <= JOINED_BYTES_MAX;
}

function joined(parts: readonly Uint8Array[]): Uint8Array<ArrayBuffer> {
  const whole = new Uint8Array(parts.reduce((sum, { byteLength }) => sum + byteLength, 0));
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.byteLength;
  }
  return whole;
}
