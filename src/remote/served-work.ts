import type { RefOf } from "../actor/index.ts";
import { packValue } from "../codec/index.ts";
import { LIMITS, fault, fromWireError, isFault, toWireError, type WireError } from "../errors/index.ts";
import type { AttemptEnding, Queue } from "../queue/queue.protocol.ts";
import { pause, type Clock, type Scheduler } from "../scope/index.ts";
import { Asker } from "./asker.ts";
import type { Gate, Refusal } from "./gate.core.ts";
import type { Asking } from "./peer-line.ts";
import { statedBytes, type Pulls } from "./pulls.ts";
import type { ServedAttempt } from "./served-attempt.ts";
import type { Shelf } from "./shelf.ts";
import {
  EMPTY,
  readStart,
  readStop,
  writeStarted,
  type EndItem,
  type Refused,
  type StartItem,
} from "./wire.ts";

export interface ServedWorkServices {
  readonly gate: Gate;
  readonly queue: RefOf<typeof Queue>;
  readonly line: Asking;
  readonly shelf: Shelf;
  readonly pulls: Pulls;
  readonly clock: Clock;
  readonly scheduler: Scheduler;
  /** Of this node's actor. */
  readonly life: number;
  /** Ends whatever runs. */
  readonly signal: AbortSignal;
}

/** How long this node, when it stops, gives others to hear that it gives their tasks back; and how often it looks. */
const GOOD_BYE_MS = 2_000;
const LOOK_MS = 20;

/** Tasks of peers that are carried out here, each by one attempt beside the own tasks, within what its grant allows. */
export class ServedWork {
  readonly #services: ServedWorkServices;
  readonly #askers = new Map<string, Asker>();
  /** Handlers at work, by attempt id: a task that comes again while its earlier attempt stops waits for that. */
  readonly #atWork = new Map<
    string,
    { readonly ended: Promise<void>; readonly asker: Asker; readonly token: number }
  >();

  constructor(services: ServedWorkServices) {
    this.#services = services;
  }

  /** Handlers that may be at work for peers. */
  get running(): number {
    return this.#atWork.size;
  }

  /** The peer has shown its token. Returns tokens of the attempts that it has here. */
  greeted(peerId: string, life: number, leaseMs: number): number[] {
    const asker = this.#askers.get(peerId) ?? this.#open(peerId, life);
    asker.greeted(life, leaseMs);
    asker.toldRoom = this.#services.gate.roomOf(peerId);
    return [...asker.attempts.keys()];
  }

  #open(peerId: string, life: number): Asker {
    const { gate, line, shelf, clock, scheduler, life: own } = this.#services;
    const asker = new Asker(peerId, life, {
      line,
      shelf,
      clock,
      scheduler,
      life: own,
      roomOf: (id) => gate.roomOf(id),
      onForgotten: (id) => {
        gate.taken(id);
        if (asker.isAway) this.#leave(asker);
        this.#tellStarved();
      },
      stopHandler: (from, attempt) => this.#stopHandler(from, attempt),
    });
    this.#askers.set(peerId, asker);
    return asker;
  }

  // --- what peers ask -------------------------------------------------------------------------------------------------

  /** Takes in what is allowed, and says why the rest is not. @throws PEER_PROTOCOL, NOT_AUTHORIZED */
  start(peerId: string, body: Uint8Array): Uint8Array {
    const { gate, life, clock } = this.#services;
    const { life: theirs, items } = readStart(peerId, body);
    const asker = this.#askers.get(peerId);
    if (!asker?.isOfLife(theirs)) {
      const why = "it has shown no token on this connection";
      const error = fault("NOT_AUTHORIZED", { peerId, what: "have tasks carried out", why });
      throw gate.refuse(peerId, "no_token", error, clock.wallNow()).error;
    }
    asker.heard();
    const refused = items.flatMap((item): Refused[] => {
      const refusal = this.#take(asker, item);
      if (refusal === null) return [];
      return [{ token: item.token, error: toWireError(refusal.error), afterMs: refusal.afterMs }];
    });
    asker.begun();
    asker.toldRoom = gate.roomOf(peerId);
    return writeStarted({ life, sequence: asker.sequence, room: asker.toldRoom, refused });
  }

  #take(asker: Asker, item: StartItem): Refusal | null {
    const { gate, clock } = this.#services;
    const { peerId } = asker;
    // Sent again: it is carried out already.
    if (asker.attempts.has(item.token)) return null;
    const nowMs = clock.wallNow();
    let sizeBytes: number;
    try {
      sizeBytes = statedBytes(item.input);
    } catch (error) {
      if (!isFault(error, "VALUE_CORRUPT")) throw error;
      const why = `the input of a task is no packed value: ${error.message}`;
      return gate.refuse(peerId, "malformed", fault("PEER_PROTOCOL", { peerId, why }), nowMs);
    }
    const refusal = gate.start(peerId, item.action, sizeBytes, nowMs);
    if (refusal === null) this.#carryOut(asker, asker.begin(item));
    return refusal;
  }

  /** @throws PEER_PROTOCOL */
  stop(peerId: string, body: Uint8Array): Uint8Array {
    const asker = this.#askers.get(peerId);
    const tokens = readStop(peerId, body);
    asker?.heard();
    asker?.stop(
      tokens,
      fault("CANCELLED", { what: "the task of a peer", reason: "its node has cancelled it" }),
    );
    return EMPTY;
  }

  // --- what happens here ------------------------------------------------------------------------------------------------

  /** What it runs here is stopped and given back. Returns how many handlers were at work. */
  revoke(peerId: string): number {
    const asker = this.#askers.get(peerId);
    if (!asker) return 0;
    const { running } = asker;
    const reason = fault("CANCELLED", { what: "the task of a peer", reason: "its grant was revoked" });
    asker.stop([...asker.attempts.keys()], reason);
    return running;
  }

  connected(peerId: string): void {
    const asker = this.#askers.get(peerId);
    if (asker === undefined) return;
    asker.isAway = false;
    asker.tell();
  }

  /** It may come back, until its lease is over. */
  disconnected(peerId: string): void {
    const asker = this.#askers.get(peerId);
    if (asker === undefined) return;
    asker.isAway = true;
    this.#leave(asker);
  }

  #leave(asker: Asker): void {
    if (asker.attempts.size > 0) return;
    asker.close();
    this.#askers.delete(asker.peerId);
  }

  progressed(attemptId: string, fraction: number, message: string): void {
    const work = this.#atWork.get(attemptId);
    work?.asker.progressed(work.token, fraction, message);
  }

  /** Gives back what runs here, and does not wait long for those whose tasks it is to take note of that. */
  async close(): Promise<void> {
    const { clock, gate } = this.#services;
    const reason = fault("CANCELLED", { what: "the task of a peer", reason: "this node stops" });
    gate.isClosed = true;
    const askers = [...this.#askers.values()];
    for (const asker of askers) asker.stop([...asker.attempts.keys()], reason);
    const untilMs = clock.now() + GOOD_BYE_MS;
    const isBusy = (): boolean => askers.some(({ attempts, isAway }) => attempts.size > 0 && !isAway);
    while (isBusy() && clock.now() < untilMs) await pause(LOOK_MS, { clock });
    for (const asker of askers) {
      asker.abandon(reason);
      asker.close();
    }
  }

  #carryOut(asker: Asker, attempt: ServedAttempt): void {
    const { gate } = this.#services;
    const attemptId = attemptIdOf(asker, attempt);
    const before = this.#atWork.get(attemptId)?.ended;
    const work = async (): Promise<void> => {
      await before;
      const end = await this.#endOf(asker, attempt);
      if (this.#atWork.get(attemptId) === entry) this.#atWork.delete(attemptId);
      gate.ended(asker.peerId);
      asker.ended(attempt, end);
      this.#tellStarved();
    };
    const { token } = attempt.item;
    const { promise, resolve } = Promise.withResolvers<void>();
    const entry = { ended: promise, asker, token };
    this.#atWork.set(attemptId, entry);
    void work().finally(resolve);
  }

  /** Never rejects with a fault: whatever happens is an end. */
  async #endOf(asker: Asker, attempt: ServedAttempt): Promise<EndItem> {
    const { token } = attempt.item;
    const returned = { token, kind: "returned", output: null, error: null } as const;
    try {
      if (attempt.isStopping) return returned;
      const input = await this.#inputOf(asker, attempt);
      if (attempt.isStopping) return returned;
      return this.#told(asker, attempt, await this.#run(asker, attempt, input));
    } catch (error) {
      if (!isFault(error)) throw error;
      if (attempt.isStopping) return returned;
      // Of what the peer itself has sent wrongly, another try would make nothing else.
      const isTheirs = isFault(error, "PEER_PROTOCOL") || isFault(error, "SIZE_EXCEEDED");
      return { token, kind: isTheirs ? "failed" : "interrupted", output: null, error: toWireError(error) };
    }
  }

  #inputOf({ peerId }: Asker, { item, signal }: ServedAttempt): Promise<Uint8Array> | Uint8Array {
    const { gate, pulls } = this.#services;
    const terms = { peerId, bytesMax: gate.bytesMaxOf(peerId), mayUseOwn: false, signal };
    return pulls.value(item.input, terms);
  }

  async #run(asker: Asker, attempt: ServedAttempt, input: Uint8Array): Promise<AttemptEnding> {
    const { queue, signal } = this.#services;
    const { action, attempt: number, timeoutMs, traceparent } = attempt.item;
    const attemptId = attemptIdOf(asker, attempt);
    const spec = { attemptId, action, input, attempt: number, timeoutMs };
    attempt.isRunning = true;
    const trace = traceparent === undefined ? {} : { traceparent };
    const { end } = await queue.call.attempt({ spec }, { timeoutMs: Infinity, signal, ...trace });
    return end;
  }

  #told({ peerId }: Asker, { item: { token } }: ServedAttempt, end: AttemptEnding): EndItem {
    const { gate, shelf } = this.#services;
    if (end.kind === "cancelled") return { token, kind: "returned", output: null, error: null };
    if (end.kind !== "completed") return { token, kind: end.kind, output: null, error: bounded(end.error) };
    const oversize = gate.oversize(peerId, statedBytes(end.output));
    if (oversize) return { token, kind: "failed", output: null, error: toWireError(oversize.error) };
    return { token, kind: "completed", output: shelf.put(peerId, token, end.output), error: null };
  }

  #stopHandler(asker: Asker, attempt: ServedAttempt): void {
    const attemptId = attemptIdOf(asker, attempt);
    this.#services.queue.call.stopAttempt({ attemptId }).catch((error: unknown) => {
      // With the queue's life its handlers have gone too.
      if (!isFault(error)) throw error;
    });
  }

  /** Whoever has nothing here is not told by the end of its tasks that there is room. */
  #tellStarved(): void {
    for (const asker of this.#askers.values()) if (asker.isStarved) asker.tell();
  }
}

/** What stands after the NUL is what the handler is told as the id of its task. */
const attemptIdOf = ({ peerId }: Asker, { item }: ServedAttempt): string => `${peerId}\0${item.taskId}`;

/** A long chain of causes does not fill the message that many ends share. */
function bounded(error: WireError): WireError {
  if (packValue(error).byteLength <= LIMITS.remote.inlineBytes) return error;
  const { cause: _, errors: __, details: ___, ...rest } = error;
  return toWireError(fromWireError({ ...rest, details: {} }));
}
