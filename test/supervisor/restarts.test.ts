import { describe, expect, it } from "vitest";
import { failOnLeaks } from "../kit/leak-check.ts";
import { openHouse } from "./house.ts";

failOnLeaks();

describe.each(["simulation", "host"] as const)("a supervisor (%s) restarts", (where) => {
  const open = (setup?: Parameters<typeof openHouse>[1]): ReturnType<typeof openHouse> =>
    openHouse(where, setup);

  it("a child that crashes, and counts it", async () => {
    const { part, supervisor, drive, eventually, whoDid } = await open();
    const ref = await part(0);
    ref.cast.crash();
    expect(await eventually(ref, () => ref.call.epoch())).toBe(2);
    expect(whoDid("up")).toEqual([0, 0]);
    expect(whoDid("cleanup"), "a crash cleans nothing up").toEqual([]);
    expect(supervisor.metrics().counters.restarts).toBe(1);
    expect(await drive(supervisor.health())).toMatchObject([{ name: "part-0", state: "running", epoch: 2 }]);
  });

  it("a child that is killed, once per kill", async () => {
    const { part, supervisor, drive, eventually } = await open();
    const ref = await part(0);
    await drive(Promise.all([supervisor.kill("part-0"), supervisor.kill("part-0")]));
    const epoch = await eventually(ref, () => ref.call.epoch());
    expect([2, 3], "the second kill met the first life or the second").toContain(epoch);
    await expect(drive(supervisor.kill("nobody"))).rejects.toMatchObject({ code: "UNKNOWN_NAME" });
  });

  it("each life with the init as it was given, whatever the one before did to it", async () => {
    const { part, supervisor, drive, eventually } = await open();
    const ref = await part(0);
    expect(await drive(ref.call.touch())).toBe(1);
    expect(await drive(ref.call.touch())).toBe(2);
    await drive(supervisor.kill("part-0"));
    expect(await eventually(ref, () => ref.call.touch())).toBe(1);
  });

  it("only those that its strategy names", async () => {
    const cases = [
      ["one_for_one", [1, 2, 1]],
      ["one_for_all", [2, 2, 2]],
      ["rest_for_one", [1, 2, 2]],
    ] as const;
    // Threads take their time, and add nothing to what the core decides.
    for (const [strategy, epochs] of where === "simulation" ? cases : cases.slice(2)) {
      const { part, supervisor, drive, eventually } = await open({ strategy });
      const parts = [await part(0), await part(1), await part(2)];
      parts[1]?.cast.crash();
      const answers: number[] = [];
      // The crash and its consequences are over when the last child has answered in the life that it should be in.
      for (const [index, ref] of parts.entries()) {
        let epoch = 0;
        while (epoch < (epochs[index] ?? 0)) epoch = await eventually(ref, () => ref.call.epoch());
        answers.push(epoch);
      }
      expect(answers, strategy).toEqual(epochs);
      await drive(supervisor.close());
    }
  });

  it("neither a temporary child, nor a transient one that ends itself", async () => {
    const { part, supervisor, drive, whoDid } = await open();
    const temporary = await part(0, { restart: "temporary" });
    const gone = expect(drive(supervisor.kill("part-0").then(() => temporary.ready()))).rejects;
    await gone.toMatchObject({ code: "UNAVAILABLE" });
    if (where !== "simulation") {
      const transient = await part(1, { restart: "transient" });
      const waiting = transient.call.ask({ name: "nobody" }).catch((error: unknown) => error);
      transient.cast.exit({ code: 0 });
      await waiting;
      await expect(transient.ready()).rejects.toMatchObject({ code: "ACTOR_STOPPED" });
    }
    expect(whoDid("up")).toEqual(where === "simulation" ? [0] : [0, 1]);
    expect(await drive(supervisor.health())).toEqual([]);
  });

  it("until the intensity is exceeded: then it stops everything, and says which child and why", async () => {
    const { part, supervisor, drive, eventually, whoDid } = await open({
      intensity: { restarts: 2, periodMs: 3_600_000 },
    });
    const other = await part(1);
    const ref = await part(0);
    for (const epoch of [1, 2]) {
      expect(await eventually(ref, () => ref.call.epoch())).toBe(epoch);
      ref.cast.crash();
    }
    expect(await eventually(ref, () => ref.call.epoch())).toBe(3);
    ref.cast.crash();
    await expect(drive(supervisor.failed)).rejects.toMatchObject({
      code: "RESTART_INTENSITY_EXCEEDED",
      details: {
        child: "part-0",
        restarts: 2,
        why: expect.stringContaining("part-0 crashed") as unknown,
      },
    });
    await expect(drive(ref.ready())).rejects.toMatchObject({ code: "ACTOR_STOPPED" });
    await expect(drive(other.ready({}).then(() => other.call.epoch()))).rejects.toMatchObject({
      code: expect.stringMatching(/^ACTOR_/) as unknown,
    });
    await expect(part(2)).rejects.toMatchObject({ code: "ACTOR_STOPPED" });
    await drive(supervisor.close());
    expect(whoDid("cleanup"), "the one that did not crash was stopped in order").toEqual([1]);
  });

  it("a child whose restart fails until the intensity is exceeded", async () => {
    const { part, supervisor, drive, whoDid } = await open({
      intensity: { restarts: 2, periodMs: 3_600_000 },
    });
    await part(0, { trouble: "setup throws again" });
    await drive(supervisor.kill("part-0"));
    await expect(drive(supervisor.failed)).rejects.toMatchObject({
      code: "RESTART_INTENSITY_EXCEEDED",
      details: { why: "part-0 could not be started: this part is broken" },
    });
    expect(whoDid("up")).toEqual([0]);
  });

  it.runIf(where === "simulation")(
    "a child whose restart is late until the intensity is exceeded (simulated only: on threads it is a matter of the machine)",
    async () => {
      const { part, supervisor, drive } = await open({ intensity: { restarts: 1, periodMs: 3_600_000 } });
      const ref = await part(0, { trouble: "setup hangs again", startTimeoutMs: 200 });
      await drive(supervisor.kill("part-0"));
      const waiting = ref.ready().catch((error: unknown) => error);
      await expect(drive(supervisor.failed)).rejects.toMatchObject({
        code: "RESTART_INTENSITY_EXCEEDED",
        details: { why: "part-0: its setup did not end within 0.2 s" },
      });
      expect(await drive(waiting), "who waits for it learns that it never will be").toMatchObject({
        code: "ACTOR_STOPPED",
      });
    },
  );

  it("a child that is killed during its first setup not at all: it has never been up", async () => {
    const { part, supervisor, drive } = await open();
    const starting = part(0, { trouble: "setup hangs" }).catch((error: unknown) => error);
    // The spawn has arrived when the next question is answered.
    await drive(supervisor.health());
    await drive(supervisor.kill("part-0"));
    expect(await drive(starting)).toMatchObject({
      code: "ACTOR_START_FAILED",
      details: { actor: "part-0" },
    });
    expect(await drive(supervisor.health())).toEqual([]);
  });
});
