import { describe, expect, it } from "vitest";
import { PeerRegistry } from "../../../src/peers/peers.protocol.ts";
import behaviour from "../../../workers/peer-registry.actor.ts";
import { fakeActor, fakeMessage } from "../../kit/actor-context.ts";

const message = fakeMessage();
const OFF = { networking: "off", why: expect.stringContaining("openSystem({ network: {} })") as string };

describe("the peer registry without networking", () => {
  it("says in its status and its health that networking is off, and how it is turned on", async () => {
    const fake = fakeActor(PeerRegistry);
    const registry = await behaviour.setup(fake.context, { discovery: null });
    expect(await registry.status(undefined, message)).toEqual(OFF);
    expect(await registry.counts(undefined, message)).toEqual({ counts: {} });
    expect(fake.health()).toEqual({ ...OFF, peers: 0 });
  });

  it("refuses everything else with the way to turn it on", async () => {
    const registry = await behaviour.setup(fakeActor(PeerRegistry).context, { discovery: null });
    const refusal = { code: "UNAVAILABLE", details: { what: "the peer network", why: OFF.why } };
    const refused = expect.objectContaining(refusal) as unknown;
    expect(() => registry.list({ offset: 0, limit: 1 }, message)).toThrow(refused);
    expect(() => registry.peer({ peerId: "x" }, message)).toThrow(refused);
    expect(() => registry.discover({ capabilities: [], max: 1, timeoutMs: 1 }, message)).toThrow(refused);
    expect(() => registry.judged({ peerId: "x", ok: true, why: "" }, message)).toThrow(refused);
  });
});
