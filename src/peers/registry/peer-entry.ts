import { LIMITS } from "../../errors/index.ts";
import type { PeerRecord } from "../capability-record.ts";
import type { ConnectionInfo } from "../network.protocol.ts";
import { canonicalAddress, peerIdIn } from "../peer-names.ts";
import type { FigurePoint, KnownPeer, PeerFigures, PeerStatus, RecordSource } from "../peers.protocol.ts";
import { FigureBook } from "./peer-figures.ts";

/** One moment on both scales: durations on the one, what is shown and kept on the other. */
export interface Moment {
  readonly nowMs: number;
  readonly wallMs: number;
}

/** How long a hint that nobody repeats is kept: what other programs of the same registry take for alive. */
const HINT_TTL_MS = 1_800_000;
const HOUR_MS = 3_600_000;

/** What is known of one peer. It changes only by what the core tells it. */
export class PeerEntry {
  readonly peerId: string;
  /** The newest; it may have expired since the last sweep. */
  record: PeerRecord | null = null;
  /** Of the newest record that there was, so that no older one comes back when it has expired. */
  sequence: number | undefined;
  #sequenceUntilMs = -Infinity;
  readonly sources = new Set<RecordSource>();
  lastSeenMs: number;
  connection: ConnectionInfo | null = null;
  isDialled = false;
  /** Where it is dialled again when its connection is lost; null: it is not. */
  persistentAt: readonly string[] | null = null;
  /** By the monotonic clock; it is left alone until then. */
  shunnedUntilMs = -Infinity;
  readonly figures = new FigureBook();
  /** Of the present hour; null when nothing was measured in it. */
  point: FigurePoint | null = null;
  /** Unverified addresses, by when they were told last. */
  readonly #hints = new Map<string, number>();
  #protocolVersion: string | null = null;
  #agent: string | null = null;

  constructor(peerId: string, wallMs: number) {
    this.peerId = peerId;
    this.lastSeenMs = wallMs;
  }

  get status(): PeerStatus {
    if (this.connection !== null) return "connected";
    return this.isDialled ? "connecting" : "disconnected";
  }

  /** Those it has signed first, then where it was reached before, then what others tell. */
  get addresses(): string[] {
    const { record, persistentAt } = this;
    const told = [...this.#hints].toSorted(([, one], [, other]) => other - one).map(([address]) => address);
    // The address that a peer dialled from is none to dial it at.
    const dialled = this.connection?.direction === "outbound" ? [this.connection.address] : [];
    const all = [...(record?.addresses ?? []), ...(persistentAt ?? []), ...dialled, ...told];
    return [...new Set(all)].slice(0, LIMITS.network.addresses);
  }

  /** May it leave when room is needed, or when nothing is known of it any more? */
  get isIdle(): boolean {
    return this.connection === null && !this.isDialled && this.persistentAt === null;
  }

  capabilitiesAt(wallMs: number): readonly string[] {
    return this.record !== null && this.record.expiresAtMs > wallMs ? this.record.capabilities : [];
  }

  taken(record: PeerRecord, wallMs: number): void {
    this.record = record;
    this.sequence = record.sequence;
    // An older one was issued before, and nothing holds for longer.
    this.#sequenceUntilMs = record.issuedAtMs + LIMITS.discovery.recordTtlMs;
    this.seen(Math.min(record.issuedAtMs, wallMs));
  }

  hint(addresses: readonly string[], wallMs: number): void {
    for (const text of addresses) {
      const address = canonicalAddress(text);
      if (address === null || (peerIdIn(address) ?? this.peerId) !== this.peerId) continue;
      // Set anew, so that it stands last.
      this.#hints.delete(address);
      this.#hints.set(address, wallMs);
    }
    for (const [oldest] of this.#hints) {
      if (this.#hints.size <= LIMITS.network.addresses) break;
      this.#hints.delete(oldest);
    }
    if (this.record === null) this.seen(wallMs);
  }

  seen(wallMs: number): void {
    this.lastSeenMs = Math.max(this.lastSeenMs, wallMs);
  }

  /** @param info of all its connections together */
  connected(info: ConnectionInfo, wallMs: number): void {
    this.connection = info;
    this.#protocolVersion = info.protocolVersion ?? this.#protocolVersion;
    this.#agent = info.agent ?? this.#agent;
    this.figures.counted({
      bytes: info.bytesSent + info.bytesReceived,
      requestsServed: info.requestsServed,
    });
    this.seen(wallMs);
  }

  disconnected(wallMs: number): void {
    if (this.connection !== null) this.seen(wallMs);
    this.connection = null;
    this.figures.disconnected();
  }

  /** Lets go of what holds no longer. @returns whether anything was lost */
  expire(wallMs: number): boolean {
    const { record } = this;
    const lost = record !== null && record.expiresAtMs <= wallMs;
    if (lost) {
      this.record = null;
      // It may still be there.
      for (const address of record.addresses) this.#hints.set(address, record.expiresAtMs);
    }
    for (const [address, toldMs] of this.#hints) {
      if (wallMs - toldMs > HINT_TTL_MS) this.#hints.delete(address);
    }
    return lost;
  }

  /** Is there nothing about it that is worth keeping? What was measured of who was here lately is. */
  isEmptyAt(wallMs: number): boolean {
    const knowsNothing = this.record === null && this.#hints.size === 0;
    const isPast = wallMs - this.lastSeenMs > HINT_TTL_MS && wallMs > this.#sequenceUntilMs;
    return this.isIdle && knowsNothing && isPast;
  }

  figuresAt({ nowMs, wallMs }: Moment): PeerFigures {
    return this.figures.at(nowMs, { wallNowMs: wallMs, sinceMs: this.connection?.sinceMs ?? null });
  }

  /** Notes the figures as those of the present hour. */
  notePoint(moment: Moment): void {
    const atMs = Math.floor(moment.wallMs / HOUR_MS) * HOUR_MS;
    this.point = { ...this.figuresAt(moment), atMs };
  }

  at(moment: Moment): KnownPeer {
    const { wallMs } = moment;
    const { peerId, addresses, status, lastSeenMs, connection } = this;
    const record = this.record !== null && this.record.expiresAtMs > wallMs ? this.record : null;
    return {
      peerId,
      addresses,
      status,
      capabilities: record?.capabilities ?? [],
      verified: record !== null,
      sources: [...this.sources].toSorted(),
      lastSeenMs,
      expiresAtMs: record?.expiresAtMs ?? null,
      connectedSinceMs: connection?.sinceMs ?? null,
      persistent: this.persistentAt !== null,
      protocolVersion: this.#protocolVersion,
      agent: this.#agent,
      figures: this.figuresAt(moment),
    };
  }
}
