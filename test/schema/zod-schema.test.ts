import { spawnSync } from "node:child_process";
import { describe, expect, expectTypeOf, it } from "vitest";
import { check, problemsOf, toInputSchema, z } from "../../src/schema/zod-schema.ts";

const Submit = z.strictObject({
  task_id: z.string().min(1),
  priority: z.number().int().min(0).max(10).default(1),
  order: z.enum(["fifo", "priority"]).optional(),
  retry: z.strictObject({ max_retries: z.number() }).optional(),
});

const problems = (schema: z.ZodType, value: unknown): readonly string[] =>
  check(schema, value, "v").problems ?? [];

describe("check", () => {
  it("gives the value with its defaults and its type", () => {
    const checked = check(Submit, { task_id: "t1" });
    expect(checked).toEqual({ value: { task_id: "t1", priority: 1 } });
    if (checked.problems === undefined) expectTypeOf(checked.value.priority).toEqualTypeOf<number>();
  });

  it("names every argument that is wrong, what was got and what is allowed", () => {
    expect(check(Submit, { priority: 11, order: "lifo" }).problems).toEqual([
      "task_id is missing; allowed is a string",
      "priority is 11; allowed is at most 10",
      'order is "lifo"; allowed is one of "fifo", "priority"',
    ]);
  });

  it("refuses unknown keys and suggests the nearest known one", () => {
    expect(check(Submit, { task_id: "t", prioritee: 1, zzz: 2 }).problems).toEqual([
      'unknown keys "prioritee" (did you mean "priority"?), "zzz"; known are task_id, priority, order, retry',
    ]);
    expect(
      check(Submit, { task_id: "t", retry: { max_retries: 1, max_retrys: 2 } }, "input").problems,
    ).toEqual(['input.retry: unknown key "max_retrys" (did you mean "max_retries"?); known are max_retries']);
  });

  it("cuts a long text and never shows the content of an object", () => {
    const [text, object, array] = [z.number(), z.string(), z.string()].map(
      (schema, index) => problems(schema, ["x".repeat(1_000), { password: "p" }, [1, 2]][index])[0],
    );
    expect(text).toBe(`v is "${"x".repeat(40)}"… (1000 characters); allowed is a number`);
    expect(object).toBe("v is an object; allowed is a string");
    expect(array).toBe("v is an array of 2; allowed is a string");
  });

  it.each<[string, z.ZodType, unknown, string]>([
    ["a whole number", z.int(), 1.5, "v is 1.5; allowed is a whole number"],
    ["a type with a vowel", z.array(z.string()), null, "v is null; allowed is an array"],
    ["null", z.null(), true, "v is true; allowed is null"],
    ["one value", z.literal(5), 4, "v is 4; allowed is 5"],
    ["a lower bound", z.number().min(3), 2, "v is 2; allowed is at least 3"],
    ["an open lower bound", z.number().gt(3), 3, "v is 3; allowed is more than 3"],
    ["an open upper bound", z.number().lt(3), 3, "v is 3; allowed is less than 3"],
    ["a length of text", z.string().max(2), "abc", 'v is "abc"; allowed is at most 2 characters'],
    ["an exact length", z.string().length(2), "abc", 'v is "abc"; allowed is exactly 2 characters'],
    ["a number of items", z.array(z.number()).min(2), [1], "v is an array of 1; allowed is at least 2 items"],
    ["a multiple", z.number().multipleOf(2), 3, "v is 3; allowed is a multiple of 2"],
    ["a pattern", z.string().regex(/^a/), "b", 'v is "b"; allowed is text that matches /^a/'],
    ["a known format", z.email(), "b", 'v is "b"; allowed is an e-mail address'],
    ["another format", z.ipv4(), "b", 'v is "b"; allowed is ipv4'],
    [
      "a union",
      z.union([z.string(), z.number(), z.string()]),
      true,
      "v is true; allowed is a string or a number",
    ],
    [
      "a union of objects",
      z.union([z.object({ a: z.string() }), z.number()]),
      { a: 1 },
      "v is an object; allowed is a: a string or a number",
    ],
    [
      "a discriminated union",
      z.discriminatedUnion("kind", [z.object({ kind: z.literal("x") }), z.object({ kind: z.literal("y") })]),
      { kind: "z" },
      'v.kind is "z"; allowed is one of "x", "y"',
    ],
    [
      "a key of a record",
      z.record(z.string().max(1), z.number()),
      { ab: 1 },
      'v.ab is "ab"; allowed is at most 1 character',
    ],
    [
      "many values",
      z.enum(Array.from({ length: 25 }, (_, index) => `e${index}`)),
      1,
      `v is 1; allowed is one of ${Array.from({ length: 20 }, (_, index) => `"e${index}"`).join(", ")} and 5 more`,
    ],
    ["a rule of its own", z.string().refine(() => false, "must be nice"), "x", "v: must be nice"],
    [
      "a rule within a union",
      z.union([z.string().refine(() => false, { error: "a nice text", abort: true }), z.number()]),
      "x",
      'v is "x"; allowed is a nice text or a number',
    ],
    [
      "unknown keys within a union",
      z.union([z.strictObject({ a: z.number() }), z.number()]),
      { a: 1, b: 2 },
      'v: unknown key "b"; known are a',
    ],
  ])("says what is allowed for %s", (_, schema, value, sentence) =>
    expect(problems(schema, value)).toEqual([sentence]),
  );

  it("names the value when neither it nor its place has a name", () => {
    expect(check(z.string(), 1).problems).toEqual(["the value is 1; allowed is a string"]);
    expect(
      check(
        z.never().refine(() => false, "no"),
        1,
      ).problems,
    ).toHaveLength(1);
  });
});

describe("problemsOf", () => {
  it("explains an error of zod's own parse as far as that error goes", () => {
    const { error } = Submit.safeParse({ task_id: 1, prioritee: 1 });
    expect(error && problemsOf(error)).toEqual([
      "task_id is not acceptable; allowed is a string",
      'Unrecognized key: "prioritee"',
    ]);
  });
});

describe("toInputSchema", () => {
  it("is a strict object schema without the $schema line, in which defaults are not required", () => {
    expect(toInputSchema(Submit.pick({ task_id: true, priority: true }))).toEqual({
      type: "object",
      properties: {
        task_id: { type: "string", minLength: 1 },
        priority: { type: "integer", minimum: 0, maximum: 10, default: 1 },
      },
      required: ["task_id"],
      additionalProperties: false,
    });
  });

  it("names the format of a time, and does not spell it out", () => {
    const schema = toInputSchema(z.strictObject({ at: z.iso.datetime({ offset: true }) }));
    expect(schema["properties"]).toEqual({ at: { type: "string", format: "date-time" } });
  });
});

describe("the light door of the room", () => {
  it("does not load zod", () => {
    const door = new URL("../../src/schema/index.ts", import.meta.url).href;
    const script = `
      const { registerHooks } = await import("node:module");
      const seen = [];
      registerHooks({ load: (url, context, next) => (seen.push(url), next(url, context)) });
      await import(${JSON.stringify(door)});
      console.log(JSON.stringify(seen));`;
    const { stdout, stderr } = spawnSync(process.execPath, ["--input-type=module", "-e", script], {
      encoding: "utf8",
    });
    expect(stderr).toBe("");
    const loaded = JSON.parse(stdout) as string[];
    expect(loaded.some((url) => url.endsWith("/src/schema/wire-value.ts"))).toBe(true);
    expect(loaded.filter((url) => url.includes("node_modules"))).toEqual([]);
  });
});
