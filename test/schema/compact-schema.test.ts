import { describe, expect, it } from "vitest";
import { compactSchema } from "../../src/schema/compact-schema.ts";
import { toInputSchema, toOutputSchema, z } from "../../src/schema/zod-schema.ts";

describe("a compact schema", () => {
  it("leaves out what holds of every JSON value anyway", () => {
    const open = z.looseObject({ count: z.int(), by_name: z.record(z.string(), z.unknown()) });
    expect(toOutputSchema(z.looseObject({ list: z.array(open) }))).toEqual({
      type: "object",
      properties: {
        list: {
          type: "array",
          items: {
            type: "object",
            properties: { count: { type: "integer" }, by_name: { type: "object" } },
            required: ["count", "by_name"],
          },
        },
      },
      required: ["list"],
    });
  });

  it("keeps every bound that somebody has set", () => {
    const schema = z.strictObject({
      n: z.int().min(-3).max(9),
      names: z.record(z.string().regex(/^a/), z.int().min(1)),
    });
    expect(toInputSchema(schema)).toMatchObject({
      additionalProperties: false,
      properties: {
        n: { minimum: -3, maximum: 9 },
        names: {
          propertyNames: { type: "string", pattern: "^a" },
          additionalProperties: { type: "integer", minimum: 1 },
        },
      },
    });
  });

  it("tells null as one more type, and as one more value of an enumeration", () => {
    const schema = z.strictObject({
      n: z.number().max(5).nullish().describe("How many"),
      word: z.enum(["a", "b"]).nullable(),
      either: z.union([z.string(), z.int(), z.null()]),
    });
    expect(toInputSchema(schema)["properties"]).toEqual({
      n: { type: ["number", "null"], maximum: 5, description: "How many" },
      word: { type: ["string", "null"], enum: ["a", "b", null] },
      either: { anyOf: [{ type: "string" }, { type: "integer" }, { type: "null" }] },
    });
  });

  it("takes no value and no name for a keyword", () => {
    const schema = {
      type: "object",
      properties: {
        maximum: { type: "string" },
        additionalProperties: { default: { maximum: Number.MAX_SAFE_INTEGER }, const: {} },
      },
    };
    expect(compactSchema(schema)).toEqual(schema);
  });
});
