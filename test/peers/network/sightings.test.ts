import { expect, it } from "vitest";
import type { PeerHint } from "../../../src/peers/network.protocol.ts";
import { Sightings } from "../../../src/peers/network/sightings.ts";
import { manualClock } from "../../kit/manual-clock.ts";

const hint = (peerId: string, address = "/ip4/10.0.0.1/tcp/1"): PeerHint => ({
  peerId,
  addresses: [address],
  source: "mdns",
});

it("a sighting is told at once, and kept for whoever begins to listen within two minutes, the latest of each peer", async () => {
  const clock = manualClock();
  const told: PeerHint[] = [];
  const sightings = new Sightings(clock, (each) => told.push(each));
  sightings.add(hint("alice"));
  await clock.advance(60_000);
  sightings.add(hint("bob"));
  sightings.add(hint("bob", "/ip4/10.0.0.2/tcp/2"));
  expect(told).toHaveLength(3);
  expect(sightings.latest()).toEqual([hint("alice"), hint("bob", "/ip4/10.0.0.2/tcp/2")]);
  await clock.advance(60_001);
  expect(sightings.latest()).toEqual([hint("bob", "/ip4/10.0.0.2/tcp/2")]);
});

it("at most 256 sightings are kept, the latest", () => {
  const sightings = new Sightings(manualClock(), () => undefined);
  for (let at = 0; at <= 256; at++) sightings.add(hint(`peer-${at}`));
  const kept = sightings.latest().map(({ peerId }) => peerId);
  expect([kept.length, kept[0], kept.at(-1)]).toEqual([256, "peer-1", "peer-256"]);
});
