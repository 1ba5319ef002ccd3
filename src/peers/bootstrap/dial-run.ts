import { LIMITS } from "../../errors/index.ts";
import type { BootstrapAttempt, BootstrapNode } from "../peers.protocol.ts";

/** Now, by both clocks: durations are measured on the one, people are shown the other. */
export interface Moment {
  /** Monotonic milliseconds. */
  readonly nowMs: number;
  /** Milliseconds since 1970. */
  readonly wallMs: number;
}

/** A node with the peer that has to answer there. */
export interface Candidate extends BootstrapNode {
  readonly peerId: string;
}

/** What a run is to reach. */
export interface RunGoal {
  readonly connectionsMin: number;
  /** It stops there. */
  readonly connectionsMax: number;
  /** On the monotonic clock. */
  readonly deadlineMs: number;
  /** Do only the peers of its nodes count? Else all that are connected. */
  readonly countsOwnNodes: boolean;
}

export type DialEffect =
  | { readonly kind: "dial"; readonly attemptId: number; readonly node: Candidate }
  /** Its outcome is of no interest any more. */
  | { readonly kind: "withdraw"; readonly attemptId: number };

interface Attempt {
  readonly id: number;
  readonly node: Candidate;
  readonly started: Moment;
  readonly dueMs: number;
}

/** After so long without an answer an attempt hangs, and others are started beside it. */
export const STAGGER_MS = 200;
/** How long those that hang are waited for when enough are connected and none is left to start. */
export const SETTLE_MS = 300;

/**
 * One walk over nodes: whom to dial next, and when to stop. Deterministic: time comes as an argument, dials and their
 * outcomes are told.
 *
 * As many are started at once as are wanted, `LIMITS.bootstrap.parallel` at most. One that has failed makes room at once;
 * one that hangs makes room after 200 ms and lets one more be tried than before, so that the number doubles while nobody
 * answers, and a list that begins with black holes costs some hundred milliseconds instead of a time limit each.
 *
 * @see https://www.rfc-editor.org/rfc/rfc8305 (Happy Eyeballs: start the next before the last has failed)
 */
export class DialRun {
  readonly #goal: RunGoal;
  readonly #nextId: () => number;
  #waiting: Candidate[] = [];
  readonly #underWay = new Map<number, Attempt>();
  /** Peers that count and are connected. */
  readonly #peers: Set<string>;
  readonly #ownPeers: ReadonlySet<string>;
  readonly #ended: BootstrapAttempt[] = [];
  #lastNewsMs: number;
  #lookedAtMs = -Infinity;
  #isOver = false;

  /**
   * @param candidates in order; a peer that is connected already is not dialled
   * @param connected who is
   */
  constructor(
    goal: RunGoal,
    candidates: readonly Candidate[],
    connected: Iterable<string>,
    nowMs: number,
    nextId: () => number,
  ) {
    this.#goal = goal;
    this.#nextId = nextId;
    this.#waiting = [...candidates];
    this.#ownPeers = new Set(candidates.map(({ peerId }) => peerId));
    this.#peers = new Set([...connected].filter((peerId) => this.#counts(peerId)));
    this.#lastNewsMs = nowMs;
  }

  get isOver(): boolean {
    return this.#isOver;
  }

  get attempts(): readonly BootstrapAttempt[] {
    return this.#ended;
  }

  /** Those that count, in the order in which they came. */
  get peers(): readonly string[] {
    return [...this.#peers];
  }

  get hasEnough(): boolean {
    return this.#peers.size >= this.#goal.connectionsMin;
  }

  has(attemptId: number): boolean {
    return this.#underWay.has(attemptId);
  }

  /**
   * Whoever connects counts, be it by a dial of another, or from its own side. Not so whom this run is dialling: the outcome
   * of the dial tells, since a connection stands before it is known whether the peer answers on it.
   */
  connected(peerId: string): void {
    for (const { node } of this.#underWay.values()) if (node.peerId === peerId) return;
    if (this.#counts(peerId)) this.#peers.add(peerId);
  }

  disconnected(peerId: string): void {
    this.#peers.delete(peerId);
  }

  /** Somebody authenticated as `peerId` answered. */
  succeeded(attemptId: number, peerId: string, at: Moment): BootstrapAttempt | undefined {
    const attempt = this.#take(attemptId);
    if (attempt === undefined) return undefined;
    if (peerId !== attempt.node.peerId)
      return this.#end(attempt, at, "failed", `peer ${peerId} answered there, not ${attempt.node.peerId}`);
    this.#peers.add(peerId);
    this.#lastNewsMs = at.nowMs;
    return this.#end(attempt, at, "success", null);
  }

  failed(attemptId: number, why: string, isTimeout: boolean, at: Moment): BootstrapAttempt | undefined {
    const attempt = this.#take(attemptId);
    return attempt && this.#end(attempt, at, isTimeout ? "timeout" : "failed", why);
  }

  /** Starts what may be started, and gives up what is over. To be called after each news, and at `nextAtMs`. */
  advance(at: Moment, ended: (attempt: BootstrapAttempt) => void): DialEffect[] {
    const effects: DialEffect[] = [];
    const giveUp = (attempt: Attempt, why: string): void => {
      this.#underWay.delete(attempt.id);
      effects.push({ kind: "withdraw", attemptId: attempt.id });
      ended(this.#end(attempt, at, "timeout", why));
    };
    const giveUpAll = (why: string): void => {
      for (const attempt of [...this.#underWay.values()]) giveUp(attempt, why);
      this.#isOver = true;
    };
    if (this.#isOver) return effects;
    for (const attempt of [...this.#underWay.values()])
      if (at.nowMs >= attempt.dueMs) giveUp(attempt, `no answer within ${attempt.node.timeoutMs / 1000} s`);
    if (this.#peers.size >= this.#goal.connectionsMax) return this.withdraw(effects);
    if (at.nowMs >= this.#goal.deadlineMs) {
      giveUpAll("the time of the bootstrap was up");
      return effects;
    }
    this.#start(at, effects);
    if (this.#underWay.size === 0) this.#isOver = true;
    else if (at.nowMs >= this.#settleAtMs) giveUpAll("no answer yet, and enough others are connected");
    return effects;
  }

  /** Ends it: what is under way is neither waited for nor recorded, since nobody knows how it would have ended. */
  withdraw(effects: DialEffect[] = []): DialEffect[] {
    for (const attemptId of this.#underWay.keys()) effects.push({ kind: "withdraw", attemptId });
    this.#underWay.clear();
    this.#waiting = [];
    this.#isOver = true;
    return effects;
  }

  /** When `advance` has something to do, unless there is news before. */
  get nextAtMs(): number {
    if (this.#isOver) return Infinity;
    const { deadlineMs } = this.#goal;
    let nextMs = Math.min(deadlineMs, this.#settleAtMs);
    for (const { dueMs, started } of this.#underWay.values()) {
      nextMs = Math.min(nextMs, dueMs);
      const hangsAtMs = started.nowMs + STAGGER_MS;
      // Those that hang already have made room.
      if (this.#waiting.length > 0 && hangsAtMs > this.#lookedAtMs) nextMs = Math.min(nextMs, hangsAtMs);
    }
    return nextMs;
  }

  #start(at: Moment, effects: DialEffect[]): void {
    this.#lookedAtMs = at.nowMs;
    const { parallel, underWay } = LIMITS.bootstrap;
    let hanging = 0;
    for (const { started } of this.#underWay.values())
      if (at.nowMs >= started.nowMs + STAGGER_MS) hanging += 1;
    const wanted = this.#goal.connectionsMax - this.#peers.size;
    const room = Math.min(hanging + Math.min(parallel, wanted + hanging), underWay);
    while (this.#underWay.size < room) {
      const node = this.#waiting.shift();
      if (node === undefined) return;
      if (this.#peers.has(node.peerId)) continue;
      const id = this.#nextId();
      this.#underWay.set(id, { id, node, started: at, dueMs: at.nowMs + node.timeoutMs });
      this.#lastNewsMs = at.nowMs;
      effects.push({ kind: "dial", attemptId: id, node });
    }
  }

  get #settleAtMs(): number {
    return this.hasEnough && this.#waiting.length === 0 ? this.#lastNewsMs + SETTLE_MS : Infinity;
  }

  #counts(peerId: string): boolean {
    return !this.#goal.countsOwnNodes || this.#ownPeers.has(peerId);
  }

  #take(attemptId: number): Attempt | undefined {
    const attempt = this.#underWay.get(attemptId);
    this.#underWay.delete(attemptId);
    return attempt;
  }

  #end(
    { node, started }: Attempt,
    at: Moment,
    status: BootstrapAttempt["status"],
    error: string | null,
  ): BootstrapAttempt {
    const attempt: BootstrapAttempt = {
      address: node.address,
      source: node.source,
      status,
      error,
      peerId: status === "success" ? node.peerId : null,
      startedAtMs: started.wallMs,
      tookMs: at.nowMs - started.nowMs,
    };
    this.#ended.push(attempt);
    return attempt;
  }
}
