import { wireFault, type WireError } from "../../../src/errors/index.ts";
import {
  AnsweringLink,
  type Answer,
  type Answerer,
  type HeardRequest,
} from "../../../src/peers/network/answering-link.ts";
import { AskingLink } from "../../../src/peers/network/asking-link.ts";
import type { Offence } from "../../../src/peers/network/frame.ts";
import type { LinkEnd } from "../../../src/peers/network/link-end.ts";
import { manualClock, type ManualClock } from "../../kit/manual-clock.ts";
import { microtasksDrained } from "../../kit/microtasks.ts";

/** Both ends of a link in memory: what one sends the other has after the next turn, unless the test holds it back. */

export interface HeldRequest extends HeardRequest {
  readonly answer: (answer: Answer) => void;
  readonly reply: (text: string) => void;
  withdrawn: boolean;
}

export interface LinkPair {
  readonly clock: ManualClock;
  readonly asking: AskingLink;
  readonly answering: AnsweringLink;
  /** Came in and were given to the answerer, in order. */
  readonly requests: HeldRequest[];
  readonly offences: { side: "asking" | "answering"; offence: Offence }[];
  readonly ends: { side: "asking" | "answering"; why: string }[];
  /** Requests that came in less those that left. */
  readonly inside: () => number;
  /** Carries what was sent to the other side, until nobody sends any more. */
  settle(): Promise<void>;
  /** What the asking side has sent and the other has not yet: a test may take it out, change it, or leave it there. */
  readonly toAnswering: Uint8Array[];
  readonly toAsking: Uint8Array[];
  /** While true, nothing is taken from the stream towards the asking side, as by a peer that does not read. */
  isAskerDeaf: boolean;
  cut(): void;
}

export interface PairOptions {
  readonly admit?: (method: string) => WireError | null;
  /** Bytes that are on the way at once; one more and `send` returns false. */
  readonly pipeBytes?: number;
  readonly cutAt?: () => number;
}

export function linkPair({ admit = () => null, pipeBytes = Infinity, cutAt }: PairOptions = {}): LinkPair {
  const clock = manualClock();
  const requests: HeldRequest[] = [];
  const offences: LinkPair["offences"] = [];
  const ends: LinkPair["ends"] = [];
  const toAnswering: Uint8Array[] = [];
  const toAsking: Uint8Array[] = [];
  const soon: (() => void)[] = [];
  let inside = 0;

  const sizeOf = (pipe: readonly Uint8Array[]): number => pipe.reduce((sum, each) => sum + each.length, 0);
  const setup = (side: "asking" | "answering", pipe: Uint8Array[], peerId: string) => ({
    clock,
    peerId,
    soon: (run: () => void): void => void soon.push(run),
    stream: {
      send(bytes: Uint8Array): boolean {
        pipe.push(bytes);
        return sizeOf(pipe) <= pipeBytes;
      },
      abort: () => cut(),
      close: () => cut(),
    },
    ended: (why: string): void => void ends.push({ side, why }),
    offended: (offence: Offence): void => void offences.push({ side, offence }),
  });
  const answerer: Answerer = {
    admit({ method }) {
      const refusal = admit(method);
      if (refusal === null) inside += 1;
      return refusal;
    },
    leave: () => void (inside -= 1),
    carryOut(request, answer) {
      const held: HeldRequest = {
        ...request,
        answer,
        reply: (text) => answer({ ok: true, body: Buffer.from(text) }),
        withdrawn: false,
      };
      requests.push(held);
      return () => void (held.withdrawn = true);
    },
  };
  const asking = new AskingLink(setup("asking", toAnswering, "answerer"));
  const answering = new AnsweringLink(setup("answering", toAsking, "asker"), answerer);
  let isCut = false;
  function cut(): void {
    if (isCut) return;
    isCut = true;
    soon.push(() => {
      asking.end("the stream was cut");
      answering.end("the stream was cut");
    });
  }
  const carry = (pipe: Uint8Array[], from: LinkEnd, to: LinkEnd): boolean => {
    const bytes = pipe.splice(0);
    for (const each of bytes) for (const piece of pieces(each, cutAt)) to.receive(piece);
    if (bytes.length > 0) from.drained();
    return bytes.length > 0;
  };
  const pair: LinkPair = {
    clock,
    asking,
    answering,
    requests,
    offences,
    ends,
    inside: () => inside,
    toAnswering,
    toAsking,
    isAskerDeaf: false,
    cut,
    async settle() {
      for (let moved = true; moved;) {
        await microtasksDrained();
        moved = soon.length > 0;
        for (const run of soon.splice(0)) run();
        if (carry(toAnswering, asking, answering)) moved = true;
        if (!pair.isAskerDeaf && carry(toAsking, answering, asking)) moved = true;
      }
    },
  };
  return pair;
}

function pieces(bytes: Uint8Array, cutAt: (() => number) | undefined): Uint8Array[] {
  if (cutAt === undefined) return [bytes];
  const cut: Uint8Array[] = [];
  for (let at = 0; at < bytes.length;) {
    const next = Math.min(bytes.length, at + Math.max(1, cutAt()));
    cut.push(bytes.subarray(at, next));
    at = next;
  }
  return cut;
}

export const text = (bytes: Uint8Array): string => Buffer.from(bytes).toString();
export const refusal = wireFault("PEER_LIMITED", {
  peerId: "asker",
  what: "requests",
  limit: 1,
  unit: "requests",
});

/** Bytes that differ from place to place, so that a piece in the wrong place is seen. */
export const patterned = (length: number): Uint8Array =>
  Uint8Array.from({ length }, (_, index) => (index * 31 + (index >> 8)) & 0xff);
