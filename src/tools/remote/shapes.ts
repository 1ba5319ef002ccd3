import { LIMITS } from "../../errors/index.ts";
import type { Grant, Outlet } from "../../remote/remote.protocol.ts";
import { z } from "../../schema/zod-schema.ts";
import type { ToolMetadata } from "../tool.ts";
import { isoTime } from "../workflow/shapes.ts";

const { actions: namesMax, tokenChars } = LIMITS.remote;
const { nameChars } = LIMITS.queue;

// --- arguments --------------------------------------------------------------------------------------------------------

export const names = z.array(z.string().min(1).max(nameChars)).max(namesMax);
export const token = z.string().min(1).max(tokenChars);

// --- answers ----------------------------------------------------------------------------------------------------------

export const grantShape = z.looseObject({
  grant_id: z.string(),
  peer_id: z.string(),
  actions: z.array(z.string()),
  tools: z.array(z.string()),
  concurrency: z.int(),
  per_minute: z.int(),
  bytes_max: z.int(),
  issued_time: z.string(),
  expires_time: z.string(),
  revoked_time: z.string().nullable(),
  running_tasks: z.int(),
  started_tasks: z.int(),
  refused: z.record(z.string(), z.int()),
});

export const grantOf = (grant: Grant): z.output<typeof grantShape> => ({
  grant_id: grant.grantId,
  peer_id: grant.peerId,
  actions: [...grant.actions],
  tools: [...grant.tools],
  concurrency: grant.concurrency,
  per_minute: grant.perMinute,
  bytes_max: grant.bytesMax,
  issued_time: new Date(grant.issuedAtMs).toISOString(),
  expires_time: new Date(grant.expiresAtMs).toISOString(),
  revoked_time: isoTime(grant.revokedAtMs),
  running_tasks: grant.running,
  started_tasks: grant.started,
  refused: { ...grant.refused },
});

export const outletShape = z.looseObject({
  peer_id: z.string(),
  actions: z.array(z.string()),
  tools: z.array(z.string()),
  concurrency: z.int(),
  expires_time: z.string(),
  connected: z.boolean(),
  held: z.string().nullable(),
  running_tasks: z.int(),
  completed_tasks: z.int(),
  failed_tasks: z.int(),
  returned_tasks: z.int(),
});

export const outletOf = (outlet: Outlet): z.output<typeof outletShape> => ({
  peer_id: outlet.peerId,
  actions: [...outlet.actions],
  tools: [...outlet.tools],
  concurrency: outlet.concurrency,
  expires_time: new Date(outlet.expiresAtMs).toISOString(),
  connected: outlet.connected,
  held: outlet.held,
  running_tasks: outlet.running,
  completed_tasks: outlet.completed,
  failed_tasks: outlet.failed,
  returned_tasks: outlet.returned,
});

// --- metadata ---------------------------------------------------------------------------------------------------------

/** They are about peers, and change what is kept of them on this machine. */
export const OF_REMOTE: Partial<ToolMetadata> = {
  category: "p2p_remote",
  runtime: "p2p",
  priority: 6,
  timeoutMs: 15_000,
  requiresPeers: true,
  ioIntensive: true,
};
