import { packValue, unpackValue } from "../codec/index.ts";
import { LIMITS, isFault, sentenceOf } from "../errors/index.ts";
import { isName } from "../schema/index.ts";
import { canonicalAddress, peerIdIn } from "./peer-names.ts";
import { openEnvelope, type SealedContent } from "./sealed-envelope.ts";

/**
 * What a peer says of itself, until when, signed by itself. One format on all ways: gossip, files, comments, answers of
 * the peer, and the registry's own store.
 *
 * @see docs/guide/discovery.md
 */
export interface PeerRecord {
  readonly peerId: string;
  /** Sorted by code units, each once. */
  readonly capabilities: readonly string[];
  /** Multiaddrs in canonical form, with or without `/p2p/<id>`. */
  readonly addresses: readonly string[];
  /** Of two records of one peer the one with the higher sequence holds. */
  readonly sequence: number;
  /** Milliseconds since 1970, by the clock of the peer. */
  readonly issuedAtMs: number;
  readonly expiresAtMs: number;
}

export const RECORD_DOMAIN = "mcplusplus-peer-record";
export const RECORD_TYPE: Uint8Array = new TextEncoder().encode("/mcplusplus/peer-record/1");
const VERSION = 1;
const MEMBERS = 7;

/** What is to be signed; nothing is checked here. */
export function recordContent(record: PeerRecord): SealedContent {
  const { peerId, capabilities, addresses, sequence, issuedAtMs, expiresAtMs } = record;
  const members = [VERSION, peerId, sortedOnce(capabilities), addresses, sequence, issuedAtMs, expiresAtMs];
  return { domain: RECORD_DOMAIN, payloadType: RECORD_TYPE, payload: packValue(members) };
}

export const sortedOnce = (texts: readonly string[]): string[] => [...new Set(texts)].toSorted(byCodeUnits);

const byCodeUnits = (one: string, other: string): number => (one < other ? -1 : Number(one > other));

/** Why a record is refused, in the order in which it is found. */
export type RefusedFor =
  | "size"
  | "envelope"
  | "type"
  | "shape"
  | "signer"
  | "expired"
  | "future"
  | "ttl"
  | "sequence"
  | "address";

/** `known`: it is the very record that is known already. */
export type CheckedRecord =
  | { readonly verdict: "good" | "known"; readonly record: PeerRecord }
  | { readonly verdict: "refused"; readonly for: RefusedFor; readonly why: string };

export interface RecordTerms {
  readonly nowMs: number;
  /** Sequence of the record that is known of a peer. It is asked once, after the signature has been checked. */
  readonly sequenceOf: (peerId: string) => number | undefined;
}

/**
 * Checks a sealed record, of which nothing is known. Never rejects, whatever the bytes are. It takes about a quarter of a
 * millisecond, and the first time longer, because the libraries are loaded.
 */
export async function checkRecord(sealed: Uint8Array, terms: RecordTerms): Promise<CheckedRecord> {
  const { recordBytes } = LIMITS.discovery;
  if (sealed.byteLength > recordBytes)
    return refused("size", `it has ${sealed.byteLength} bytes, and ${recordBytes} are allowed`);
  let envelope;
  try {
    envelope = await openEnvelope(sealed, RECORD_DOMAIN);
  } catch (error) {
    return refused("envelope", isFault(error, "RECORD_INVALID") ? error.details.why : sentenceOf(error));
  }
  if (Buffer.compare(envelope.payloadType, RECORD_TYPE) !== 0)
    return refused("type", "its payload is of another type");
  const record = recordIn(envelope.payload);
  if (record === undefined)
    return refused("shape", "its payload is no record of a peer, or beyond the limits of one");
  // The envelope alone is content with any signer, of whomever the payload speaks.
  if (envelope.peerId !== record.peerId)
    return refused("signer", "it is signed by another peer than it speaks of");
  return checkTimes(record, terms);
}

function checkTimes(record: PeerRecord, { nowMs, sequenceOf }: RecordTerms): CheckedRecord {
  const { recordTtlMs, skewMs } = LIMITS.discovery;
  if (record.expiresAtMs <= nowMs) return refused("expired", "its time is over");
  if (record.issuedAtMs > nowMs + skewMs) return refused("future", "it was issued in the future");
  if (record.expiresAtMs - record.issuedAtMs > recordTtlMs)
    return refused("ttl", `it holds for longer than ${recordTtlMs} ms`);
  const known = sequenceOf(record.peerId);
  if (known !== undefined && record.sequence < known)
    return refused("sequence", "a newer one of the same peer is known");
  if (!record.addresses.every((address) => leadsTo(address, record.peerId)))
    return refused("address", "one of its addresses names another peer");
  return { verdict: record.sequence === known ? "known" : "good", record };
}

const refused = (why: RefusedFor, sentence: string): CheckedRecord => ({
  verdict: "refused",
  for: why,
  why: sentence,
});

// --- shape ------------------------------------------------------------------------------------------------------------

function recordIn(payload: Uint8Array): PeerRecord | undefined {
  let members: unknown;
  try {
    members = unpackValue(payload);
  } catch {
    return undefined;
  }
  if (!Array.isArray(members) || members.length !== MEMBERS) return undefined;
  const [version, peerId, capabilities, addresses, ...numbers] = members as unknown[];
  if (version !== VERSION || !isName(peerId, LIMITS.peers.idChars)) return undefined;
  if (!areCapabilities(capabilities) || !areAddresses(addresses)) return undefined;
  const [sequence, issuedAtMs, expiresAtMs] = numbers;
  if (!isCount(sequence) || !isCount(issuedAtMs) || !isCount(expiresAtMs)) return undefined;
  if (expiresAtMs <= issuedAtMs) return undefined;
  return { peerId, capabilities, addresses, sequence, issuedAtMs, expiresAtMs };
}

const isCount = (value: unknown): value is number => Number.isSafeInteger(value) && (value as number) >= 0;

/** May it be the name of a capability? Names of actions are such. */
export const isCapability = (value: unknown): value is string =>
  isName(value, LIMITS.peers.capabilityChars) && !CONTROL.test(value);

// oxlint-disable-next-line no-control-regex -- control characters are what it is for
const CONTROL = /[\u0000-\u001f\u007f-\u009f]/;

function areCapabilities(value: unknown): value is string[] {
  if (!Array.isArray(value) || value.length > LIMITS.peers.capabilities) return false;
  const texts = value as unknown[];
  if (!texts.every(isCapability)) return false;
  const sorted = sortedOnce(texts);
  return sorted.length === texts.length && sorted.every((text, index) => text === texts[index]);
}

function areAddresses(value: unknown): value is string[] {
  if (!Array.isArray(value) || value.length > LIMITS.network.addresses) return false;
  return (value as unknown[]).every((text) => canonicalAddress(text) === text);
}

/** Does a canonical address name no other peer as its end? */
function leadsTo(address: string, peerId: string): boolean {
  const named = peerIdIn(address);
  return named === null || named === peerId;
}
