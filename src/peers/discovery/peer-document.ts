import { isPlainObject, isName } from "../../schema/index.ts";
import { LIMITS } from "../../errors/index.ts";
import { canonicalAddress, canonicalPeerId } from "../peer-names.ts";
import type { Announcement, Finding } from "./discovery-source.ts";

/**
 * One peer as documents of JSON tell of it, in a file or in a comment: fields that other programs read as well, and beside them
 * the sealed record, which alone is believed.
 */
export interface ToldPeer {
  readonly peerId: string;
  /** Null: it is only named, as other programs do. */
  readonly sealed: Uint8Array | null;
  readonly addresses: readonly string[];
  /** Milliseconds since 1970, as whoever wrote it says. */
  readonly lastSeenMs: number;
  readonly ttlMs: number;
}

/** What other programs of the same registries take when a peer does not say. */
const TOLD_TTL_MS = 1_800_000;

export const isObject = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === "object" && value !== null && !Array.isArray(value) && isPlainObject(value);

/**
 * Reads what both forms have in common: `peer_id`, `multiaddr` and `metadata.record`. Never throws.
 *
 * @returns undefined when it is no such thing
 */
export function readTold(
  value: Readonly<Record<string, unknown>>,
  times: { readonly lastSeenMs: number; readonly ttlS: unknown },
): ToldPeer | undefined {
  const peerId = canonicalPeerId(value["peer_id"]);
  if (peerId === null || !Number.isFinite(times.lastSeenMs)) return undefined;
  const { multiaddr, metadata } = value;
  const address = canonicalAddress(multiaddr);
  const record = isObject(metadata) ? metadata["record"] : undefined;
  return {
    peerId,
    sealed: record === undefined ? null : bytesOf(record),
    addresses: address === null ? [] : [address],
    lastSeenMs: times.lastSeenMs,
    ttlMs: ttlOf(times.ttlS),
  };
}

const ttlOf = (seconds: unknown): number =>
  typeof seconds === "number" && seconds > 0
    ? Math.min(seconds * 1_000, LIMITS.discovery.recordTtlMs)
    : TOLD_TTL_MS;

const BASE64 = /^[A-Za-z0-9+/]+={0,2}$/;

/** Null for what is no base64, or decodes to more than a record may have. */
function bytesOf(text: unknown): Uint8Array | null {
  const charsMax = Math.ceil(LIMITS.discovery.recordBytes / 3) * 4;
  if (!isName(text, charsMax) || !BASE64.test(text)) return null;
  return new Uint8Array(Buffer.from(text, "base64"));
}

/** Is it still told of, by the clock of the reader? One from the future is as old as one from as far in the past. */
export const isTold = ({ lastSeenMs, ttlMs }: ToldPeer, wallMs: number): boolean =>
  Math.abs(wallMs - lastSeenMs) <= ttlMs;

/** What a reader learns of it; a record says itself whether it still holds. */
export function findingIn(
  told: ToldPeer,
  source: "local_file" | "github",
  wallMs: number,
): Finding | undefined {
  const { peerId, sealed, addresses } = told;
  if (sealed !== null) return { kind: "record", sealed };
  if (addresses.length === 0 || !isTold(told, wallMs)) return undefined;
  return { kind: "hint", hint: { peerId, addresses: [...addresses], source } };
}

/** What both forms tell of this node. */
export function tellingOf({ record, sealed }: Announcement): {
  peer_id: string;
  multiaddr: string;
  ttlS: number;
  record: string;
} {
  return {
    peer_id: record.peerId,
    multiaddr: record.addresses[0] ?? "",
    ttlS: Math.round((record.expiresAtMs - record.issuedAtMs) / 1_000),
    record: Buffer.from(sealed).toString("base64"),
  };
}
