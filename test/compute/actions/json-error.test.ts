import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import { jsonErrorOffset } from "../../../src/compute/actions/json-error.ts";

function isJson(text: string): boolean {
  try {
    JSON.parse(text);
    return true;
  } catch {
    return false;
  }
}

const PUT = '{}[]:,-+.0123eEu tfn"\\\n\u0001'.split("").concat("", "true", "null", "\\u00", "1e");

/** JSON with a few characters put in, taken out or exchanged. */
const nearlyJson = fc
  .tuple(
    fc.oneof(fc.json({ maxDepth: 4 }), fc.json({ maxDepth: 4, stringUnit: "binary" })),
    fc.array(fc.tuple(fc.nat(), fc.nat(1), fc.constantFrom(...PUT)), { maxLength: 3 }),
  )
  .map(([json, edits]) =>
    edits.reduce((text, [at, removed, put]) => {
      const place = at % (text.length + 1);
      return text.slice(0, place) + put + text.slice(place + removed);
    }, json),
  );

describe("the place where a text stops being JSON", () => {
  it("is none exactly when JSON.parse takes the text", () => {
    fc.assert(
      fc.property(nearlyJson, (text) => {
        expect(jsonErrorOffset(text) === null).toBe(isJson(text));
      }),
      { numRuns: 3_000 },
    );
  });

  it("is behind everything that JSON could go on from, and no later", () => {
    fc.assert(
      fc.property(nearlyJson, (text) => {
        const offset = jsonErrorOffset(text);
        if (offset === null) return;
        // One character earlier the text only ends too early ...
        expect([offset, null]).toContain(jsonErrorOffset(text.slice(0, offset)));
        // ... and with this one, nothing that follows helps.
        const beginning = text.slice(0, offset + 1);
        if (offset < text.length) {
          for (const rest of ["", "]", "}", '"', "0", "null", ' "a": 1 }', "1]"]) {
            expect(jsonErrorOffset(beginning + rest)).toBe(offset);
          }
        }
      }),
      { numRuns: 3_000 },
    );
  });

  it.each([
    ["", 0],
    ["  ", 2],
    ["[1, 2", 5],
    ["[1,]", 3],
    ['{"a" 1}', 5],
    ["{a: 1}", 1],
    ['{"a": 1,}', 8],
    ["01", 1],
    ["-", 1],
    ["1.", 2],
    ["1.x", 2],
    ["1e+", 3],
    ["trve", 2],
    ["'a'", 0],
    ['"a\nb"', 2],
    ['"\\x"', 2],
    ['"\\u12g4"', 5],
    ['"ab', 3],
    ["[1] 2", 4],
    ["NaN", 0],
    [`${"[".repeat(100_000)}x`, 100_000],
  ])("of %j is %i", (text, offset) => {
    expect(jsonErrorOffset(text)).toBe(offset);
    expect(isJson(text)).toBe(false);
  });
});
