import { LIMITS } from "../../errors/index.ts";
import type { PeerRecord } from "../capability-record.ts";
import type { ConnectionInfo, PeerHint } from "../network.protocol.ts";
import type { KnownPeer, PeerQuery, RecordSource } from "../peers.protocol.ts";
import { PeerEntry, type Moment } from "./peer-entry.ts";

/** What became of a record: `older` and `own` changed nothing, `known` named one more source. */
export type Taken = "newer" | "known" | "older" | "own";

export interface Swept {
  /** Whose records have expired. */
  readonly expired: readonly string[];
  /** Of whom nothing is known any more. */
  readonly gone: readonly string[];
}

/** How long a peer whose exchanges failed is left alone. */
export const SHUN_MS = 600_000;

/**
 * What is known of all peers. Time is handed in with each question, so that the same news in the same order leads to the same
 * answers.
 */
export class RegistryCore {
  readonly #peersMax: number;
  readonly #entries = new Map<string, PeerEntry>();
  /** Of this node: it is no peer of itself. Null until it is known. */
  ownId: string | null = null;
  /** Who left to make room, since the start. */
  crowdedOut = 0;

  constructor(peersMax: number = LIMITS.discovery.peers) {
    this.#peersMax = peersMax;
  }

  get size(): number {
    return this.#entries.size;
  }

  get(peerId: string): PeerEntry | undefined {
    return this.#entries.get(peerId);
  }

  entries(): IterableIterator<PeerEntry> {
    return this.#entries.values();
  }

  /** Of the newest record of a peer, expired or not. */
  sequenceOf(peerId: string): number | undefined {
    return this.#entries.get(peerId)?.sequence;
  }

  // --- news -------------------------------------------------------------------------------------------------------

  /** @param record that has been checked */
  take(record: PeerRecord, source: RecordSource, { wallMs }: Moment): Taken {
    if (record.peerId === this.ownId) return "own";
    const known = this.sequenceOf(record.peerId);
    if (known !== undefined && record.sequence < known) return "older";
    const entry = this.#make(record.peerId, record.issuedAtMs);
    entry.sources.add(source);
    if (record.sequence === known) return "known";
    entry.taken(record, wallMs);
    return "newer";
  }

  /** @returns the peer's entry; undefined when the hint is of this node */
  hint({ peerId, addresses, source }: PeerHint, { wallMs }: Moment): PeerEntry | undefined {
    if (peerId === this.ownId) return undefined;
    const entry = this.#make(peerId, wallMs);
    entry.sources.add(source);
    entry.hint(addresses, wallMs);
    return entry;
  }

  /** Somebody named this address as that of the peer, for dialling. */
  addressed(peerId: string, addresses: readonly string[], { wallMs }: Moment): PeerEntry {
    const entry = this.#make(peerId, wallMs);
    entry.hint(addresses, wallMs);
    return entry;
  }

  connected(info: ConnectionInfo, { wallMs }: Moment): PeerEntry {
    const entry = this.#make(info.peerId, wallMs);
    entry.connected(info, wallMs);
    return entry;
  }

  disconnected(peerId: string, { wallMs }: Moment): PeerEntry | undefined {
    const entry = this.#entries.get(peerId);
    entry?.disconnected(wallMs);
    return entry;
  }

  persist(peerId: string, addresses: readonly string[], { wallMs }: Moment): void {
    this.#make(peerId, wallMs).persistentAt = addresses;
  }

  /** How an exchange with a peer went. @returns whether it is to be shunned from now on */
  judged(peerId: string, ok: boolean, { nowMs }: Moment): boolean {
    const entry = this.#entries.get(peerId);
    if (entry === undefined) return false;
    entry.figures.ended("exchange", ok);
    if (!entry.figures.isWorst || this.isShunned(peerId, nowMs)) return false;
    entry.shunnedUntilMs = nowMs + SHUN_MS;
    // When its time is over, it begins anew.
    entry.figures.pardon();
    return true;
  }

  isShunned(peerId: string, nowMs: number): boolean {
    return nowMs < (this.#entries.get(peerId)?.shunnedUntilMs ?? -Infinity);
  }

  pardon(peerId: string): void {
    const entry = this.#entries.get(peerId);
    if (entry === undefined) return;
    entry.shunnedUntilMs = -Infinity;
    entry.figures.pardon();
  }

  /** @returns false for a peer that is connected, or being dialled, or not known */
  forget(peerId: string): boolean {
    const entry = this.#entries.get(peerId);
    if (entry === undefined || entry.status !== "disconnected") return false;
    return this.#entries.delete(peerId);
  }

  /** Lets go of what has expired. */
  sweep({ wallMs, nowMs }: Moment): Swept {
    const expired: string[] = [];
    const gone: string[] = [];
    for (const entry of this.#entries.values()) {
      if (entry.expire(wallMs)) expired.push(entry.peerId);
      // Who is shunned is remembered, or else would be back at once.
      if (!entry.isEmptyAt(wallMs) || nowMs < entry.shunnedUntilMs) continue;
      this.#entries.delete(entry.peerId);
      gone.push(entry.peerId);
    }
    return { expired, gone };
  }

  // --- questions ----------------------------------------------------------------------------------------------------

  list(query: PeerQuery, moment: Moment): { peers: KnownPeer[]; total: number } {
    const { status, capabilities = [], sortBy = "last_seen", offset, limit } = query;
    const found = [...this.#entries.values()].filter(
      (entry) =>
        (status === undefined || entry.status === status) &&
        hasAll(entry.capabilitiesAt(moment.wallMs), capabilities),
    );
    const ordered = this.#sorted(found, sortBy, moment);
    const page = ordered.slice(offset, offset + limit);
    return { peers: page.map((entry) => entry.at(moment)), total: found.length };
  }

  /** By peer id among equals, so that the order is total. */
  #sorted(entries: readonly PeerEntry[], by: NonNullable<PeerQuery["sortBy"]>, moment: Moment): PeerEntry[] {
    const ranked = entries.map((entry) => ({ entry, rank: rankOf(entry, by, moment) }));
    ranked.sort((one, other) => {
      if (one.rank !== other.rank) return one.rank - other.rank;
      return one.entry.peerId < other.entry.peerId ? -1 : 1;
    });
    return ranked.map(({ entry }) => entry);
  }

  #make(peerId: string, wallMs: number): PeerEntry {
    const known = this.#entries.get(peerId);
    if (known !== undefined) return known;
    if (this.#entries.size >= this.#peersMax) this.#makeRoom();
    const made = new PeerEntry(peerId, wallMs);
    this.#entries.set(peerId, made);
    return made;
  }

  /** Connected and persistent peers are bounded elsewhere, so there is always somebody to leave. */
  #makeRoom(): void {
    let oldest: PeerEntry | undefined;
    for (const entry of this.#entries.values()) {
      if (entry.isIdle && (oldest === undefined || entry.lastSeenMs < oldest.lastSeenMs)) oldest = entry;
    }
    if (oldest === undefined) return;
    this.#entries.delete(oldest.peerId);
    this.crowdedOut += 1;
  }
}

const hasAll = (capabilities: readonly string[], wanted: readonly string[]): boolean =>
  wanted.every((each) => capabilities.includes(each));

/** Lower first; what was not measured comes last. */
function rankOf(entry: PeerEntry, by: NonNullable<PeerQuery["sortBy"]>, moment: Moment): number {
  if (by === "last_seen") return -entry.lastSeenMs;
  if (by === "latency") return entry.figuresAt(moment).latencyMs ?? Infinity;
  if (by === "bandwidth") return -(entry.figuresAt(moment).bandwidthMbps ?? -Infinity);
  return 0;
}
