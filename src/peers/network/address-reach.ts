import { lookup, resolveTxt } from "node:dns/promises";
import { isIP } from "node:net";
import { LIMITS, fault, sentenceOf, type Fault } from "../../errors/index.ts";
import { addressRanges } from "../../schema/special-addresses.ts";
import { unlessAborted } from "../../scope/index.ts";
import type { Reach } from "../network.protocol.ts";
import { canonicalAddress, peerIdIn } from "../peer-names.ts";

/**
 * Which addresses may be dialled. Names of the DNS are resolved before anything is dialled, and only what they lead to is
 * looked at: a name whose address changes between the check and the dial would lead anywhere.
 */

const RANGES: Readonly<Record<Exclude<Reach, "internet">, readonly string[]>> = {
  // 0.0.0.0 and ::, too: whoever dials them dials itself.
  machine: ["127.0.0.0/8", "0.0.0.0/8", "::1/128", "::/128"],
  // RFC 1918, RFC 6598 (a provider's own network), RFC 3927, RFC 4193, RFC 4291.
  lan: [
    "10.0.0.0/8",
    "172.16.0.0/12",
    "192.168.0.0/16",
    "100.64.0.0/10",
    "169.254.0.0/16",
    "fc00::/7",
    "fe80::/10",
  ],
};

const WHERE: Readonly<Record<Reach, string>> = {
  machine: "this machine",
  lan: "a private network",
  internet: "the internet",
};

const lists = new Map(
  Object.entries(RANGES).map(([reach, ranges]) => [reach as Reach, addressRanges(ranges)] as const),
);

/** Whose address it is: of this machine, of a private network, or of all others. */
export function reachOf(ip: string): Reach {
  const inner = innerIpv4(ip);
  const family = isIP(inner) === 4 ? "ipv4" : "ipv6";
  for (const [reach, list] of lists) if (list.check(inner, family)) return reach;
  return "internet";
}

/** Of an IPv6 address that leads to an IPv4 address (RFC 4291 2.5.5.2, RFC 6052), that one. */
function innerIpv4(ip: string): string {
  if (isIP(ip) !== 6) return ip;
  const canonical = new URL(`http://[${ip}]`).hostname.slice(1, -1);
  const words = /^(?:::ffff:|64:ff9b::)([0-9a-f]{1,4}):([0-9a-f]{1,4})$/.exec(canonical);
  if (words === null) return ip;
  const [high, low] = [parseInt(words[1] ?? "", 16), parseInt(words[2] ?? "", 16)];
  return [high >> 8, high & 0xff, low >> 8, low & 0xff].join(".");
}

/** The IP address that is dialled first; null: a name comes before it. */
function ipIn(address: string): string | null {
  const [, kind, host = ""] = address.split("/");
  return kind === "ip4" || kind === "ip6" ? host : null;
}

/** Why it may not be dialled; null: it may. A name is none that may: it is to be resolved before. */
export function objectionTo(address: string, allowed: readonly Reach[]): string | null {
  const ip = ipIn(address);
  if (ip === null) return "its name has not been resolved";
  const reach = reachOf(ip);
  if (allowed.includes(reach)) return null;
  return `it is an address of ${WHERE[reach]}, and this node dials ${allowed.map((each) => WHERE[each]).join(" and ") || "nobody"}`;
}

export interface Dialable {
  /** With IP addresses only, in the order of what they came from, each once. */
  readonly addresses: readonly string[];
  /** Why the others may not be dialled, in their order. */
  readonly refused: readonly Fault<"ADDRESS_NOT_ALLOWED">[];
  /** Why names lead nowhere. */
  readonly unresolved: readonly string[];
}

/** What a dnsaddr leads to may be a dnsaddr. */
const DEPTH_MAX = 3;

/** @param addresses in canonical form */
export async function dialable(
  addresses: readonly string[],
  allowed: readonly Reach[],
  signal: AbortSignal,
): Promise<Dialable> {
  const unresolved: string[] = [];
  const resolved = await Promise.all(
    addresses.map(async (address) => {
      try {
        return await unlessAborted(resolve(address, DEPTH_MAX), signal);
      } catch (error) {
        unresolved.push(`${address}: ${sentenceOf(error)}`);
        return [];
      }
    }),
  );
  const sound: string[] = [];
  const refused: Fault<"ADDRESS_NOT_ALLOWED">[] = [];
  for (const address of new Set(resolved.flat().slice(0, LIMITS.network.addresses))) {
    const why = objectionTo(address, allowed);
    if (why === null) sound.push(address);
    else refused.push(fault("ADDRESS_NOT_ALLOWED", { address, why }));
  }
  return { addresses: sound, refused, unresolved };
}

async function resolve(address: string, depth: number): Promise<string[]> {
  const [, kind = "", host = "", ...rest] = address.split("/");
  if (kind === "ip4" || kind === "ip6") return [address];
  if (kind === "dnsaddr") return resolveEntries(host, peerIdIn(address), depth);
  const family = kind === "dns4" ? 4 : kind === "dns6" ? 6 : 0;
  const found = await lookup(host, { all: true, family });
  return found.map((each) => [`/ip${each.family}/${each.address}`, ...rest].join("/"));
}

/** @see https://github.com/multiformats/multiaddr/blob/master/protocols/DNSADDR.md */
async function resolveEntries(host: string, peerId: string | null, depth: number): Promise<string[]> {
  if (depth === 0) return [];
  const records = await resolveTxt(`_dnsaddr.${host}`);
  const entries = records
    .map((parts) => canonicalAddress(/^dnsaddr=(.+)$/.exec(parts.join(""))?.[1]))
    // Many peers share one name.
    .filter((entry) => entry !== null)
    .filter((entry) => peerId === null || peerIdIn(entry) === peerId)
    .slice(0, LIMITS.network.addresses);
  const resolved = await Promise.all(entries.map((entry) => resolve(entry, depth - 1)));
  return resolved.flat();
}
