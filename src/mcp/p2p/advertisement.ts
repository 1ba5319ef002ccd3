import { LIMITS } from "../../errors/index.ts";
import { PEER_PROTOCOL } from "./byte-stream.ts";
import type { Members } from "./frame.ts";
import type { PeerLimits } from "./peer-limits.ts";
import { BINDINGS, isMembers } from "./peer-message.ts";

/** The profiles of MCP++ that this node speaks, and is tested to: this transport. */
const PROFILES = ["mcp++/p2p-transport"] as const;
/** Where a peer of the newer binding looks for them. */
const PROFILES_EXTENSION = "io.mcplusplus/profiles";

/** What a server says of itself to peers, beside what the protocol's package says. */
export class Advertisement {
  readonly #peerId: string;
  readonly #limits: Members;

  /** @param peerId this node's own */
  constructor(peerId: string, limits: PeerLimits) {
    this.#peerId = peerId;
    this.#limits = {
      max_frame_bytes: limits.frameBytes,
      max_frames: limits.frames,
      rate_capacity: limits.rateCapacity,
      rate_refill_per_sec: limits.ratePerSecond,
      max_in_flight: LIMITS.mcp.peerInFlight,
      max_streams: LIMITS.mcp.peerSessionsEach,
      idle_seconds: LIMITS.mcp.peerIdleMs / 1_000,
      request_seconds: LIMITS.mcp.peerRequestMs / 1_000,
    };
  }

  /** @param wished profiles that the peer would like, the best first */
  initialized(result: Members, wished: readonly string[]): Members {
    const known: readonly string[] = PROFILES;
    return {
      ...result,
      ok: true,
      capabilities: {
        ...membersOf(result["capabilities"]),
        mcpPlusPlusProfiles: [...PROFILES],
        "mcp++": { bindingId: BINDINGS.legacy, profiles: [...PROFILES] },
      },
      transport: PEER_PROTOCOL,
      server: { peer_id: this.#peerId },
      profile_negotiation: {
        supports_profile_negotiation: true,
        mode: "optional_additive",
        profiles: [...PROFILES],
      },
      active_profile: wished.find((each) => known.includes(each)) ?? PROFILES[0],
      limits: this.#limits,
    };
  }

  discovered(result: Members): Members {
    const capabilities = membersOf(result["capabilities"]);
    const published = {
      bindingId: BINDINGS.modern,
      profiles: [...PROFILES],
      transport: PEER_PROTOCOL,
      peer_id: this.#peerId,
      limits: this.#limits,
    };
    return {
      ...result,
      capabilities: {
        ...capabilities,
        extensions: { ...membersOf(capabilities["extensions"]), [PROFILES_EXTENSION]: published },
      },
    };
  }
}

const membersOf = (value: unknown): Members => (isMembers(value) ? value : {});
