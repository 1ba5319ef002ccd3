import * as fc from "fast-check";
import { describe, expect, it } from "vitest";

import { LIMITS } from "../../src/errors/index.ts";
import { buildDag, unrelated, type Dag, type DagStep } from "../../src/workflow/dag.ts";

const step = (stepId: string, ...dependsOn: string[]): DagStep => ({ stepId, dependsOn });

function graph(...steps: DagStep[]): Dag {
  const built = buildDag(steps);
  if (!built.ok) throw new Error(built.problems.join("; "));
  return built.dag;
}

function problems(...steps: DagStep[]): readonly string[] {
  const built = buildDag(steps);
  return built.ok ? [] : built.problems;
}

const ids = (dag: Dag, steps: readonly number[]): string[] => steps.map((at) => dag.idOf(at));

/** Graphs whose edges point back in the list, so that they have no cycle; listed in a shuffled order. */
const acyclic = fc
  .integer({ min: 1, max: 25 })
  .chain((size) =>
    fc.tuple(
      fc.array(fc.array(fc.nat(), { maxLength: 4 }), { minLength: size, maxLength: size }),
      fc.shuffledSubarray(
        Array.from({ length: size }, (_, at) => at),
        { minLength: size, maxLength: size },
      ),
    ),
  )
  .map(([rows, order]) => {
    const steps = rows.map((row, at) =>
      step(`s${at}`, ...row.flatMap((n) => (at === 0 ? [] : [`s${n % at}`]))),
    );
    return order.flatMap((at) => steps[at] ?? []);
  });

describe("buildDag", () => {
  it("places every step on the level behind its deepest dependency, in the order of the definition", () => {
    const dag = graph(step("d", "b", "c"), step("c", "a"), step("b", "a"), step("a"), step("e"));
    expect(dag.levels.map((level) => ids(dag, level))).toEqual([["a", "e"], ["c", "b"], ["d"]]);
    expect(ids(dag, dag.order)).toEqual(["a", "e", "c", "b", "d"]);
    expect(ids(dag, dag.dependencies(0))).toEqual(["c", "b"]);
    expect(ids(dag, dag.dependents(3))).toEqual(["c", "b"]);
    expect([dag.size, dag.indexOf("e"), dag.indexOf("f")]).toEqual([5, 4, undefined]);
  });

  it("takes a dependency that is named twice once", () => {
    const dag = graph(step("a"), step("b", "a", "a"));
    expect(dag.dependencies(1)).toEqual([0]);
  });

  it("orders every step after all its dependencies", () => {
    fc.assert(
      fc.property(acyclic, (steps) => {
        const dag = graph(...steps);
        const place = new Map(dag.order.map((at, position) => [at, position]));
        expect(place.size).toBe(steps.length);
        for (const at of dag.order) {
          for (const before of dag.dependencies(at))
            expect(place.get(before)).toBeLessThan(place.get(at) ?? -1);
        }
      }),
    );
  });

  it("says everything that is wrong, one sentence each", () => {
    const long = "x".repeat(LIMITS.workflow.idChars + 1);
    expect(
      problems(step(""), step("a", "a"), step("a", "zz"), step("a"), step(long), step("\ud800")),
    ).toEqual([
      "the step at position 0 has an empty id",
      "the id of the step at position 4 has 257 characters; at most 256 are allowed",
      "the id of the step at position 5 is not well-formed text",
      'step id "a" is used 3 times',
      'step "a" depends on itself',
      'step "a" depends on "zz", which is no step of this workflow',
    ]);
  });

  it("prints a cycle as a path that comes back", () => {
    expect(problems(step("a", "b"), step("b", "a"), step("c", "a"))).toEqual(["it has a cycle: a -> b -> a"]);
  });

  it("prints one cycle for each edge that closes one", () => {
    const found = problems(
      step("a", "b", "c"),
      step("b", "a"),
      step("c", "a"),
      step("x", "y"),
      step("y", "x"),
      step("z"),
    );
    expect(found).toEqual([
      "it has a cycle: a -> b -> a",
      "it has a cycle: a -> c -> a",
      "it has a cycle: x -> y -> x",
    ]);
  });

  it("prints a long cycle by its two ends", () => {
    const ring = Array.from({ length: 100 }, (_, at) => step(`s${at}`, `s${(at + 1) % 100}`));
    const [problem] = problems(...ring);
    expect(problem).toMatch(/^it has a cycle: s0 -> s1 -> .* -> … 80 more … -> s90 -> .* -> s99 -> s0$/);
  });

  it("refuses a graph without steps, with too many steps, and with too many edges", () => {
    expect(problems()).toEqual(["it has no steps; at least one is needed"]);
    const many = Array.from({ length: LIMITS.workflow.steps + 1 }, (_, at) => step(`s${at}`));
    expect(problems(...many)).toEqual(["it has 100001 steps; at most 100000 are allowed"]);
    const names = Array.from({ length: LIMITS.workflow.edges + 1 }, () => "a");
    expect(problems(step("a"), { stepId: "b", dependsOn: names })).toEqual([
      "its steps name 1000001 dependencies; at most 1000000 are allowed",
    ]);
  });

  it("takes a chain of 100,000 steps, and a ring of as many, without running out of stack", () => {
    const size = LIMITS.workflow.steps;
    const chain = Array.from({ length: size }, (_, at) =>
      step(`s${at}`, ...(at === 0 ? [] : [`s${at - 1}`])),
    );
    const dag = graph(...chain);
    expect(dag.levels.length).toBe(size);
    expect(dag.transitiveDependents(0).length).toBe(size - 1);
    expect(problems(...chain.slice(1), step("s0", `s${size - 1}`)).length).toBe(1);
  });
});

describe("transitive dependents", () => {
  const dag = graph(
    step("a"),
    step("b", "a"),
    step("c", "a"),
    step("d", "b", "c"),
    step("e", "d"),
    step("f"),
  );

  it("come nearest first and once each", () => {
    expect(ids(dag, dag.transitiveDependents(0))).toEqual(["b", "c", "d", "e"]);
    expect(dag.transitiveDependents(5)).toEqual([]);
  });

  it("end at a step that is refused", () => {
    expect(
      ids(
        dag,
        dag.transitiveDependents(0, (at) => dag.idOf(at) !== "d"),
      ),
    ).toEqual(["b", "c"]);
  });

  it("of a step number that does not exist are a defect", () => {
    expect(() => dag.transitiveDependents(99)).toThrow("defect");
  });
});

describe("unrelated", () => {
  it("names exactly the pairs whose step cannot be reached from its target", () => {
    fc.assert(
      fc.property(acyclic, (steps) => {
        const dag = graph(...steps);
        const pairs = steps.flatMap((_, at) => steps.map((_, target) => ({ step: at, target })));
        const below = steps.map((_, at) => new Set(dag.transitiveDependents(at)));
        const expected = pairs.filter(({ step: at, target }) => !below[target]?.has(at));
        const key = (pair: { step: number; target: number }): number => pair.step * 100 + pair.target;
        expect(
          unrelated(dag, pairs)
            .map(key)
            .toSorted((a, b) => a - b),
        ).toEqual(expected.map(key).toSorted((a, b) => a - b));
      }),
    );
  });

  it("looks for more targets than a number has bits", () => {
    const roots = Array.from({ length: 70 }, (_, at) => step(`r${at}`));
    const dag = graph(
      ...roots,
      step("join", ...roots.map(({ stepId }) => stepId)),
      step("end", "join"),
      step("alone"),
    );
    const pairs = roots.flatMap((_, target) => [
      { step: 71, target },
      { step: 72, target },
    ]);
    expect(unrelated(dag, pairs).map((pair) => pair.step)).toEqual(roots.map(() => 72));
  });
});
