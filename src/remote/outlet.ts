import { LIMITS, isFault, type Fault } from "../errors/index.ts";
import { PEER_WORKER, type Lease } from "../queue/queue.protocol.ts";
import type { GivenTask } from "./given-task.ts";
import { GivenTasks, type GivenTasksServices, type Holder } from "./given-tasks.ts";
import type { GrantClaims } from "./grant-token.ts";
import { OutletHold } from "./outlet-hold.ts";
import type { Asking } from "./peer-line.ts";
import { PeerRoom } from "./peer-room.ts";
import type { Candidate } from "./placement.ts";
import { statedBytes } from "./pulls.ts";
import { ANY_NAME, type Outlet as OutletView } from "./remote.protocol.ts";
import {
  METHOD,
  readStarted,
  readTerms,
  writeHello,
  writeStart,
  writeStop,
  type Refused,
  type StartItem,
  type Tell,
  type Terms,
  type Told,
} from "./wire.ts";

export interface OutletServices extends GivenTasksServices {
  readonly line: Asking;
  /** Of this node's actor. */
  readonly life: number;
  readonly figuresOf: (peerId: string) => PeerView;
}

/** What the registry knows of a peer. */
export interface PeerView extends Pick<Candidate, "latencyMs" | "reliability"> {
  readonly capabilities: readonly string[];
}

/** Share of the lease in which a peer whose connection is lost may come back with what it has. */
const RETURN_SHARE = 5;
/** One question for tasks waits so long in the queue, and its answer may take so much longer. */
const CLAIM_MS = 20_000;
const CLAIM_MARGIN_MS = 5_000;
/** After these it is open whether the peer has heard what it was sent. */
const IN_DOUBT: ReadonlySet<string> = new Set([
  "PEER_LOST",
  "DEADLINE_EXCEEDED",
  "ACTOR_RESTARTING",
  "CANCELLED",
  "PEER_PROTOCOL",
]);

/** As much of its terms as the queue knows. */
type Named = Pick<Terms, "actions" | "concurrency">;

/** The id of a peer as a worker of the queue. */
export const WORKER_PREFIX = PEER_WORKER;

/** One peer that this node holds a grant of, and that is a worker of its queue: it is handed tasks as it has room. */
export class Outlet implements Holder {
  readonly peerId: string;
  readonly workerId: string;
  readonly hold = new OutletHold();
  readonly #services: OutletServices;
  readonly #given: GivenTasks;
  #token: Uint8Array;
  #claims: GrantClaims;
  #terms: Terms | null = null;
  #isConnected = false;
  /** While it is shown the token. */
  #greeting: Promise<void> | null = null;
  #isClosed = false;
  /** What it is asking the queue for; null: nothing. */
  #claim: { readonly actions: string; readonly ended: Promise<void> } | null = null;
  readonly #room = new PeerRoom();
  /** Recalled by the queue before the answer to the claim that gave them has been heard. */
  readonly #recalledEarly = new Set<string>();

  constructor(token: Uint8Array, claims: GrantClaims, services: OutletServices) {
    this.peerId = claims.issuer;
    this.workerId = `${WORKER_PREFIX}${claims.issuer}`;
    this.#token = token;
    this.#claims = claims;
    this.#services = services;
    this.#given = new GivenTasks(this, services);
  }

  // --- questions ----------------------------------------------------------------------------------------------------

  get isConnected(): boolean {
    return this.#isConnected;
  }

  get bytesMax(): number {
    return (this.#terms ?? this.#claims).bytesMax;
  }

  view(): OutletView {
    const { actions, tools, concurrency, expiresAtMs } = this.#terms ?? this.#claims;
    const { peerId } = this;
    return {
      ...{ peerId, actions, tools, concurrency, expiresAtMs },
      connected: this.#isConnected,
      running: this.#given.size,
      ...this.#given.counts,
      held: this.#whyHeld(),
    };
  }

  #whyHeld(): string | null {
    const nowMs = this.#services.clock.now();
    if (this.#hasExpired) return "its grant has expired";
    if (!this.#isConnected) return "it is not connected";
    const why = this.hold.why(nowMs);
    if (why !== null) return why;
    if (this.#terms === null) return "it has not answered yet";
    if (this.#terms.actions.length === 0) return "it lets this node run nothing";
    return this.hold.whyActions(nowMs);
  }

  get #hasExpired(): boolean {
    return (this.#terms ?? this.#claims).expiresAtMs <= this.#services.clock.wallNow();
  }

  /** As somebody to hand tasks to; undefined: nothing may go there now. */
  get candidate(): Candidate | undefined {
    const { clock, figuresOf } = this.#services;
    const nowMs = clock.now();
    const terms = this.#terms;
    if (terms === null || !this.#isConnected || this.#isClosed) return undefined;
    if (this.hold.why(nowMs) !== null || this.#hasExpired) return undefined;
    const actions = terms.actions.filter((action) => !this.hold.isActionHeld(action, nowMs));
    const { latencyMs, reliability } = figuresOf(this.peerId);
    return { peerId: this.peerId, actions, room: this.#room.free, latencyMs, reliability };
  }

  // --- the connection -----------------------------------------------------------------------------------------------

  /** Another token of the same peer: it counts from the next greeting on. */
  use(token: Uint8Array, claims: GrantClaims): void {
    this.#token = token;
    this.#claims = claims;
    this.#terms = null;
    this.hold.release();
    if (this.#isConnected) void this.greet();
  }

  connected(): void {
    this.#isConnected = true;
    this.#room.reset();
    this.hold.release();
    void this.greet();
  }

  disconnected(why: string): void {
    this.#isConnected = false;
    this.#given.disconnected(why, this.#services.leaseMs / RETURN_SHARE);
    this.#services.onChange();
  }

  silent(why: string): void {
    this.#terms = null;
    this.hold.whole(why, this.#services.clock.now());
    this.#services.onChange();
  }

  /** Is it to be greeted again, because it has refused and some time has passed? */
  get isToBeGreeted(): boolean {
    const { clock } = this.#services;
    return (
      this.#isConnected && this.#terms === null && !this.#hasExpired && this.hold.why(clock.now()) === null
    );
  }

  /** Shows the token, and learns the terms. Resolves when the peer has answered, or will not. */
  async greet(): Promise<void> {
    if (this.#isClosed) return;
    this.#greeting ??= this.#show();
    await this.#greeting;
  }

  async #show(): Promise<void> {
    const { line, life, leaseMs, clock, signal, onChange } = this.#services;
    const token = this.#token;
    try {
      this.#room.asked();
      const hello = writeHello({ life, token, leaseMs });
      const body = await line.ask(this.peerId, METHOD.hello, hello, { timeoutMs: leaseMs, signal });
      const terms = readTerms(this.peerId, body);
      this.#given.heard();
      await this.#register(terms);
      this.#welcome(terms);
    } catch (error) {
      if (!isFault(error)) throw error;
      this.#terms = null;
      this.hold.whole(`it did not take the token: ${error.message}`, clock.now());
    }
    this.#greeting = null;
    onChange();
    if (token !== this.#token && this.#isConnected) await this.greet();
  }

  #welcome(terms: Terms): void {
    const isNewLife = this.#terms !== null && this.#terms.life !== terms.life;
    this.#terms = terms;
    this.#room.greeted(terms.room);
    const strange = this.#given.greeted(terms.held, isNewLife);
    if (strange.length > 0) void this.stop(strange);
  }

  /** The queue knows what it can do. */
  async #register({ actions: named, concurrency }: Named): Promise<void> {
    const { queue, figuresOf } = this.#services;
    const { workerId, peerId } = this;
    const actions = [...named];
    const capabilities = [...new Set([...actions, ...figuresOf(peerId).capabilities])];
    const maxConcurrent = Math.max(1, concurrency);
    const metadata = { peer_id: peerId };
    await queue.call.registerWorker({ worker: { workerId, capabilities, actions, maxConcurrent, metadata } });
  }

  /** What it has said that it lets this node run or, before that, what its token names. */
  get #named(): Named | null {
    if (this.#terms !== null) return this.#terms;
    const actions = this.#claims.actions.filter((action) => action !== ANY_NAME);
    return actions.length === 0 || this.#hasExpired ? null : { ...this.#claims, actions };
  }

  /**
   * So that the queue takes tasks for it, which wait while it is not there: when it has not been met yet, the queue has
   * forgotten who is registered, or what it can do has changed.
   */
  async registerAgain(): Promise<void> {
    const named = this.#named;
    try {
      if (named !== null && !this.#isClosed) await this.#register(named);
    } catch (error) {
      // It asks again when it is to claim.
      if (!isFault(error)) throw error;
    }
  }

  /** It gives back what it has, and is no worker any more. Returns how many tasks that were. */
  async close(): Promise<number> {
    const { queue } = this.#services;
    this.#isClosed = true;
    await this.#endClaim();
    if (this.#given.size > 0) void this.stop(this.#given.tokens);
    const returned = await this.#given.giveBackAll();
    try {
      await queue.call.unregisterWorker({ workerId: this.workerId, graceful: false, timeoutMs: 0 });
    } catch (error) {
      // It was no worker yet, or is none any more.
      if (!isFault(error)) throw error;
    }
    return returned;
  }

  // --- giving -------------------------------------------------------------------------------------------------------

  /** Asks the queue for such tasks from now on; null: for none. */
  want(wanted: { readonly actions: readonly string[]; readonly max: number } | null): void {
    if (this.#claim !== null) {
      const isSame = wanted !== null && wanted.actions.join("\0") === this.#claim.actions;
      if (!isSame) void this.#endClaim();
    } else if (wanted !== null) {
      const { actions, max } = wanted;
      const { promise, resolve } = Promise.withResolvers<void>();
      this.#claim = { actions: actions.join("\0"), ended: promise };
      void this.#take(actions, max).finally(() => {
        this.#claim = null;
        this.#recalledEarly.clear();
        resolve();
        this.#services.onChange();
      });
    }
  }

  /** Resolves when nothing is asked for any more. */
  async #endClaim(): Promise<void> {
    const claim = this.#claim;
    if (claim === null) return;
    const { queue } = this.#services;
    try {
      await queue.call.endClaims({ workerId: this.workerId });
    } catch (error) {
      // It ends by itself, later.
      if (!isFault(error)) throw error;
    }
    await claim.ended;
  }

  async #take(actions: readonly string[], max: number): Promise<void> {
    const { queue, leaseMs, clock } = this.#services;
    try {
      const request = { workerId: this.workerId, max, leaseMs, waitMs: CLAIM_MS, actions: [...actions] };
      // Not withdrawn with the call: what the queue hands out just then would be lost until its lease ends.
      const { leases } = await queue.call.claim(request, { timeoutMs: CLAIM_MS + CLAIM_MARGIN_MS });
      if (leases.length > 0) this.#giveAll(leases);
    } catch (error) {
      if (!isFault(error)) throw error;
      if (isFault(error, "UNKNOWN_NAME")) await this.registerAgain();
      this.hold.whole(`the queue gives it nothing: ${error.message}`, clock.now());
    }
  }

  #giveAll(leases: readonly Lease[]): void {
    const { batchTasks, batchBytes } = LIMITS.remote;
    let batch: StartItem[] = [];
    let sizeBytes = 0;
    for (const lease of leases) {
      const item = this.#itemOf(this.#given.add(lease));
      if (item === null) continue;
      batch.push(item);
      sizeBytes += item.input instanceof Uint8Array ? item.input.byteLength : 0;
      if (batch.length < batchTasks && sizeBytes < batchBytes) continue;
      void this.#give(batch);
      batch = [];
      sizeBytes = 0;
    }
    if (batch.length > 0) void this.#give(batch);
    if (this.#recalledEarly.size > 0) this.recall([...this.#recalledEarly]);
  }

  /** Null: it cannot go there, and has been given back. */
  #itemOf(task: GivenTask): StartItem | null {
    const { shelf, clock } = this.#services;
    const { token, taskId, action, input, attempt, timeoutMs, traceparent } = task.lease;
    const sizeBytes = statedBytes(input);
    const isOversize = sizeBytes > this.bytesMax;
    if (isOversize) {
      const why = `task "${taskId}" comes with ${sizeBytes} bytes, and it takes ${this.bytesMax}`;
      this.hold.action(action, why, clock.now());
    }
    if (isOversize || this.#terms === null || !this.#isConnected || this.#isClosed) {
      void this.#giveBack(task);
      return null;
    }
    const parcel = shelf.put(this.peerId, token, input);
    const item = { token, taskId, action, input: parcel, attempt, timeoutMs };
    return traceparent === undefined ? item : { ...item, traceparent };
  }

  async #give(items: readonly StartItem[]): Promise<void> {
    const { line, life, leaseMs, signal, onChange } = this.#services;
    this.#room.sent(items.length);
    try {
      const start = writeStart({ life, items });
      const body = await line.ask(this.peerId, METHOD.start, start, { timeoutMs: leaseMs, signal });
      const started = readStarted(this.peerId, body);
      this.#given.heard();
      this.#room.started(started.room, started.sequence);
      for (const { token } of items) {
        const task = this.#given.get(token);
        if (task) task.sequence = started.sequence;
      }
      if (started.refused.length > 0) this.#refused(started.refused);
    } catch (error) {
      if (!isFault(error)) throw error;
      this.#notGiven(items, error);
    }
    this.#room.settled(items.length);
    onChange();
  }

  /** Where it is open whether the peer has heard of them, it is told to stop, and its word on them counts no more. */
  #notGiven(items: readonly StartItem[], error: Fault): void {
    const { clock, judge } = this.#services;
    const isInDoubt = IN_DOUBT.has(error.code);
    const why = `tasks could not be handed over: ${error.message}`;
    if (isFault(error, "DEADLINE_EXCEEDED")) this.silent(why);
    else this.hold.whole(why, clock.now());
    if (isInDoubt) void this.stop(items.map(({ token }) => token));
    for (const { token } of items) {
      const task = this.#given.get(token);
      if (task === undefined) continue;
      if (isInDoubt) this.#given.lose(task, error.message);
      else void this.#giveBack(task);
    }
    if (isFault(error, "NOT_AUTHORIZED")) void this.greet();
    else judge(this.peerId, false, error.message);
  }

  #refused(refused: readonly Refused[]): void {
    const { clock } = this.#services;
    const ofPeer = refused.filter(
      ({ error }) => error.code === "PEER_LIMITED" && error.details["unit"] !== "bytes",
    );
    const [first] = ofPeer;
    // Once, however many tasks were in the message.
    if (first)
      this.hold.whole(first.error.message, clock.now(), Math.max(...ofPeer.map(({ afterMs }) => afterMs)));
    for (const { token, error } of refused) {
      const task = this.#given.get(token);
      if (task === undefined) continue;
      if (error.code !== "PEER_LIMITED" || error.details["unit"] === "bytes") {
        this.hold.action(task.lease.action, error.message, clock.now());
      }
      void this.#giveBack(task);
    }
    // It may know better by now what it allows.
    if (refused.some(({ error }) => error.code === "NOT_AUTHORIZED")) void this.greet();
  }

  /** What it asks for just now would get the task again. */
  async #giveBack(task: GivenTask): Promise<void> {
    if (this.#claim !== null) await this.#endClaim();
    await this.#given.giveBack(task);
  }

  // --- stopping -----------------------------------------------------------------------------------------------------

  /** The queue wants these stopped: it knows why, and the peer's answer tells it how they ended. */
  recall(taskIds: readonly string[]): void {
    if (this.#claim !== null) for (const taskId of taskIds) this.#recalledEarly.add(taskId);
    const tokens = this.#given.ofTasks(taskIds);
    if (tokens.length > 0) void this.stop(tokens);
  }

  async stop(tokens: readonly number[]): Promise<void> {
    const { line, leaseMs, signal } = this.#services;
    for (const token of tokens) {
      const task = this.#given.get(token);
      if (task) task.isStopped = true;
    }
    try {
      await line.ask(this.peerId, METHOD.stop, writeStop(tokens), { timeoutMs: leaseMs, signal });
    } catch (error) {
      // Its next sign of life is answered with the same.
      if (!isFault(error)) throw error;
    }
  }

  // --- hearing ------------------------------------------------------------------------------------------------------

  async told(tell: Tell): Promise<Told> {
    const isGivenBack = tell.ends.some(({ token, kind }) => kind === "returned" && this.#isUnasked(token));
    this.#room.told(tell.room, tell.sequence);
    // What it asks the queue for just now would be given the same again.
    if (isGivenBack) await this.#endClaim();
    // It knows something that this node does not know yet.
    if (isGivenBack || this.#terms?.life !== tell.life) void this.greet();
    const told = await this.#given.told(tell);
    this.#services.onChange();
    return told;
  }

  #isUnasked(token: number): boolean {
    return this.#given.get(token)?.isStopped === false;
  }
}
