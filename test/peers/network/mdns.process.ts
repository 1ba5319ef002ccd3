import type { PeerHint } from "../../../src/peers/network.protocol.ts";
import { openNode, until } from "./node-kit.ts";

/** Two nodes that know each other by mDNS alone. Runs in a network namespace that its parent has made. */
const one = await openNode({ mdns: true });
const other = await openNode({ mdns: true });
await until(() => one.of("sighted").length > 0 && other.of("sighted").length > 0, "a sighting on both sides");
const sightings = [one, other].flatMap((node) => node.of<PeerHint>("sighted"));
process.stdout.write(JSON.stringify({ own: [one.peerId, other.peerId], sightings }));
await one[Symbol.asyncDispose]();
await other[Symbol.asyncDispose]();
