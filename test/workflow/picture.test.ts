import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import { LIMITS } from "../../src/errors/index.ts";
import { dagPicture } from "../../src/workflow/picture.ts";
import type { StepState, StepStatus } from "../../src/workflow/workflow.protocol.ts";

const step = (
  stepId: string,
  dependsOn: readonly string[] = [],
  rest: Partial<StepStatus> = {},
): StepStatus => ({
  stepId,
  action: "work",
  dependsOn,
  state: "completed",
  cached: false,
  reused: false,
  compensation: null,
  workerId: null,
  items: null,
  progress: 1,
  attempt: 1,
  startedAtMs: 1_000,
  endedAtMs: 1_012,
  error: null,
  ...rest,
});

/** Steps that depend on earlier ones only, listed in any order. */
const graphs = fc
  .array(fc.uniqueArray(fc.nat(20), { maxLength: 4 }), { minLength: 1, maxLength: 16 })
  .map((wishes) => {
    const before = (index: number, wish: readonly number[]): string[] => [
      ...new Set(index === 0 ? [] : wish.map((each) => `s${each % index}`)),
    ];
    return wishes.map((wish, index) => step(`s${index}`, before(index, wish)));
  })
  .chain((steps) => fc.shuffledSubarray(steps, { minLength: steps.length, maxLength: steps.length }));

interface Box {
  readonly id: string;
  readonly left: number;
  readonly top: number;
  readonly width: number;
  readonly height: number;
}

function boxesOf(svg: string): Box[] {
  const pattern =
    /<title>([^,]+),.*?<rect class="dag-box" x="([-\d.]+)" y="([-\d.]+)" width="([\d.]+)" height="([\d.]+)"/g;
  return [...svg.matchAll(pattern)].map(([, id = "", ...sizes]) => {
    const [left = 0, top = 0, width = 0, height = 0] = sizes.map(Number);
    return { id, left, top, width, height };
  });
}

/** The middle of each step's symbol. */
function symbolsOf(svg: string): { id: string; x: number; y: number }[] {
  return [...svg.matchAll(/<title>([^,]+),.*?<g transform="translate\(([-\d.]+) ([-\d.]+)\)"/g)].map(
    ([, id = "", x, y]) => ({ id, x: Number(x), y: Number(y) }),
  );
}

const edgesOf = (svg: string): string => /<path class="dag-edge" d="([^"]*)"/.exec(svg)?.[1] ?? "";
const sizeOf = (svg: string): [number, number] => {
  const [, width, height] = /viewBox="0 0 (\d+) (\d+)"/.exec(svg) ?? [];
  return [Number(width), Number(height)];
};

describe("the picture of a run, drawn across", () => {
  it("shows each step once with its id, its action and how long it took", () => {
    const svg = dagPicture([step("fetch"), step("parse", ["fetch"], { action: "read_csv" })]);
    expect(boxesOf(svg).map(({ id }) => id)).toEqual(["fetch", "parse"]);
    expect(svg).toContain(">parse</text>");
    expect(svg).toContain(">read_csv · 12 ms</text>");
  });

  it("puts every step to the right of all that it depends on", () => {
    fc.assert(
      fc.property(graphs, (steps) => {
        const left = new Map(boxesOf(dagPicture(steps)).map((box) => [box.id, box.left]));
        for (const { stepId, dependsOn } of steps) {
          for (const id of dependsOn) expect(left.get(id)).toBeLessThan(left.get(stepId) ?? 0);
        }
      }),
    );
  });

  it("lets no box overlap another or leave the picture, whatever the graph", () => {
    fc.assert(
      fc.property(graphs, (steps) => {
        const svg = dagPicture(steps);
        const [width, height] = sizeOf(svg);
        const boxes = boxesOf(svg);
        expect(boxes).toHaveLength(steps.length);
        for (const [index, one] of boxes.entries()) {
          expect(Math.min(one.left, one.top)).toBeGreaterThanOrEqual(0);
          expect(one.left + one.width).toBeLessThanOrEqual(width);
          expect(one.top + one.height).toBeLessThanOrEqual(height);
          for (const other of boxes.slice(index + 1)) {
            const apart = one.left !== other.left || Math.abs(one.top - other.top) >= one.height;
            expect(apart, `${one.id} and ${other.id} overlap`).toBe(true);
          }
        }
      }),
    );
  });

  it("leads the line of a far dependency past the boxes in between, never through one", () => {
    fc.assert(
      fc.property(graphs, (steps) => {
        const svg = dagPicture(steps);
        const boxes = boxesOf(svg);
        for (const [, x, y] of edgesOf(svg).matchAll(/M([-\d.]+) ([-\d.]+)H/g)) {
          const inColumn = boxes.filter((box) => box.left === Number(x));
          const hit = inColumn.find((box) => Number(y) > box.top && Number(y) < box.top + box.height);
          expect(hit, `the line at ${x}, ${y}`).toBeUndefined();
        }
      }),
    );
  });

  it("draws one arrow head for each dependency, and one shared line for the far ones of a step", () => {
    const svg = dagPicture([
      step("a"),
      step("b", ["a"]),
      step("c", ["b"]),
      step("d", ["c", "a"]),
      step("e", ["c", "a"]),
    ]);
    expect(edgesOf(svg).match(/m-6 -4l6 4l-6 4/g)).toHaveLength(6);
    expect(edgesOf(svg).match(/H/g)).toHaveLength(2);
  });

  it("untangles lines that would cross in the order of the definition", () => {
    const svg = dagPicture([step("a"), step("b"), step("of_b", ["b"]), step("of_a", ["a"])]);
    const top = new Map(boxesOf(svg).map((box) => [box.id, box.top]));
    expect(top.get("of_a")).toBe(top.get("a"));
    expect(top.get("of_b")).toBe(top.get("b"));
  });

  it("leaves out dependencies that are not there or close a cycle, and still shows every step", () => {
    const steps = [step("a", ["b"]), step("b", ["a"]), step("c", ["gone"]), step("d", ["d", "c", "c"])];
    const svg = dagPicture(steps);
    expect(boxesOf(svg)).toHaveLength(4);
    expect(edgesOf(svg).match(/C/g)).toHaveLength(1);
  });

  it("is an empty picture with its title when the run has no steps", () => {
    const svg = dagPicture([], { title: "Nothing yet" });
    expect(svg).toContain('aria-label="Nothing yet"');
    expect(sizeOf(svg).every((size) => size > 0)).toBe(true);
    expect(svg).not.toMatch(/NaN|Infinity/);
  });
});

describe("the picture of a run, drawn down", () => {
  const down = (steps: readonly StepStatus[]): string => dagPicture(steps, { direction: "down" });

  it("gives each step a line of its own, below all that it depends on", () => {
    fc.assert(
      fc.property(graphs, (steps) => {
        const y = new Map(symbolsOf(down(steps)).map((symbol) => [symbol.id, symbol.y]));
        expect(new Set(y.values()).size).toBe(steps.length);
        for (const { stepId, dependsOn } of steps) {
          for (const id of dependsOn) expect(y.get(id)).toBeLessThan(y.get(stepId) ?? 0);
        }
      }),
    );
  });

  it("leads no line through the symbol of a step that it does not belong to", () => {
    fc.assert(
      fc.property(graphs, (steps) => {
        const svg = down(steps);
        const symbols = symbolsOf(svg);
        const strokes =
          /M([-\d.]+) ([-\d.]+)V([-\d.]+)C[-\d.]+ [-\d.]+ [-\d.]+ [-\d.]+ ([-\d.]+) ([-\d.]+)V([-\d.]+)/g;
        const lines = [...edgesOf(svg).matchAll(strokes)];
        expect(lines).toHaveLength(edgesOf(svg).match(/M/g)?.length ?? 0);
        for (const [, ...parts] of lines) {
          const [fromX, fromY, bend, toX, end, toY] = parts.map(Number) as [
            number,
            number,
            number,
            number,
            number,
            number,
          ];
          const within = (
            symbol: { x: number; y: number },
            x: number,
            top: number,
            bottom: number,
          ): boolean => symbol.x === x && symbol.y > top && symbol.y < bottom;
          const hit = symbols.find(
            (symbol) =>
              within(symbol, fromX, fromY, bend) ||
              within(symbol, toX, end, toY) ||
              (symbol.y > bend && symbol.y < end),
          );
          expect(hit).toBeUndefined();
        }
      }),
    );
  });

  it("keeps the width of a phone, however many steps stand side by side", () => {
    const wide = Array.from({ length: 60 }, (_, index) => step(`s${index}`));
    expect(sizeOf(down(wide))[0]).toBe(sizeOf(down([step("s0")]))[0]);
    expect(Math.max(...symbolsOf(down(wide)).map(({ x }) => x))).toBeLessThan(150);
  });
});

describe("the picture of a step", () => {
  const STATES: readonly StepState[] = [
    "pending",
    "ready",
    "running",
    "completed",
    "failed",
    "skipped",
    "cancelled",
  ];
  const symbolOf = (one: StepStatus): string =>
    /<g transform="[^"]*">(.*?)<\/g>/.exec(dagPicture([one]))?.[1] ?? "";

  it("has a shape of its own for each state, so that colour is never the only sign", () => {
    const shapes = STATES.map((state) => symbolOf(step("s", [], { state })));
    shapes.push(symbolOf(step("s", [], { cached: true })));
    expect(new Set(shapes.map((shape) => shape.replace(/class="[^"]*"/g, ""))).size).toBe(STATES.length + 1);
  });

  it.each([
    [{ cached: true }, "work · from cache"],
    [{ state: "running", progress: 0.456, endedAtMs: null }, "work · running 45 %"],
    [{ state: "failed", attempt: 2 }, "work · failed · 12 ms"],
    [{ state: "skipped", startedAtMs: null, endedAtMs: null }, "work · skipped"],
    [{ endedAtMs: 1_001_000 }, "work · 1,000,000 ms"],
    [{ endedAtMs: 900 }, "work · 0 ms"],
  ] satisfies [Partial<StepStatus>, string][])("with %o says %s", (rest, caption) => {
    expect(dagPicture([step("s", [], rest)])).toContain(`>${caption}</text>`);
  });

  it("tells the attempt and the reason of a failure to whoever points at it", () => {
    const error = { code: "DEFECT", message: "the disk is full", details: {} } as const;
    const svg = dagPicture([step("save", [], { state: "failed", attempt: 3, error })]);
    expect(svg).toContain("<title>save, action work: failed · 12 ms, attempt 3 (the disk is full)</title>");
  });

  it("escapes every text that comes from outside", () => {
    const evil = `"><script>alert('&')</script>`;
    const error = { code: "DEFECT", message: evil, details: {} } as const;
    const steps = [step(evil, [], { action: evil, state: "failed", error })];
    for (const direction of ["across", "down"] as const) {
      const svg = dagPicture(steps, { direction, title: evil });
      expect(svg).not.toContain("<script");
      expect(svg).not.toContain(`"&gt;<`);
      expect(svg).toContain("&lt;script&gt;alert(&#39;&amp;&#39;)");
    }
  });

  it("cuts a long name between two characters and keeps the whole one for whoever points at it", () => {
    const id = `${"👩‍👩‍👧".repeat(60)}end`;
    const svg = dagPicture([step(id)]);
    const [, shown = ""] = /<text class="dag-id"[^>]*>([^<]*)</.exec(svg) ?? [];
    expect(shown).toMatch(/^(?:👩‍👩‍👧)+…$/u);
    expect(svg).toContain(`<title>${id}, action`);
  });

  it("is drawn the same way every time, and names nothing outside itself", () => {
    const steps = [step("a"), step("b", ["a"])];
    expect(dagPicture(steps)).toBe(dagPicture(steps));
    expect(dagPicture(steps)).not.toMatch(/https?:|url\(|@import|href|\bid=/);
  });
});

describe("a critical path in a picture", () => {
  const steps = [
    step("a"),
    step("b", ["a"]),
    step("c", ["b"]),
    step("far", ["a", "c"]),
    step("beside", ["a"]),
  ];
  const criticalOf = (svg: string): string =>
    /<path class="dag-edge dag-critical" d="([^"]*)"/.exec(svg)?.[1] ?? "";
  const partsOf = (path: string): number => path.match(/M/g)?.length ?? 0;

  it.each(["across", "down"] as const)(
    "is drawn %s over all other edges, and each edge once",
    (direction) => {
      const plain = dagPicture(steps, { direction });
      expect(criticalOf(plain)).toBe("");
      const marked = dagPicture(steps, { direction, critical: ["a", "b", "c", "far"] });
      expect(partsOf(criticalOf(marked))).toBeGreaterThanOrEqual(3);
      expect(marked.indexOf('dag-critical" d=')).toBeGreaterThan(marked.indexOf('dag-edge" d='));
      const pieces = (path: string): string[] => path.split(/(?=M)/).filter((each) => each !== "");
      expect([...pieces(edgesOf(marked)), ...pieces(criticalOf(marked))].toSorted()).toEqual(
        pieces(edgesOf(plain)).toSorted(),
      );
    },
  );

  it.each(["across", "down"] as const)("follows a far edge through all that it passes, %s", (direction) => {
    // One edge: out of a, by the passages beside b and c, into far; across, each passage is a piece more.
    const far = criticalOf(dagPicture(steps, { direction, critical: ["a", "far"] }));
    expect(partsOf(far)).toBe(direction === "across" ? 5 : 3);
  });

  it("is left out where its steps do not follow on each other", () => {
    for (const critical of [
      ["b", "beside", "zz", "a"],
      ["a", "c"],
    ]) {
      expect(criticalOf(dagPicture(steps, { critical }))).toBe("");
    }
  });
});

describe("a picture of steps that never ran", () => {
  it("shows ids and durations, and says no state", () => {
    const svg = dagPicture([
      { stepId: "a", dependsOn: [], durationMs: 1_200 },
      { stepId: "b", dependsOn: ["a"] },
    ]);
    expect(svg).toContain(">1,200 ms</text>");
    expect(svg).toContain('aria-label="Steps and their dependencies. a: 1,200 ms; b"');
    expect(svg).toContain("<title>b</title>");
    expect(svg).not.toContain("undefined");
  });
});

describe("a picture of too many steps", () => {
  const most = LIMITS.workflow.dagPicturedSteps;
  const many = (count: number): StepStatus[] =>
    Array.from({ length: count }, (_, at) =>
      step(`s${count - at}`, at === count - 1 ? [] : [`s${count - at - 1}`]),
    );

  it.each(["across", "down"] as const)("has the first ones and says how many it has not, %s", (direction) => {
    const svg = dagPicture(many(7), { direction, stepsMax: 5 });
    expect(
      symbolsOf(svg)
        .map(({ id }) => id)
        .toSorted(),
    ).toEqual(["s1", "s2", "s3", "s4", "s5"]);
    expect(svg).toContain(">2 more steps are not shown</text>");
    expect(svg).toContain('; 2 more steps are not shown">');
    expect(dagPicture(many(6), { direction, stepsMax: 5 })).toContain(">1 more step is not shown</text>");
    expect(dagPicture(many(5), { direction, stepsMax: 5 })).not.toContain("not shown");
  });

  it("has a limit", () => {
    expect(symbolsOf(dagPicture(many(most), { direction: "down" })).length).toBe(most);
    expect(symbolsOf(dagPicture(many(most + 1), { direction: "down" })).length).toBe(most);
    for (const stepsMax of [0, most + 1]) {
      expect(() => dagPicture([], { stepsMax })).toThrow(`stepsMax is ${stepsMax}`);
    }
  });
});

it("control characters in a picture can be seen", () => {
  const svg = dagPicture([step("a\nb\u0000\u202e", [], { action: "x\ty" })]);
  expect(svg).toContain("<title>a␊b␀&lt;U+202E&gt;, action x␉y");
});

it("parts of a picture that nothing joins stand close together", () => {
  const fan = ["b", "c", "d", "e", "f"].map((id) => step(id, ["a"]));
  const boxes = boxesOf(dagPicture([step("a"), ...fan, step("g", ["b", "c"]), step("x"), step("y", ["x"])]));
  let bottom = 0;
  for (const box of boxes.toSorted((a, b) => a.top - b.top)) {
    expect(box.top - bottom).toBeLessThanOrEqual(16);
    bottom = Math.max(bottom, box.top + box.height);
  }
});
