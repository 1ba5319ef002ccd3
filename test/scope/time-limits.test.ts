import { describe, expect, expectTypeOf, it } from "vitest";
import { failAfter, moveOnAfter, withScope, type MovedOn } from "../../src/scope/index.ts";
import { failOnLeaks } from "../kit/leak-check.ts";
import { manualClock } from "../kit/manual-clock.ts";

failOnLeaks();

const HOUR_MS = 3_600_000;

describe("failAfter", () => {
  it("rejects with DEADLINE_EXCEEDED when the limit cuts the work, and else hands back its value", async () => {
    const clock = manualClock();
    const late = failAfter(100, (scope) => scope.sleep(HOUR_MS), { clock, name: "quote" });
    const rejection = expect(late).rejects.toMatchObject({
      code: "DEADLINE_EXCEEDED",
      message: "quote did not end within 0.1 s",
    });
    await clock.advance(100);
    await rejection;
    expect(await failAfter(100, () => "in time", { clock })).toBe("in time");
    expect(await failAfter(100, ({ deadlineMs }) => deadlineMs, { clock, deadlineMs: 150 })).toBe(150);
  });

  it("needs a limit", async () => {
    await expect(failAfter(NaN, () => 1)).rejects.toMatchObject({ code: "INVALID_ARGUMENT" });
  });
});

describe("moveOnAfter", () => {
  it("answers whether the limit cut the work, and with its value if it did not", async () => {
    const clock = manualClock();
    const late = moveOnAfter(100, (scope) => scope.sleep(HOUR_MS), { clock });
    await clock.advance(100);
    expect(await late).toEqual({ timedOut: true });
    const inTime = await moveOnAfter(100, () => "in time", { clock });
    expect(inTime).toEqual({ timedOut: false, value: "in time" });
    expectTypeOf(inTime).toEqualTypeOf<MovedOn<string>>();
  });

  it("answers with a value that is complete, although late", async () => {
    const clock = manualClock();
    const gate = Promise.withResolvers<string>();
    const whole = moveOnAfter(100, () => gate.promise, { clock });
    await clock.advance(200);
    gate.resolve("stored");
    expect(await whole).toEqual({ timedOut: false, value: "stored" });
  });

  it("answers at once, without running the body, when the limit has passed already", async () => {
    let ran = false;
    expect(await moveOnAfter(0, () => void (ran = true))).toEqual({ timedOut: true });
    expect(ran).toBe(false);
  });

  it("does not swallow failures, cancellation, or the deadline of another scope", async () => {
    const failed = moveOnAfter(100, () => Promise.reject(new Error("bang")));
    await expect(failed).rejects.toThrow("bang");
    const cancelled = moveOnAfter(100, (scope) => scope.sleep(HOUR_MS), { signal: AbortSignal.abort() });
    await expect(cancelled).rejects.toMatchObject({ code: "CANCELLED" });

    const clock = manualClock();
    const inner = moveOnAfter(100, () => failAfter(10, (scope) => scope.sleep(HOUR_MS), { clock }), {
      clock,
    });
    const innerRejection = expect(inner).rejects.toMatchObject({ code: "DEADLINE_EXCEEDED" });
    const outer = withScope({ clock, timeoutMs: 10 }, (parent) =>
      moveOnAfter(100, (scope) => scope.sleep(HOUR_MS), { parent }),
    );
    const outerRejection = expect(outer).rejects.toMatchObject({ code: "DEADLINE_EXCEEDED" });
    await clock.advance(10);
    await innerRejection;
    await outerRejection;
  });

  it("tells a failure rather than the time that ran out", async () => {
    const clock = manualClock();
    const body = moveOnAfter(
      100,
      (scope) => scope.sleep(HOUR_MS).catch(() => Promise.reject(new Error("could not undo"))),
      { clock },
    );
    const rejection = expect(body).rejects.toThrow("could not undo");
    await clock.advance(100);
    await rejection;
  });
});
