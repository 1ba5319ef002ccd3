import { isIPv4, isIPv6 } from "node:net";
import { base32 } from "multiformats/bases/base32";
import { base36 } from "multiformats/bases/base36";
import { base58btc } from "multiformats/bases/base58";
import { LIMITS, sentenceOf } from "../errors/index.ts";
import { invalidArgument, shortText } from "../schema/index.ts";

/**
 * Names of peers and of the places where they may be, in one canonical text each, so that two texts that mean the same are
 * equal. Nothing here loads libp2p: every thread may check a name.
 *
 * @see https://github.com/libp2p/specs/blob/master/peer-ids/peer-ids.md
 * @see https://github.com/libp2p/specs/blob/master/addressing/README.md
 */

/** In its canonical text: the multihash in base58, as `12D3KooW…` or `Qm…`. */
export type PeerId = string;

/**
 * @returns its canonical text; the forms of a CID (`bafz…`, `k51…`) are taken, too
 * @throws INVALID_ARGUMENT
 */
export function checkPeerId(argument: string, value: unknown): PeerId {
  const peerId = canonicalPeerId(value);
  if (peerId !== null) return peerId;
  throw invalidArgument(argument, shortText(value), 'the id of a peer, such as "12D3KooW…"');
}

/**
 * An address that this node can listen on or dial: TCP by ip4, ip6, dns, dns4 or dns6, what a dnsaddr leads to, or any of
 * these through a relay.
 *
 * @returns its canonical text
 * @throws INVALID_ARGUMENT
 */
export function checkAddress(argument: string, value: unknown): string {
  const read = readAddress(value);
  if ("address" in read) return read.address;
  throw invalidArgument(argument, shortText(value), `a multiaddr of TCP: ${read.problem}`);
}

/** Its canonical text; null when it is none, as checks of what strangers have written need it. */
export function canonicalAddress(value: unknown): string | null {
  const read = readAddress(value);
  return "address" in read ? read.address : null;
}

/** Whom the address says will answer there: its last `/p2p/<id>`; null when it does not say. */
export function peerIdIn(address: string): PeerId | null {
  const target = address.slice(address.lastIndexOf(CIRCUIT) + 1);
  return /\/p2p\/([^/]+)$/.exec(target)?.[1] ?? null;
}

/** Null when it is none. */
export function canonicalPeerId(value: unknown): PeerId | null {
  if (typeof value !== "string" || value.length === 0 || value.length > LIMITS.peers.idChars) return null;
  try {
    const multihash = /^[1Q]/.test(value) ? base58btc.decode(`z${value}`) : multihashOfCid(value);
    return isMultihashOfKey(multihash) ? base58btc.encode(multihash).slice(1) : null;
  } catch {
    return null;
  }
}

// --- peer ids ---------------------------------------------------------------------------------------------------------

const CID_VERSION = 0x01;
const CODEC_LIBP2P_KEY = 0x72;

/** A CID is its version, its codec, and then the multihash. */
function multihashOfCid(text: string): Uint8Array {
  const bytes = text.startsWith("b") ? base32.decode(text) : base36.decode(text);
  if (bytes[0] !== CID_VERSION || bytes[1] !== CODEC_LIBP2P_KEY) throw new TypeError("no CID of a key");
  return bytes.subarray(2);
}

/** How the multihash of each kind of key begins, and how many bytes follow. */
const KEY_HASHES = [
  { kind: "Ed25519, in full", start: [0x00, 0x24, 0x08, 0x01, 0x12, 0x20], keyBytes: 32 },
  { kind: "secp256k1, in full", start: [0x00, 0x25, 0x08, 0x02, 0x12, 0x21], keyBytes: 33 },
  { kind: "any, by its SHA-256", start: [0x12, 0x20], keyBytes: 32 },
] as const;

const isMultihashOfKey = (bytes: Uint8Array): boolean =>
  KEY_HASHES.some(
    ({ start, keyBytes }) =>
      bytes.length === start.length + keyBytes && start.every((byte, index) => bytes[index] === byte),
  );

// --- addresses --------------------------------------------------------------------------------------------------------

type ReadAddress = { readonly address: string } | { readonly problem: string };

const CIRCUIT = "/p2p-circuit";
const PORT_MAX = 65_535;
const HOST_CHARS = 253;
const LABEL = /^[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?$/;

/** What may stand first, and how its value is brought into canonical form; it throws what is wrong with it. */
const HOSTS: Readonly<Record<string, (value: string) => string>> = {
  ip4: (value) => {
    if (!isIPv4(value)) throw new TypeError("its ip4 is no IPv4 address");
    return value;
  },
  ip6: (value) => {
    // A zone means something on one machine only.
    if (!isIPv6(value) || value.includes("%")) throw new TypeError("its ip6 is no IPv6 address");
    return new URL(`http://[${value}]`).hostname.slice(1, -1);
  },
  dns: hostName,
  dns4: hostName,
  dns6: hostName,
  dnsaddr: hostName,
};

function readAddress(value: unknown): ReadAddress {
  if (typeof value !== "string") return { problem: "it is a text" };
  const { multiaddrChars } = LIMITS.peers;
  if (value.length > multiaddrChars) return { problem: `it has at most ${multiaddrChars} characters` };
  try {
    return { address: canonicalParts(value.split("/")) };
  } catch (error) {
    return { problem: sentenceOf(error) };
  }
}

/** @throws TypeError that says what is wrong */
function canonicalParts([empty, ...parts]: readonly string[]): string {
  if (empty !== "") throw new TypeError('it begins with "/"');
  const [hostKind = "", host = ""] = parts;
  const canonicalHost = Object.hasOwn(HOSTS, hostKind) ? HOSTS[hostKind] : undefined;
  if (canonicalHost === undefined) throw new TypeError(`it begins with /${Object.keys(HOSTS).join(", /")}`);
  let address = `/${hostKind}/${canonicalHost(host)}`;
  let next = 2;
  if (hostKind !== "dnsaddr") {
    if (parts[next] !== "tcp") throw new TypeError("its host is followed by /tcp/<port>");
    address += `/tcp/${port(parts[next + 1])}`;
    next += 2;
  }
  const target = peer(parts, next);
  if (parts[next + (target === "" ? 0 : 2)] !== "p2p-circuit") {
    if (next + (target === "" ? 0 : 2) < parts.length) throw new TypeError("it ends after /p2p/<id>");
    return address + target;
  }
  if (target === "") throw new TypeError("its relay is named by /p2p/<id>");
  next += 3;
  const behind = peer(parts, next);
  if (next + (behind === "" ? 0 : 2) < parts.length)
    throw new TypeError("it ends after one relay and one peer");
  return address + target + CIRCUIT + behind;
}

/** `/p2p/<id>` if it stands there; `ipfs` is its former name. */
function peer(parts: readonly string[], at: number): string {
  if (parts[at] !== "p2p" && parts[at] !== "ipfs") return "";
  const peerId = canonicalPeerId(parts[at + 1]);
  if (peerId === null) throw new TypeError("its /p2p is followed by the id of a peer");
  return `/p2p/${peerId}`;
}

function port(text: string | undefined): number {
  const value = Number(text);
  if (text === undefined || !/^\d{1,5}$/.test(text) || value > PORT_MAX)
    throw new TypeError(`its port is an integer from 0 to ${PORT_MAX}`);
  return value;
}

function hostName(value: string): string {
  const name = value.toLowerCase();
  const sound = name.length <= HOST_CHARS && name.split(".").every((label) => LABEL.test(label));
  if (!sound) throw new TypeError("its host is no name of the DNS");
  return name;
}
