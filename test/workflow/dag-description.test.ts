import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import { LIMITS } from "../../src/errors/index.ts";
import { describeDag, dotOf, mermaidOf } from "../../src/workflow/dag-description.ts";
import { acyclic, graph, ids, step } from "./kit/graphs.ts";

const dag = graph(
  step("fetch"),
  step("parse", "fetch"),
  step("check", "fetch"),
  step("save", "parse", "check"),
);
const durationsMs = [400, 900, 100, 50];

/** Ids that mean something to one of the languages, or to a page. */
const HOSTILE = [
  `"]`,
  "end",
  "a\nb",
  "a\\",
  `\\N\\"`,
  "&quot;",
  "#quot;",
  "<script>alert(1)</script>",
  "--> x",
  "`md`",
  "subgraph",
  "%%{init: {}}%%",
  "ünï\u{1f600}",
  "\u202eevil",
  "n0",
  "style n0 fill:red;",
  "1. list",
  "<br/>",
];

describe("the description of a graph", () => {
  it("has nodes with their times, edges, levels and the critical path", () => {
    const described = describeDag(dag, {
      durationsMs,
      about: (stepId) => (stepId === "fetch" ? { action: "load", state: "completed" } : {}),
    });
    expect(described.nodes[0]).toEqual({
      id: "fetch",
      level: 0,
      critical: true,
      action: "load",
      state: "completed",
      durationMs: 400,
      earliestStartMs: 0,
      latestStartMs: 0,
      totalSlackMs: 0,
      freeSlackMs: 0,
    });
    expect(described.nodes[2]).toMatchObject({ id: "check", critical: false, totalSlackMs: 800 });
    expect(described.edges).toEqual([
      { from: "fetch", to: "parse", critical: true },
      { from: "fetch", to: "check", critical: false },
      { from: "parse", to: "save", critical: true },
      { from: "check", to: "save", critical: false },
    ]);
    expect(described).toMatchObject({
      levels: [["fetch"], ["parse", "check"], ["save"]],
      criticalPath: ["fetch", "parse", "save"],
      criticalPathMs: 1_350,
      leftOut: { nodes: 0, edges: 0, criticalPath: 0 },
    });
    expect(JSON.parse(JSON.stringify(described))).toEqual(described);
  });

  it("marks the edges of the critical path, and none that only joins two of its steps", () => {
    const short = graph(step("a"), step("b", "a"), step("c", "a", "b"));
    const marked = describeDag(short).edges.filter(({ critical }) => critical);
    expect(marked.map(({ from, to }) => from + to)).toEqual(["ab", "bc"]);
  });

  it("without durations takes every step alike and gives no times", () => {
    const described = describeDag(dag);
    expect(described.criticalPath).toEqual(["fetch", "parse", "save"]);
    expect(described.nodes[0]).toEqual({ id: "fetch", level: 0, critical: true });
    expect(described).not.toHaveProperty("criticalPathMs");
  });

  it("that is cut has what its steps depend on, and counts what it has not", () => {
    fc.assert(
      fc.property(acyclic, fc.integer({ min: 1, max: 30 }), (steps, stepsMax) => {
        const random = graph(...steps);
        const described = describeDag(random, { stepsMax });
        const known = new Set(described.nodes.map(({ id }) => id));
        for (const { from, to } of described.edges) expect(known.has(from) && known.has(to)).toBe(true);
        expect(described.leftOut).toMatchObject({
          nodes: Math.max(0, steps.length - stepsMax),
          edges: random.edgeCount - described.edges.length,
        });
        expect(described.levels.flat()).toEqual(ids(random, random.order).slice(0, stepsMax));
      }),
    );
  });

  it("is bounded in steps and edges", () => {
    const { dagPrintedSteps: most, dagPrintedEdges: edgesMax } = LIMITS.workflow;
    const chain = Array.from({ length: most + 1 }, (_, at) =>
      step(`s${at}`, ...(at === 0 ? [] : [`s${at - 1}`])),
    );
    const long = describeDag(graph(...chain));
    expect([long.nodes.length, long.criticalPath.length]).toEqual([most, most]);
    expect(long.leftOut).toEqual({ nodes: 1, edges: 1, criticalPath: 1 });
    for (const stepsMax of [0, most + 1]) {
      expect(() => describeDag(dag, { stepsMax })).toThrow(`stepsMax is ${stepsMax}`);
    }
    const first = Array.from({ length: 100 }, (_, at) => step(`a${at}`));
    const second = Array.from({ length: 101 }, (_, at) =>
      step(`b${at}`, ...first.map(({ stepId }) => stepId)),
    );
    const dense = describeDag(graph(...first, ...second));
    expect(dense.edges.length).toBe(edgesMax);
    expect(dense.leftOut).toMatchObject({ nodes: 0, edges: 100 });
    expect(dotOf(dense)).toContain("0 more steps and 100 more dependencies");
    expect(mermaidOf(dense)).toContain("0 more steps and 100 more dependencies");
  });
});

describe("DOT", () => {
  it("names nodes by their place, with ids as labels and the critical path drawn bold", () => {
    expect(dotOf(describeDag(dag, { durationsMs }))).toBe(
      [
        "digraph {",
        "  rankdir=LR;",
        '  node [shape=box, style=rounded, fontname="sans-serif"];',
        '  n0 [label="fetch\\n400 ms", penwidth=2.5];',
        '  n1 [label="parse\\n900 ms", penwidth=2.5];',
        '  n2 [label="check\\n100 ms"];',
        '  n3 [label="save\\n50 ms", penwidth=2.5];',
        '  n0 -> n1 [color="#c2410c", penwidth=2.5];',
        "  n0 -> n2;",
        '  n1 -> n3 [color="#c2410c", penwidth=2.5];',
        "  n2 -> n3;",
        "}",
        "",
      ].join("\n"),
    );
  });

  it.each(HOSTILE)("holds the id %j as text of one label", (id) => {
    const line = dotOf(describeDag(graph(step(id)))).split("\n")[3] ?? "";
    const [, label = ""] = /^ {2}n0 \[label="((?:[^"\\]|\\["\\])*)", penwidth=2.5\];$/.exec(line) ?? [];
    expect(label).not.toMatch(/&(?!amp;)/);
    const read = label.replace(/\\(["\\])/g, "$1").replaceAll("&amp;", "&");
    expect(read).toBe(id.replace("\n", "␊").replace("\u202e", "<U+202E>"));
  });
});

describe("Mermaid", () => {
  it("names nodes by their place, with ids as labels, states as classes and the critical path drawn bold", () => {
    const about = (stepId: string) => (stepId === "save" ? ({ state: "failed" } as const) : {});
    expect(mermaidOf(describeDag(dag, { durationsMs, about }))).toBe(
      [
        "flowchart LR",
        '  n0["fetch<br/>400 ms"]',
        '  n1["parse<br/>900 ms"]',
        '  n2["check<br/>100 ms"]',
        '  n3["save<br/>failed #183; 50 ms"]:::failed',
        "  n0 --> n1",
        "  n0 --> n2",
        "  n1 --> n3",
        "  n2 --> n3",
        "  classDef failed stroke:#cf4b3e",
        "  linkStyle 0,2 stroke:#c2410c,stroke-width:3px",
        "",
      ].join("\n"),
    );
  });

  it.each(HOSTILE)("holds the id %j as text of one label", (id) => {
    const line = mermaidOf(describeDag(graph(step(id)))).split("\n")[1] ?? "";
    const [, label = ""] = /^ {2}n0\["((?:[\p{L}\p{M}\p{N} ]|#\d+;)*)"\]$/u.exec(line) ?? [];
    const read = label.replace(/#(\d+);/g, (_, code: string) => String.fromCodePoint(Number(code)));
    expect(read).toBe(id.replace("\n", "␊").replace("\u202e", "<U+202E>"));
  });
});
