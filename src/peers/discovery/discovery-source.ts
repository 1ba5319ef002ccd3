import type { PeerRecord } from "../capability-record.ts";
import type { PeerHint } from "../network.protocol.ts";
import type { RecordSource } from "../peers.protocol.ts";

/** What this node says of itself, in the form in which each source tells it. */
export interface Announcement {
  readonly record: PeerRecord;
  readonly sealed: Uint8Array;
}

export interface PeerSearch {
  /** Which the peers must all have. A source may ignore it; whoever asked checks. */
  readonly capabilities: readonly string[];
  readonly max: number;
}

/** Nothing of it is checked: a record's bytes may be anything, and a hint may lead anywhere. */
export type Finding =
  | { readonly kind: "record"; readonly sealed: Uint8Array }
  | { readonly kind: "hint"; readonly hint: PeerHint };

/**
 * Where peers are told of and heard of. A source knows nothing of what is true; it bounds what it reads, counts what it
 * skips, and fails with `DISCOVERY_FAILED` and one sentence. Its operations end soon after their signal aborts.
 */
export interface DiscoverySource {
  readonly name: RecordSource;
  /** @throws DISCOVERY_FAILED */
  announce(own: Announcement, signal: AbortSignal): Promise<void>;
  /** Takes the own announcement back. @throws DISCOVERY_FAILED */
  withdraw(peerId: string, signal: AbortSignal): Promise<void>;
  /** @throws DISCOVERY_FAILED, also after some findings */
  find(search: PeerSearch, signal: AbortSignal): AsyncIterable<Finding>;
  /** Removes what has expired, as far as it may. @returns how many @throws DISCOVERY_FAILED */
  sweep(signal: AbortSignal): Promise<number>;
}

/** Adds to a counter of this name; the registry tells all of them in `counts`. */
export type Count = (name: string, by?: number) => void;
