import { call, protocol } from "../actor/index.ts";

export interface NetworkStatus {
  readonly networking: "off";
  /** One sentence. */
  readonly why: string;
}

/** The one thing this version has to say about its network. */
export const NETWORKING_OFF: NetworkStatus = Object.freeze({
  networking: "off",
  why: "this version works on one machine: it opens no connection to a peer and listens for none",
});

export interface Peer {
  readonly peerId: string;
  readonly multiaddr: string;
}

/** Who is out there. Networking is off in this version, and every answer says so. */
export const PeerRegistry = protocol("peer-registry", {
  status: call<void, NetworkStatus>(),
  /** `offset` from 0, `limit` from 1 to 1,000. */
  list: call<{ offset: number; limit: number }, { peers: Peer[]; total: number; status: NetworkStatus }>(),
});

/** How this node finds its first peers. Networking is off in this version, and every answer says so. */
export const Bootstrap = protocol("bootstrap", {
  status: call<void, NetworkStatus>(),
});
