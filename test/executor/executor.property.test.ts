import * as fc from "fast-check";
import { expect, it } from "vitest";
import { fault, isFault } from "../../src/errors/index.ts";
import { createExecutor, type ExecutionResult } from "../../src/executor/index.ts";
import { withScope, type Scope } from "../../src/scope/index.ts";
import { failOnLeaks } from "../kit/leak-check.ts";
import { manualClock, type ManualClock } from "../kit/manual-clock.ts";

failOnLeaks();

const TIMEOUT_MS = 25;
const STUBBORN_MS = 7;

/** What one function does. */
interface Plan {
  readonly durationMs: number;
  readonly how: "returns" | "fails" | "withdraws" | "at once";
  /** What it still does on its way out when it is cut, without looking at its signal. */
  readonly goodbyeMs: number;
}

const plan: fc.Arbitrary<Plan> = fc.record({
  durationMs: fc.integer({ min: 0, max: 40 }),
  how: fc.constantFrom("returns", "returns", "returns", "fails", "withdraws", "at once"),
  goodbyeMs: fc.constantFrom(0, 0, STUBBORN_MS),
});

const call = fc.record({
  plans: fc.array(plan, { maxLength: 12 }),
  startMs: fc.integer({ min: 0, max: 30 }),
  cancelMs: fc.option(fc.integer({ min: 0, max: 80 }), { nil: Infinity }),
});

interface Watched {
  running: number;
  most: number;
  started: number;
}

async function carryOut({ how, durationMs, goodbyeMs }: Plan, scope: Scope, seen: Watched): Promise<string> {
  seen.started += 1;
  seen.most = Math.max(seen.most, ++seen.running);
  try {
    if (how === "at once") return "done";
    await scope.sleep(durationMs);
    if (how === "fails") throw fault("UNAVAILABLE", { what: "the price", why: "it is closed" });
    if (how === "withdraws") scope.cancel();
    scope.checkpoint();
    return "done";
  } finally {
    if (goodbyeMs > 0) await scope.shield({ timeoutMs: 1_000 }, (shield) => shield.sleep(goodbyeMs));
    seen.running -= 1;
  }
}

/** What a result has to be when nobody cancelled the call; a tie of end and timeout may go either way. */
function expectFits({ how, durationMs }: Plan, result: ExecutionResult<string>): void {
  if (result.timedOut) expect([how !== "at once", durationMs >= TIMEOUT_MS]).toEqual([true, true]);
  else if (result.cancelled) expect([how, result.error?.code]).toEqual(["withdraws", "CANCELLED"]);
  else if (!result.ok) expect([how, result.error.code]).toEqual(["fails", "UNAVAILABLE"]);
  else expect([how === "returns" || how === "at once", result.value]).toEqual([true, "done"]);
}

async function runAll(
  clock: ManualClock,
  maxConcurrent: number,
  calls: readonly { readonly plans: readonly Plan[]; readonly startMs: number; readonly cancelMs: number }[],
): Promise<void> {
  const executor = createExecutor({ maxConcurrent, timeoutMs: TIMEOUT_MS, clock });
  const seen: Watched = { running: 0, most: 0, started: 0 };
  const ends = calls.map(({ plans, startMs, cancelMs }) =>
    withScope({ clock }, async (user) => {
      await user.sleep(startMs);
      const asked = withScope({ parent: user, timeoutMs: cancelMs }, ({ signal }) =>
        executor.runBatch((each: Plan, scope) => carryOut(each, scope, seen), plans, { signal }),
      );
      const results = await asked.catch((error: unknown) => error);
      if (!Array.isArray(results)) return expect(isFault(results, "DEADLINE_EXCEEDED")).toBe(true);
      expect(results).toHaveLength(plans.length);
      for (const [index, each] of plans.entries()) {
        const result = results[index] as ExecutionResult<string>;
        expect(result.name).toBe(`the function[${index}]`);
        expectFits(each, result);
      }
    }),
  );
  const all = Promise.all(ends);
  all.catch(() => {});
  await clock.advance(10_000);
  await all;
  expect(seen.most).toBeLessThanOrEqual(maxConcurrent);
  expect([seen.running, clock.pending]).toEqual([0, 0]);
  expect(executor.metrics()?.total).toBe(seen.started);
  const uncancelled = calls.filter(({ cancelMs }) => cancelMs === Infinity).flatMap(({ plans }) => plans);
  expect(seen.started).toBeGreaterThanOrEqual(uncancelled.length);
}

it("whatever functions take, fail, withdraw and are cancelled: order and bound hold, and nothing is left running", async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.integer({ min: 1, max: 4 }),
      fc.array(call, { minLength: 1, maxLength: 4 }),
      (maxConcurrent, calls) => runAll(manualClock(), maxConcurrent, calls),
    ),
    { numRuns: 200 },
  );
});
