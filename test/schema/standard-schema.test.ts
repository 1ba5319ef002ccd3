import { describe, expect, expectTypeOf, it } from "vitest";
import {
  validate,
  type StandardInput,
  type StandardOutput,
  type StandardResult,
  type StandardSchema,
} from "../../src/schema/index.ts";
import { z } from "../../src/schema/zod-schema.ts";

const schemaOf = <T>(
  check: (value: unknown) => StandardResult<T> | Promise<StandardResult<T>>,
): StandardSchema<unknown, T> => ({
  "~standard": { version: 1, vendor: "test", validate: check },
});

describe("validate", () => {
  it("gives the value as the schema gave it", async () => {
    expect(
      await validate(
        schemaOf((value) => ({ value: Number(value) })),
        "7",
      ),
    ).toEqual({ value: 7 });
  });

  it("waits for a schema that answers later", async () => {
    expect(
      await validate(
        schemaOf(async (value) => ({ value })),
        "later",
      ),
    ).toEqual({ value: "later" });
  });

  it("turns every issue into a sentence with its place, keys and segments alike", async () => {
    const schema = schemaOf(() => ({
      issues: [
        { message: "expected string", path: ["rows", 3, { key: "name" }] },
        { message: "too many", path: [] },
        { message: "no path" },
        { message: "odd", path: ["a b", Symbol("s")] },
      ],
    }));
    expect(await validate(schema, {}, "inputs")).toEqual({
      problems: [
        "inputs.rows[3].name: expected string",
        "inputs: too many",
        "inputs: no path",
        'inputs["a b"][Symbol(s)]: odd',
      ],
    });
    expect(
      await validate(
        schemaOf(() => ({ issues: [{ message: "no name" }] })),
        {},
      ),
    ).toEqual({ problems: ["no name"] });
  });

  it("reports a schema that throws as a problem of the value", async () => {
    const throwing = schemaOf(() => {
      throw new Error("boom");
    });
    expect(await validate(throwing, 1, "inputs")).toEqual({ problems: ["inputs: the schema threw: boom"] });
    expect(await validate(throwing, 1)).toEqual({ problems: ["the schema threw: boom"] });
  });

  it("takes the schemas of a library that implements the standard, types included", async () => {
    const schema = z.object({ at: z.string().transform((text) => text.length) });
    expectTypeOf<StandardInput<typeof schema>>().toEqualTypeOf<{ at: string }>();
    expectTypeOf<StandardOutput<typeof schema>>().toEqualTypeOf<{ at: number }>();
    const checked = await validate(schema, { at: "four" });
    expectTypeOf(checked.problems).toEqualTypeOf<readonly string[] | undefined>();
    expect(checked).toEqual({ value: { at: 4 } });
    expect((await validate(schema, {}, "inputs")).problems).toEqual([expect.stringMatching(/^inputs\.at: /)]);
  });
});
