import { LIMITS, fault } from "../../errors/index.ts";
import { advance, bootstrapTable } from "../../lifecycle/index.ts";
import { invalidArgument } from "../../schema/index.ts";
import type { Random } from "../../scope/index.ts";
import type { BootstrapAttempt, BootstrapState } from "../peers.protocol.ts";
import { DialRun, type Candidate, type DialEffect, type Moment } from "./dial-run.ts";

/** What one run was asked for. */
export interface RunOrder {
  /** Null: those of the plan, and peers that are known. */
  readonly nodes: readonly Candidate[] | null;
  readonly connectionsMin: number;
  readonly connectionsMax: number;
  readonly timeoutMs: number;
}

/** What was found out before anybody is dialled. */
export interface Surroundings {
  readonly ownPeerId: string;
  /** In canonical form, each with `/p2p/<id>`. */
  readonly ownAddresses: readonly string[];
  /** Peers known to the registry. */
  readonly cached: readonly Candidate[];
}

export interface RunResult {
  readonly ready: boolean;
  readonly attempts: readonly BootstrapAttempt[];
  readonly connectedPeers: readonly string[];
  readonly tookMs: number;
}

export type BootstrapEffect =
  | DialEffect
  /** `dial` or `abandon` is to follow. */
  | { readonly kind: "probe"; readonly runId: number; readonly needsCached: boolean }
  | { readonly kind: "moved"; readonly state: BootstrapState }
  | { readonly kind: "ended"; readonly runId: number; readonly result: RunResult };

interface Run {
  readonly id: number;
  readonly order: RunOrder;
  readonly startedAtMs: number;
  readonly deadlineMs: number;
  /** Undefined while it is probing. */
  dials: DialRun | undefined;
}

/** Pauses between runs of its own: doubled from the first up to the longest, of which chance takes off up to a half. */
export const RERUN_MS_MIN = 1_000;
export const RERUN_MS_MAX = 60_000;
/** How long a run of its own may take. */
export const OWN_RUN_MS = 30_000;

/**
 * Who is dialled when, and what was the outcome: the bootstrap without clock, network and registry. Commands come in with
 * the time, effects go out; the same commands have the same effects.
 *
 * It holds that a peer is connected because it was told so, by an outcome or by whoever watches the network.
 */
export class BootstrapCore {
  readonly #random: Random;
  readonly #planMin: number;
  readonly #planNodes: Candidate[];
  readonly #connected = new Set<string>();
  readonly #runs = new Map<number, Run>();
  readonly #history: BootstrapAttempt[] = [];
  #state: BootstrapState = bootstrapTable.initial;
  /** Of the latest call, which is what the state is judged by when the plan has no minimum. */
  #calledMin = 0;
  #tries = 0;
  #rerunAtMs = Infinity;
  #lastRunId = 0;
  #lastAttemptId = 0;
  #isClosed = false;

  /** @param nodes of the plan @param connectionsMin of the plan; 0: no run is its own */
  constructor(nodes: readonly Candidate[], connectionsMin: number, random: Random) {
    this.#planNodes = [...nodes];
    this.#planMin = connectionsMin;
    this.#random = random;
  }

  get state(): BootstrapState {
    return this.#state;
  }

  get connections(): number {
    return this.#connected.size;
  }

  /** What it is judged by. */
  get connectionsMin(): number {
    return this.#planMin > 0 ? this.#planMin : this.#calledMin;
  }

  /** When the next run of its own begins, on the monotonic clock; Infinity: none is due. */
  get rerunAtMs(): number {
    return this.#rerunAtMs;
  }

  /** When `tick` has something to do, unless a command comes before. */
  get nextAtMs(): number {
    let nextMs = this.#rerunAtMs;
    for (const { dials, deadlineMs } of this.#runs.values())
      nextMs = Math.min(nextMs, dials?.nextAtMs ?? deadlineMs);
    return nextMs;
  }

  // --- what it is asked ------------------------------------------------------------------------------------------------

  /** With a minimum in the plan it looks for peers by itself, from now on. */
  start(at: Moment): BootstrapEffect[] {
    if (this.#planMin === 0) return [];
    this.#rerunAtMs = at.nowMs;
    return this.tick(at);
  }

  /** @throws MAILBOX_FULL */
  begin(order: RunOrder, at: Moment): { readonly runId: number; readonly effects: BootstrapEffect[] } {
    const limit = LIMITS.bootstrap.runs;
    if (this.#runs.size >= limit)
      throw fault("MAILBOX_FULL", { actor: "bootstrap", limit, unit: "calls in flight" });
    this.#calledMin = order.connectionsMin;
    const effects: BootstrapEffect[] = [];
    const runId = this.#begin(order, at, effects);
    return { runId, effects: this.#settled(at, effects) };
  }

  /** The surroundings of a run are known: it dials. */
  dial(runId: number, { ownPeerId, ownAddresses, cached }: Surroundings, at: Moment): BootstrapEffect[] {
    const run = this.#runs.get(runId);
    if (run === undefined || run.dials !== undefined) return [];
    const { order, deadlineMs } = run;
    const own = new Set(ownAddresses);
    const seen = new Set<string>();
    const nodes = (order.nodes ?? [...this.#planNodes, ...cached])
      .filter(({ peerId, address }) => {
        const isNew =
          peerId !== ownPeerId && !own.has(address) && !own.has(bare(address)) && !seen.has(address);
        seen.add(address);
        return isNew;
      })
      // Equal ones stay in the order in which they were named.
      .toSorted((a, b) => a.priority - b.priority);
    const { connectionsMin, connectionsMax } = order;
    const goal = { connectionsMin, connectionsMax, deadlineMs, countsOwnNodes: order.nodes !== null };
    run.dials = new DialRun(goal, nodes, this.#connected, at.nowMs, () => ++this.#lastAttemptId);
    const effects: BootstrapEffect[] = [];
    if (this.#state === "probing") this.#move("dial", effects);
    return this.#settled(at, effects);
  }

  /** The caller of a run has gone, or its surroundings could not be found out. No result follows. */
  abandon(runId: number, at: Moment): BootstrapEffect[] {
    const run = this.#runs.get(runId);
    this.#runs.delete(runId);
    return this.#settled(at, run?.dials?.withdraw() ?? []);
  }

  /**
   * A node of the plan, from the next run on. One that is known gets the new priority and time.
   *
   * @throws INVALID_ARGUMENT when there are as many as there may be
   */
  addNode(node: Candidate): void {
    const index = this.#planNodes.findIndex(({ address }) => address === node.address);
    const limit = LIMITS.peers.bootstrapNodes;
    if (index >= 0) this.#planNodes[index] = node;
    else if (this.#planNodes.length < limit) this.#planNodes.push(node);
    else throw invalidArgument("address", `node ${limit + 1}`, `${limit} nodes at most`);
  }

  /** Newest first. */
  history(offset: number, limit: number): { readonly attempts: BootstrapAttempt[]; readonly total: number } {
    const end = Math.max(0, this.#history.length - offset);
    const attempts = this.#history.slice(Math.max(0, end - limit), end).reverse();
    return { attempts, total: this.#history.length };
  }

  clearHistory(): number {
    return this.#history.splice(0).length;
  }

  /** Withdraws everything, for good. */
  close(): BootstrapEffect[] {
    this.#isClosed = true;
    this.#rerunAtMs = Infinity;
    const effects = [...this.#runs.values()].flatMap(({ dials }) => dials?.withdraw() ?? []);
    this.#runs.clear();
    return effects;
  }

  // --- what it is told -------------------------------------------------------------------------------------------------

  succeeded(attemptId: number, peerId: string, at: Moment): BootstrapEffect[] {
    const dials = this.#dialsOf(attemptId);
    if (dials === undefined) return [];
    this.#record(dials.succeeded(attemptId, peerId, at));
    return this.connected(peerId, at);
  }

  failed(attemptId: number, why: string, isTimeout: boolean, at: Moment): BootstrapEffect[] {
    this.#record(this.#dialsOf(attemptId)?.failed(attemptId, why, isTimeout, at));
    return this.#settled(at, []);
  }

  connected(peerId: string, at: Moment): BootstrapEffect[] {
    this.#connected.add(peerId);
    for (const { dials } of this.#runs.values()) dials?.connected(peerId);
    return this.#settled(at, []);
  }

  disconnected(peerId: string, at: Moment): BootstrapEffect[] {
    this.#connected.delete(peerId);
    for (const { dials } of this.#runs.values()) dials?.disconnected(peerId);
    return this.#settled(at, []);
  }

  /** Exactly these are connected, whatever was told before. */
  standing(peerIds: readonly string[], at: Moment): BootstrapEffect[] {
    const present = new Set(peerIds);
    for (const { dials } of this.#runs.values()) {
      for (const peerId of this.#connected) if (!present.has(peerId)) dials?.disconnected(peerId);
      for (const peerId of present) dials?.connected(peerId);
    }
    this.#connected.clear();
    for (const peerId of present) this.#connected.add(peerId);
    return this.#settled(at, []);
  }

  tick(at: Moment): BootstrapEffect[] {
    return this.#settled(at, []);
  }

  // --- how it goes on --------------------------------------------------------------------------------------------------

  /** After each command: dials what may be dialled, ends what is over, and judges how it stands. */
  #settled(at: Moment, effects: BootstrapEffect[]): BootstrapEffect[] {
    if (this.#isClosed) return effects;
    for (const run of [...this.#runs.values()]) this.#advance(run, at, effects);
    this.#judge(effects);
    this.#keep(at, effects);
    return effects;
  }

  #advance(run: Run, at: Moment, effects: BootstrapEffect[]): void {
    const { dials, deadlineMs } = run;
    if (dials !== undefined) effects.push(...dials.advance(at, (attempt) => this.#record(attempt)));
    else if (at.nowMs < deadlineMs) return;
    if (dials?.isOver === false) return;
    this.#runs.delete(run.id);
    effects.push({ kind: "ended", runId: run.id, result: this.#resultOf(run, at) });
  }

  #resultOf({ dials, order, startedAtMs }: Run, { nowMs }: Moment): RunResult {
    return {
      ready: dials?.hasEnough ?? this.#connected.size >= order.connectionsMin,
      attempts: dials?.attempts ?? [],
      connectedPeers: dials?.peers ?? [...this.#connected],
      tookMs: nowMs - startedAtMs,
    };
  }

  #judge(effects: BootstrapEffect[]): void {
    const hasEnough = this.#connected.size >= this.connectionsMin;
    if (this.#state === "ready") {
      if (!hasEnough) this.#move("lose", effects);
      return;
    }
    // Who wants nobody and was never asked is idle, not ready.
    if (hasEnough && this.connectionsMin > 0) this.#move("reach", effects);
    else if (this.#isSearching && this.#runs.size === 0) this.#move(hasEnough ? "reach" : "miss", effects);
  }

  get #isSearching(): boolean {
    return this.#state === "probing" || this.#state === "dialling";
  }

  /** Runs of its own, for as long as too few are connected. */
  #keep(at: Moment, effects: BootstrapEffect[]): void {
    if (this.#planMin === 0) return;
    if (this.#connected.size >= this.#planMin) {
      this.#rerunAtMs = Infinity;
      this.#tries = 0;
      return;
    }
    if (this.#runs.size > 0) return;
    if (this.#rerunAtMs === Infinity) {
      const pauseMs = Math.min(RERUN_MS_MAX, RERUN_MS_MIN * 2 ** this.#tries++);
      this.#rerunAtMs = at.nowMs + pauseMs * (1 - this.#random.next() / 2);
    }
    if (at.nowMs < this.#rerunAtMs) return;
    this.#rerunAtMs = Infinity;
    const min = this.#planMin;
    this.#begin(
      { nodes: null, connectionsMin: min, connectionsMax: min, timeoutMs: OWN_RUN_MS },
      at,
      effects,
    );
  }

  #begin(order: RunOrder, at: Moment, effects: BootstrapEffect[]): number {
    const id = ++this.#lastRunId;
    const deadlineMs = at.nowMs + order.timeoutMs;
    this.#runs.set(id, { id, order, startedAtMs: at.nowMs, deadlineMs, dials: undefined });
    if (this.#state === "idle" || this.#state === "degraded") this.#move("probe", effects);
    effects.push({ kind: "probe", runId: id, needsCached: order.nodes === null });
    return id;
  }

  #move(event: Parameters<typeof bootstrapTable.next>[1], effects: BootstrapEffect[]): void {
    this.#state = advance(bootstrapTable, this.#state, event);
    effects.push({ kind: "moved", state: this.#state });
  }

  #record(attempt: BootstrapAttempt | undefined): void {
    if (attempt === undefined) return;
    this.#history.push(attempt);
    if (this.#history.length > LIMITS.bootstrap.history) this.#history.shift();
  }

  #dialsOf(attemptId: number): DialRun | undefined {
    for (const { dials } of this.#runs.values()) if (dials?.has(attemptId)) return dials;
    return undefined;
  }
}

/** The address without who is there. */
const bare = (address: string): string => address.replace(/\/p2p\/[^/]+$/, "");
