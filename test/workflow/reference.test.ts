import * as fc from "fast-check";
import { describe, expect, it } from "vitest";

import { packValue, Reference, unpackValue } from "../../src/codec/index.ts";
import { isFault } from "../../src/errors/index.ts";
import type { Wire } from "../../src/schema/index.ts";
import {
  escapeText,
  findReferences,
  parseText,
  resolveInputs,
  type Output,
} from "../../src/workflow/reference.ts";

const outputs =
  (values: Record<string, unknown>) =>
  (stepId: string): Output =>
    Object.hasOwn(values, stepId)
      ? { value: values[stepId] }
      : { missing: `step "${stepId}" is failed and has no output` };

function resolve(inputs: Wire, values: Record<string, unknown> = {}): unknown {
  return resolveInputs("use", inputs, { outputOf: outputs(values), item: null });
}

function refusal(inputs: Wire, values: Record<string, unknown> = {}): { code: string; message: string } {
  try {
    resolve(inputs, values);
  } catch (error) {
    if (isFault(error)) return { code: error.code, message: error.message };
    throw error;
  }
  throw new Error("it was not refused");
}

function problemOf(text: string): string {
  const parsed = parseText(text);
  if (parsed.ok) throw new Error("it was not refused");
  return parsed.problem;
}

describe("the item of a fan-out", () => {
  const ofItem = (inputs: Wire, item: { value: unknown; index: number } | null): unknown =>
    resolveInputs("use", inputs, { outputOf: outputs({}), item });

  it("is put in like an output, and its place as a number", () => {
    const item = { value: { name: "n", rows: [1, 2] }, index: 4 };
    expect(
      ofItem({ a: "${{ item }}", b: "${{ item.rows[1] }}", c: "#${{ index }} ${{ item.name }}" }, item),
    ).toEqual({
      a: item.value,
      b: 2,
      c: "#4 n",
    });
    expect(ofItem("${{ index }}", item)).toBe(4);
  });

  it("has no more parts than it has, and is nothing outside of a fan-out", () => {
    const refused = (inputs: Wire, item: { value: unknown; index: number } | null): unknown => {
      try {
        return ofItem(inputs, item);
      } catch (error) {
        return isFault(error, "REFERENCE_MISSING") ? error.message : error;
      }
    };
    expect(refused("${{ item.zz }}", { value: {}, index: 0 })).toBe(
      'the inputs of step "use" refer to ${{ item.zz }}, which does not exist: item is an object without key "zz"',
    );
    expect(refused("${{ item }}", null)).toContain("the step does not fan out");
  });
});

describe("parsing", () => {
  it.each([
    ["${{steps.a.output}}", "a", []],
    ["${{ steps.fetch-it_2.output.rows[0].name }}", "fetch-it_2", ["rows", 0, "name"]],
    ['${{ steps["load rows"].output["a \\"b\\" ]}}"][12] }}', "load rows", ['a "b" ]}}', 12]],
    ["${{ steps.a.output.1.$x }}", "a", ["1", "$x"]],
    ["${{ steps[3].output }}", "3", []],
  ])("reads %s", (text, stepId, path) => {
    expect(parseText(text)).toEqual({ ok: true, segments: [{ text, stepId, path }] });
  });

  it.each([
    ["${{ item }}", "item", []],
    ["${{item.rows[0]}}", "item", ["rows", 0]],
    ["${{ index }}", "index", []],
  ])("reads %s of a fan-out", (text, of, path) => {
    expect(parseText(text)).toEqual({ ok: true, segments: [{ text, of, path }] });
  });

  it("cuts a text at its references", () => {
    const parsed = parseText("a ${{ steps.x.output }} b ${{ steps.y.output.z }}");
    expect(
      parsed.ok &&
        parsed.segments.map((part) => (typeof part !== "string" && "stepId" in part ? part.stepId : part)),
    ).toEqual(["a ", "x", " b ", "y"]);
  });

  it.each([
    ["", ""],
    ["$", "$"],
    ["${x}", "${x}"],
    ["$${x}", "$${x}"],
    ["{{ steps.a.output }}", "{{ steps.a.output }}"],
    ["$${{ steps.a.output }}", "${{ steps.a.output }}"],
    ["$$${{ x", "$${{ x"],
    ["a$${{b$${{", "a${{b${{"],
  ])("takes %j for the text %j", (text, meant) => {
    expect(parseText(text)).toEqual({ ok: true, segments: [meant] });
  });

  it.each([
    [
      "${{",
      'a reference at character 1 needs "steps", "item" or "index" at character 4, the text ends there',
    ],
    [
      "a ${{ stepsx.a.output }}",
      'a reference at character 3 needs "steps", "item" or "index" at character 7, found "stepsx.a.out"',
    ],
    ["${{ items }}", 'needs "steps", "item" or "index" at character 5, found "items }}"'],
    ["${{ index.x }}", 'needs "}}" at character 10, found ".x }}"'],
    ["${{ steps }}", 'needs the id of a step, as in .fetch or ["fetch rows"], at character 10, found " }}"'],
    ["${{ steps.a }}", 'needs ".output" behind the step at character 12, found " }}"'],
    ["${{ steps.a.outputs }}", 'needs ".output" behind the step'],
    [
      "${{ steps.a.output[-1] }}",
      'needs a key, as in .rows, [0] or ["a b"], or "}}" at character 19, found "[-1] }}"',
    ],
    ['${{ steps.a.output["\\x"] }}', 'or "}}" at character 19'],
    ["${{ steps.a.output.rows", "the text ends there"],
    ["${{ steps.a.output }", 'or "}}" at character 20, found "}"'],
  ])("names the place in %j", (text, problem) => {
    expect(problemOf(text)).toContain(problem);
  });
});

describe("finding references", () => {
  it("walks nested inputs, names the places, and lists every malformed text", () => {
    const found = findReferences({
      a: ["${{ steps.x.output }}", { b: "see ${{ steps.y.output.z }} and ${{ steps.x.output }}" }],
      c: "${{ oops }}",
      d: 5,
      e: null,
      f: new Uint8Array(2),
    });
    expect(found.references.map(({ place, reference }) => `${place} ${reference.stepId}`)).toEqual([
      "inputs.a[0] x",
      "inputs.a[1].b y",
      "inputs.a[1].b x",
    ]);
    expect(found.problems).toEqual([
      expect.stringContaining('inputs.c: a reference at character 1 needs "steps"'),
    ]);
  });

  it("refuses inputs that are nested deeper than every walk may go", () => {
    let deep: Wire = "x";
    for (let level = 0; level < 200; level++) deep = [deep];
    expect(findReferences({ deep }).problems).toEqual([
      expect.stringContaining("is nested deeper than 128 levels"),
    ]);
  });
});

describe("resolving", () => {
  it("keeps the type of a value when the reference is the whole string", () => {
    const rows = [{ name: "Ada", age: 36n, born: new Date(0), photo: new Uint8Array([1]) }];
    const resolved = resolve(
      { all: "${{ steps.f.output.rows }}", one: ["${{ steps.f.output.rows[0].age }}"] },
      { f: { rows } },
    );
    expect(resolved).toEqual({ all: rows, one: [36n] });
    expect(resolve("${{ steps.f.output }}", { f: null })).toBeNull();
    expect(resolve("${{ steps.f.output.x }}", { f: { x: undefined } })).toBeUndefined();
  });

  it("puts a reference within a longer string in as text", () => {
    const f = {
      name: "Ada",
      count: 3,
      yes: true,
      none: null,
      big: 12n,
      list: [1, { a: 2n }],
      not: undefined,
    };
    const text = (key: string): unknown => resolve(`<\${{ steps.f.output.${key} }}>`, { f });
    expect(["name", "count", "yes", "none", "big", "list", "not"].map(text)).toEqual([
      "<Ada>",
      "<3>",
      "<true>",
      "<null>",
      "<12>",
      '<[1,{"a":"2"}]>',
      "<undefined>",
    ]);
  });

  it("leaves everything else as it is, and writes an escaped opening literally", () => {
    const bytes = new Uint8Array([1, 2]);
    expect(resolve({ a: 1, b: [true, null, bytes], c: "${x}", d: "$${{ steps.a.output }}" })).toEqual({
      a: 1,
      b: [true, null, bytes],
      c: "${x}",
      d: "${{ steps.a.output }}",
    });
  });

  it("says which step, which reference, and where the path breaks", () => {
    expect(refusal({ x: "${{ steps.f.output.rows[2].name }}" }, { f: { rows: [1, 2] } })).toEqual({
      code: "REFERENCE_MISSING",
      message:
        'the inputs of step "use" refer to ${{ steps.f.output.rows[2].name }}, which does not exist: output.rows is an array of 2 without index 2',
    });
    expect(refusal("${{ steps.f.output.a.b }}", { f: { a: null } }).message).toContain(
      'output.a is null without key "b"',
    );
    expect(refusal("${{ steps.f.output.a }}", { f: "text" }).message).toContain(
      'output is a string without key "a"',
    );
    expect(refusal("${{ steps.f.output.a }}", { f: {} }).message).toContain(
      'output is an object without key "a"',
    );
    expect(refusal("x ${{ steps.gone.output }}").message).toContain(
      'step "gone" is failed and has no output',
    );
  });

  it.each(["__proto__", "constructor", "toString", "constructor.name"])(
    "never follows %s, which is no own member",
    (path) => {
      expect(refusal(`\${{ steps.f.output.${path} }}`, { f: {} }).code).toBe("REFERENCE_MISSING");
    },
  );

  it("never follows __proto__ even where it is an own key, and no member of an array but its items", () => {
    const own = JSON.parse('{"__proto__": {"x": 1}}') as unknown;
    expect(refusal("${{ steps.f.output.__proto__.x }}", { f: own }).code).toBe("REFERENCE_MISSING");
    expect(refusal("${{ steps.f.output.length }}", { f: [1] }).code).toBe("REFERENCE_MISSING");
    expect(refusal("${{ steps.f.output.1 }}", { f: [1] }).code).toBe("REFERENCE_MISSING");
    expect(resolve("${{ steps.f.output.0 }}", { f: [1] })).toBe(1);
  });

  it("narrows a blob to the part that is meant, where the walk meets it", () => {
    const blob = new Reference("ab", 9_000_000);
    expect(resolve("${{ steps.f.output }}", { f: blob })).toBe(blob);
    expect(resolve("${{ steps.f.output.data.rows[1] }}", { f: { data: blob } })).toEqual(
      new Reference("ab", 9_000_000, ["rows", 1]),
    );
  });

  it("refuses to put a blob or bytes into text, and says so", () => {
    const f = {
      blob: new Reference("ab", 9),
      bytes: new Uint8Array(1),
      in: { it: new Reference("ab", 9) },
      raw: [Buffer.from("x")],
    };
    expect(refusal("<${{ steps.f.output.blob }}>", { f })).toEqual({
      code: "INPUT_INVALID",
      message:
        'the input of step "use" does not fit: ${{ steps.f.output.blob }} is kept as a blob of 9 bytes and cannot be put into text; make it the whole string',
    });
    expect(refusal("<${{ steps.f.output.bytes }}>", { f }).message).toContain("is bytes");
    expect(refusal("<${{ steps.f.output.in }}>", { f }).message).toContain(
      "holds a part that is kept as a blob",
    );
    expect(refusal("<${{ steps.f.output.raw }}>", { f }).message).toContain("holds bytes");
  });

  it("refuses a malformed text that came past validation", () => {
    expect(refusal("${{ steps }}").code).toBe("INPUT_INVALID");
  });

  it("gives the same bytes for the same outputs, whatever else is around", () => {
    const value = { b: [1, "x"], a: { c: null } };
    const again = unpackValue(packValue(value));
    const inputs = { whole: "${{ steps.f.output }}", text: "=${{ steps.f.output.b }}" };
    expect(packValue(resolve(inputs, { f: value }))).toEqual(packValue(resolve(inputs, { f: again })));
  });
});

describe("escapeText", () => {
  it("makes any text stand for itself", () => {
    const text = fc
      .array(fc.constantFrom("$", "{", "}", "steps.a.output", " ", "x"), { maxLength: 20 })
      .map((parts) => parts.join(""));
    fc.assert(
      fc.property(text, (raw) => {
        expect(resolve(escapeText(raw))).toBe(raw);
      }),
      { numRuns: 1_000 },
    );
  });
});
