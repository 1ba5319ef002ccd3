import { existsSync, mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, it, onTestFinished } from "vitest";
import { paceClock } from "../../src/load/pace.ts";
import { QueueTarget, type QueueTargetOptions } from "../../src/load/queue-target.ts";
import { runLoad } from "../../src/load/run-load.ts";

const OPTIONS: QueueTargetOptions = {
  data: null,
  durability: "memory",
  threads: 1,
  action: "echo",
  tasks: [],
  payloadBytes: 10,
  runId: "load-test",
};

const load = (target: QueueTarget) =>
  runLoad(
    { ratePerSecond: 200, durationMs: 200, warmupMs: 100, outstandingMax: 1_000, sweep: null },
    target,
    {
      clock: paceClock("timer"),
      signal: new AbortController().signal,
      onProgress: () => undefined,
      onStep: () => undefined,
    },
  );

function directory(): string {
  const path = mkdtempSync(join(tmpdir(), "load-test-"));
  onTestFinished(() => rmSync(path, { recursive: true, force: true }));
  return path;
}

describe("the queue under load", () => {
  it("ends every acknowledged task exactly once, and its own counts agree", async () => {
    const { conditions, figures, check } = await load(new QueueTarget(OPTIONS));
    expect(conditions).toMatchObject({ durability: "memory", data: "memory", threads: 1, tasksBefore: 0 });
    expect(figures.counts).toMatchObject({ offered: 40, completed: 40, errors: {} });
    expect(check).toMatchObject({ passed: true, acknowledged: 60, executions: 60, counts: { agree: true } });
  });

  it("keeps its tasks in a directory that was named, and the next load tells its own from them", async () => {
    const data = join(directory(), "data");
    const first = await load(new QueueTarget({ ...OPTIONS, data, durability: "flushed", runId: "load-1" }));
    expect(first.conditions).toMatchObject({ durability: "flushed", data });
    expect(first.conditions["fsyncMs"]).toBeGreaterThan(0);
    expect(readdirSync(data).filter((name) => name.startsWith(".fsync"))).toEqual([]);
    const second = await load(new QueueTarget({ ...OPTIONS, data, durability: "flushed", runId: "load-2" }));
    expect(second.conditions["tasksBefore"]).toBe(60);
    // Its counts are not this load's alone.
    expect(second.check).toMatchObject({ passed: true, acknowledged: 60, counts: null });
  });

  it("counts what fails by its code", async () => {
    const { figures, check } = await load(new QueueTarget({ ...OPTIONS, action: "sleep" }));
    // The sleep takes no such input.
    expect(figures.counts).toMatchObject({ completed: 0, errors: { INPUT_INVALID: 40 } });
    expect(check).toMatchObject({ passed: true, acknowledged: 60 });
  });

  it("leaves nothing behind when the action is unknown", async () => {
    const before = readdirSync(tmpdir()).filter((name) => name.startsWith("mcplusplus-load-"));
    const target = new QueueTarget({ ...OPTIONS, action: "nope", durability: "committed" });
    await expect(load(target)).rejects.toMatchObject({ code: "UNKNOWN_ACTION" });
    const after = readdirSync(tmpdir()).filter((name) => name.startsWith("mcplusplus-load-"));
    expect(after.filter((name) => !before.includes(name))).toEqual([]);
  });

  it("says so when its directory cannot be made", async () => {
    const target = new QueueTarget({ ...OPTIONS, data: "/proc/none", durability: "flushed" });
    await expect(load(target)).rejects.toMatchObject({ code: "FILE_UNWRITABLE" });
    expect(existsSync("/proc/none")).toBe(false);
  });
});

describe("the clock of the generator", () => {
  it.each(["timer", "spin"] as const)(
    "with pace %s never calls before the time, nor within the call",
    async (pace) => {
      const clock = paceClock(pace);
      for (const aheadMs of [-1, 0, 0.3, 3.7]) {
        const atMs = clock.now() + aheadMs;
        let isWithin = true;
        const early = await new Promise<{ within: boolean; calledMs: number }>((resolve) => {
          clock.at(atMs, () => resolve({ within: isWithin, calledMs: clock.now() }));
          isWithin = false;
        });
        expect(early.within).toBe(false);
        expect(early.calledMs).toBeGreaterThanOrEqual(atMs);
      }
    },
  );

  it.each(["timer", "spin"] as const)("with pace %s calls nothing that was cancelled", async (pace) => {
    const clock = paceClock(pace);
    const called: string[] = [];
    clock.at(clock.now() + 1, () => called.push("cancelled")).cancel();
    clock.at(clock.now() - 1, () => called.push("cancelled")).cancel();
    await new Promise<void>((resolve) => void clock.at(clock.now() + 5, resolve));
    expect(called).toEqual([]);
  });
});
