import { call, event, init, protocol } from "../actor/index.ts";
import type { NetworkStatus } from "./network.protocol.ts";

/** What the actors of the network say while it is off. */
export const NETWORKING_OFF: NetworkStatus = Object.freeze({
  networking: "off",
  why: "networking is off; openSystem({ network: {} }), or --network on the command line, turns it on",
});

// --- the registry -----------------------------------------------------------------------------------------------------

/** Where peers are heard of. `connection`: the peer itself told its record. */
export type RecordSource = "local_file" | "github" | "dht" | "mdns" | "gossip" | "connection";

export type PeerStatus = "connected" | "connecting" | "disconnected";

/** What was measured of a peer; what was not is null. */
export interface PeerFigures {
  /** Median of the latest pings. */
  readonly latencyMs: number | null;
  /** Of the latest sampled transfer. */
  readonly bandwidthMbps: number | null;
  /** Share of the latest probes without an answer, 0 to 100. */
  readonly lossPercent: number | null;
  /** 0 to 1, by the formula of docs/guide/discovery.md. */
  readonly quality: number | null;
  /** 0 to 1: how often dials, probes and requests succeeded, with older ones counting less. */
  readonly reliability: number | null;
  /** Hours of the present connection. */
  readonly uptimeHours: number | null;
  /** Since this life began. */
  readonly requestsServed: number;
  readonly bytesTransferred: number;
}

export interface KnownPeer {
  readonly peerId: string;
  readonly addresses: readonly string[];
  readonly status: PeerStatus;
  readonly capabilities: readonly string[];
  /** Is there a record that it has signed itself, and that has not expired? Without one it has no capabilities. */
  readonly verified: boolean;
  readonly sources: readonly RecordSource[];
  /** Milliseconds since 1970. */
  readonly lastSeenMs: number;
  /** Of its record; null without one. */
  readonly expiresAtMs: number | null;
  readonly connectedSinceMs: number | null;
  /** Is it dialled again when its connection is lost? */
  readonly persistent: boolean;
  readonly protocolVersion: string | null;
  readonly agent: string | null;
  readonly figures: PeerFigures;
}

export interface FigurePoint extends PeerFigures {
  /** Start of the hour that it tells of. */
  readonly atMs: number;
}

export interface PeerQuery {
  readonly status?: PeerStatus;
  /** Which it must all have. */
  readonly capabilities?: readonly string[];
  readonly sortBy?: "last_seen" | "latency" | "bandwidth" | "peer_id";
  /** From 0. */
  readonly offset: number;
  /** 1 to 1,000. */
  readonly limit: number;
}

export interface RegistryInit {
  /** Null: networking is off. */
  readonly discovery: DiscoveryInit | null;
}

export interface DiscoveryInit {
  /** Absolute directory of the registry's store; null: in memory. */
  readonly directory: string | null;
  /** What this node says that it can do. */
  readonly capabilities: readonly string[];
  /** How long its record holds. */
  readonly recordTtlMs: number;
  /** A file that several nodes of this machine, or of a shared file system, write; null: none. */
  readonly file: string | null;
  /** Where peers are told in the comments of an issue; null: not there. Never without an explicit repository. */
  readonly github: GithubInit | null;
}

export interface GithubInit {
  readonly owner: string;
  readonly repository: string;
  /** Name of the environment variable that holds the token, so that no message and no log holds it; null: only reads. */
  readonly tokenVariable: string | null;
  /** Of the REST API; `https://api.github.com` outside tests. */
  readonly baseUrl: string;
  /** Authors whose comments count; null: anyone's, since a record is believed for its signature alone. */
  readonly authors: readonly string[] | null;
}

/** How the search went at one source. */
export interface SourceReport {
  readonly source: RecordSource;
  readonly found: number;
  /** One sentence; null: it answered. */
  readonly failure: string | null;
  readonly tookMs: number;
}

/**
 * Who is out there: the newest verified record of each peer, where it may be reached, and what was measured of it. It keeps
 * persistent peers connected, announces this node, and forgets what has expired.
 */
export const PeerRegistry = protocol("peer-registry", {
  init: init<RegistryInit>(),
  status: call<void, NetworkStatus>(),
  /** Asks every source at once until the time is up, and tells what is known then. */
  discover: call<
    { capabilities: string[]; max: number; timeoutMs: number },
    { peers: KnownPeer[]; sources: SourceReport[]; tookMs: number }
  >(),
  list: call<PeerQuery, { peers: KnownPeer[]; total: number }>(),
  /** Rejects with `PEER_NOT_FOUND`. */
  peer: call<{ peerId: string }, KnownPeer>(),
  /** Hourly points, oldest first; hours in which nothing was measured have none. Rejects with `PEER_NOT_FOUND`. */
  history: call<{ peerId: string; hours: number }, { points: FigurePoint[] }>(),
  /**
   * Dials until it succeeds, at most `attempts` times with backoff and jitter between them. Rejects with
   * `PEER_UNREACHABLE`, whose details tell the attempts.
   */
  connect: call<
    { peerId: string; address: string; attempts: number; attemptMs: number; persist: boolean },
    { connectionId: string; attempts: number; tookMs: number; peer: KnownPeer }
  >(),
  disconnect: call<
    { peerId: string; graceful: boolean; reason: string },
    { wasConnected: boolean; tookMs: number }
  >(),
  /** Own capabilities have changed, such as those of modules of handlers: a new record is sealed and told. */
  offer: call<{ capabilities: string[] }, { sequence: number }>(),
  /** How an exchange with a peer went, from whoever had it: it counts for its reliability. */
  judged: call<{ peerId: string; ok: boolean; why: string }>(),
  /** Forgets a peer that is not connected, with its history. */
  forget: call<{ peerId: string }, boolean>(),
  /** Counters: records taken, refused by why, expired; sources asked and failed. */
  counts: call<void, { counts: Record<string, number> }>(),
  /** A peer's record, status or figures have changed so that placement may be another. */
  changed: event<{ peerId: string }>(),
});

// --- bootstrap --------------------------------------------------------------------------------------------------------

/** See the drawing in docs/lifecycles.md. */
export type BootstrapState = "idle" | "probing" | "dialling" | "ready" | "degraded";

export type NatType =
  | "open"
  | "full_cone"
  | "restricted_cone"
  | "port_restricted_cone"
  /** A mapping that is the same for all, with a filter that could not be told. */
  | "cone"
  | "symmetric"
  /** A public address behind a filter. */
  | "symmetric_firewall"
  | "blocked"
  | "unknown";

export interface BootstrapNode {
  /** With `/p2p/<id>`: who answers must be who was meant. */
  readonly address: string;
  readonly source: "call" | "custom" | "cached" | "default";
  /** Lower first. */
  readonly priority: number;
  readonly timeoutMs: number;
}

export interface BootstrapAttempt {
  readonly address: string;
  readonly source: BootstrapNode["source"];
  readonly status: "success" | "failed" | "timeout";
  readonly error: string | null;
  readonly peerId: string | null;
  readonly startedAtMs: number;
  readonly tookMs: number;
}

export interface BootstrapInit {
  /** Null: networking is off. */
  readonly bootstrap: BootstrapPlan | null;
}

export interface BootstrapPlan {
  /** Tried before all others. */
  readonly custom: readonly string[];
  /** Are the public nodes of libp2p tried too, after all others? They are on the internet. */
  readonly defaults: boolean;
  /** Connections below which it looks for more; 0: it starts by itself only when it is called. */
  readonly connectionsMin: number;
  /** `host:port` of STUN servers; empty: the NAT type stays unknown. */
  readonly stunServers: readonly string[];
  /** URLs that answer with the address they were asked from; empty: the public address stays unknown. */
  readonly ipServices: readonly string[];
  /** Asks a gateway for a port by NAT-PMP or UPnP. */
  readonly portMapping: boolean;
}

export interface PublicAddress {
  /** Null: not known. */
  readonly ipv4: string | null;
  readonly ipv6: string | null;
  /** Have two services said so? */
  readonly confirmed: boolean;
  readonly learnedAtMs: number | null;
}

export interface BootstrapView {
  readonly state: BootstrapState;
  readonly connections: number;
  readonly connectionsMin: number;
  readonly natType: NatType;
  readonly publicAddress: PublicAddress;
  /** Where a port of the gateway leads to this node: a multiaddr with `/p2p/<id>`. Null: there is none. */
  readonly mappedAddress: string | null;
  /** Milliseconds until it looks for peers again by itself; null: it does not. */
  readonly nextTryMs: number | null;
}

/** How this node finds its first peers, and finds others when it has lost them. */
export const Bootstrap = protocol("bootstrap", {
  init: init<BootstrapInit>(),
  status: call<void, NetworkStatus>(),
  view: call<void, BootstrapView>(),
  /**
   * Dials nodes in order of priority, several at once and more when they hang, until `connectionsMax` are connected or none
   * is left or the time is up. Once `connectionsMin` are connected and no node is left to start, what still hangs is not
   * waited for. With nodes of the call only their peers count, those that were connected before included; else all that are
   * connected. `attempts` are those of this run, as they ended.
   *
   * Rejects with `INVALID_ARGUMENT`, with `MAILBOX_FULL` when `LIMITS.bootstrap.runs` are under way, and with the fault of
   * the network when it does not answer.
   *
   * @param nodes empty: the plan's own, those that were added, and peers that are known
   */
  run: call<
    { nodes: string[]; connectionsMin: number; connectionsMax: number; timeoutMs: number },
    { ready: boolean; attempts: BootstrapAttempt[]; connectedPeers: string[]; tookMs: number }
  >(),
  /** Attempts of all runs, newest first. `limit` is 1 to 1,000. */
  history: call<{ offset: number; limit: number }, { attempts: BootstrapAttempt[]; total: number }>(),
  clearHistory: call<void, { cleared: number }>(),
  /** A node of the plan from now on. `priority` is 0 to 10: the plan's own have 3, known peers 4, defaults 5. */
  addNode: call<{ address: string; priority: number; timeoutMs: number }>(),
  /** What is remembered of the last hour; `refresh`: asks, whatever is remembered. What cannot be learned is null. */
  publicAddress: call<{ refresh: boolean }, PublicAddress>(),
  /** As above. `mapped` is where the STUN server saw this node, `address:port`. */
  natType: call<{ refresh: boolean }, { natType: NatType; mapped: string | null; tookMs: number }>(),
  moved: event<{ state: BootstrapState }>(),
});
