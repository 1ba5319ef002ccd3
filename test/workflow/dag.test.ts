import * as fc from "fast-check";
import { describe, expect, it } from "vitest";

import { LIMITS } from "../../src/errors/index.ts";
import { buildDag, unrelated, type DagOptions, type DagStep } from "../../src/workflow/dag.ts";
import { acyclic, graph, ids, step } from "./kit/graphs.ts";

function problems(...steps: DagStep[]): readonly string[] {
  const built = buildDag(steps);
  return built.ok ? [] : built.problems;
}

function problemsWith(options: DagOptions, steps: readonly DagStep[]): readonly string[] {
  const built = buildDag(steps, options);
  return built.ok ? [] : built.problems;
}

function reachable(edges: readonly (readonly number[])[], from: number): Set<number> {
  const seen = new Set<number>();
  const walk = [from];
  for (const at of walk) {
    for (const to of edges[at] ?? []) {
      if (to === at || seen.has(to)) continue;
      seen.add(to);
      walk.push(to);
    }
  }
  return seen;
}

const COLLIDING = ["s31597", "s618190"] as const;

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
    expect([...dag.dependencies(1)]).toEqual([0]);
  });

  it("orders every step after all its dependencies", () => {
    fc.assert(
      fc.property(acyclic, (steps) => {
        const dag = graph(...steps);
        const place = new Map(Array.from(dag.order, (at, position) => [at, position]));
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

  it("prints at least one cycle of each tangle, however many cycles another has", () => {
    const size = LIMITS.workflow.dagProblems + 10;
    const spokes = Array.from({ length: size }, (_, at) => step(`s${at}`, "hub"));
    const hub = step("hub", ...spokes.map(({ stepId }) => stepId));
    const built = buildDag([hub, ...spokes, step("x", "y"), step("y", "x")]);
    expect(built.ok).toBe(false);
    if (built.ok) return;
    expect(built.problems.length).toBe(LIMITS.workflow.dagProblems);
    expect(built.problems.at(-1)).toBe("it has a cycle: x -> y -> x");
    expect(built.count).toBe(size + 1);
  });

  it("prints no second cycle that is broken with the first", () => {
    const steps = [step("a", "b", "c"), step("b", "a"), step("c", "b")];
    expect(problems(...steps)).toEqual(["it has a cycle: a -> b -> a"]);
  });

  it("prints a cycle once that is the shortest through two edges", () => {
    const steps = [
      step("a", "p", "d"),
      step("p", "q"),
      step("q", "b"),
      step("b", "c"),
      step("c", "a", "y"),
      step("y", "z"),
      step("z", "d"),
      step("d", "b"),
    ];
    expect(problems(...steps)).toEqual(["it has a cycle: a -> d -> b -> c -> a"]);
  });

  it("knows a step that depends on itself by its id, also when another has that id", () => {
    expect(problems(step("a"), step("a", "a"))).toEqual([
      'step id "a" is used 2 times',
      'step "a" depends on itself',
    ]);
  });

  it("prints the shortest cycle through the edge that closes one", () => {
    // The search goes a, b, c, d first and meets the long way round.
    expect(problems(step("a", "b", "d"), step("b", "c"), step("c", "d"), step("d", "a"))).toEqual([
      "it has a cycle: a -> d -> a",
    ]);
  });

  it("prints cycles that are cycles, one in each tangle, and says nothing where there is none", () => {
    const rows = fc.array(fc.array(fc.nat(11), { maxLength: 3 }), { minLength: 12, maxLength: 12 });
    fc.assert(
      fc.property(rows, (edges) => {
        const steps = edges.map((row, at) =>
          step(`s${at}`, ...row.filter((to) => to !== at).map((to) => `s${to}`)),
        );
        const cycles = problems(...steps).map((text) =>
          text
            .replace("it has a cycle: ", "")
            .split(" -> ")
            .map((id) => Number(id.slice(1))),
        );
        for (const cycle of cycles) {
          expect(cycle.at(0)).toBe(cycle.at(-1));
          expect(new Set(cycle).size).toBe(cycle.length - 1);
          for (const [at, to] of cycle.slice(1).entries()) expect(edges[cycle[at] ?? 0]).toContain(to);
        }
        const reaches = edges.map((_, from) => reachable(edges, from));
        edges.forEach((_, at) => {
          const isOnOne = reaches[at]?.has(at) ?? false;
          const tangle = edges.flatMap((_, to) => (reaches[at]?.has(to) && reaches[to]?.has(at) ? [to] : []));
          const printed = cycles.some((cycle) => cycle.some((member) => tangle.includes(member)));
          expect(printed).toBe(isOnOne);
        });
        expect(new Set(cycles.map(String)).size).toBe(cycles.length);
      }),
    );
  });

  it("lists actions that there are not beside all other problems", () => {
    const steps = [{ ...step("a"), action: "load" }, { ...step("b", "zz"), action: "laod" }, step("c")];
    expect(problemsWith({ actions: ["save", "load"] }, steps)).toEqual([
      'step "b": there is no action "laod"; there are: load, save',
      'step "b" depends on "zz", which is no step of this workflow',
    ]);
    expect(problemsWith({ actions: Array.from({ length: 25 }, (_, at) => `a${at + 10}`) }, steps)[0]).toMatch(
      /there are: a10, .*, a29 and 5 more$/,
    );
  });

  it("tells so many problems and counts all", () => {
    const many = Array.from({ length: LIMITS.workflow.dagProblems + 5 }, (_, at) => step(`s${at}`, "zz"));
    const built = buildDag(many);
    expect(built.ok ? 0 : [built.problems.length, built.count]).toEqual([
      LIMITS.workflow.dagProblems,
      LIMITS.workflow.dagProblems + 5,
    ]);
  });

  it("cuts what a program without types may name as long as it likes", () => {
    const [problem = ""] = problems(step("a", "x".repeat(100_000)));
    expect(problem.length).toBeLessThan(400);
    const wrong = [null, { stepId: 1, dependsOn: [] }, { stepId: "a" }, { stepId: "b", dependsOn: [1] }];
    expect(problems(...(wrong as unknown as DagStep[]))).toEqual([
      "the step at position 0 has no text as its stepId",
      "the step at position 1 has no text as its stepId",
      "the step at position 2 has no array of texts as its dependsOn",
      "the step at position 3 has no array of texts as its dependsOn",
    ]);
  });

  it("takes as many steps and edges as it is allowed, up to a limit", () => {
    const three = [step("a"), step("b", "a"), step("c", "a", "b")];
    expect(problemsWith({ stepsMax: 3, edgesMax: 3 }, three)).toEqual([]);
    expect(problemsWith({ stepsMax: 2 }, three)).toEqual(["it has 3 steps; at most 2 are allowed"]);
    expect(problemsWith({ edgesMax: 2 }, three)).toEqual([
      "its steps name 3 dependencies; at most 2 are allowed",
    ]);
    for (const name of ["stepsMax", "edgesMax"] as const) {
      const most = name === "stepsMax" ? LIMITS.workflow.dagSteps : LIMITS.workflow.dagEdges;
      expect(problemsWith({ [name]: most }, three)).toEqual([]);
      for (const value of [0, most + 1, 1.5]) {
        expect(() => buildDag(three, { [name]: value })).toThrow(`${name} is ${value}`);
      }
    }
  });

  it("holds the ids apart whose hashes are the same", () => {
    // By search: these two have one hash.
    const [one, other] = COLLIDING;
    const dag = graph(step(one), step("b", other, one), step(other));
    expect(ids(dag, dag.dependencies(1))).toEqual([one, other]);
    expect(problems(step(one), step("b", other))).toEqual([
      `step "b" depends on "${other}", which is no step of this workflow`,
    ]);
  });

  it("without some edges is the graph that has not got them", () => {
    const whole = graph(step("a"), step("b", "a"), step("c", "a", "b"));
    const rest = whole.without([{ stepId: "c", dependsOn: "b" }]);
    expect(rest.levels).toEqual([[0], [1, 2]]);
    expect(whole.levels).toEqual([[0], [1], [2]]);
    expect([rest.edgeCount, whole.edgeCount]).toEqual([2, 3]);
    for (const [stepId, dependsOn] of [
      ["a", "b"],
      ["a", "zz"],
    ] as const) {
      expect(() => whole.without([{ stepId, dependsOn }])).toThrow(`"${stepId}" on "${dependsOn}"`);
    }
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

  it("takes a chain of a million steps without running out of stack, and one of 100,000 with its ring", () => {
    const million = Array.from({ length: 1_000_000 }, (_, at) =>
      step(`s${at}`, ...(at === 0 ? [] : [`s${at - 1}`])),
    );
    const built = buildDag(million, { stepsMax: 1_000_000 });
    expect(built.ok && built.dag.levelCount).toBe(1_000_000);
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
