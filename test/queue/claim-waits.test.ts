import { describe, expect, it } from "vitest";
import { LIMITS } from "../../src/errors/index.ts";
import { ClaimWaits, type ClaimRequest } from "../../src/queue/claim-waits.ts";
import { manualClock } from "../kit/manual-clock.ts";
import { microtasksDrained } from "../kit/microtasks.ts";
import { codeOf } from "./core-kit.ts";

const request = (workerId: string): ClaimRequest => ({ workerId, max: 1, leaseMs: 1_000 });
const open = (): AbortSignal => new AbortController().signal;

describe("waiting for a task to claim", () => {
  it("ends when its time is up, not before", async () => {
    const clock = manualClock();
    const waits = new ClaimWaits(clock);
    let over = false;
    void waits.wait(request("w"), 500, open()).then(() => (over = true));
    await clock.advance(499);
    expect(over).toBe(false);
    await clock.advance(1);
    expect(over).toBe(true);
    expect(waits.requests).toEqual([]);
  });

  it("ends for those for whom something changed, first come first served, and their timers are gone", async () => {
    const clock = manualClock();
    const waits = new ClaimWaits(clock);
    const served: string[] = [];
    for (const id of ["a", "b", "c"]) void waits.wait(request(id), 500, open()).then(() => served.push(id));
    waits.wake(({ workerId }) => workerId !== "b");
    await microtasksDrained();
    expect(served).toEqual(["a", "c"]);
    expect(waits.requests.map(({ workerId }) => workerId)).toEqual(["b"]);
    expect(clock.pending).toBe(1);
    waits.wake(() => true);
    await microtasksDrained();
    expect(clock.pending).toBe(0);
  });

  it("goes on for those for whom nothing changed, each being asked about in its turn", () => {
    const waits = new ClaimWaits(manualClock());
    const asked: string[] = [];
    for (const id of ["a", "b"]) void waits.wait(request(id), 500, open());
    waits.wake(({ workerId }) => {
      asked.push(workerId);
      return asked.length === 1;
    });
    expect(asked).toEqual(["a", "b"]);
    expect(waits.requests).toHaveLength(1);
  });

  it("ends when the caller is gone, also when it was before", async () => {
    const clock = manualClock();
    const waits = new ClaimWaits(clock);
    const control = new AbortController();
    const wait = waits.wait(request("w"), 500, control.signal);
    control.abort();
    await wait;
    await waits.wait(request("w"), 500, AbortSignal.abort());
    expect(waits.requests).toEqual([]);
    expect(clock.pending).toBe(0);
  });

  it("is refused above its limit", () => {
    const waits = new ClaimWaits(manualClock());
    const { signal } = new AbortController();
    for (let wait = 0; wait < LIMITS.queue.waits; wait++) void waits.wait(request("w"), 500, open());
    expect(() => waits.wait(request("w"), 500, signal)).toThrow(codeOf("MAILBOX_FULL"));
  }, 60_000);
});
