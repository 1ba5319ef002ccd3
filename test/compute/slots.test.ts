import { describe, expect, it } from "vitest";
import { Slots } from "../../src/compute/slots.ts";

const SLOT = 1;
const TOKEN = 2 ** 53 - 1;

function running(): Slots {
  const slots = Slots.allocate(2);
  slots.assign(SLOT, TOKEN, 10);
  slots.enter(SLOT, TOKEN, 7, 20);
  slots.begin(SLOT, TOKEN, 30);
  return slots;
}

describe("a slot", () => {
  it("goes from assigned through loading and running to ended, and says since when and on which thread", () => {
    const slots = Slots.allocate(2);
    slots.assign(SLOT, TOKEN, 10);
    expect([slots.phase(SLOT, TOKEN), slots.since(SLOT), slots.thread(SLOT)]).toEqual(["assigned", 10, 0]);
    expect(slots.enter(SLOT, TOKEN, 7, 20)).toBe(true);
    expect([slots.phase(SLOT, TOKEN), slots.since(SLOT), slots.thread(SLOT)]).toEqual(["loading", 20, 7]);
    expect(slots.begin(SLOT, TOKEN, 30)).toBe(true);
    expect([slots.phase(SLOT, TOKEN), slots.since(SLOT)]).toEqual(["running", 30]);
    expect(slots.end(SLOT, TOKEN)).toBe(true);
    expect(slots.phase(SLOT, TOKEN)).toBe("ended");
  });

  it("can end while modules are loaded, because a module may be invalid", () => {
    const slots = Slots.allocate(2);
    slots.assign(SLOT, TOKEN, 0);
    slots.enter(SLOT, TOKEN, 7, 0);
    expect(slots.end(SLOT, TOKEN)).toBe(true);
  });

  it("is stopped from every phase before its end, and says from which", () => {
    const slots = Slots.allocate(2);
    slots.assign(SLOT, TOKEN, 0);
    expect(slots.stop(SLOT, TOKEN, "cancelled")).toBe("assigned");
    expect(slots.enter(SLOT, TOKEN, 7, 0)).toBe(false);

    slots.assign(SLOT, TOKEN, 0);
    slots.enter(SLOT, TOKEN, 7, 0);
    expect(slots.stop(SLOT, TOKEN, "cancelled")).toBe("loading");
    expect(slots.begin(SLOT, TOKEN, 0)).toBe(false);

    expect(running().stop(SLOT, TOKEN, "timedOut")).toBe("running");
  });

  it("is withdrawn only as long as no thread has taken it up", () => {
    const slots = Slots.allocate(2);
    slots.assign(SLOT, TOKEN, 0);
    expect(slots.withdraw(SLOT, TOKEN)).toBe(true);
    expect(slots.enter(SLOT, TOKEN, 7, 0)).toBe(false);
    expect(running().withdraw(SLOT, TOKEN)).toBe(false);
  });

  it("lets the first of end and stop win, and tells the other", () => {
    const stopped = running();
    stopped.stop(SLOT, TOKEN, "cancelled");
    expect(stopped.end(SLOT, TOKEN)).toBe(false);
    expect(stopped.phase(SLOT, TOKEN)).toBe("cancelled");

    const ended = running();
    ended.end(SLOT, TOKEN);
    expect(ended.stop(SLOT, TOKEN, "cancelled")).toBeNull();
    expect(ended.phase(SLOT, TOKEN)).toBe("ended");
  });

  it("is left by a stopped attempt when that is over, and by no other", () => {
    const slots = running();
    slots.leave(SLOT, TOKEN);
    expect(slots.phase(SLOT, TOKEN)).toBe("running");
    slots.stop(SLOT, TOKEN, "timedOut");
    slots.leave(SLOT, TOKEN);
    expect(slots.phase(SLOT, TOKEN)).toBe("left");
    expect([slots.end(SLOT, TOKEN), slots.stop(SLOT, TOKEN, "cancelled")]).toEqual([false, null]);
  });

  it("is gone for the token of an earlier attempt, which changes nothing", () => {
    const slots = running();
    slots.release(SLOT);
    expect(slots.phase(SLOT, TOKEN)).toBe("gone");
    slots.assign(SLOT, 3, 0);
    expect(slots.stop(SLOT, TOKEN, "cancelled")).toBeNull();
    expect(slots.end(SLOT, TOKEN)).toBe(false);
    expect(slots.phase(SLOT, 3)).toBe("assigned");
  });

  it("shares nothing with its neighbour", () => {
    const slots = running();
    slots.loadModule(SLOT, 4);
    slots.blameLeftover(SLOT);
    expect([slots.module(SLOT), slots.endedByLeftover(SLOT)]).toEqual([4, true]);
    slots.assign(0, TOKEN, 99);
    expect([slots.module(0), slots.endedByLeftover(0), slots.phase(SLOT, TOKEN)]).toEqual([
      -1,
      false,
      "running",
    ]);
  });

  it("keeps no trace of the attempt before it", () => {
    const slots = running();
    slots.loadModule(SLOT, 4);
    slots.blameLeftover(SLOT);
    slots.assign(SLOT, 3, 0);
    expect([slots.module(SLOT), slots.endedByLeftover(SLOT), slots.thread(SLOT)]).toEqual([-1, false, 0]);
  });

  it.each(["stop", "end", "release"] as const)("wakes who waits for it not to run: %s", async (change) => {
    const slots = running();
    const woken = slots.untilNotRunning(SLOT, TOKEN);
    // `waitAsync` does not hold the event loop open.
    const hold = setInterval(() => {}, 2 ** 30);
    if (change === "stop") new Slots(slots.buffer).stop(SLOT, TOKEN, "cancelled");
    else if (change === "end") slots.end(SLOT, TOKEN);
    else slots.release(SLOT);
    await woken;
    clearInterval(hold);
    expect(slots.phase(SLOT, TOKEN)).not.toBe("running");
  });

  it("wakes at once who comes when it does not run any more", async () => {
    const slots = running();
    slots.end(SLOT, TOKEN);
    await expect(slots.untilNotRunning(SLOT, TOKEN)).resolves.toBeUndefined();
  });
});
