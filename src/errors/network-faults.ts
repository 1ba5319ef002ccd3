import { row } from "./fault-row.ts";

/** Faults of the network: other people's servers, and peers. */
export const NETWORK_FAULTS = {
  HOST_NOT_ALLOWED: row<{ host: string; why: string; allow: string }>({
    retryable: false,
    means: "A host, or the address that its name leads to, is not among those that may be fetched from.",
    sentence: (d) =>
      `${d.host} may not be fetched from: ${d.why}; --allow-host ${d.allow}, or allowedHosts, allows it`,
  }),
  HTTP_FAILED: row<{ url: string; why: string }>({
    retryable: true,
    means: "A server could not be reached, or did not answer as the protocol demands.",
    sentence: (d) => `${d.url} could not be fetched: ${d.why}`,
  }),
  HTTP_STATUS: row<{ url: string; status: number }>({
    retryable: true,
    means: "A server answered with a status that is no success.",
    sentence: (d) => `${d.url} answered with status ${d.status}`,
  }),

  ADDRESS_NOT_ALLOWED: row<{ address: string; why: string }>({
    retryable: false,
    means: "An address of a peer is none that this node may dial or listen on.",
    sentence: (d) => `${d.address} may not be used: ${d.why}`,
  }),
  PEER_NOT_FOUND: row<{ peerId: string; why?: string }>({
    retryable: false,
    means: "A peer is not known, or what was asked for needs a connection to it and there is none.",
    sentence: (d) => `peer ${d.peerId} ${d.why ?? "is not known"}`,
  }),
  PEER_UNREACHABLE: row<{ peer: string; why: string; attempts?: number }>({
    retryable: true,
    means: "Nobody answered at the addresses of a peer, or somebody else did.",
    sentence: (d) =>
      `${d.peer} could not be reached${d.attempts === undefined ? "" : ` in ${d.attempts} attempt${d.attempts === 1 ? "" : "s"}`}: ${d.why}`,
  }),
  PEER_LOST: row<{ peerId: string; why: string }>({
    retryable: true,
    means:
      "The connection to a peer ended while something was under way on it, which may have been carried out.",
    sentence: (d) => `the connection to peer ${d.peerId} was lost: ${d.why}`,
  }),
  PEER_PROTOCOL: row<{ peerId: string; why: string }>({
    retryable: false,
    means: "A peer does not speak what it was asked in, or has broken the rules of it.",
    sentence: (d) => `peer ${d.peerId} could not be understood: ${d.why}`,
  }),
  PEER_REFUSED: row<{ peerId: string; why: string; reply: number }>({
    retryable: false,
    means: "A peer answered a request with an error of its own; `reply` is its number, of JSON-RPC.",
    sentence: (d) => `peer ${d.peerId} refused the request: ${d.why} (${d.reply})`,
  }),
  RECORD_INVALID: row<{ why: string }>({
    retryable: false,
    means: "A record of a peer, or a grant, is not what its signer may say, or is expired, old or malformed.",
    sentence: (d) => `the record is refused: ${d.why}`,
  }),
  NOT_AUTHORIZED: row<{ peerId: string; what: string; why: string }>({
    retryable: false,
    means: "A peer asked for something that no grant of this node allows it, or allows no longer.",
    sentence: (d) => `peer ${d.peerId} may not ${d.what}: ${d.why}`,
  }),
  PEER_LIMITED: row<{ peerId: string; what: string; limit: number; unit: string }>({
    retryable: true,
    means: "A peer asked for more at a time than it may.",
    sentence: (d) => `peer ${d.peerId} is held back: ${d.what} is bounded to ${d.limit} ${d.unit}`,
  }),
  TOKEN_INVALID: row<{ why: string }>({
    retryable: false,
    means: "A text is no token of a grant for this node, or its time is over.",
    sentence: (d) => `the token cannot be used: ${d.why}`,
  }),
  DISCOVERY_FAILED: row<{ source: string; why: string; status?: number }>({
    retryable: true,
    means: "A source of peers could not be asked or told. The others go on.",
    sentence: (d) => `${d.source} could not be asked or told: ${d.why}`,
  }),
} as const;
