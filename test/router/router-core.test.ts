import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import { LIMITS } from "../../src/errors/index.ts";
import { OTHER_TOOLS, type ToolFigures, type ToolMeasurement } from "../../src/router/index.ts";
import { RouterCore } from "../../src/router/router.core.ts";

/** A call that succeeded, unless the test says otherwise. */
const measured = (rest: Partial<ToolMeasurement>): ToolMeasurement => ({
  tool: "a",
  runtime: "p2p",
  by: "cache",
  durationMs: 1,
  ok: true,
  ...rest,
});

function figuresOf(core: RouterCore, tool: string): ToolFigures | undefined {
  return core.figures().find((figures) => figures.tool === tool);
}

describe("the figures of tool calls", () => {
  it("count every call and every failure, and take percentiles by nearest rank", () => {
    const core = new RouterCore();
    for (const durationMs of [15, 20, 35, 40, 50]) {
      core.measured(measured({ tool: "queue_stats", durationMs, ok: durationMs !== 20 }));
    }
    expect(core.figures()).toEqual([
      {
        tool: "queue_stats",
        calls: 5,
        failures: 1,
        meanMs: 32,
        minMs: 15,
        p50Ms: 35,
        p95Ms: 50,
        p99Ms: 50,
        maxMs: 50,
      },
    ]);
  });

  it("of a single call are that call", () => {
    const core = new RouterCore();
    core.measured(measured({ tool: "a", durationMs: 0, ok: true }));
    expect(core.figures()).toEqual([
      { tool: "a", calls: 1, failures: 0, meanMs: 0, minMs: 0, p50Ms: 0, p95Ms: 0, p99Ms: 0, maxMs: 0 },
    ]);
  });

  it("say what at least so many percent of the last calls did not exceed, and always a duration that occurred", () => {
    fc.assert(
      fc.property(
        fc.array(fc.integer({ min: 0, max: 50 }), { minLength: 1, maxLength: 1_200, size: "max" }),
        (durations) => {
          const core = new RouterCore();
          for (const durationMs of durations) core.measured(measured({ tool: "a", durationMs, ok: true }));
          const window = durations.slice(-LIMITS.router.windowCalls);
          const naive = (percent: number): number =>
            window
              .toSorted((a, b) => a - b)
              .find(
                (value) => window.filter((each) => each <= value).length * 100 >= percent * window.length,
              ) ?? NaN;
          expect(core.figures()).toEqual([
            {
              tool: "a",
              calls: durations.length,
              failures: 0,
              meanMs: expect.closeTo(
                window.reduce((sum, each) => sum + each, 0) / window.length,
                9,
              ) as number,
              minMs: Math.min(...window),
              p50Ms: naive(50),
              p95Ms: naive(95),
              p99Ms: naive(99),
              maxMs: Math.max(...window),
            },
          ]);
        },
      ),
      { numRuns: 25 },
    );
  });

  it("forget a call once 1,000 later ones of the same tool were measured", () => {
    const core = new RouterCore();
    core.measured(measured({ tool: "a", durationMs: 9_000, ok: true }));
    for (let call = 1; call < LIMITS.router.windowCalls; call++)
      core.measured(measured({ tool: "a", durationMs: 1, ok: true }));
    expect(figuresOf(core, "a")?.maxMs).toBe(9_000);
    core.measured(measured({ tool: "a", durationMs: 1, ok: true }));
    expect(figuresOf(core, "a")).toMatchObject({ calls: 1_001, maxMs: 1 });
  });

  it("are sorted by the tool's name", () => {
    const core = new RouterCore();
    for (const tool of ["b", "c", "a"]) core.measured(measured({ tool, durationMs: 1, ok: true }));
    expect(core.figures().map((figures) => figures.tool)).toEqual(["a", "b", "c"]);
  });

  it("are kept for 1,000 tools by name, and for all later ones together", () => {
    const core = new RouterCore();
    for (let tool = 0; tool < LIMITS.router.tools; tool++)
      core.measured(measured({ tool: `t${tool}`, durationMs: 1, ok: true }));
    expect(figuresOf(core, OTHER_TOOLS)).toBeUndefined();
    core.measured(measured({ tool: "one more", durationMs: 7, ok: true }));
    core.measured(measured({ tool: "and another", durationMs: 8, ok: false }));
    core.measured(measured({ tool: "t0", durationMs: 5, ok: true }));
    expect(figuresOf(core, OTHER_TOOLS)).toMatchObject({ calls: 2, failures: 1, maxMs: 8 });
    expect(figuresOf(core, "t0")).toMatchObject({ calls: 2 });
    expect(core.stats()).toEqual({ tools: 1_000, measured: 1_003, failures: 1, refused: 0 });
  });

  it("of a tool that is itself called other join those of all later ones and take no tool's place", () => {
    const core = new RouterCore();
    core.measured(measured({ tool: OTHER_TOOLS, durationMs: 1, ok: true }));
    for (let tool = 0; tool <= LIMITS.router.tools; tool++)
      core.measured(measured({ tool: `t${tool}`, durationMs: 1, ok: true }));
    expect(figuresOf(core, OTHER_TOOLS)?.calls).toBe(2);
    expect(core.stats().tools).toBe(1_000);
  });
});

describe("the figures of runtimes", () => {
  it("are those of its tools together, with its share of all calls, and only of runtimes that were used", () => {
    const core = new RouterCore();
    expect(core.runtimes()).toEqual([]);
    for (const [tool, durationMs] of [
      ["a", 1],
      ["b", 3],
    ] as const)
      core.measured(measured({ tool, durationMs, ok: tool === "a" }));
    expect(core.runtimes()).toEqual([
      {
        runtime: "p2p",
        percent: 100,
        calls: 2,
        failures: 1,
        meanMs: 2,
        minMs: 1,
        p50Ms: 1,
        p95Ms: 3,
        p99Ms: 3,
        maxMs: 3,
      },
    ]);
    core.measured(measured({ runtime: "general", by: "default" }));
    core.measured(measured({ runtime: "general", by: "default" }));
    expect(core.runtimes().map(({ runtime, percent }) => [runtime, percent])).toEqual([
      ["p2p", 50],
      ["general", 50],
    ]);
  });

  it("say what they were detected by", () => {
    const core = new RouterCore();
    for (const by of ["registry", "cache", "cache"] as const) core.measured(measured({ by }));
    core.measured(measured({ by: "default", runtime: "general" }));
    expect(core.detections()).toEqual({
      detections: 4,
      cacheHits: 2,
      cacheMisses: 2,
      byRuntime: { general: 1, p2p: 3, compute: 0 },
      byStep: { cache: 2, registry: 1, metadata: 0, module: 0, name: 0, default: 1 },
    });
  });
});

describe("a malformed measurement", () => {
  const good = measured({});
  const malformed: [string, unknown][] = [
    ["a duration that is no number", { ...good, durationMs: NaN }],
    ["a negative duration", { ...good, durationMs: -0.001 }],
    ["an infinite duration", { ...good, durationMs: Infinity }],
    ["a duration in text", { ...good, durationMs: "1" }],
    ["no tool", { ...good, tool: undefined }],
    ["an empty name", { ...good, tool: "" }],
    ["a name of 129 characters", { ...good, tool: "x".repeat(129) }],
    ["no outcome", { ...good, ok: undefined }],
    ["a runtime that there is not", { ...good, runtime: "auto" }],
    ["a step that there is not", { ...good, by: "guess" }],
    ["null", null],
    ["nothing", undefined],
  ];

  it.each(malformed)("with %s is counted as refused and changes no figure", (_, measurement) => {
    const core = new RouterCore();
    core.measured(measurement);
    expect(core.figures()).toEqual([]);
    expect(core.stats()).toEqual({ tools: 0, measured: 0, failures: 0, refused: 1 });
    expect(core.runtimes()).toEqual([]);
    expect(core.detections().detections).toBe(0);
  });

  it("is not one with a name of 128 characters", () => {
    const core = new RouterCore();
    core.measured(measured({ ...good, tool: "x".repeat(128) }));
    expect(core.stats()).toEqual({ tools: 1, measured: 1, failures: 0, refused: 0 });
  });
});
