import { BlockList, isIP } from "node:net";

/**
 * Ranges that belong to nobody's public host: what a service, a STUN server or a gateway says is a public address must lie
 * in none of them.
 *
 * @see https://www.iana.org/assignments/iana-ipv4-special-registry and iana-ipv6-special-registry
 */
const SPECIAL_IPV4 = [
  "0.0.0.0/8",
  "10.0.0.0/8",
  // Between the customers and the public address of their provider (RFC 6598).
  "100.64.0.0/10",
  "127.0.0.0/8",
  "169.254.0.0/16",
  "172.16.0.0/12",
  "192.0.0.0/24",
  "192.0.2.0/24",
  "192.88.99.0/24",
  "192.168.0.0/16",
  "198.18.0.0/15",
  "198.51.100.0/24",
  "203.0.113.0/24",
  "224.0.0.0/3",
];
/** All of IPv6 that is given out; among it, ways into IPv4 and addresses for documents. */
const GIVEN_OUT_IPV6 = ["2000::/3"];
const SPECIAL_IPV6 = ["2001::/23", "2001:db8::/32", "2002::/16", "3fff::/20"];

const special = listOf([...SPECIAL_IPV4, ...SPECIAL_IPV6]);
const givenOut = listOf(GIVEN_OUT_IPV6);

/** Is it an address, of version 4 or 6, by which the whole internet could reach a host? */
export function isPublicAddress(address: string): boolean {
  const family = isIP(address);
  if (family === 0 || address.includes("%")) return false;
  if (family === 4) return !special.check(address, "ipv4");
  return givenOut.check(address, "ipv6") && !special.check(address, "ipv6");
}

function listOf(ranges: readonly string[]): BlockList {
  const list = new BlockList();
  for (const range of ranges) {
    const [address = "", prefix] = range.split("/");
    list.addSubnet(address, Number(prefix), isIP(address) === 4 ? "ipv4" : "ipv6");
  }
  return list;
}
