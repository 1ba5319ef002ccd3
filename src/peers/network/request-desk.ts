import { LIMITS, wireFault, type WireError } from "../../errors/index.ts";
import type { Clock } from "../../scope/index.ts";
import type { PeerRequest } from "../network.protocol.ts";
import type { Answer, Answerer, HeardRequest } from "./answering-link.ts";
import type { RequestHead } from "./frame.ts";
import type { Refused } from "./refusals.ts";

export interface DeskPlace {
  readonly clock: Clock;
  readonly requested: (request: PeerRequest) => void;
  readonly withdrawn: (requestId: number) => void;
  readonly refused: (why: Refused) => void;
}

interface Held {
  readonly answer: (answer: Answer) => void;
}

/** What one peer has here: requests that are being answered, and what it was given to measure with. */
class Guest implements Answerer {
  readonly #desk: RequestDesk;
  readonly #peerId: string;
  serving = 0;
  heldBytes = 0;
  /** Answered, ever. */
  served = 0;
  #minuteEndMs = -Infinity;
  #sampledBytes = 0;

  constructor(desk: RequestDesk, peerId: string) {
    this.#desk = desk;
    this.#peerId = peerId;
  }

  admit({ method, bodyBytes }: RequestHead): WireError | null {
    const { requestsPerPeer, heldBytesPerPeer } = LIMITS.network;
    if (!this.#desk.isServed(method)) {
      const why = `nobody answers ${method} here`;
      return this.#refuse("method", wireFault("PEER_PROTOCOL", { peerId: this.#desk.ownId, why }));
    }
    if (this.serving >= requestsPerPeer)
      return this.#limited("requests at a time", requestsPerPeer, "requests");
    if (this.heldBytes + bodyBytes > heldBytesPerPeer)
      return this.#limited("what it asks with at a time", heldBytesPerPeer, "bytes");
    const crowd = this.#desk.enter(bodyBytes);
    if (crowd !== null) return this.#limited(crowd.what, crowd.limit, crowd.unit);
    this.serving += 1;
    this.heldBytes += bodyBytes;
    return null;
  }

  leave({ bodyBytes }: RequestHead): void {
    this.serving -= 1;
    this.heldBytes -= bodyBytes;
    this.#desk.leave(bodyBytes);
  }

  carryOut(request: HeardRequest, answer: (answer: Answer) => void): (() => void) | null {
    const counted = (given: Answer): void => {
      this.served += 1;
      answer(given);
    };
    if (request.method === "net.sample") counted(this.#sample(request.body));
    else return this.#desk.carryOut(request, counted);
    return null;
  }

  #sample(body: Uint8Array): Answer {
    const { sampleBytes, sampledBytesPerMinute } = LIMITS.network;
    const wanted = body.length < 4 ? -1 : Buffer.from(body.buffer, body.byteOffset).readUInt32BE();
    if (wanted < 0 || wanted > sampleBytes || body.length > 4 + sampleBytes) {
      const details = {
        argument: "sample",
        got: `${wanted} and ${body.length} bytes`,
        allowed: `at most ${sampleBytes}`,
      };
      return { ok: false, error: wireFault("INVALID_ARGUMENT", details) };
    }
    const nowMs = this.#desk.place.clock.now();
    if (nowMs >= this.#minuteEndMs) {
      this.#minuteEndMs = nowMs + 60_000;
      this.#sampledBytes = 0;
    }
    this.#sampledBytes += wanted + body.length;
    if (this.#sampledBytes <= sampledBytesPerMinute) return { ok: true, body: SAMPLE.subarray(0, wanted) };
    this.#desk.place.refused("sample");
    const details = {
      peerId: this.#peerId,
      what: "sampling in a minute",
      limit: sampledBytesPerMinute,
      unit: "bytes",
    };
    return { ok: false, error: wireFault("PEER_LIMITED", details) };
  }

  #limited(what: string, limit: number, unit: string): WireError {
    return this.#refuse("requests", wireFault("PEER_LIMITED", { peerId: this.#peerId, what, limit, unit }));
  }

  #refuse(why: Refused, error: WireError): WireError {
    this.#desk.place.refused(why);
    return error;
  }
}

export type { Guest };

/** Not all the same: a line that compresses would look faster than it is. */
const SAMPLE = samplePattern(LIMITS.network.sampleBytes);

function samplePattern(bytes: number): Uint8Array {
  const sample = new Uint8Array(bytes);
  let state = 0x9e3779b9;
  for (let index = 0; index < bytes; index++) {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    sample[index] = state >>> 24;
  }
  return sample;
}

/**
 * Where the requests of all peers come together: it answers what every node answers, gives the rest to whoever serves it,
 * and knows how much there is of them.
 */
export class RequestDesk {
  readonly ownId: string;
  readonly place: DeskPlace;
  readonly #prefixes = new Set<string>();
  readonly #held = new Map<number, Held>();
  #lastId = 0;
  #serving = 0;
  #heldBytes = 0;
  #record: Uint8Array | null = null;

  constructor(ownId: string, place: DeskPlace) {
    this.ownId = ownId;
    this.place = place;
  }

  get serving(): number {
    return this.#serving;
  }

  serve(prefixes: readonly string[]): void {
    for (const prefix of prefixes) this.#prefixes.add(prefix);
  }

  /** What `net.record` answers from now on. */
  showRecord(record: Uint8Array): void {
    this.#record = record;
  }

  guest(peerId: string): Guest {
    return new Guest(this, peerId);
  }

  reply(requestId: number, answer: Answer): void {
    const held = this.#held.get(requestId);
    // Withdrawn meanwhile.
    if (held === undefined) return;
    this.#held.delete(requestId);
    held.answer(answer);
  }

  isServed(method: string): boolean {
    if (BUILT_IN.has(method)) return true;
    for (const prefix of this.#prefixes) if (method.startsWith(prefix)) return true;
    return false;
  }

  /** Room for one more, of all peers? Null: it is in. */
  enter(bodyBytes: number): { readonly what: string; readonly limit: number; readonly unit: string } | null {
    const { requests, heldBytes } = LIMITS.network;
    if (this.#serving >= requests)
      return { what: "requests of all peers at a time", limit: requests, unit: "requests" };
    if (this.#heldBytes + bodyBytes > heldBytes)
      return { what: "what all peers ask with at a time", limit: heldBytes, unit: "bytes" };
    this.#serving += 1;
    this.#heldBytes += bodyBytes;
    return null;
  }

  leave(bodyBytes: number): void {
    this.#serving -= 1;
    this.#heldBytes -= bodyBytes;
  }

  carryOut(request: HeardRequest, answer: (answer: Answer) => void): (() => void) | null {
    const { peerId, method, body, remainingMs, traceparent } = request;
    if (BUILT_IN.has(method)) {
      answer(this.#builtIn(method));
      return null;
    }
    const requestId = ++this.#lastId;
    this.#held.set(requestId, { answer });
    const trace = traceparent === undefined ? {} : { traceparent };
    this.place.requested({ requestId, peerId, method, body, remainingMs, ...trace });
    return () => {
      if (this.#held.delete(requestId)) this.place.withdrawn(requestId);
    };
  }

  #builtIn(method: string): Answer {
    if (method !== "net.record") return { ok: true, body: NOTHING };
    if (this.#record !== null) return { ok: true, body: this.#record };
    const details = { what: "the record of this node", why: "it has not been made yet" };
    return { ok: false, error: wireFault("UNAVAILABLE", details) };
  }
}

const BUILT_IN: ReadonlySet<string> = new Set(["net.ping", "net.sample", "net.record"]);
const NOTHING = new Uint8Array(0);
