import type { NatType } from "../peers.protocol.ts";

/**
 * Whether the public endpoint of one private endpoint depends on whom it speaks to. `none`: the address is this machine's
 * own. `independent`: it is the same for all. `dependent`: it is another for another.
 *
 * @see https://www.rfc-editor.org/rfc/rfc4787#section-4.1
 */
export type Mapping = "none" | "independent" | "dependent" | "unknown";

/**
 * Whose packets come in through a mapping: `all`, those from an address that was spoken to (`address`), or those from an
 * address and port that was (`endpoint`).
 *
 * @see https://www.rfc-editor.org/rfc/rfc4787#section-5
 */
export type Filtering = "all" | "address" | "endpoint" | "unknown";

const CONES: Readonly<Record<Filtering, NatType>> = {
  all: "full_cone",
  address: "restricted_cone",
  endpoint: "port_restricted_cone",
  unknown: "cone",
};

/** The name that a mapping and a filtering have together. */
export function natTypeOf(mapping: Mapping, filtering: Filtering): NatType {
  if (mapping === "unknown") return "unknown";
  if (mapping === "dependent") return "symmetric";
  if (mapping === "independent") return CONES[filtering];
  if (filtering === "unknown") return "unknown";
  return filtering === "all" ? "open" : "symmetric_firewall";
}
