import { BlockList, isIP } from "node:net";

/**
 * Addresses that are not somebody's public server. A server that fetches what others name must not be led to them: they
 * belong to the machine itself, to its network, or to the cloud it runs in, which gives away keys there.
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

const KINDS = SPECIAL.map(([kind, ...ranges]) => ({ kind, list: listOf(ranges) }));

/** All of IPv6 that has been given out. */
const GIVEN_OUT = listOf(["2000::/3"]);

/** What kind of special address it is: "a loopback address". Undefined for a public one. */
export function specialKindOf(address: string): string | undefined {
  const family = isIP(address) === 4 ? "ipv4" : "ipv6";
  const special = KINDS.find(({ list }) => list.check(address, family));
  if (special !== undefined) return special.kind;
  const isPublic = family === "ipv4" || GIVEN_OUT.check(address, family);
  return isPublic ? undefined : "a reserved address";
}

function listOf(ranges: readonly string[]): BlockList {
  const list = new BlockList();
  for (const range of ranges) {
    const [address = "", prefix] = range.split("/");
    list.addSubnet(address, Number(prefix), isIP(address) === 4 ? "ipv4" : "ipv6");
  }
  return list;
}
