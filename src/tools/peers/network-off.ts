import { fault } from "../../errors/index.ts";
import { NETWORKING_OFF } from "../../peers/peers.protocol.ts";

/** The one door of these tools to the network. @throws UNAVAILABLE always: there is none in this version */
export function networkOff(): never {
  throw fault("UNAVAILABLE", { what: "the peer network", why: NETWORKING_OFF.why });
}
