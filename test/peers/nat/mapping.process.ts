import { defaultGateway } from "../../../src/peers/nat/default-gateway.ts";
import { GATEWAY_PORT } from "../../../src/peers/nat/gateway-message.ts";
import { PmpGateway } from "../../../src/peers/nat/pmp-gateway.ts";
import { systemClock } from "../../../src/scope/index.ts";

/** Asks the gateway of this host's default route for port 4001, and prints what it gave; null: there is no gateway. */
const alive = setInterval(() => {}, 1_000);
const address = await defaultGateway();
if (address === null) process.stdout.write("null");
else {
  const gateway = await PmpGateway.at(address, GATEWAY_PORT, systemClock);
  const lease = await gateway.map(4_001, 4_001);
  process.stdout.write(JSON.stringify({ gateway: address, kind: gateway.kind, ...lease }));
  gateway.close();
}
clearInterval(alive);
