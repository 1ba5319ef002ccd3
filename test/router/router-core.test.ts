import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import { LIMITS } from "../../src/errors/index.ts";
import { OTHER_TOOLS, type ToolFigures, type ToolMeasurement } from "../../src/router/index.ts";
import { RouterCore } from "../../src/router/router.core.ts";

function figuresOf(core: RouterCore, tool: string): ToolFigures | undefined {
  return core.figures().find((figures) => figures.tool === tool);
}

describe("the figures of tool calls", () => {
  it("count every call and every failure, and take percentiles by nearest rank", () => {
    const core = new RouterCore();
    for (const durationMs of [15, 20, 35, 40, 50]) {
      core.measured({ tool: "queue_stats", durationMs, ok: durationMs !== 20 });
    }
    expect(core.figures()).toEqual([
      { tool: "queue_stats", calls: 5, failures: 1, p50Ms: 35, p95Ms: 50, p99Ms: 50, maxMs: 50 },
    ]);
  });

  it("of a single call are that call", () => {
    const core = new RouterCore();
    core.measured({ tool: "a", durationMs: 0, ok: true });
    expect(core.figures()).toEqual([
      { tool: "a", calls: 1, failures: 0, p50Ms: 0, p95Ms: 0, p99Ms: 0, maxMs: 0 },
    ]);
  });

  it("say what at least so many percent of the last calls did not exceed, and always a duration that occurred", () => {
    fc.assert(
      fc.property(
        fc.array(fc.integer({ min: 0, max: 50 }), { minLength: 1, maxLength: 1_200, size: "max" }),
        (durations) => {
          const core = new RouterCore();
          for (const durationMs of durations) core.measured({ tool: "a", durationMs, ok: true });
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
    core.measured({ tool: "a", durationMs: 9_000, ok: true });
    for (let call = 1; call < LIMITS.router.windowCalls; call++)
      core.measured({ tool: "a", durationMs: 1, ok: true });
    expect(figuresOf(core, "a")?.maxMs).toBe(9_000);
    core.measured({ tool: "a", durationMs: 1, ok: true });
    expect(figuresOf(core, "a")).toMatchObject({ calls: 1_001, maxMs: 1 });
  });

  it("are sorted by the tool's name", () => {
    const core = new RouterCore();
    for (const tool of ["b", "c", "a"]) core.measured({ tool, durationMs: 1, ok: true });
    expect(core.figures().map((figures) => figures.tool)).toEqual(["a", "b", "c"]);
  });

  it("are kept for 1,000 tools by name, and for all later ones together", () => {
    const core = new RouterCore();
    for (let tool = 0; tool < LIMITS.router.tools; tool++)
      core.measured({ tool: `t${tool}`, durationMs: 1, ok: true });
    expect(figuresOf(core, OTHER_TOOLS)).toBeUndefined();
    core.measured({ tool: "one more", durationMs: 7, ok: true });
    core.measured({ tool: "and another", durationMs: 8, ok: false });
    core.measured({ tool: "t0", durationMs: 5, ok: true });
    expect(figuresOf(core, OTHER_TOOLS)).toMatchObject({ calls: 2, failures: 1, maxMs: 8 });
    expect(figuresOf(core, "t0")).toMatchObject({ calls: 2 });
    expect(core.stats()).toEqual({ tools: 1_000, measured: 1_003, refused: 0 });
  });

  it("of a tool that is itself called other join those of all later ones and take no tool's place", () => {
    const core = new RouterCore();
    core.measured({ tool: OTHER_TOOLS, durationMs: 1, ok: true });
    for (let tool = 0; tool <= LIMITS.router.tools; tool++)
      core.measured({ tool: `t${tool}`, durationMs: 1, ok: true });
    expect(figuresOf(core, OTHER_TOOLS)?.calls).toBe(2);
    expect(core.stats().tools).toBe(1_000);
  });
});

describe("a malformed measurement", () => {
  const good = { tool: "a", durationMs: 1, ok: true };
  const malformed: [string, unknown][] = [
    ["a duration that is no number", { ...good, durationMs: NaN }],
    ["a negative duration", { ...good, durationMs: -0.001 }],
    ["an infinite duration", { ...good, durationMs: Infinity }],
    ["a duration in text", { ...good, durationMs: "1" }],
    ["no tool", { durationMs: 1, ok: true }],
    ["an empty name", { ...good, tool: "" }],
    ["a name of 129 characters", { ...good, tool: "x".repeat(129) }],
    ["no outcome", { tool: "a", durationMs: 1 }],
    ["null", null],
    ["nothing", undefined],
  ];

  it.each(malformed)("with %s is counted as refused and changes no figure", (_, measurement) => {
    const core = new RouterCore();
    core.measured(measurement as ToolMeasurement);
    expect(core.figures()).toEqual([]);
    expect(core.stats()).toEqual({ tools: 0, measured: 0, refused: 1 });
  });

  it("is not one with a name of 128 characters", () => {
    const core = new RouterCore();
    core.measured({ ...good, tool: "x".repeat(128) });
    expect(core.stats()).toEqual({ tools: 1, measured: 1, refused: 0 });
  });
});
