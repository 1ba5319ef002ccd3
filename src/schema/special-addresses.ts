import { BlockList, isIP } from "node:net";

/**
 * Addresses that are not somebody's public host. A server that fetches what others name must not be led to them: they belong
 * to the machine itself, to its network, or to the cloud it runs in, which gives away keys there. And what a service says
 * is a public address is none of them.
 *
 * @see https://www.iana.org/assignments/iana-ipv4-special-registry and iana-ipv6-special-registry
 */
const SPECIAL: readonly (readonly [kind: string, ...ranges: string[]])[] = [
  ["the unspecified address", "0.0.0.0/8", "::/128"],
  ["a loopback address", "127.0.0.0/8", "::1/128"],
  // Those of AWS, Google and others lie in link-local and private ranges; these do not.
  ["a cloud's metadata address", "169.254.169.254/32", "168.63.129.16/32", "fd00:ec2::254/128"],
  ["a link-local address", "169.254.0.0/16", "fe80::/10"],
  [
    "a private address",
    "10.0.0.0/8",
    "172.16.0.0/12",
    "192.168.0.0/16",
    "100.64.0.0/10",
    "fc00::/7",
    "fec0::/10",
  ],
  ["a multicast address", "224.0.0.0/4", "ff00::/8"],
  [
    "a reserved address",
    "192.0.0.0/24",
    "192.0.2.0/24",
    "192.88.99.0/24",
    "198.18.0.0/15",
    "198.51.100.0/24",
    "203.0.113.0/24",
    "240.0.0.0/4",
    // Ways into IPv4 among them, which would lead around everything above.
    "2001::/23",
    "2001:db8::/32",
    "2002::/16",
    "3fff::/20",
  ],
];

const KINDS = SPECIAL.map(([kind, ...ranges]) => ({ kind, list: addressRanges(ranges) }));

/** All of IPv6 that has been given out. */
const GIVEN_OUT = addressRanges(["2000::/3"]);

/** @returns what kind of special address this IP address is: "a loopback address"; undefined for a public one */
export function specialKindOf(address: string): string | undefined {
  const family = isIP(address) === 4 ? "ipv4" : "ipv6";
  const special = KINDS.find(({ list }) => list.check(address, family));
  if (special !== undefined) return special.kind;
  const isPublic = family === "ipv4" || GIVEN_OUT.check(address, family);
  return isPublic ? undefined : "a reserved address";
}

/** Is it an IP address by which the whole internet could reach a host? False for what is none, or has a zone. */
export function isPublicAddress(text: string): boolean {
  return isIP(text) !== 0 && !text.includes("%") && specialKindOf(text) === undefined;
}

/** @param ranges such as `10.0.0.0/8` and `fc00::/7` (RFC 4632, RFC 4291 2.3) */
export function addressRanges(ranges: readonly string[]): BlockList {
  const list = new BlockList();
  for (const range of ranges) {
    const [address = "", prefix] = range.split("/");
    list.addSubnet(address, Number(prefix), isIP(address) === 4 ? "ipv4" : "ipv6");
  }
  return list;
}
