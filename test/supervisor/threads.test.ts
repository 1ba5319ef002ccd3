import { execFile } from "node:child_process";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { describe, expect, it } from "vitest";
import { failOnLeaks } from "../kit/leak-check.ts";
import { openHouse } from "./house.ts";
import { record } from "./modules/journal.ts";
import { Part } from "./modules/part.protocol.ts";

failOnLeaks();

const at = (name: string): string => new URL(`./modules/${name}`, import.meta.url).href;

describe("an actor on a thread", () => {
  it("whose setup blocks its loop is killed when its time is up", async () => {
    const { part, supervisor } = await openHouse("host");
    await expect(part(0, { trouble: "setup blocks", startTimeoutMs: 300 })).rejects.toMatchObject({
      code: "DEADLINE_EXCEEDED",
    });
    expect(await supervisor.health()).toEqual([]);
  });

  it("whose setup ends the thread could not be started", async () => {
    const { part } = await openHouse("host");
    await expect(part(0, { trouble: "setup exits" })).rejects.toMatchObject({
      code: "ACTOR_START_FAILED",
      details: { actor: "part-0", why: "it ended itself" },
    });
  });

  it("that ends its thread is restarted, whatever the exit code, and its callers are told", async () => {
    const { part, eventually } = await openHouse("host");
    const ref = await part(0);
    for (const [code, epoch] of [
      [7, 2],
      [0, 3],
    ] as const) {
      const waiting = ref.call.print({ text: "" });
      await waiting;
      ref.cast.exit({ code });
      await expect(ref.call.epoch()).rejects.toMatchObject({ code: "ACTOR_RESTARTING" });
      expect(await eventually(ref, () => ref.call.epoch())).toBe(epoch);
    }
  });

  it("that crashes outside of any handler is restarted, and the reason is known", async () => {
    const { part, supervisor, eventually, whoDid } = await openHouse("host", {
      intensity: { restarts: 1, periodMs: 3_600_000 },
    });
    const ref = await part(0, { trouble: "crashes by itself" });
    for (let epoch = 0; epoch < 2;) epoch = await eventually(ref, () => ref.call.epoch());
    await expect(supervisor.failed).rejects.toMatchObject({
      code: "RESTART_INTENSITY_EXCEEDED",
      details: { why: expect.stringContaining("this part is broken") as unknown },
    });
    expect(whoDid("up")).toEqual([0, 0]);
  });

  it("that blocks its loop stops neither others nor the end", async () => {
    const { part, supervisor, whoDid } = await openHouse("host");
    const other = await part(0);
    const blocked = await part(1, { shutdownMs: 50 });
    blocked.cast.block();
    await expect(blocked.call.epoch(undefined, { timeoutMs: 50 })).rejects.toMatchObject({
      code: "DEADLINE_EXCEEDED",
    });
    expect(await other.call.epoch()).toBe(1);
    await supervisor.close();
    expect(whoDid("exit")).toEqual([0]);
  });

  it("that blocks its loop can be killed, and lives again", async () => {
    const { part, supervisor, eventually } = await openHouse("host");
    const ref = await part(0);
    ref.cast.block();
    await supervisor.kill("part-0");
    expect(await eventually(ref, () => ref.call.epoch())).toBe(2);
  });

  it("never prints to the program's standard output", async () => {
    const program = fileURLToPath(at("printing.ts"));
    const { stdout, stderr } = await promisify(execFile)(process.execPath, [program]);
    expect(stdout).toBe("the program's own line\n");
    expect(stderr).toContain("printed under host\n");
    expect(stderr).toContain("printed under thread\n");
  });
});

describe.each(["thread", "inline"] as const)("a module (%s)", (placement) => {
  it.each([
    ["does not exist", "missing.actor.ts", "missing.actor.ts"],
    ["holds no behaviour", "nothing.actor.ts", "is no actor(protocol, setup)"],
    ["has no default export", "part.protocol.ts", "is no actor(protocol, setup)"],
  ])("that %s is named in the error", async (_, name, why) => {
    const { supervisor, journal } = await openHouse("host");
    const spawning = supervisor.spawn(Part, { module: at(name), placement, init: { id: 0, journal } });
    await expect(spawning).rejects.toMatchObject({
      code: "ACTOR_START_FAILED",
      details: { actor: "part", why: expect.stringContaining(why) as unknown },
    });
  });
});

describe("a supervisor on its own thread", () => {
  it("restarts actors while the program's loop is blocked", async () => {
    const { part, journal, whoDid } = await openHouse("thread");
    const ref = await part(0);
    const other = await part(1);
    ref.cast.crashOnCue();
    while (whoDid("begun").length === 0) await other.call.epoch();
    // From here to the end this loop stands still: the crash, its discovery and the restart are other threads'.
    record(journal, 0, "called");
    const pause = new Int32Array(new SharedArrayBuffer(4));
    // oxlint-disable-next-line no-restricted-properties -- to block the loop is the point
    for (let looks = 0; whoDid("up").length < 3 && looks < 10_000; looks++) Atomics.wait(pause, 0, 0, 1);
    expect(whoDid("up")).toEqual([0, 1, 0]);
  });

  it("tells the program when it gives up", async () => {
    const { part, supervisor } = await openHouse("thread", { intensity: { restarts: 0, periodMs: 1_000 } });
    const ref = await part(0);
    ref.cast.crash();
    await expect(supervisor.failed).rejects.toMatchObject({
      code: "RESTART_INTENSITY_EXCEEDED",
      details: { child: "part-0", restarts: 0, why: expect.stringContaining("part-0 crashed") as unknown },
    });
    await expect(ref.ready()).rejects.toMatchObject({ code: "ACTOR_STOPPED" });
    await expect(part(1)).rejects.toMatchObject({ code: "ACTOR_STOPPED" });
  });

  it("takes everything with it when it dies: calls end, and so do all threads", async () => {
    const { part, supervisor } = await openHouse("thread");
    const ref = await part(0);
    const inline = await part(1, { placement: "inline" });
    const health = supervisor.health();
    await health;
    inline.cast.exit({ code: 3 });
    await expect(supervisor.failed).rejects.toMatchObject({ code: "ACTOR_STOPPED" });
    await expect(ref.call.epoch()).rejects.toMatchObject({ code: "ACTOR_STOPPED" });
    await expect(supervisor.health()).rejects.toMatchObject({ code: "ACTOR_STOPPED" });
    await expect(part(2)).rejects.toMatchObject({ code: "ACTOR_STOPPED" });
    await supervisor.close();
  });
});

describe.each(["host", "thread"] as const)("inline actors beside threads (supervisor: %s)", (where) => {
  it("call them and are called by them, through restarts", async () => {
    const { part, supervisor, eventually } = await openHouse(where);
    const onThread = await part(0, { calls: ["part-1"] });
    const inline = await part(1, { calls: ["part-0"], placement: "inline" });
    const both = async (): Promise<number[]> => [
      await eventually(onThread, () => onThread.call.ask({ name: "part-1" })),
      await eventually(inline, () => inline.call.ask({ name: "part-0" })),
    ];
    expect(await both()).toEqual([1, 1]);
    await supervisor.kill("part-1");
    expect(await eventually(inline, () => inline.call.epoch())).toBe(2);
    await supervisor.kill("part-0");
    expect(await eventually(onThread, () => onThread.call.epoch())).toBe(2);
    expect(await both()).toEqual([2, 2]);
  });

  it("crash alone, and stop like any other", async () => {
    const { part, supervisor, eventually, happened } = await openHouse(where);
    const inline = await part(0, { placement: "inline" });
    inline.cast.crash();
    expect(await eventually(inline, () => inline.call.epoch())).toBe(2);
    await supervisor.close();
    expect(happened()).toEqual(["up 0", "exit 0", "abort 0", "up 0", "abort 0", "cleanup 0", "exit 0"]);
  });
});
