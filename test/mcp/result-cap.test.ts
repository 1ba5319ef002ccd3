import { describe, expect, it } from "vitest";
import { LIMITS } from "../../src/errors/index.ts";
import { capAnswer, jsonBytes, type CapOptions } from "../../src/mcp/result-cap.ts";

const LIMIT = LIMITS.mcp.resultBytes;

const SCHEMA = {
  type: "object",
  properties: {
    success: { type: "boolean" },
    text: { type: "string" },
    result: {},
    value: {},
    settings: { type: "object", additionalProperties: {} },
    rows: { type: "array", items: { type: "string" } },
    outputs: {
      type: "array",
      items: { type: "object", properties: { step_id: { type: "string" }, output: {} } },
    },
    returned_count: { type: "integer" },
    has_more: { type: "boolean" },
  },
  additionalProperties: {},
};
const OPTIONS: CapOptions = { schema: SCHEMA, what: "a_tool", resource: "mcplusplus://whole", offset: 0 };
const cap = (answer: Record<string, unknown>, more: Partial<CapOptions> = {}): Record<string, unknown> =>
  capAnswer(answer, { ...OPTIONS, ...more });

const text = (bytes: number): string => "x".repeat(bytes);

describe("an answer", () => {
  it("of exactly 100,000 bytes is left as it is, and one byte more is too much", () => {
    const frame = jsonBytes({ success: true, text: "" });
    const fits = { success: true, text: text(LIMIT - frame) };
    expect(cap(fits)).toBe(fits);
    expect(cap({ success: true, text: text(LIMIT - frame + 1) })).toMatchObject({ truncated: true });
  });

  it("is measured in bytes, not in characters", () => {
    expect(cap({ success: true, text: "ä".repeat(LIMIT / 2) })).toMatchObject({ truncated: true });
  });

  it("loses its largest values first, each replaced by what it was and where it is", () => {
    const answer = {
      success: true,
      result: [text(90_000)],
      value: text(5_000),
      settings: { a: text(20_000) },
    };
    const capped = cap(answer);
    expect(capped).toEqual({
      ...answer,
      result: { truncated: true, size_bytes: 90_004, resource: "mcplusplus://whole" },
      truncated: true,
      resource: "mcplusplus://whole",
    });
    expect(answer.result).toHaveLength(1);
  });

  it("loses values in the items of its lists", () => {
    const outputs = [
      { step_id: "small", output: 1 },
      { step_id: "large", output: text(LIMIT) },
    ];
    expect(cap({ success: true, outputs })["outputs"]).toEqual([
      outputs[0],
      {
        step_id: "large",
        output: { truncated: true, size_bytes: LIMIT + 2, resource: "mcplusplus://whole" },
      },
    ]);
  });

  it("that is a page is cut to a shorter page, which says where the next one begins", () => {
    const rows = Array.from({ length: 300 }, () => text(1_000));
    const page = { success: true, rows, returned_count: 300, has_more: false };
    const capped = cap(page, { offset: 40 });
    const shown = (capped["rows"] as string[]).length;
    expect(capped).toMatchObject({ returned_count: shown, has_more: true, next_offset: 40 + shown });
    expect(shown).toBeGreaterThan(90);
    expect(jsonBytes(capped)).toBeLessThanOrEqual(LIMIT);
  });

  it("that is no page tells which lists lost their ends", () => {
    const rows = Array.from({ length: 300 }, () => text(1_000));
    const capped = cap({ success: true, rows });
    const shown = (capped["rows"] as string[]).length;
    expect(capped["truncated_lists"]).toEqual({ rows: { shown, total: 300 } });
  });

  it("loses the ends of its texts when nothing else is left to cut", () => {
    const capped = cap({ success: true, text: text(LIMIT + 1) }, { resource: undefined });
    expect(capped["text"]).toBe(`${text(2_000)}… (${LIMIT + 1} characters)`);
    expect(capped).not.toHaveProperty("resource");
  });

  it("whose schema has no room for a note, or that cannot be cut, is refused with its limit", () => {
    const strict = { ...SCHEMA, additionalProperties: false };
    expect(() => cap({ success: true, result: text(LIMIT) }, { schema: strict })).toThrow(
      "the answer of a_tool has more than 100000 bytes",
    );
    const fixed = { success: true, settled: { deep: [text(LIMIT)] } };
    expect(() => cap(fixed)).toThrow("the answer of a_tool has more than 100000 bytes");
  });
});
