import { call, cast, event, init, protocol } from "../actor/index.ts";
import type { WireError } from "../errors/index.ts";

// For whoever starts the actor.
export { KeptPorts } from "./network/kept-ports.ts";

/**
 * The one thread that owns the libp2p node. Only strings, numbers and bytes cross it: peer ids and multiaddrs are texts
 * in their canonical form, records are sealed bytes, and no object of libp2p leaves.
 */

export interface NetworkInit {
  /** Null: networking is off. Then nothing is loaded, and each call rejects with `UNAVAILABLE`. */
  readonly host: HostInit | null;
}

export type Reach = "machine" | "lan" | "internet";

export interface HostInit {
  /** File of the identity key, made with mode 600 when there is none; null: a key for this life alone. */
  readonly keyFile: string | null;
  /** Multiaddrs to listen on. An empty list listens nowhere, and can still dial. */
  readonly listen: readonly string[];
  /** Multiaddrs that are told instead of those that are listened on. */
  readonly announce: readonly string[];
  /**
   * Whose addresses may be dialled: of this machine (loopback), of private networks (RFC 1918, RFC 4193, link-local), of all
   * others. What is not named is refused with `ADDRESS_NOT_ALLOWED`, whatever a peer, a record or a name server says.
   */
  readonly reach: readonly Reach[];
  readonly connectionsMax: number;
  /** Connections that one remote address may open per second. */
  readonly inboundPerSecond: number;
  readonly mdns: boolean;
  readonly dht: boolean;
  readonly gossip: boolean;
  /** Relays traffic of others. */
  readonly relayServer: boolean;
  /** Addresses of relays, with `/p2p/<id>`, where a reservation is kept. */
  readonly relays: readonly string[];
}

export interface NetworkStatus {
  /** `on`: the node runs; `off`: it was not asked for. */
  readonly networking: "on" | "off";
  /** One sentence. */
  readonly why: string;
}

export interface NodeFigures {
  readonly peerId: string;
  /** Own addresses, each with `/p2p/<id>`. */
  readonly addresses: readonly string[];
  readonly connections: number;
  /** Requests of others that are being answered. */
  readonly serving: number;
  /** What was refused since the start, by why: `frame_oversize`, `frame_invalid`, `slow_reader`, `streams`, `requests`, `record` ... */
  readonly refused: Readonly<Record<string, number>>;
}

export interface ConnectionInfo {
  readonly peerId: string;
  /** Of the other side, as it was dialled or seen. */
  readonly address: string;
  readonly direction: "inbound" | "outbound";
  /** Through a relay, which may bound it in time and bytes: nothing is measured on it. */
  readonly limited: boolean;
  readonly sinceMs: number;
  /** What identify told: protocol version and the agent's name; null before it has. */
  readonly protocolVersion: string | null;
  readonly agent: string | null;
  readonly bytesSent: number;
  readonly bytesReceived: number;
  readonly requestsServed: number;
}

export interface PeerRequest {
  /** Of this life; to be shown with `reply`. */
  readonly requestId: number;
  readonly peerId: string;
  readonly method: string;
  readonly body: Uint8Array;
  /** What is left of the asker's time, in milliseconds. */
  readonly remainingMs: number;
  /** W3C trace context of the asker; absent when it sent none. */
  readonly traceparent?: string;
}

export const Network = protocol("network", {
  init: init<NetworkInit>(),
  status: call<void, NetworkStatus>(),
  /** @throws UNAVAILABLE */
  figures: call<void, NodeFigures>(),

  // --- connections ----------------------------------------------------------------------------------------------------
  /**
   * One attempt over all addresses, each with or without `/p2p/<id>`. Resolves when the peer is authenticated and has
   * answered a first request, so that streams may be opened at once.
   *
   * Rejects with `PEER_UNREACHABLE` (nobody, or somebody else, is there), `ADDRESS_NOT_ALLOWED`, `INVALID_ARGUMENT`.
   */
  dial: call<{ peerId: string | null; addresses: string[] }, ConnectionInfo>(),
  /** Gracefully: requests under way get `graceMs` to end. */
  hangUp: call<{ peerId: string; graceMs: number }, { wasConnected: boolean }>(),
  connections: call<void, { connections: ConnectionInfo[] }>(),
  connected: event<ConnectionInfo>(),
  disconnected: event<{ peerId: string; why: string }>(),
  /** Own addresses have changed. */
  readdressed: event<{ addresses: string[] }>(),

  /**
   * Tells peers of further addresses that lead to this node, such as a port of a gateway, in place of those of the call
   * before; at most 4, each without or with this node's `/p2p/<id>`. Rejects with `INVALID_ARGUMENT`.
   */
  announce: call<{ addresses: string[] }>(),

  // --- requests -------------------------------------------------------------------------------------------------------
  /**
   * One request to a connected peer, at most `LIMITS.network.bodyBytes` each way. Cancelled with its call; the call's
   * deadline travels with it. Rejects with the fault that the peer answered with, `PEER_LOST` (it may have been carried
   * out), `PEER_NOT_FOUND` (there is no connection), `MESSAGE_TOO_LARGE`, `MAILBOX_FULL`.
   */
  request: call<{ peerId: string; method: string; body: Uint8Array }, { body: Uint8Array }>(),
  /** Measures one round trip. Rejects as `request` does. */
  ping: call<{ peerId: string }, { rttMs: number }>(),
  /** Requests whose method begins with one of these come as `requested` to whoever listens; others are refused. */
  serve: call<{ prefixes: string[] }>(),
  requested: event<PeerRequest>(),
  /** The asker has gone or takes its request back: whatever works on it stops. */
  withdrawn: event<{ requestId: number }>(),
  reply: cast<{
    requestId: number;
    end: { ok: true; body: Uint8Array } | { ok: false; error: WireError };
  }>(),

  // --- byte streams ---------------------------------------------------------------------------------------------------
  /** A stream of another protocol than our own. Rejects as `request` does, and when the peer does not speak it. */
  openStream: call<{ peerId: string; protocol: string }, { streamId: number }>(),
  /** Streams of these protocols that others open come as `opened`; each waits 10 s for its first `read`. */
  acceptStreams: call<{ protocols: string[] }>(),
  opened: event<{ streamId: number; peerId: string; protocol: string }>(),
  /** The next bytes, at most `LIMITS.network.readBytes`; null at the end. Rejects with `PEER_LOST` when it was cut off. */
  readStream: call<{ streamId: number }, { bytes: Uint8Array | null }>(),
  /** Resolves when there is room for more. */
  writeStream: call<{ streamId: number; bytes: Uint8Array }>(),
  /** Gracefully: what was written is sent; else it is reset. */
  closeStream: call<{ streamId: number; graceful: boolean }>(),

  // --- discovery ------------------------------------------------------------------------------------------------------
  /** Sends a sealed record to all who listen to the topic of records. Without gossip, nothing happens. */
  publish: call<{ record: Uint8Array }, { peers: number }>(),
  /** Tells the DHT that this node has these capabilities. Without a DHT, nothing happens. */
  provide: call<{ capabilities: string[] }, { provided: number }>(),
  /** Peers that the DHT names for all of the capabilities. They are hints: nothing of it is verified. */
  findProviders: call<{ capabilities: string[]; max: number }, { peers: PeerHint[] }>(),
  /** A sealed record that came by gossip; its signature has been checked, its sequence has not. */
  heard: event<{ record: Uint8Array; source: "gossip" }>(),
  /** A peer that mDNS or the DHT names. Nothing of it is verified. */
  sighted: event<PeerHint>(),
  /** Those of the last two minutes, at most 256: what was sighted before anybody listened was told to nobody. */
  sightings: call<void, { peers: PeerHint[] }>(),

  /** Seals a record with this node's key. The payload is what `capability-record.ts` packs. */
  seal: call<{ domain: string; payloadType: Uint8Array; payload: Uint8Array }, { envelope: Uint8Array }>(),
});

/** Where a peer may be. */
export interface PeerHint {
  readonly peerId: string;
  readonly addresses: string[];
  readonly source: "mdns" | "dht" | "local_file" | "github";
}
