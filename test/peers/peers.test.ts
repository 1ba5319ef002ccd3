import { describe, expect, it } from "vitest";
import { Bootstrap, PeerRegistry } from "../../src/peers/index.ts";
import bootstrapBehaviour from "../../workers/bootstrap.actor.ts";
import registryBehaviour from "../../workers/peer-registry.actor.ts";
import { fakeActor, fakeMessage } from "../kit/actor-context.ts";

const message = fakeMessage();
const OFF = { networking: "off", why: expect.stringContaining("on one machine") as string };

describe("the peer registry", () => {
  it("says in its status, its list and its health that networking is off, and why", async () => {
    const fake = fakeActor(PeerRegistry);
    const registry = await registryBehaviour.setup(fake.context);
    expect(await registry.status(undefined, message)).toEqual(OFF);
    expect(await registry.list({ offset: 0, limit: 1_000 }, message)).toEqual({
      peers: [],
      total: 0,
      status: OFF,
    });
    expect(fake.health()).toEqual({ ...OFF, peers: 0 });
  });

  it.each([
    ["offset", { offset: -1, limit: 1 }],
    ["offset", { offset: 0.5, limit: 1 }],
    ["limit", { offset: 0, limit: 0 }],
    ["limit", { offset: 0, limit: 1_001 }],
    ["limit", { offset: 0, limit: NaN }],
  ])("refuses a page whose %s is out of range: %o", async (argument, page) => {
    const registry = await registryBehaviour.setup(fakeActor(PeerRegistry).context);
    expect(() => registry.list(page, message)).toThrow(
      expect.objectContaining({
        code: "INVALID_ARGUMENT",
        details: expect.objectContaining({ argument }) as unknown,
      }),
    );
  });
});

describe("the bootstrap", () => {
  it("says in its status and its health that networking is off, and why", async () => {
    const fake = fakeActor(Bootstrap);
    const bootstrap = await bootstrapBehaviour.setup(fake.context);
    expect(await bootstrap.status(undefined, message)).toEqual(OFF);
    expect(fake.health()).toEqual(OFF);
  });
});
