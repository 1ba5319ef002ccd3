import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import { LIMITS } from "../../src/errors/index.ts";
import { criticalPath } from "../../src/workflow/dag-timing.ts";
import type { Dag } from "../../src/workflow/dag.ts";
import { graph, ids, step, timed } from "./kit/graphs.ts";

/** Every way from a step to the end, by recursion: fit for small graphs only. */
function longestFrom(dag: Dag, at: number, durations: readonly number[]): number {
  const after = Array.from(dag.dependents(at), (next) => longestFrom(dag, next, durations));
  return (durations[at] ?? 0) + Math.max(0, ...after);
}

function longestBefore(dag: Dag, at: number, durations: readonly number[]): number {
  const before = Array.from(
    dag.dependencies(at),
    (each) => longestBefore(dag, each, durations) + (durations[each] ?? 0),
  );
  return Math.max(0, ...before);
}

const micro = (ms: number): number => Math.round(ms * 1_000);

describe("the critical path", () => {
  const dag = graph(
    step("fetch"),
    step("parse", "fetch"),
    step("check", "fetch"),
    step("save", "parse", "check"),
  );

  it("is the longest way, with the times and slacks of every step", () => {
    const path = criticalPath(dag, [400, 900, 100, 50]);
    expect(ids(dag, path.steps)).toEqual(["fetch", "parse", "save"]);
    expect(path.lengthMs).toBe(1_350);
    expect([...path.earliestStartMs]).toEqual([0, 400, 400, 1_300]);
    expect([...path.latestStartMs]).toEqual([0, 400, 1_200, 1_300]);
    expect([...path.totalSlackMs]).toEqual([0, 0, 800, 0]);
    expect([...path.freeSlackMs]).toEqual([0, 0, 800, 0]);
  });

  it("tells slack that is shared with later steps from slack that is a step's own", () => {
    const chain = graph(step("long"), step("a"), step("b", "a"), step("end", "long", "b"));
    const path = criticalPath(chain, [10, 2, 3, 1]);
    expect([...path.totalSlackMs]).toEqual([0, 5, 5, 0]);
    expect([...path.freeSlackMs]).toEqual([0, 0, 5, 0]);
  });

  it("goes through steps that take no time, from a first step to a last one", () => {
    const chain = graph(step("alone"), step("c", "b"), step("b", "a"), step("a"));
    expect(ids(chain, criticalPath(chain, [1, 0, 5, 0]).steps)).toEqual(["a", "b", "c"]);
    expect(ids(chain, criticalPath(chain, [0, 0, 0, 1]).steps)).toEqual(["a", "b", "c"]);
  });

  it("counts in whole microseconds", () => {
    expect(criticalPath(graph(step("a"), step("b", "a")), [0.0004, 1.0002]).lengthMs).toBe(1);
  });

  it("agrees with all ways through the graph, one by one", () => {
    fc.assert(
      fc.property(timed, ([random, durationsMs]) => {
        const path = criticalPath(random, durationsMs);
        const durations = durationsMs.map(micro);
        const length = Math.max(...durations.map((_, at) => longestFrom(random, at, durations)));
        expect(micro(path.lengthMs)).toBe(length);
        expect(path.steps.reduce((sum, at) => sum + (durations[at] ?? 0), 0)).toBe(length);
        for (const [place, at] of path.steps.slice(1).entries()) {
          expect([...random.dependencies(at)]).toContain(path.steps[place]);
        }
        durations.forEach((duration, at) => {
          const earliest = longestBefore(random, at, durations);
          const latest = length - longestFrom(random, at, durations);
          const next = Array.from(random.dependents(at), (each) => longestBefore(random, each, durations));
          expect(micro(path.earliestStartMs[at] ?? NaN)).toBe(earliest);
          expect(micro(path.latestStartMs[at] ?? NaN)).toBe(latest);
          expect(micro(path.totalSlackMs[at] ?? NaN)).toBe(latest - earliest);
          expect(micro(path.freeSlackMs[at] ?? NaN)).toBe(Math.min(length, ...next) - earliest - duration);
        });
      }),
    );
  });

  it("has slack of exactly 0, however its durations add up", () => {
    const chain = graph(step("a"), step("b", "a"), step("c", "b"), step("other"), step("end", "c", "other"));
    const path = criticalPath(chain, [0.1, 0.2, 0.3, 0.6, 0.7]);
    expect([...path.totalSlackMs]).toEqual([0, 0, 0, 0, 0]);
    expect(path.lengthMs).toBe(1.3);
  });

  it("takes a duration for each step, from 0 to 366 days", () => {
    const most = LIMITS.workflow.timeoutMs;
    expect(criticalPath(dag, [most, 0, 0, 0]).lengthMs).toBe(most);
    for (const wrong of [-1, most + 1, NaN, Infinity]) {
      expect(() => criticalPath(dag, [0, 0, wrong, 0])).toThrow('durationsMs of step "check" is');
    }
    expect(() => criticalPath(dag, [1, 2, 3])).toThrow("one for each of 4 steps");
  });

  it("is refused where times could no longer be told apart", () => {
    const many = graph(...Array.from({ length: 286 }, (_, at) => step(`s${at}`)));
    const year = Array.from({ length: 286 }, () => LIMITS.workflow.timeoutMs);
    expect(() => criticalPath(many, year)).toThrow("together at most");
  });
});
