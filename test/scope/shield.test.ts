import { describe, expect, it } from "vitest";
import { withScope, type ShieldOptions } from "../../src/scope/index.ts";
import { failOnLeaks } from "../kit/leak-check.ts";
import { manualClock } from "../kit/manual-clock.ts";

failOnLeaks();

const HOUR_MS = 3_600_000;

describe("a shield", () => {
  it("keeps the cancellation and the deadline of its scope out, until its own work is done", async () => {
    const clock = manualClock();
    const log: string[] = [];
    const whole = withScope({ clock, timeoutMs: 10 }, async (scope) => {
      await scope.shield({ timeoutMs: 1_000 }, async (shield) => {
        await shield.sleep(500);
        shield.checkpoint();
        log.push(
          `committed at ${clock.now()}, while the scope was ${scope.signal.aborted ? "late" : "in time"}`,
        );
      });
      scope.checkpoint();
    });
    const rejection = expect(whole).rejects.toMatchObject({ code: "DEADLINE_EXCEEDED" });
    await clock.advance(500);
    await rejection;
    expect(log).toEqual(["committed at 500, while the scope was late"]);
  });

  it("can be raised in a scope that is cancelled already, and hands back its value", async () => {
    let value: unknown;
    const whole = withScope(async (scope) => {
      scope.cancel("enough");
      value = await scope.shield({ timeoutMs: HOUR_MS }, () => "said goodbye");
      scope.checkpoint();
    });
    await expect(whole).rejects.toThrow("enough");
    expect(value).toBe("said goodbye");
  });

  it("must carry a finite timeout", async () => {
    await withScope(async (scope) => {
      for (const timeoutMs of [undefined, Infinity, NaN]) {
        const options = { timeoutMs } as ShieldOptions;
        await expect(scope.shield(options, () => 1)).rejects.toMatchObject({
          code: "INVALID_ARGUMENT",
          message: `timeoutMs is ${timeoutMs}; allowed is a finite number of milliseconds`,
        });
      }
    });
  });

  it("that lasts too long is cut by its own timeout, and says whose it was", async () => {
    const clock = manualClock();
    const whole = withScope({ clock, name: "import" }, (scope) =>
      scope.shield({ timeoutMs: 100 }, (shield) => shield.sleep(HOUR_MS)),
    );
    const rejection = expect(whole).rejects.toMatchObject({
      code: "DEADLINE_EXCEEDED",
      message: "the shield of import did not end within 0.1 s",
    });
    await clock.advance(100);
    await rejection;
  });

  it("bounds a cleanup that hangs", async () => {
    const clock = manualClock();
    const log: string[] = [];
    const whole = withScope({ clock }, (scope) => {
      scope.defer(() => void log.push("the next cleanup runs"));
      scope.defer(() => scope.shield({ timeoutMs: 50, name: "goodbye" }, (shield) => shield.sleep(Infinity)));
    });
    const rejection = expect(whole).rejects.toMatchObject({ message: "goodbye did not end within 0.05 s" });
    await clock.advance(50);
    await rejection;
    expect(log).toEqual(["the next cleanup runs"]);
  });

  it("is waited for by its scope, also when nobody awaits it", async () => {
    const clock = manualClock();
    const log: string[] = [];
    const whole = withScope({ clock }, (scope) => {
      void scope.shield({ timeoutMs: 100 }, (shield) => shield.sleep(50)).then(() => log.push("shield"));
    }).then(() => log.push("scope"));
    await clock.advance(50);
    await whole;
    expect(log).toEqual(["shield", "scope"]);
  });
});
