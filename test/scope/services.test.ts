import { Worker } from "node:worker_threads";
import { afterEach, describe, expect, it, vi } from "vitest";
import { systemClock, systemRandom, systemScheduler } from "../../src/scope/index.ts";
import { failOnLeaks } from "../kit/leak-check.ts";

failOnLeaks();
afterEach(() => void vi.useRealTimers());

describe("the system's clock", () => {
  it("has one scale in every thread of the process", async () => {
    const module = new URL("../../src/scope/services.ts", import.meta.url).href;
    const code = `
      const { parentPort } = require("node:worker_threads");
      import(${JSON.stringify(module)}).then(({ systemClock }) => parentPort.postMessage(systemClock.now()));`;
    const before = systemClock.now();
    const worker = new Worker(code, { eval: true });
    const exited = new Promise((resolve) => worker.once("exit", resolve));
    const inThread = await new Promise<number>((resolve, reject) => {
      worker.once("message", resolve);
      worker.once("error", reject);
    });
    await exited;
    expect(inThread).toBeGreaterThan(before);
    expect(inThread).toBeLessThan(systemClock.now());
  });

  it("never fires a timer before its time, even when Node does", () => {
    vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout"] });
    // Node counts a delay from the start of the turn, so of 10 ms only 5 may have passed when its timer fires.
    const now = vi.spyOn(performance, "now").mockReturnValue(100);
    let fired = false;
    systemClock.at(systemClock.now() + 10, () => (fired = true));
    now.mockReturnValue(105);
    vi.advanceTimersByTime(10);
    expect(fired).toBe(false);
    now.mockReturnValue(110);
    vi.advanceTimersByTime(5);
    expect(fired).toBe(true);
    now.mockRestore();
  });

  it("fires a timer that is further away than Node's longest delay", () => {
    vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout", "performance"] });
    const farMs = 2 ** 31 * 2.5;
    let fired = false;
    systemClock.at(systemClock.now() + farMs, () => (fired = true));
    vi.advanceTimersByTime(farMs - 2);
    expect(fired).toBe(false);
    vi.advanceTimersByTime(3);
    expect(fired).toBe(true);
  });

  it("never fires a cancelled timer, and fires one for the past soon", async () => {
    let fired = false;
    const timer = systemClock.at(systemClock.now(), () => (fired = true));
    timer.cancel();
    timer.cancel();
    await new Promise<void>((resolve) => void systemClock.at(systemClock.now() - 1_000, resolve));
    expect(fired).toBe(false);
  });

  it("shows the time of day", () => {
    vi.useFakeTimers({ toFake: ["Date"], now: 1_700_000_000_000 });
    expect(systemClock.wallNow()).toBe(1_700_000_000_000);
  });
});

describe("the system's random and scheduler", () => {
  it("give a number from 0 to below 1", () => {
    for (let draw = 0; draw < 1_000; draw++) {
      const number = systemRandom.next();
      expect(number >= 0 && number < 1).toBe(true);
    }
  });

  it("run what is scheduled later, never within schedule", async () => {
    let ran = false;
    const done = new Promise<void>((resolve) => {
      systemScheduler.schedule(() => {
        ran = true;
        resolve();
      });
    });
    expect(ran).toBe(false);
    await done;
    expect(ran).toBe(true);
  });
});
