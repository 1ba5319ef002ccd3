import { describe, expect, it } from "vitest";
import { call, protocol } from "../../src/actor/index.ts";
import { LIMITS } from "../../src/errors/index.ts";
import { failOnLeaks } from "../kit/leak-check.ts";
import { openHouse, partModule } from "./house.ts";
import { Part } from "./modules/part.protocol.ts";

failOnLeaks();

describe.each(["simulation", "host"] as const)("a supervisor (%s) refuses to start", (where) => {
  const open = (setup?: Parameters<typeof openHouse>[1]): ReturnType<typeof openHouse> =>
    openHouse(where, setup);

  it("a second child of the same name, and the first one goes on", async () => {
    const { part, drive } = await open();
    const first = await part(0);
    await expect(part(0)).rejects.toMatchObject({ code: "ALREADY_EXISTS", details: { name: "part-0" } });
    expect(await drive(first.call.epoch())).toBe(1);
  });

  it("a child under the program's own name, with a bad mailbox, or with a time that is none", async () => {
    const { part } = await open();
    const refused = { code: "INVALID_ARGUMENT" };
    await expect(part(0, { name: "host" })).rejects.toMatchObject(refused);
    await expect(part(0, { name: "" })).rejects.toMatchObject(refused);
    await expect(part(0, { mailbox: { ringBytes: 5_000 } })).rejects.toMatchObject(refused);
    await expect(part(0, { mailbox: { messages: 0 } })).rejects.toMatchObject(refused);
    await expect(part(0, { shutdownMs: Number.NaN })).rejects.toMatchObject(refused);
    await expect(part(0, { startTimeoutMs: -1 })).rejects.toMatchObject(refused);
    await part(0);
  });

  it("a child whose init cannot cross a thread", async () => {
    const { supervisor, drive, journal } = await open();
    const init = { id: 0, journal, trouble: (() => undefined) as never };
    await expect(
      drive(supervisor.spawn(Part, { module: "file:///never-loaded.ts", init })),
    ).rejects.toMatchObject({
      code: "NOT_A_WIRE_VALUE",
      details: { what: "the init of part" },
    });
  });

  it("a child whose setup throws, says why, and leaves nothing of it", async () => {
    const { part, supervisor, drive, happened } = await open();
    await expect(part(0, { trouble: "setup throws" })).rejects.toMatchObject({
      code: "ACTOR_START_FAILED",
      details: { actor: "part-0", why: "this part is broken" },
      cause: { code: "DEFECT", details: { name: "RangeError" } },
    });
    expect(happened()).toEqual(["abort 0", "cleanup 0", "exit 0"]);
    expect(await drive(supervisor.health())).toEqual([]);
    await expect(part(1, { trouble: "setup throws a fault" })).rejects.toMatchObject({
      code: "ACTOR_START_FAILED",
      cause: { code: "STORE_OWNED", details: { path: "/data" } },
    });
    await part(0);
  });

  it("a child whose setup does not end in time, and kills it", async () => {
    const { part, supervisor, drive, whoDid } = await open();
    await expect(part(0, { trouble: "setup hangs", startTimeoutMs: 200 })).rejects.toMatchObject({
      code: "DEADLINE_EXCEEDED",
      details: { what: "part-0: its setup", timeoutMs: 200 },
    });
    expect(whoDid("cleanup"), "it had its time").toEqual([]);
    expect(await drive(supervisor.health())).toEqual([]);
  });

  it("a child whose setup asks for an actor that does not stand in its calls", async () => {
    const { part } = await open();
    await expect(part(0, { trouble: "asks a stranger", calls: ["part-1"] })).rejects.toMatchObject({
      code: "ACTOR_START_FAILED",
      cause: { code: "UNKNOWN_NAME", details: { kind: "actor", name: "stranger", known: ["part-1"] } },
    });
  });

  it("a child whose handlers are not those of its protocol", async () => {
    const { part } = await open();
    await expect(part(0, { trouble: "has one handler too many" })).rejects.toMatchObject({
      code: "ACTOR_START_FAILED",
      details: { why: "defect: the protocol part has no call or cast pong" },
    });
    await expect(part(0, { trouble: "has one handler too few" })).rejects.toMatchObject({
      code: "ACTOR_START_FAILED",
      details: { why: "defect: the behaviour of part has no handler for ask" },
    });
  });

  it("a child of another protocol, and names both", async () => {
    const { supervisor, drive } = await open();
    const Other = protocol("other", { ping: call() });
    await expect(drive(supervisor.spawn(Other, { module: partModule }))).rejects.toMatchObject({
      code: "PROTOCOL_MISMATCH",
      details: {
        actor: "other",
        ours: expect.stringContaining("other@1(") as unknown,
        theirs: expect.stringContaining("part@1(") as unknown,
      },
    });
  });
});

it("a supervisor has at most so many children", async () => {
  const { supervisor, drive, journal } = await openHouse("simulation");
  const spawn = (id: number): Promise<unknown> =>
    supervisor.spawn(Part, { name: `part-${id}`, module: partModule, init: { id: 0, journal } });
  const spawns = Array.from({ length: LIMITS.supervisor.children }, (_, id) => spawn(id));
  await expect(spawn(999)).rejects.toMatchObject({
    code: "INVALID_ARGUMENT",
    details: { argument: "actors" },
  });
  await drive(Promise.all(spawns));
});
