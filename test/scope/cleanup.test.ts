import { describe, expect, it } from "vitest";
import { withScope } from "../../src/scope/index.ts";
import { failOnLeaks } from "../kit/leak-check.ts";
import { manualClock } from "../kit/manual-clock.ts";
import { microtasksDrained } from "../kit/microtasks.ts";

failOnLeaks();

const failing = (text: string): never => {
  throw new Error(text);
};

describe("cleanups", () => {
  it("run in reverse order, one after the other", async () => {
    const log: string[] = [];
    await withScope((scope) => {
      for (const name of ["a", "b", "c"]) {
        scope.defer(async () => {
          log.push(`${name} begins`);
          await microtasksDrained();
          log.push(`${name} ends`);
        });
      }
    });
    expect(log).toEqual(["c begins", "c ends", "b begins", "b ends", "a begins", "a ends"]);
  });

  it("run all, even when one fails, and a failing one fails the scope", async () => {
    const log: string[] = [];
    const whole = withScope((scope) => {
      scope.defer(() => void log.push(scope.signal.aborted ? "first, cancelled" : "first"));
      scope.defer(() => failing("the second cleanup"));
      scope.defer(() => void log.push("third"));
      return "value";
    });
    await expect(whole).rejects.toThrow("the second cleanup");
    expect(log).toEqual(["third", "first"]);
  });

  it("run after failure and after cancellation, when every child has settled", async () => {
    for (const end of ["failure", "cancellation"]) {
      const log: string[] = [];
      const gate = Promise.withResolvers<void>();
      const whole = withScope((scope) => {
        scope.defer(() => void log.push("cleanup"));
        void scope.spawn(() => gate.promise.then(() => log.push("child")));
        if (end === "failure") failing("body");
        scope.cancel();
        scope.checkpoint();
      });
      gate.resolve();
      await expect(whole).rejects.toThrow();
      expect(log).toEqual(["child", "cleanup"]);
    }
  });

  it("run shielded: checkpoint and sleep work in them although the scope was cancelled", async () => {
    const clock = manualClock();
    const log: string[] = [];
    const whole = withScope({ clock }, (scope) => {
      scope.defer(async () => {
        scope.checkpoint();
        await scope.sleep(100);
        log.push(`said goodbye at ${clock.now()}`);
      });
      scope.cancel("enough");
      scope.checkpoint();
    });
    const rejection = expect(whole).rejects.toThrow("enough");
    await clock.advance(100);
    await rejection;
    expect(log).toEqual(["said goodbye at 100"]);
  });

  it("are not reached by a signal that aborts while they run, and the value stays", async () => {
    const user = new AbortController();
    const gate = Promise.withResolvers<void>();
    const whole = withScope({ signal: user.signal }, (scope) => {
      scope.defer(async () => {
        user.abort();
        scope.cancel();
        await gate.promise;
        scope.checkpoint();
        expect(scope.signal.aborted).toBe(false);
      });
      return "value";
    });
    gate.resolve();
    expect(await whole).toBe("value");
  });

  it("are not bound by the deadline either, nor is a scope inside them that was handed the signal", async () => {
    const deadlines: number[] = [];
    await withScope({ clock: manualClock(), timeoutMs: 10 }, (scope) => {
      scope.defer(() =>
        withScope({ signal: scope.signal }, ({ deadlineMs }) => void deadlines.push(deadlineMs)),
      );
    });
    expect(deadlines).toEqual([Infinity]);
  });

  it("may register further cleanups, which run next", async () => {
    const log: string[] = [];
    await withScope((scope) => {
      scope.defer(() => void log.push("outer"));
      scope.defer(() => {
        scope.defer(() => void log.push("inner"));
      });
    });
    expect(log).toEqual(["inner", "outer"]);
  });

  it("may not spawn and may not open an inner scope: both are defects", async () => {
    const spawning = withScope((scope) => scope.defer(() => void scope.spawn(() => 1)));
    await expect(spawning).rejects.toThrow("defect: spawn in a scope that is closing");
    const nesting = withScope((parent) => parent.defer(() => withScope({ parent }, () => {})));
    await expect(nesting).rejects.toThrow("defect: a scope inside one that is closing");
  });

  it("are waited for, with every shield that they raise", async () => {
    const log: string[] = [];
    await withScope((scope) => {
      scope.defer(() => void log.push("first registered"));
      scope.defer(() => {
        void scope.shield({ timeoutMs: 1_000 }, async () => {
          await microtasksDrained();
          log.push("shield");
        });
      });
    });
    expect(log).toEqual(["shield", "first registered"]);
  });

  it("that a cancellation cuts reject the scope: what they were to undo is not undone", async () => {
    const cut = (own: boolean) =>
      withScope((scope) => {
        scope.defer(() => {
          scope.signal.throwIfAborted();
        });
        scope.defer(() => AbortSignal.abort().throwIfAborted());
        scope.defer(() => scope.cancel("too late"));
        if (own) scope.cancel("done");
        return "value";
      });
    await expect(cut(false)).rejects.toMatchObject({ code: "CANCELLED", cause: { name: "AbortError" } });
    await expect(cut(true)).rejects.toMatchObject({
      code: "CANCELLED",
      message: "the scope was cancelled: done",
    });
  });
});
