import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import { simulateDag, whatIf, type DagSimulation } from "../../src/workflow/dag-simulation.ts";
import type { Dag } from "../../src/workflow/dag.ts";
import { graph, ids, step, timed } from "./kit/graphs.ts";

const micro = (ms: number): number => Math.round(ms * 1_000);

/** A step at a time, always the first to start: slow, and the same rule in other words. */
function naive(
  dag: Dag,
  durationsMs: readonly number[],
  workers: number,
  priorities: readonly number[],
): number[] {
  const durations = durationsMs.map(micro);
  const start = durations.map(() => -1);
  const endOf = (at: number): number => (start[at] ?? -1) + (durations[at] ?? 0);
  let now = 0;
  while (start.includes(-1)) {
    const moment = now;
    const hasEnded = (at: number): boolean => start[at] !== -1 && endOf(at) <= moment;
    const busy = start.filter((begun, at) => begun !== -1 && endOf(at) > moment).length;
    const ready = durations
      .map((_, at) => at)
      .filter((at) => start[at] === -1 && Array.from(dag.dependencies(at)).every(hasEnded))
      .sort((a, b) => (priorities[b] ?? 0) - (priorities[a] ?? 0) || a - b);
    const [first] = ready;
    if (first !== undefined && busy < workers) start[first] = moment;
    else
      now = Math.min(
        ...start.map((begun, at) => (begun !== -1 && endOf(at) > moment ? endOf(at) : Infinity)),
      );
  }
  return start;
}

/** Whether the schedule could be carried out: nothing before its dependencies, one step at a time on a worker. */
function isPossible(dag: Dag, durationsMs: readonly number[], workers: number, found: DagSimulation): void {
  const startOf = (at: number): number => micro(found.startMs[at] ?? NaN);
  const endOf = (at: number): number => startOf(at) + micro(durationsMs[at] ?? NaN);
  for (const at of dag.order) {
    for (const before of dag.dependencies(at)) expect(endOf(before)).toBeLessThanOrEqual(startOf(at));
    expect(found.worker[at]).toBeLessThan(workers);
    for (const other of dag.order) {
      if (other === at || found.worker[other] !== found.worker[at]) continue;
      const isApart = endOf(at) <= startOf(other) || endOf(other) <= startOf(at);
      expect(isApart).toBe(true);
    }
  }
  expect(micro(found.makespanMs)).toBe(Math.max(...Array.from(dag.order, endOf)));
}

describe("the simulation of a graph", () => {
  const random = fc.tuple(timed, fc.integer({ min: 1, max: 5 }));

  it("gives a schedule that can be carried out, between its lower bound and Graham's", () => {
    fc.assert(
      fc.property(random, ([[dag, durationsMs], workers]) => {
        const found = simulateDag(dag, { durationsMs, workers });
        isPossible(dag, durationsMs, workers, found);
        expect(found.makespanMs).toBeGreaterThanOrEqual(found.lowerBoundMs);
        const graham = found.workMs / workers + (1 - 1 / workers) * found.criticalPathMs;
        expect(found.makespanMs).toBeLessThanOrEqual(graham + 1e-6);
        expect(found.utilisation).toBeLessThanOrEqual(1);
      }),
    );
  });

  it("lasts as long as the work on one worker, and as the critical path on enough of them", () => {
    fc.assert(
      fc.property(timed, ([dag, durationsMs]) => {
        const alone = simulateDag(dag, { durationsMs, workers: 1 });
        expect(alone.makespanMs).toBe(alone.workMs);
        expect(alone.utilisation).toBe(1);
        const many = simulateDag(dag, { durationsMs, workers: dag.size });
        expect(many.makespanMs).toBe(many.criticalPathMs);
      }),
    );
  });

  it("starts each step when the same rule in other words does", () => {
    fc.assert(
      fc.property(
        random,
        fc.array(fc.nat(3), { minLength: 25, maxLength: 25 }),
        ([[dag, times], workers], numbers) => {
          const priorities = numbers.slice(0, times.length);
          // A step without a duration ends when it starts, so whether it holds a worker is a matter of words.
          const durationsMs = times.map((ms) => Math.max(0.001, ms));
          const found = simulateDag(dag, { durationsMs, workers, priorities });
          expect(Array.from(found.startMs, micro)).toEqual(naive(dag, durationsMs, workers, priorities));
          expect(simulateDag(dag, { durationsMs, workers, priorities })).toEqual(found);
        },
      ),
    );
  });

  it("takes first the step with the longest way still ahead, unless it is told otherwise", () => {
    const dag = graph(step("short"), step("long"), step("after", "long"));
    const plan = { durationsMs: [3, 1, 4], workers: 1 };
    expect([...simulateDag(dag, plan).startMs]).toEqual([5, 0, 1]);
    expect([...simulateDag(dag, { ...plan, priorities: [2, 1, 1] }).startMs]).toEqual([0, 3, 4]);
  });

  it("refuses plans that make no sense", () => {
    const dag = graph(step("a"), step("b"));
    const durationsMs = [1, 1];
    expect(() => simulateDag(dag, { durationsMs, workers: 0 })).toThrow("workers is 0");
    expect(() => simulateDag(dag, { durationsMs: [1], workers: 1 })).toThrow("one for each of 2 steps");
    for (const priorities of [[1], [1, NaN]]) {
      expect(() => simulateDag(dag, { durationsMs, workers: 1, priorities })).toThrow("priorities");
    }
  });
});

describe("what if", () => {
  const dag = graph(
    step("fetch"),
    step("parse", "fetch"),
    step("check", "fetch"),
    step("save", "parse", "check"),
  );
  const plan = { durationsMs: [400, 900, 100, 50], workers: 1 };

  it("there were more workers, a step were faster, a dependency were not there", () => {
    expect(whatIf(dag, plan, { workers: 2 })).toMatchObject({
      before: { makespanMs: 1_450 },
      after: { makespanMs: 1_350 },
      savedMs: 100,
    });
    const two = { ...plan, workers: 2 };
    expect(whatIf(dag, two, { durationsMs: [["parse", 450]] }).savedMs).toBe(450);
    const without = [{ stepId: "parse", dependsOn: "fetch" }];
    expect(whatIf(dag, two, { without }).after.makespanMs).toBe(950);
    expect(whatIf(dag, two, {}).savedMs).toBe(0);
  });

  it("says so when a change makes it later", () => {
    // Graham's example: nine tasks by their place in the list, on three workers, then on four.
    const graham = graph(
      ...["1", "2", "3", "4"].map((id) => step(id)),
      ...["5", "6", "7", "8"].map((id) => step(id, "4")),
      step("9", "1"),
    );
    const anomaly = {
      durationsMs: [3, 2, 2, 2, 4, 4, 4, 4, 9],
      workers: 3,
      priorities: [9, 8, 7, 6, 5, 4, 3, 2, 1],
    };
    const found = whatIf(graham, anomaly, { workers: 4 });
    expect([found.before.makespanMs, found.after.makespanMs, found.savedMs]).toEqual([12, 15, -3]);
  });

  it("leaves the plan as it is, and refuses a change of what there is not", () => {
    whatIf(dag, plan, { durationsMs: new Map([["fetch", 1]]) });
    expect(plan.durationsMs).toEqual([400, 900, 100, 50]);
    expect(ids(dag, dag.dependencies(1))).toEqual(["fetch"]);
    expect(() => whatIf(dag, plan, { durationsMs: [["zz", 1]] })).toThrow('"zz"');
    expect(() => whatIf(dag, plan, { without: [{ stepId: "fetch", dependsOn: "save" }] })).toThrow("without");
  });
});
