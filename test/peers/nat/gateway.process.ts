import { GATEWAY_PORT } from "../../../src/peers/nat/gateway-message.ts";
import { StandInGateway } from "./stand-in-gateway.ts";

/** A gateway that speaks what is named, at the address that is named, until it is ended. */
const [, , speaks, address] = process.argv;
await StandInGateway.open({ speaks: speaks === "pcp" ? "pcp" : "nat_pmp" }, GATEWAY_PORT, address);
process.stdout.write("listening\n");
