import { describe, expect, expectTypeOf, it } from "vitest";
import * as z from "zod";
import { fault } from "../../src/errors/index.ts";
import type { StandardSchema } from "../../src/schema/index.ts";
import type { System } from "../../src/system/index.ts";
import { defineTool, type SchemaInput } from "../../src/tools.ts";
import { answerSchemaOf, callTool, inputSchemaOf, type Tool } from "../../src/tools/index.ts";

const call = (tool: Tool, args: unknown = {}): Promise<Record<string, unknown>> =>
  callTool(tool, args, { open: async () => ({}) as System, signal: new AbortController().signal });

const definition = {
  name: "add",
  description: "Adds two numbers.",
  input: z.object({ one: z.number(), other: z.number().default(1) }),
  run: ({ one, other }: { one: number; other: number }) => ({ sum: one + other }),
};

/** As a program without types writes it. */
const untyped = (rest: object): Tool => defineTool({ ...definition, ...rest });

/** A Standard Schema of another library: texts alone, and it leaves out what it does not know. */
const foreign: StandardSchema<{ text: string }> & object = {
  "~standard": {
    version: 1,
    vendor: "foreign",
    validate: (value) => {
      const { text } = value as { text?: unknown };
      return typeof text === "string"
        ? { value: { text } }
        : { issues: [{ message: "expected a text", path: ["text"] }] };
    },
    jsonSchema: {
      input: () => ({
        $schema: "x",
        type: "object",
        properties: { text: { type: "string" } },
        required: ["text"],
      }),
      output: () => ({ type: "object", properties: { text: { type: "string" } } }),
    },
  } as StandardSchema<{ text: string }>["~standard"],
};

const JSON_SCHEMA = {
  type: "object",
  properties: { text: { type: "string", maxLength: 3 }, more: { $ref: "#/$defs/list" } },
  required: ["text"],
  $defs: { list: { type: "array", items: { type: "integer" } } },
} as const;

const schemas: Record<string, SchemaInput> = {
  zod: z.object({ text: z.string() }),
  "a JSON Schema": JSON_SCHEMA,
  "another library": foreign,
};

const echoing = (input: SchemaInput): Tool =>
  defineTool({ name: "say", description: "Says it.", input, run: (args) => ({ ...(args as object) }) });

describe("a tool of the user's own", () => {
  it("is called with what its schema makes of the arguments, and answers what it gives", async () => {
    expect(await call(defineTool(definition), { one: 2 })).toEqual({ success: true, sum: 3 });
  });

  it("that gives nothing answers that it succeeded", async () => {
    expect(await call(untyped({ run: () => undefined }), { one: 1 })).toEqual({ success: true });
  });

  it("is told with its name as its title, and as the worst that it could be, unless it says more", () => {
    const { title, hints, metadata } = defineTool(definition);
    expect(title).toBe("add");
    expect(hints).toEqual({
      readOnlyHint: false,
      destructiveHint: true,
      idempotentHint: false,
      openWorldHint: true,
    });
    expect(metadata).toMatchObject({ runtime: "auto", category: "general", idempotent: false });
    expect(untyped({ hints: { readOnlyHint: true } })).toMatchObject({
      hints: { destructiveHint: false, idempotentHint: true, openWorldHint: true },
      metadata: { idempotent: true },
    });
  });

  it("has the time that its arguments say, beside that of its metadata", () => {
    const tool = untyped({ waitsMs: ({ one }: { one: number }) => one * 1_000 });
    expect(tool.waitsMs?.({ one: 7 })).toBe(7_000);
  });
});

it("the types of arguments and results follow from the schemas", () => {
  defineTool({
    ...definition,
    output: z.object({ sum: z.number() }),
    echo: ["one"],
    waitsMs: ({ one }) => one,
    run(args) {
      expectTypeOf(args).toEqualTypeOf<{ one: number; other: number }>();
      return { sum: args.one };
    },
  });
  // @ts-expect-error -- there is no such argument
  defineTool({ ...definition, echo: ["two"] });
  // @ts-expect-error -- its schema says that the sum is a number
  defineTool({ ...definition, output: z.object({ sum: z.number() }), run: () => ({ sum: "3" }) });
});

describe.each(Object.entries(schemas))("the arguments of a tool that are described by %s", (_, schema) => {
  it("are told with an object at the root, closed, and without a line for the dialect", () => {
    expect(inputSchemaOf(echoing(schema))).toMatchObject({
      type: "object",
      additionalProperties: false,
      properties: { text: { type: "string" } },
      required: ["text"],
    });
    expect(inputSchemaOf(echoing(schema))).not.toHaveProperty("$schema");
  });

  it("are handed to it when they fit", async () => {
    expect(await call(echoing(schema), { text: "abc" })).toEqual({ success: true, text: "abc" });
  });

  it("are refused when one is unknown, with the nearest name", async () => {
    const answer = await call(echoing(schema), { text: "abc", texts: 1 });
    expect(answer).toMatchObject({ success: false, code: "INPUT_INVALID" });
    expect(answer["error"]).toMatch(/^the input of say does not fit: .*texts.*did you mean "text"/);
  });

  it("are refused when one is wrong, by its name", async () => {
    const answer = await call(echoing(schema), { text: 7 });
    expect(answer).toMatchObject({ success: false, code: "INPUT_INVALID" });
    expect(answer["error"]).toMatch(/does not fit: text/);
  });
});

describe("the arguments of a tool", () => {
  it("may be others than its schema names where it says so itself", async () => {
    const open = [z.looseObject({ a: z.string() }), { ...JSON_SCHEMA, additionalProperties: true }] as const;
    expect(await call(echoing(open[0]), { a: "x", b: 1 })).toEqual({ success: true, a: "x", b: 1 });
    expect(await call(echoing(open[1]), { text: "x", b: 1 })).toEqual({ success: true, text: "x", b: 1 });
  });

  it("are held against the references of a JSON Schema too", async () => {
    expect(await call(echoing(JSON_SCHEMA), { text: "x", more: [1] })).toMatchObject({ more: [1] });
    const answer = await call(echoing(JSON_SCHEMA), { text: "x", more: ["1"] });
    expect(answer["error"]).toContain('more[0] is "1"; allowed is a number');
  });
});

describe("the result of a tool", () => {
  const giving = (result: unknown, output: SchemaInput | undefined = z.object({ sum: z.number() })): Tool =>
    untyped({ name: "give", input: z.object({}), output, run: () => result });

  it("is told by a schema of which a failure fits too", () => {
    expect(answerSchemaOf(giving({}))).toEqual({
      type: "object",
      properties: {
        sum: { type: "number" },
        success: { type: "boolean" },
        error: { type: "string" },
        code: { type: "string" },
        retryable: { type: "boolean" },
      },
      required: ["success"],
    });
    expect(answerSchemaOf(giving({}, JSON_SCHEMA))).toMatchObject({ $defs: JSON_SCHEMA.$defs });
    expect(answerSchemaOf(defineTool(definition))).toMatchObject({ type: "object", required: ["success"] });
  });

  it.each([
    [7, "it is 7; allowed is an object"],
    [[], "it is an array of 0; allowed is an object"],
    [null, "it is null; allowed is an object"],
    [{ sum: "7" }, 'sum is "7"; allowed is a number'],
    [{}, "sum is missing"],
    [{ sum: 1, how: () => 1 }, "it holds a function"],
  ])("%j does not fit, and that is a failure", async (result, why) => {
    const answer = await call(giving(result));
    expect(answer).toMatchObject({ success: false, code: "OUTPUT_INVALID", retryable: false });
    expect(answer["error"]).toContain(`the output of give does not fit: ${why}`);
  });

  it.each(["success", "error", "code", "retryable"])("has no %s of its own", async (name) => {
    const answer = await call(untyped({ input: z.object({}), run: () => ({ [name]: true }) }));
    expect(answer).toMatchObject({ success: false, code: "OUTPUT_INVALID" });
    expect(answer["error"]).toContain(`${name} is said by the server`);
  });
});

describe("a tool that throws", () => {
  const throwing = (error: unknown): Tool =>
    untyped({
      input: z.object({ id: z.string() }),
      echo: ["id"],
      async run() {
        throw error;
      },
    });

  it("answers with its message, without its stack, and with what it is about", async () => {
    expect(await call(throwing(new TypeError("no such shelf")), { id: "b7" })).toEqual({
      success: false,
      error: "add failed: no such shelf",
      code: "HANDLER_FAILED",
      retryable: true,
      id: "b7",
    });
  });

  it("answers with the code of a fault", async () => {
    const answer = await call(throwing(fault("TASK_NOT_FOUND", { taskId: "t" })), { id: "b7" });
    expect(answer).toMatchObject({ code: "TASK_NOT_FOUND", retryable: false, id: "b7" });
  });

  it("also while it is called is a failure like any other", async () => {
    const tool = untyped({
      input: z.object({}),
      run() {
        throw new Error("at once");
      },
    });
    expect(await call(tool)).toMatchObject({ success: false, error: "add failed: at once" });
  });
});

describe("a definition", () => {
  it.each([
    [{ name: "Add" }, 'the name of a tool is "Add"'],
    [{ name: "" }, "the name of a tool"],
    [{ name: "a".repeat(41) }, "1 to 40 of a to z"],
    [{ name: "1st" }, "beginning with a letter"],
    [{ name: "__proto__" }, "beginning with a letter"],
    [{ description: "" }, 'description of the tool "add"'],
    [{ description: undefined }, 'description of the tool "add"'],
    [{ title: "" }, "title of the tool"],
    [{ run: 7 }, 'run of the tool "add" is 7; allowed is a function'],
    [{ waitsMs: 7 }, "waitsMs of the tool"],
    [{ echo: "id" }, "echo of the tool"],
    [{ hints: { readOnly: true } }, "readOnly"],
    [{ hints: { readOnlyHint: "yes" } }, "allowed is true or false"],
    [{ hints: { readOnlyHint: true, destructiveHint: true } }, "read-only and destructive"],
    [{ metadata: { priority: 11 } }, "metadata.priority"],
    [{ metadata: { runtime: "thread" } }, "metadata.runtime"],
    [{ schema: {} }, "schema"],
    [{ input: undefined }, 'input of the tool "add" is missing'],
    [{ input: 7 }, "input of the tool"],
    [{ input: z.string() }, 'a schema whose root is "string"'],
    [{ input: { type: "array" } }, 'a schema whose root is "array"'],
    [{ input: z.union([z.object({}), z.object({ a: z.string() })]) }, "a schema whose root is missing"],
    [{ input: { type: "object", oneOf: [] } }, "a schema with oneOf at its root"],
    [{ input: { type: "object", properties: { a: { not: { type: "string" } } } } }, "not is not supported"],
    [{ input: { type: "object", properties: { a: { $ref: "https://a.example" } } } }, "External $ref"],
    [{ input: z.object({ at: z.date() }) }, "cannot be used"],
    [{ input: { type: "object", description: "x".repeat(50_000) } }, "more than 50000"],
    [{ output: { type: "object", anyOf: [] } }, 'output of the tool "add" is a schema with anyOf'],
    [{ output: "sum" }, "output of the tool"],
  ])("%# that could not be offered is refused: %j", (rest, sentence) => {
    expect(() => untyped(rest)).toThrow(sentence);
  });
});
