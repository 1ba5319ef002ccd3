import { LIMITS } from "../../errors/index.ts";
import { canonicalJson } from "../../schema/index.ts";
import type { Announcement } from "./discovery-source.ts";
import { isObject, readTold, tellingOf, type ToldPeer } from "./peer-document.ts";

/** Title of the issue, and how the marker of each comment begins: it is the form of other programs, too. */
export const REGISTRY_TITLE = "p2p-peer-registry";

/** A comment in the form of the registry. */
export interface PeerComment {
  /** By which its writer finds it again. */
  readonly runnerName: string;
  readonly told: ToldPeer;
}

export type ReadComment =
  | { readonly kind: "peer"; readonly comment: PeerComment }
  /** `foreign`: it does not claim to be one. */
  | { readonly kind: "foreign" | "oversize" | "junk" };

const MARKED = new RegExp(
  `^<!-- ${REGISTRY_TITLE}:([^\\r\\n]{1,256}?) -->\\r?\\n\\s*\`\`\`json\\r?\\n([^]*?)\\r?\\n\`\`\``,
);

/** Reads what anybody may have written. Never throws; takes time in proportion to the bound of its size. */
export function readComment(body: unknown): ReadComment {
  if (typeof body !== "string" || !body.startsWith(`<!-- ${REGISTRY_TITLE}:`)) return { kind: "foreign" };
  if (Buffer.byteLength(body) > LIMITS.discovery.commentBytes) return { kind: "oversize" };
  const [, runnerName, json] = MARKED.exec(body) ?? [];
  if (runnerName === undefined || json === undefined) return { kind: "junk" };
  const told = toldIn(json);
  return told === undefined ? { kind: "junk" } : { kind: "peer", comment: { runnerName, told } };
}

function toldIn(json: string): ToldPeer | undefined {
  let value: unknown;
  try {
    value = JSON.parse(json);
  } catch {
    return undefined;
  }
  if (!isObject(value)) return undefined;
  const { last_seen: lastSeen, metadata } = value;
  const lastSeenMs = typeof lastSeen === "string" ? Date.parse(lastSeen) : NaN;
  return readTold(value, { lastSeenMs, ttlS: isObject(metadata) ? metadata["ttl_seconds"] : undefined });
}

/** The body of this node's comment. */
export function commentOf(own: Announcement): string {
  const { record } = own;
  const { ttlS, record: sealed, ...told } = tellingOf(own);
  const [, host, port] = /^\/ip[46]\/([^/]+)\/tcp\/(\d+)/.exec(told.multiaddr) ?? [];
  const content = {
    ...told,
    runner_name: record.peerId,
    public_ip: host ?? "",
    listen_port: port === undefined ? 0 : Number(port),
    last_seen: new Date(record.issuedAtMs).toISOString(),
    metadata: { capabilities: [...record.capabilities], record: sealed, ttl_seconds: ttlS },
  };
  return `<!-- ${REGISTRY_TITLE}:${record.peerId} -->\n\`\`\`json\n${canonicalJson(content)}\n\`\`\`\n`;
}
