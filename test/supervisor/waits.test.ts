import { expect, it } from "vitest";
import { fault } from "../../src/errors/index.ts";
import { Waits } from "../../src/supervisor/waits.ts";
import { manualClock, type ManualClock } from "../kit/manual-clock.ts";

const over = fault("ACTOR_STOPPED", { actor: "a" });
const never = new Promise<never>(() => undefined);

function open(): { waits: Waits; clock: ManualClock } {
  const clock = manualClock();
  return { waits: new Waits("a", clock), clock };
}

it("ends a wait with the answer, and leaves no timer", async () => {
  const { waits, clock } = open();
  expect(await waits.within(100, "its answer", Promise.resolve(7))).toBe(7);
  await expect(waits.within(100, "its answer", Promise.reject(new Error("no")))).rejects.toThrow("no");
  expect(clock.pending).toBe(0);
});

it("ends a wait when its time is up, and hears no answer that comes later, not even an error", async () => {
  const { waits, clock } = open();
  const answer = Promise.withResolvers<number>();
  const waiting = waits.within(100, "its answer", answer.promise).catch((error: unknown) => error);
  await clock.advance(100);
  expect(await waiting).toMatchObject({
    code: "DEADLINE_EXCEEDED",
    details: { what: "a: its answer", timeoutMs: 100 },
  });
  answer.reject(new Error("too late"));
  await clock.advance(1);
});

it("ends all waits, and those to come, with the end of the life", async () => {
  const { waits, clock } = open();
  const waiting = Promise.allSettled([waits.within(100, "x", never), waits.within(200, "y", never)]);
  waits.end(over);
  waits.end(fault("ACTOR_RESTARTING", { actor: "a" }));
  expect(await waiting).toMatchObject([{ reason: over }, { reason: over }]);
  await expect(waits.within(100, "z", never)).rejects.toBe(over);
  expect(clock.pending).toBe(0);
});

it("prefers an answer that is there to an end that is there as well", async () => {
  const { waits } = open();
  waits.end(over);
  expect(await waits.within(100, "x", Promise.resolve(1))).toBe(1);
});

it("settles once when the end comes in the very moment in which the time is up", async () => {
  const { waits, clock } = open();
  const waiting = waits.within(100, "x", never).catch((error: unknown) => error);
  clock.at(100, () => waits.end(over));
  await clock.advance(100);
  expect(await waiting).toMatchObject({ code: "DEADLINE_EXCEEDED" });
});
