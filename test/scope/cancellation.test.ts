import { once } from "node:events";
import { setTimeout as nodeTimeout } from "node:timers/promises";
import { describe, expect, it } from "vitest";
import { fault, isFault } from "../../src/errors/index.ts";
import { withScope, type Scope } from "../../src/scope/index.ts";
import { failOnLeaks } from "../kit/leak-check.ts";
import { manualClock } from "../kit/manual-clock.ts";
import { microtasksDrained } from "../kit/microtasks.ts";

failOnLeaks();

const HOUR_MS = 3_600_000;

/** A signal that is aborted by hand; the scope under test hangs on it. */
const outside = (): AbortController => new AbortController();

describe("cancellation from outside", () => {
  it("rejects with CANCELLED, with the reason of the signal as its cause", async () => {
    const user = outside();
    const whole = withScope({ signal: user.signal, name: "import" }, (scope) => scope.sleep(HOUR_MS));
    const why = new Error("the user left");
    user.abort(why);
    await expect(whole).rejects.toMatchObject({
      code: "CANCELLED",
      message: "import was cancelled: the user left",
      cause: why,
    });
  });

  it("that comes before the beginning runs nothing", async () => {
    let ran = false;
    const whole = withScope({ signal: AbortSignal.abort("too late") }, () => void (ran = true));
    await expect(whole).rejects.toMatchObject({ code: "CANCELLED", cause: "too late" });
    expect(ran).toBe(false);
  });

  it("waits for a body that ignores its signal, and does not report as undone what has been done", async () => {
    const user = outside();
    const gate = Promise.withResolvers<string>();
    let settled = false;
    const whole = withScope({ signal: user.signal }, () => gate.promise).finally(() => (settled = true));
    user.abort();
    await microtasksDrained();
    expect(settled).toBe(false);
    gate.resolve("stored");
    expect(await whole).toBe("stored");
  });

  it("of a child that was cut rejects, although the body has returned", async () => {
    const user = outside();
    const whole = withScope({ signal: user.signal }, (scope) => {
      void scope.spawn(() => scope.sleep(HOUR_MS));
      return "value";
    });
    await microtasksDrained();
    user.abort();
    await expect(whole).rejects.toMatchObject({ code: "CANCELLED" });
  });

  it("never masks the first real failure", async () => {
    const user = outside();
    const whole = withScope({ signal: user.signal }, async (scope) => {
      void scope.spawn(() => scope.sleep(HOUR_MS).catch(() => Promise.reject(new Error("disk full"))));
      await scope.sleep(HOUR_MS);
    });
    user.abort();
    await expect(whole).rejects.toThrow("disk full");
  });

  it("knows its echoes: Node's own AbortError, the bare reason, and an AbortError around it", async () => {
    const why = fault("DEADLINE_EXCEEDED", { what: "the request", timeoutMs: 1_000 });
    const echoes: ((inner: AbortSignal, user: AbortSignal) => Promise<unknown>)[] = [
      (inner) => nodeTimeout(HOUR_MS, undefined, { signal: inner }),
      (_, user) => nodeTimeout(HOUR_MS, undefined, { signal: user }),
      async (_, user) => {
        await once(user, "abort");
        user.throwIfAborted();
      },
    ];
    for (const echo of echoes) {
      const user = outside();
      const whole = withScope({ signal: user.signal }, (scope) => echo(scope.signal, user.signal));
      user.abort(why);
      await expect(whole).rejects.toMatchObject({ code: "CANCELLED", cause: why });
    }
  });

  it("comes through a parent and through a signal alike, to every depth, and says why at each", async () => {
    const user = outside();
    const whole = withScope({ signal: user.signal, name: "a" }, (a) =>
      withScope({ parent: a, name: "b" }, (b) =>
        withScope({ signal: b.signal, name: "c" }, (c) => c.sleep(HOUR_MS)),
      ),
    );
    const chain = whole.catch((error: unknown) => error);
    user.abort("stop");
    await expect(whole).rejects.toMatchObject({ message: "a was cancelled: stop", cause: "stop" });
    expect(await chain).toMatchObject({ code: "CANCELLED" });
  });

  it("tells an inner scope the reason, without repeating every level", async () => {
    await withScope({ name: "outer" }, async (outer) => {
      const inner = withScope({ parent: outer, name: "inner" }, (scope) => scope.sleep(HOUR_MS));
      outer.cancel("enough");
      await expect(inner).rejects.toMatchObject({
        message: "inner was cancelled: enough",
        cause: { message: "outer was cancelled: enough" },
      });
    });
  });

  it("of one inner scope leaves its siblings and its parent alone", async () => {
    const result = await withScope(async (parent) => {
      const user = outside();
      const cut = withScope({ parent, signal: user.signal }, (scope) => scope.sleep(HOUR_MS));
      const kept = withScope({ parent }, async (scope) => {
        await microtasksDrained();
        scope.checkpoint();
        return "kept";
      });
      user.abort();
      await expect(cut).rejects.toMatchObject({ code: "CANCELLED" });
      return kept;
    });
    expect(result).toBe("kept");
  });

  it("that this scope did not cause ends it as cancelled, since not everything has happened", async () => {
    const elsewhere = fault("CANCELLED", { what: "the call" });
    const unawaited = withScope({ name: "order" }, (scope) => {
      void scope.spawn(() => Promise.reject(elsewhere));
      return "value";
    });
    await expect(unawaited).rejects.toMatchObject({
      code: "CANCELLED",
      message: "order was cancelled: the call was cancelled",
      cause: elsewhere,
    });
    const awaited = withScope(() => Promise.reject(elsewhere));
    await expect(awaited).rejects.toMatchObject({ code: "CANCELLED", cause: elsewhere });
  });
});

describe("scope.cancel", () => {
  it("cuts the children and the body, and rejects with the reason given", async () => {
    const whole = withScope({ name: "import" }, async (scope) => {
      scope.cancel("no rows left");
      await scope.sleep(HOUR_MS);
    });
    await expect(whole).rejects.toMatchObject({
      code: "CANCELLED",
      message: "import was cancelled: no rows left",
    });
    const silent = withScope({ name: "import" }, (scope) => {
      scope.cancel();
      scope.checkpoint();
    });
    await expect(silent).rejects.toMatchObject({ message: "import was cancelled" });
  });

  it("keeps the value of a body that returns: so a body ends its background work", async () => {
    let stopped = false;
    const result = await withScope(async (scope) => {
      void scope.spawn(() => scope.sleep(HOUR_MS).finally(() => (stopped = true)));
      scope.cancel("done");
      return "value";
    });
    expect([result, stopped]).toEqual(["value", true]);
  });

  it("counts once: the first cause stays", async () => {
    const whole = withScope((scope) => {
      scope.cancel("first");
      scope.cancel("second");
      scope.checkpoint();
    });
    await expect(whole).rejects.toThrow("first");
  });
});

describe("a cancelled scope", () => {
  it("is level-triggered: checkpoint, sleep and spawn reject again and again", async () => {
    const errors: unknown[] = [];
    let started = false;
    const whole = withScope(async (scope) => {
      scope.checkpoint();
      scope.cancel("stop");
      for (let round = 0; round < 3; round++) {
        try {
          scope.checkpoint();
        } catch (error) {
          errors.push(error);
        }
        await scope.sleep(0).catch((error: unknown) => errors.push(error));
        await scope.spawn(() => void (started = true)).catch((error: unknown) => errors.push(error));
      }
      scope.checkpoint();
    });
    await expect(whole).rejects.toThrow("stop");
    expect(errors).toHaveLength(9);
    expect(errors.every((error) => isFault(error, "CANCELLED"))).toBe(true);
    expect(started).toBe(false);
  });

  it("never runs the body of an inner scope", async () => {
    let ran = false;
    const whole = withScope((parent) => {
      parent.cancel();
      return withScope({ parent }, () => void (ran = true));
    });
    await expect(whole).rejects.toMatchObject({ code: "CANCELLED" });
    expect(ran).toBe(false);
  });

  it("shows an aborted signal, also to who asks for it afterwards", async () => {
    const whole = withScope((scope) => {
      scope.cancel("stop");
      expect(scope.signal.aborted).toBe(true);
      expect(scope.signal.reason).toMatchObject({
        code: "CANCELLED",
        message: "the scope was cancelled: stop",
      });
      scope.signal.throwIfAborted();
    });
    await expect(whole).rejects.toThrow("stop");
  });

  it("has a signal whose reason is always a CANCELLED fault, also after a deadline", async () => {
    const clock = manualClock();
    let signal: AbortSignal | undefined;
    const whole = withScope({ timeoutMs: 10, clock }, (scope) => {
      signal = scope.signal;
      return scope.sleep(HOUR_MS);
    });
    const rejection = expect(whole).rejects.toMatchObject({ code: "DEADLINE_EXCEEDED" });
    await clock.advance(10);
    await rejection;
    expect(signal?.reason).toMatchObject({ code: "CANCELLED", cause: { code: "DEADLINE_EXCEEDED" } });
  });
});

describe("sleep", () => {
  it("ends at its time on the scope's clock", async () => {
    const clock = manualClock();
    const log: number[] = [];
    const whole = withScope({ clock }, async (scope) => {
      await scope.sleep(100);
      log.push(clock.now());
      await scope.sleep(-1);
      log.push(clock.now());
    });
    await clock.advance(99);
    expect(log).toEqual([]);
    await clock.advance(1);
    await whole;
    expect(log).toEqual([100, 100]);
  });

  it("that lost a race is ended by the end of the scope, with its timer", async () => {
    const clock = manualClock();
    let loser: Promise<void> | undefined;
    const result = await withScope({ clock, name: "race" }, (scope) => {
      loser = scope.sleep(HOUR_MS);
      return Promise.race([loser, Promise.resolve("winner")]);
    });
    expect([result, clock.pending]).toEqual(["winner", 0]);
    await expect(loser).rejects.toMatchObject({
      code: "CANCELLED",
      message: "race was cancelled: it has ended",
    });
  });

  it("for ever waits for cancellation, and for no number at all is refused", async () => {
    const clock = manualClock();
    const whole = withScope({ clock, timeoutMs: HOUR_MS }, async (scope) => {
      await expect(scope.sleep(NaN)).rejects.toMatchObject({ code: "INVALID_ARGUMENT" });
      await scope.sleep(Infinity);
    });
    const rejection = expect(whole).rejects.toMatchObject({ code: "DEADLINE_EXCEEDED" });
    await clock.advance(HOUR_MS);
    await rejection;
  });
});

it("a scope's signal is the one its children get", async () => {
  await withScope(async (scope: Scope) => {
    expect(await scope.spawn((signal) => signal)).toBe(scope.signal);
  });
});
