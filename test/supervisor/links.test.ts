import { describe, expect, it } from "vitest";
import { isFault } from "../../src/errors/index.ts";
import { failOnLeaks } from "../kit/leak-check.ts";
import { openHouse } from "./house.ts";

failOnLeaks();

describe.each(["simulation", "thread"] as const)("a supervisor (%s) links", (where) => {
  const open = (setup?: Parameters<typeof openHouse>[1]): ReturnType<typeof openHouse> =>
    openHouse(where, setup);

  it("actors that call each other, also through the restarts of either", async () => {
    const { part, supervisor, drive, eventually } = await open({
      intensity: { restarts: 20, periodMs: 1 },
    });
    const callee = await part(0);
    const caller = await part(1, { calls: ["part-0"] });
    const ask = (): Promise<number> => caller.call.ask({ name: "part-0" });
    const epochs = { callee: 1, caller: 1 };
    expect(await drive(ask())).toBe(1);
    for (const order of ["callee", "caller", "callee caller", "caller callee", "callee callee"]) {
      for (const who of order.split(" ")) {
        const [ref, name] = who === "callee" ? [callee, "part-0"] : [caller, "part-1"];
        await drive(supervisor.kill(name));
        if (who === "callee") epochs.callee++;
        else epochs.caller++;
        if (order === "callee callee") await eventually(ref, () => ref.call.epoch());
      }
      expect(await eventually(callee, () => callee.call.epoch()), order).toBe(epochs.callee);
      expect(await eventually(caller, () => caller.call.epoch()), order).toBe(epochs.caller);
      // The caller's own ref may still be waiting for the callee's new life.
      expect(await eventually(caller, () => ask()), order).toBe(epochs.callee);
    }
  });

  it("an actor with one that is spawned after it", async () => {
    const { part, drive, eventually } = await open();
    const caller = await part(1, { calls: ["part-0"] });
    await expect(drive(caller.call.ask({ name: "part-0" }))).rejects.toMatchObject({
      code: "ACTOR_RESTARTING",
    });
    await part(0);
    expect(await eventually(caller, () => caller.call.ask({ name: "part-0" }))).toBe(1);
  });

  it("an actor whose setup calls one that was started before it", async () => {
    const { part, whoDid } = await open();
    await Promise.all([part(0), part(1, { trouble: "setup asks", calls: ["part-0"] })]);
    expect(whoDid("up")).toEqual([0, 1]);
  });

  it("an actor with itself", async () => {
    const { part, eventually } = await open();
    const ref = await part(0, { calls: ["part-0"] });
    expect(await eventually(ref, () => ref.call.ask({ name: "part-0" }))).toBe(1);
  });

  it("two actors that call each other", async () => {
    const { part, eventually } = await open();
    const left = await part(0, { calls: ["part-1"] });
    const right = await part(1, { calls: ["part-0"] });
    // The one that was there before hears of the other in its own time.
    expect(await eventually(left, () => left.call.ask({ name: "part-1" }))).toBe(1);
    expect(await eventually(right, () => right.call.ask({ name: "part-0" }))).toBe(1);
  });

  it("an actor no more with one that has been stopped, until the name is given to another", async () => {
    const { part, supervisor, drive, eventually } = await open();
    const caller = await part(1, { calls: ["part-0"] });
    await part(0);
    const ask = (): Promise<number> => caller.call.ask({ name: "part-0" });
    expect(await eventually(caller, ask)).toBe(1);
    await drive(supervisor.stopChild("part-0"));
    await expect(eventually(caller, ask)).rejects.toMatchObject({ code: "ACTOR_STOPPED" });
    await part(0);
    // The caller asks its context for a ref anew each time; one from before would stay dead.
    let answer: unknown;
    do answer = await drive(ask().catch((error: unknown) => error));
    while (isFault(answer, "ACTOR_STOPPED"));
    expect(answer).toBe(1);
  });
});
