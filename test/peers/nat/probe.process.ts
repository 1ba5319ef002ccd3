import { isIP } from "node:net";
import { probeNat } from "../../../src/peers/nat/nat-probe.ts";
import type { Endpoint } from "../../../src/peers/nat/stun-message.ts";
import { systemClock } from "../../../src/scope/index.ts";

/** Asks the servers named as `address:port` what kind of NAT this host is behind, and prints the answer as JSON. */
const servers: Endpoint[] = process.argv.slice(2).map((text) => {
  const [address = "", port] = text.split(":");
  return { family: isIP(address) === 6 ? 6 : 4, address, port: Number(port) };
});
// Its sockets and timers keep no process alive.
const alive = setInterval(() => {}, 1_000);
const signal = new AbortController().signal;
process.stdout.write(JSON.stringify(await probeNat(servers, { clock: systemClock, signal })));
clearInterval(alive);
