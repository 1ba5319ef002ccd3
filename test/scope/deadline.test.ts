import { describe, expect, it } from "vitest";
import { deadlineOf, systemClock, withScope, type Scope } from "../../src/scope/index.ts";
import { failOnLeaks } from "../kit/leak-check.ts";
import { manualClock, type ManualClock } from "../kit/manual-clock.ts";
import { microtasksDrained } from "../kit/microtasks.ts";

failOnLeaks();

const HOUR_MS = 3_600_000;

/** Advances while the rejection has a handler already, as every caller's has. */
const rejectionAfter = async (whole: Promise<unknown>, clock: ManualClock, ms: number): Promise<unknown> => {
  const rejection = whole.then(
    (value) => ({ resolvedWith: value }),
    (error: unknown) => error,
  );
  await clock.advance(ms);
  return rejection;
};

describe("a deadline", () => {
  it("rejects with DEADLINE_EXCEEDED, which names the scope and its limit", async () => {
    const clock = manualClock(5);
    const whole = withScope({ clock, timeoutMs: 500, name: "quote" }, (scope) => scope.sleep(HOUR_MS));
    expect(await rejectionAfter(whole, clock, 500)).toMatchObject({
      code: "DEADLINE_EXCEEDED",
      message: "quote did not end within 0.5 s",
      details: { what: "quote", timeoutMs: 500 },
    });
  });

  it("is absolute, and of a timeout and a deadline the earlier one counts", async () => {
    const clock = manualClock(1_000);
    const deadlines = (options: object): Promise<number> =>
      withScope({ clock, ...options }, ({ deadlineMs }) => deadlineMs);
    expect(await deadlines({})).toBe(Infinity);
    expect(await deadlines({ timeoutMs: Infinity })).toBe(Infinity);
    expect(await deadlines({ timeoutMs: 10 })).toBe(1_010);
    expect(await deadlines({ deadlineMs: 1_005 })).toBe(1_005);
    expect(await deadlines({ timeoutMs: 10, deadlineMs: 1_005 })).toBe(1_005);
    expect(await deadlines({ timeoutMs: 10, deadlineMs: 1_020 })).toBe(1_010);
  });

  it("leaves a budget that shrinks to nothing and no further", async () => {
    const clock = manualClock();
    const budgets: number[] = [];
    const whole = withScope({ clock, timeoutMs: 100 }, async (scope) => {
      budgets.push(scope.remainingMs());
      await scope.sleep(30);
      budgets.push(scope.remainingMs());
      await scope.shield({ timeoutMs: HOUR_MS }, (shield) => shield.sleep(500));
      budgets.push(scope.remainingMs());
    });
    await clock.advance(1_000);
    await whole;
    expect(budgets).toEqual([100, 70, 0]);
    expect(await withScope((scope) => scope.remainingMs())).toBe(Infinity);
  });

  it("of an inner scope cannot exceed the outer one, whether the inner one has a parent or only a signal", async () => {
    const clock = manualClock();
    await withScope({ clock, timeoutMs: 100 }, async (parent) => {
      const innerOf = (options: object): Promise<number> => withScope(options, (scope) => scope.deadlineMs);
      expect(await innerOf({ parent, timeoutMs: 500 })).toBe(100);
      expect(await innerOf({ parent })).toBe(100);
      expect(await innerOf({ signal: parent.signal, timeoutMs: 500 })).toBe(100);
      expect(await innerOf({ parent, signal: parent.signal, deadlineMs: 40 })).toBe(40);
      expect(deadlineOf(parent.signal)).toBe(100);
    });
  });

  it("is carried by the signal of a scope as long as the scope runs, and by no other signal", async () => {
    const clock = manualClock();
    let leaked: Scope | undefined;
    await withScope({ clock, timeoutMs: 100 }, (scope) => void (leaked = scope));
    expect(leaked && deadlineOf(leaked.signal)).toBe(Infinity);
    expect(deadlineOf(new AbortController().signal)).toBe(Infinity);
  });

  it("that passes rejects from the scope that owns it; an inner scope sees cancellation", async () => {
    const clock = manualClock();
    let inner: unknown;
    const whole = withScope({ clock, timeoutMs: 100, name: "outer" }, async (parent) => {
      const late = withScope({ parent, timeoutMs: 500, name: "inner" }, (scope) => scope.sleep(HOUR_MS));
      inner = await late.catch((error: unknown) => error);
      throw inner;
    });
    expect(await rejectionAfter(whole, clock, 100)).toMatchObject({
      code: "DEADLINE_EXCEEDED",
      details: { what: "outer" },
    });
    expect(inner).toMatchObject({
      code: "CANCELLED",
      message: "inner was cancelled: outer did not end within 0.1 s",
    });
  });

  it("of an inner scope that passes first is a failure to the outer scope, which may go on", async () => {
    const clock = manualClock();
    const whole = withScope({ clock, timeoutMs: 100, name: "outer" }, async (parent) => {
      const early = withScope({ parent, timeoutMs: 10, name: "inner" }, (scope) => scope.sleep(HOUR_MS));
      await expect(early).rejects.toMatchObject({ code: "DEADLINE_EXCEEDED", details: { what: "inner" } });
      return "went on";
    });
    await clock.advance(10);
    expect(await whole).toBe("went on");
  });

  it("that both share belongs to the outer scope", async () => {
    const clock = manualClock();
    const whole = withScope({ clock, timeoutMs: 100, name: "outer" }, (parent) =>
      withScope({ parent, deadlineMs: parent.deadlineMs, name: "inner" }, (scope) => {
        expect(clock.pending).toBe(1);
        return scope.sleep(HOUR_MS);
      }),
    );
    expect(await rejectionAfter(whole, clock, 100)).toMatchObject({ details: { what: "outer" } });
  });

  it("that has passed already runs nothing", async () => {
    const clock = manualClock(1_000);
    let ran = false;
    for (const options of [{ timeoutMs: 0 }, { timeoutMs: -5 }, { deadlineMs: 999 }]) {
      const whole = withScope({ clock, ...options }, () => void (ran = true));
      await expect(whole).rejects.toMatchObject({ code: "DEADLINE_EXCEEDED", details: { timeoutMs: 0 } });
    }
    expect(ran).toBe(false);
  });

  it("is noticed at a checkpoint by a loop that leaves the timers no turn", async () => {
    let nowMs = 0;
    const clock = { ...manualClock(), now: () => nowMs };
    const spin = (scope: Scope): never => {
      for (;;) {
        nowMs++;
        scope.checkpoint();
      }
    };
    const own = withScope({ clock, timeoutMs: 10, name: "loop" }, spin);
    await expect(own).rejects.toMatchObject({ code: "DEADLINE_EXCEEDED", details: { what: "loop" } });

    const outer = withScope({ clock, timeoutMs: 10, name: "outer" }, (parent) =>
      withScope({ parent, timeoutMs: 50, name: "loop" }, spin),
    );
    await expect(outer).rejects.toMatchObject({ code: "DEADLINE_EXCEEDED", details: { what: "outer" } });
  });

  it("cuts children although the body has returned, and spares a value that is complete", async () => {
    const clock = manualClock();
    const cut = withScope({ clock, timeoutMs: 10 }, (scope) => {
      void scope.spawn(() => scope.sleep(HOUR_MS));
      return "value";
    });
    expect(await rejectionAfter(cut, clock, 10)).toMatchObject({ code: "DEADLINE_EXCEEDED" });

    const gate = Promise.withResolvers<string>();
    const complete = withScope({ clock, timeoutMs: 10 }, () => gate.promise);
    await clock.advance(10);
    gate.resolve("stored");
    expect(await complete).toBe("stored");
  });

  it("does not count any more when only cleanups are left", async () => {
    const clock = manualClock();
    const whole = withScope({ clock, timeoutMs: 10 }, (scope) => {
      scope.defer(async () => {
        await scope.sleep(50);
        scope.checkpoint();
      });
      return "value";
    });
    await clock.advance(50);
    expect(await whole).toBe("value");
  });

  it("refuses what is no number", async () => {
    for (const timeoutMs of [NaN, "10", null]) {
      const options = { timeoutMs } as { timeoutMs: number };
      await expect(withScope(options, () => 1)).rejects.toMatchObject({
        code: "INVALID_ARGUMENT",
        message: `timeoutMs is ${timeoutMs}; allowed is a number of milliseconds`,
      });
    }
    await expect(withScope({ deadlineMs: NaN }, () => 1)).rejects.toMatchObject({
      details: { argument: "deadlineMs" },
    });
  });
});

describe("the clock of a scope", () => {
  it("is the system's by default, and that of the outer scope inside one", async () => {
    expect(await withScope((scope) => scope.clock)).toBe(systemClock);
    const clock = manualClock();
    await withScope({ clock }, async (parent) => {
      expect(await withScope({ parent }, (scope) => scope.clock)).toBe(clock);
      expect(await withScope({ signal: parent.signal }, (scope) => scope.clock)).toBe(clock);
      expect(await parent.shield({ timeoutMs: 1 }, (scope) => scope.clock)).toBe(clock);
    });
  });

  it("of the system ends a real deadline", async () => {
    const whole = withScope({ timeoutMs: 1 }, (scope) => {
      // The clock's timers do not keep the process alive, and the runner's do.
      return scope.sleep(HOUR_MS);
    });
    await expect(whole).rejects.toMatchObject({ code: "DEADLINE_EXCEEDED" });
    await microtasksDrained();
  });
});
