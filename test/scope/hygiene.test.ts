import { getEventListeners } from "node:events";
import { assert, asyncProperty, integer } from "fast-check";
import { describe, expect, it } from "vitest";
import { isFault } from "../../src/errors/index.ts";
import { withScope, type Random, type Scope } from "../../src/scope/index.ts";
import { failOnLeaks } from "../kit/leak-check.ts";
import { manualClock } from "../kit/manual-clock.ts";
import { seededRandom } from "../kit/seeded-random.ts";

failOnLeaks();

const HOUR_MS = 3_600_000;

describe("a scope that has ended", () => {
  const ends: Record<string, (scope: Scope, user: AbortController) => unknown> = {
    "with a value": () => 1,
    "with a failure": () => Promise.reject(new Error("bang")),
    "by cancel": (scope) => {
      scope.cancel();
      scope.checkpoint();
    },
    "by its signal": (scope, user) => {
      user.abort();
      scope.checkpoint();
    },
  };

  it.each(Object.entries(ends))("%s leaves no abort listener and no timer behind", async (_, end) => {
    const clock = manualClock();
    const user = new AbortController();
    const listening: number[] = [];
    const whole = withScope({ clock, signal: user.signal, timeoutMs: HOUR_MS }, async (parent) => {
      void parent.sleep(HOUR_MS);
      await withScope({ parent, timeoutMs: 1_000 }, (scope) => void scope.sleep(HOUR_MS));
      await withScope({ signal: parent.signal }, () => {
        listening.push(getEventListeners(parent.signal, "abort").length);
      });
      listening.push(getEventListeners(user.signal, "abort").length);
      await end(parent, user);
    });
    await whole.catch(() => {});
    // Scopes know each other; only a signal from elsewhere is listened to.
    expect(listening).toEqual([0, 1]);
    expect(getEventListeners(user.signal, "abort")).toEqual([]);
    expect(clock.pending).toBe(0);
  });

  it("by its deadline leaves no abort listener and no timer behind", async () => {
    const clock = manualClock();
    const user = new AbortController();
    const whole = withScope({ clock, signal: user.signal, timeoutMs: 10 }, (scope) => scope.sleep(HOUR_MS));
    const rejection = expect(whole).rejects.toMatchObject({ code: "DEADLINE_EXCEEDED" });
    await clock.advance(10);
    await rejection;
    expect([getEventListeners(user.signal, "abort").length, clock.pending]).toEqual([0, 0]);
  });
});

/** Builds a random tree of scopes that fail, cancel, expire, sleep and clean up, and counts what is still alive. */
async function grow(scope: Scope, random: Random, alive: Set<string>, path: string): Promise<string> {
  const pick = (count: number): number => Math.floor(random.next() * count);
  const live = async (name: string, run: () => unknown): Promise<void> => {
    alive.add(name);
    try {
      await run();
    } finally {
      alive.delete(name);
    }
  };
  scope.defer(() =>
    live(`${path} cleanup`, () => (pick(8) === 0 ? Promise.reject(new Error(path)) : scope.sleep(pick(5)))),
  );
  for (let child = 0; child < pick(4); child++) {
    const name = `${path}.${child}`;
    void scope.spawn(() =>
      live(name, async () => {
        await scope.sleep(pick(20));
        if (pick(6) === 0) throw new Error(name);
        if (pick(10) === 0) scope.cancel(name);
        if (path.length > 6) return;
        const timeoutMs = pick(3) === 0 ? pick(30) : Infinity;
        const inner = { parent: scope, timeoutMs, name };
        await withScope(inner, (below) => grow(below, random, alive, name)).catch((error: unknown) => {
          if (pick(2) === 0) throw error;
        });
      }),
    );
  }
  await scope.sleep(pick(20));
  if (pick(5) === 0) throw new Error(path);
  return path;
}

describe("any tree of scopes", () => {
  it("ends with everything settled, nothing left on the clock, and a value, a failure or a cancellation", async () => {
    // fast-check prints the seed of a run that fails.
    await assert(
      asyncProperty(integer({ min: 0, max: 2 ** 32 - 1 }), async (seed) => {
        const clock = manualClock();
        const alive = new Set<string>();
        const random = seededRandom(seed);
        const whole = withScope({ clock, timeoutMs: 60, name: "root" }, (scope) =>
          grow(scope, random, alive, "0"),
        );
        const ended = whole.then(
          (value) => ({ value, alive: alive.size, timers: clock.pending }),
          (error: unknown) => ({ error, alive: alive.size, timers: clock.pending }),
        );
        await clock.advance(1_000);
        const end = await ended;
        expect([end.alive, end.timers]).toEqual([0, 0]);
        if ("value" in end) expect(end.value).toBe("0");
        else if (isFault(end.error, "SEVERAL")) expect(end.error.errors.length).toBeGreaterThan(1);
        else expect(end.error).toBeInstanceOf(Error);
      }),
      { numRuns: 200 },
    );
  });
});
