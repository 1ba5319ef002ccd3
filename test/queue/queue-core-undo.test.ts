import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import { testSeed } from "../kit/seeded-random.ts";
import {
  CoreDriver,
  CoreKit,
  ORDERS,
  SMALL,
  anyCommand,
  anyQuota,
  drain,
  rowCommand,
  spec,
  viewOf,
} from "./core-kit.ts";

const anyOrder = fc.constantFrom(...ORDERS);
const anyHistory = fc.array(anyCommand, { maxLength: 40, size: "max" });
/** What may happen between a command and the news that the disk refused it. */
const anyStep = fc.oneof(
  { weight: 8, arbitrary: fc.record({ do: fc.constant("write" as const), command: rowCommand }) },
  {
    weight: 1,
    arbitrary: fc.record({ do: fc.constant("quota" as const), quota: anyQuota, isSet: fc.boolean() }),
  },
  {
    weight: 1,
    arbitrary: fc.record({
      do: fc.constant("withdraw" as const),
      ats: fc.array(fc.nat(30), { maxLength: 4 }),
    }),
  },
  { weight: 2, arbitrary: fc.record({ do: fc.constant("renew" as const), at: fc.nat(9), ms: fc.nat(90) }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant("wait" as const), ms: fc.constantFrom(1, 3, 10) }) },
);
const anySteps = fc.array(anyStep, { maxLength: 16, size: "max" });
type Step = typeof anyStep extends fc.Arbitrary<infer S> ? S : never;

/**
 * Carries out one step, in the other queue too what is never taken back: time, and what a worker has been promised.
 * Returns what takes the rest of it back.
 */
function step(core: CoreDriver, never: CoreDriver, what: Step): () => void {
  switch (what.do) {
    case "write": {
      const rows = core.apply(what.command);
      return () => core.core.undo(rows);
    }
    case "quota": {
      const { quota } = what;
      const before = what.isSet ? core.core.setQuota(quota, core.nowMs) : core.core.removeQuota(quota);
      return () => core.core.restoreQuotas(before);
    }
    case "withdraw": {
      const all = Array.from(core.core.select({}), ({ taskId }) => taskId);
      const tasks = core.core.withdraw(what.ats.flatMap((at) => all[at] ?? []));
      return () => core.core.unwithdraw(tasks);
    }
    case "renew": {
      const task = core.busy[what.at % Math.max(1, core.busy.length)];
      const { token, workerId, leaseUntilMs } = task?.life ?? {};
      if (!task || !workerId || token === undefined || leaseUntilMs === null) break;
      core.core.renew(task, core.nowMs + what.ms);
      if (never.core.holds(workerId, task.taskId, token))
        never.core.renew(never.core.task(task.taskId), core.nowMs + what.ms);
      break;
    }
    case "wait":
      core.nowMs += what.ms;
      never.nowMs += what.ms;
      break;
  }
  return () => undefined;
}

describe("taking commands back", () => {
  it("leaves the queue as if they had never been, whatever they were", () => {
    const seed = testSeed();
    fc.assert(
      fc.property(anyOrder, anyHistory, anySteps, fc.nat(20), (order, kept, undone, laterMs) => {
        const never = new CoreDriver({ ...SMALL, order });
        const core = new CoreDriver({ ...SMALL, order });
        for (const each of kept) never.apply(each);
        for (const each of kept) core.apply(each);
        const undos = undone.map((each) => step(core, never, each));
        for (const undo of undos.toReversed()) undo();
        expect(viewOf(core)).toEqual(viewOf(never));
        never.nowMs += laterMs;
        core.nowMs += laterMs;
        // Where a newcomer stands depends on whose turn it was last.
        for (const each of [never, core]) each.setQuota({ scope: "tag", name: "y", weight: 3 }, each.nowMs);
        expect(drain(core)).toEqual(drain(never));
        expect(viewOf(core)).toEqual(viewOf(never));
      }),
      { seed, numRuns: 600 },
    );
  }, 60_000);

  it("leaves a lease as long as its worker was told meanwhile", () => {
    const kit = new CoreKit({ workers: [{ workerId: "near", capabilities: ["echo"] }] });
    kit.submit([spec("a")]);
    kit.claim(1, 0, "near", 100);
    const task = kit.core.task("a");
    const cancelled = kit.core.cancel(["a"], "", 1);
    kit.core.renew(task, 500);
    kit.core.undo(cancelled.rows);
    expect(task.life).toMatchObject({ state: "running", leaseUntilMs: 500 });
    const settled = kit.settle("a", { kind: "returned" }, 2);
    kit.core.undo(settled);
    expect(task.life).toMatchObject({ state: "running", leaseUntilMs: 500 });
    expect(kit.core.expired(499)).toBeUndefined();
    expect(kit.core.expired(500)).toBe(task);
  });

  it("gives a task the progress back that an attempt which never started had wiped out", () => {
    const kit = new CoreKit();
    kit.submit([spec("a")]);
    const { token } = kit.claimOne();
    kit.core.progress("a", token, 0.5);
    kit.settle("a", { kind: "returned" }, 1);
    kit.core.undo(kit.claim(1, 2));
    expect(kit.core.task("a").progress).toBe(0.5);
  });
});
