import { describe, expect, it } from "vitest";
import { failOnLeaks } from "../kit/leak-check.ts";
import { openHouse } from "./house.ts";

failOnLeaks();

describe.each(["simulation", "thread"] as const)("a supervisor (%s) starts and stops", (where) => {
  const open = (setup?: Parameters<typeof openHouse>[1]): ReturnType<typeof openHouse> =>
    openHouse(where, setup);

  it("in the order of the spawns, whoever is faster, and stops in reverse", async () => {
    const { part, supervisor, drive, happened } = await open();
    await drive(Promise.all([part(0), part(1), part(2)]));
    await drive(supervisor.close());
    const stop = (id: number): string[] => [`abort ${id}`, `cleanup ${id}`, `exit ${id}`];
    expect(happened()).toEqual(["up 0", "up 1", "up 2", ...stop(2), ...stop(1), ...stop(0)]);
  });

  it("one child alone, and its name is free for another, which the old ref does not reach", async () => {
    const { part, supervisor, drive, whoDid } = await open();
    const first = await part(0);
    await part(1);
    await drive(supervisor.stopChild("part-0"));
    expect(whoDid("exit")).toEqual([0]);
    const second = await part(0);
    expect(await drive(second.call.epoch())).toBe(1);
    await expect(drive(first.call.epoch())).rejects.toMatchObject({ code: "ACTOR_STOPPED" });
    await expect(drive(first.ready())).rejects.toMatchObject({ code: "ACTOR_STOPPED" });
  });

  it("one child once, however often that is asked", async () => {
    const { part, supervisor, drive, happened } = await open();
    await part(0);
    await drive(Promise.all([supervisor.stopChild("part-0"), supervisor.stopChild("part-0")]));
    expect(happened()).toEqual(["up 0", "abort 0", "cleanup 0", "exit 0"]);
    await expect(drive(supervisor.stopChild("part-0"))).rejects.toMatchObject({ code: "UNKNOWN_NAME" });
  });

  it("everything once, however often that is asked, and nothing after it", async () => {
    const { part, supervisor, drive, whoDid } = await open();
    const ref = await part(0);
    await drive(Promise.all([supervisor.close(), supervisor.close()]));
    await drive(supervisor.close());
    expect(whoDid("exit")).toEqual([0]);
    await expect(part(1)).rejects.toMatchObject({ code: "ACTOR_STOPPED" });
    await expect(drive(ref.call.epoch())).rejects.toMatchObject({ code: "ACTOR_STOPPED" });
    await expect(drive(ref.ready())).rejects.toMatchObject({ code: "ACTOR_STOPPED" });
    expect(whoDid("up")).toEqual([0]);
  });

  it("everything in order, which is no failure", async () => {
    const { part, supervisor, drive } = await open();
    await part(0);
    let failed = false;
    supervisor.failed.catch(() => (failed = true));
    await drive(supervisor.close());
    expect(failed).toBe(false);
  });

  it("with nothing to stop", async () => {
    const { supervisor, drive } = await open();
    await drive(supervisor.close());
  });

  it("while children start: those that wait never do, and every spawn ends", async () => {
    const { part, supervisor, drive, whoDid } = await open();
    const spawns = Promise.allSettled([
      part(0),
      part(1, { trouble: "setup waits for its end" }),
      part(2),
      part(3),
    ]);
    await drive(supervisor.health());
    await drive(supervisor.close());
    const outcomes = await drive(spawns);
    expect(outcomes.slice(1)).toMatchObject(
      Array.from({ length: 3 }, () => ({ reason: { code: "ACTOR_STOPPED" } })),
    );
    expect(whoDid("exit")).toEqual(expect.arrayContaining(whoDid("up")));
  });

  it("a child that waits for its turn, without starting it", async () => {
    const { part, supervisor, drive, whoDid } = await open();
    const slow = part(0, { trouble: "setup waits for its end" }).catch((error: unknown) => error);
    const next = part(1).catch((error: unknown) => error);
    await drive(supervisor.stopChild("part-1"));
    expect(await drive(next)).toMatchObject({ code: "ACTOR_STOPPED" });
    await drive(supervisor.stopChild("part-0"));
    expect(await drive(slow)).toMatchObject({ code: "ACTOR_STOPPED" });
    expect(whoDid("up").filter((id) => id !== 0)).toEqual([]);
  });

  it("a child whose setup is under way by letting it come to its end, and cleans up after it", async () => {
    const { part, supervisor, drive, happened } = await open();
    const starting = part(0, { trouble: "setup waits for its end" }).catch((error: unknown) => error);
    while (happened().length === 0) await drive(supervisor.health());
    await drive(supervisor.stopChild("part-0"));
    expect(await drive(starting)).toMatchObject({ code: "ACTOR_STOPPED" });
    const late = ["abort 0", "late 0", "up 0"];
    expect(happened()).toEqual(["begun 0", ...late, "cleanup 0", "cleanup 0", "exit 0", "exit 0"]);
  });

  it("a child whose cleanup throws like any other", async () => {
    const { part, supervisor, drive, happened } = await open();
    await part(0, { trouble: "cleanup throws" });
    await part(1, { trouble: "release throws" });
    await drive(supervisor.close());
    expect(happened().slice(2)).toEqual(["abort 1", "cleanup 1", "exit 1", "abort 0", "cleanup 0", "exit 0"]);
  });

  it("by force a child that does not stop in time", async () => {
    const { part, supervisor, drive, happened } = await open();
    await part(0);
    await part(1, { trouble: "cleanup hangs", shutdownMs: 30 });
    await drive(supervisor.close());
    // How far it comes in its time is a matter of the machine.
    expect(happened().filter((entry) => !/^(abort|exit) 1$/.test(entry))).toEqual([
      ...["up 0", "up 1"],
      ...["abort 0", "cleanup 0", "exit 0"],
    ]);
  });

  it("at once when it is killed while it is being stopped", async () => {
    const { part, supervisor, drive, whoDid } = await open();
    await part(0, { trouble: "cleanup hangs", shutdownMs: 3_600_000 });
    const stopping = supervisor.stopChild("part-0");
    await drive(supervisor.kill("part-0"));
    await drive(stopping);
    expect(whoDid("up"), "it is not restarted").toEqual([0]);
    expect(await drive(supervisor.health())).toEqual([]);
  });

  it("a child whose cleanups call those that were started before it", async () => {
    const { part, supervisor, drive, happened } = await open();
    await part(0);
    await part(1, { trouble: "cleanup asks", calls: ["part-0"] });
    await drive(supervisor.close());
    expect(happened().slice(2, 6)).toEqual(["abort 1", "called 1", "cleanup 1", "exit 1"]);
  });
});
