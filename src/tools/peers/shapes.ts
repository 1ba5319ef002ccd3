import { LIMITS } from "../../errors/index.ts";
import type { KnownPeer } from "../../peers/peers.protocol.ts";
import { z } from "../../schema/zod-schema.ts";
import { CHANGES, READS } from "../taskqueue/shapes.ts";
import type { ToolMetadata } from "../tool.ts";
import { answer, isoTime } from "../workflow/shapes.ts";

const { idChars, multiaddrChars, capabilities, capabilityChars, waitS } = LIMITS.peers;

// --- arguments --------------------------------------------------------------------------------------------------------

export const peerId = z.string().min(1).max(idChars).describe("Id of the peer");
export const multiaddr = z.string().min(1).max(multiaddrChars);
export const capabilityFilter = z
  .array(z.string().min(1).max(capabilityChars))
  .max(capabilities)
  .nullish()
  .describe("Capabilities that a peer must all have");
export const seconds = z.number().positive().max(waitS);

// --- answers ----------------------------------------------------------------------------------------------------------

/** What every answer has; the last two are of one that networking would have been needed for. */
export const peerAnswer = {
  ...answer,
  degraded_mode: z.boolean().optional(),
  message: z.string().optional(),
};

/** What has not been measured is null. */
const figure = z.number().nullable();

const listedFigures = {
  latency_ms: figure,
  bandwidth_mbps: figure,
  reliability_score: figure,
  uptime_hours: figure,
};

export const peerShape = z.looseObject({
  peer_id: z.string(),
  multiaddr: z.string().nullable(),
  status: z.string().optional(),
  capabilities: z.array(z.string()),
  verified: z.boolean().optional(),
  connected_since: z.string().nullable().optional(),
  last_seen: z.string().nullable(),
  metrics: z.looseObject(listedFigures).optional(),
});

/** @param withFigures the measured ones too */
export function peerOf(peer: KnownPeer, withFigures: boolean): z.output<typeof peerShape> {
  const { figures } = peer;
  return {
    peer_id: peer.peerId,
    multiaddr: peer.addresses[0] ?? null,
    status: peer.status,
    capabilities: [...peer.capabilities],
    verified: peer.verified,
    connected_since: isoTime(peer.connectedSinceMs),
    last_seen: isoTime(peer.lastSeenMs),
    ...(withFigures && {
      metrics: {
        latency_ms: figures.latencyMs,
        bandwidth_mbps: figures.bandwidthMbps,
        reliability_score: figures.reliability,
        uptime_hours: figures.uptimeHours,
      },
    }),
  };
}

/** Says, beside why it failed, what a tool without its network leaves of its answer. */
export const degraded = (rest: Record<string, unknown> = {}): Record<string, unknown> => ({
  degraded_mode: true,
  message:
    "--network, or the option network, turns networking on; all other tools work on this machine without it",
  ...rest,
});

// --- metadata ---------------------------------------------------------------------------------------------------------

/** The tools of peers run where the registry of peers is. */
export const ofPeers = (
  priority: number,
  timeoutSeconds: number,
  category = "p2p_peer_mgmt",
): Partial<ToolMetadata> => ({
  category,
  runtime: "p2p",
  priority,
  timeoutMs: timeoutSeconds * 1_000,
  requiresPeers: true,
  ioIntensive: true,
});

/** Others take part in it. */
export const ASKS_PEERS = { ...READS, openWorldHint: true };
export const CHANGES_PEERS = { ...CHANGES, openWorldHint: true };
