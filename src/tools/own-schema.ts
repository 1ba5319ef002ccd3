import { LIMITS, fault, isFault, sentenceOf } from "../errors/index.ts";
import {
  invalidArgument,
  isPlainObject,
  nearestName,
  shortText,
  validate,
  type Checked,
  type StandardSchema,
} from "../schema/index.ts";
import { check, toInputSchema, toOutputSchema, z, type ObjectSchema } from "../schema/zod-schema.ts";
import type { AnswerSchema, ArgumentSchema } from "./tool-schema.ts";

/**
 * What a user describes arguments and results by: a Standard Schema that can be told as JSON Schema (zod from 4.2 is one), or a
 * JSON Schema with an object at its root.
 *
 * @see https://standardschema.dev/json-schema
 */
export type SchemaInput = StandardSchema | { readonly type: "object"; readonly [keyword: string]: unknown };

type Members = Record<string, unknown>;

/** A schema as a client is told it, and as a rule. */
interface Rule {
  readonly json: ObjectSchema;
  check: ArgumentSchema["check"];
}

/** Clients that make forms or types of a schema cannot read these at its root. */
const NOT_AT_ROOT = ["oneOf", "anyOf", "allOf", "not", "if", "$ref"];
/** Part of every answer; a result has none of them. */
const RESERVED = {
  success: { type: "boolean" },
  error: { type: "string" },
  code: { type: "string" },
  retryable: { type: "boolean" },
};

/**
 * What a tool takes. An argument that the schema does not name is refused, unless it says that it takes others.
 *
 * @param argument what the schema is called in a sentence
 * @throws INVALID_ARGUMENT
 */
export function ownArguments(argument: string, schema: SchemaInput): ArgumentSchema {
  const rule = ruleOf(argument, schema, "input");
  return { json: () => rule.json, check: (args, nameOf) => rule.check(args, nameOf) };
}

/** How a result becomes an answer. */
export interface OwnAnswers {
  readonly schema: AnswerSchema;
  /** @returns what the schema makes of the result; an empty object of none @throws OUTPUT_INVALID */
  accept(result: unknown): Promise<Members>;
}

/**
 * @param schema default: any object
 * @throws INVALID_ARGUMENT
 */
export function ownAnswers(tool: string, argument: string, schema?: SchemaInput): OwnAnswers {
  const rule = schema && ruleOf(argument, schema, "output");
  // A failure has nothing of a result, so nothing of one is required.
  const { properties, required: _, additionalProperties: __, ...rest } = rule?.json ?? { type: "object" };
  const json: ObjectSchema = {
    ...rest,
    type: "object",
    properties: { ...(properties as Members | undefined), ...RESERVED },
    required: ["success"],
  };
  const invalid = (problem: string): Error => fault("OUTPUT_INVALID", { what: tool, problems: [problem] });
  const jsonSchema = { input: () => json, output: () => json };
  return {
    // Results are checked as they come from the tool, and an answer is made of one.
    schema: {
      "~standard": { version: 1, vendor: "mcplusplus", validate: (value) => ({ value }), jsonSchema },
    },
    async accept(result = {}) {
      if (!isMembers(result)) throw invalid(`it is ${shortText(result)}; allowed is an object`);
      const checked: Checked<Members> = rule ? await rule.check(result, (place) => place) : { value: result };
      if (checked.problems) throw fault("OUTPUT_INVALID", { what: tool, problems: checked.problems });
      const taken = Object.keys(RESERVED).find((name) => Object.hasOwn(checked.value, name));
      if (taken !== undefined) throw invalid(`${taken} is said by the server, not by the tool`);
      return checked.value;
    },
  };
}

function ruleOf(argument: string, schema: unknown, io: "input" | "output"): Rule {
  try {
    if (schema instanceof z.ZodObject) return ofZod(schema, io);
    if (isStandardJson(schema)) return ofStandard(schema, io);
    if (isMembers(schema)) return ofJson(schema, io);
  } catch (error) {
    if (isFault(error, "INVALID_ARGUMENT")) throw invalidArgument(argument, error.details.got, ALLOWED);
    throw invalidArgument(argument, `a schema that cannot be used (${sentenceOf(error)})`, ALLOWED);
  }
  throw invalidArgument(argument, shortText(schema), ALLOWED);
}

const ALLOWED =
  "a JSON Schema with an object at its root, or a Standard Schema that can be told as one, such as an object of zod 4.2";

/** Zod's own sentences name neither what was got nor what is known; ours do. */
function ofZod(schema: z.ZodObject, io: "input" | "output"): Rule {
  if (io === "output") {
    return { json: rooted(toOutputSchema(schema), io), check: (value) => objectOf(check(schema, value)) };
  }
  const strict = schema.def.catchall === undefined ? schema.strict() : schema;
  return {
    json: rooted(toInputSchema(strict), io),
    check: (value, nameOf) => objectOf(check(strict, value, "", nameOf)),
  };
}

function ofJson(schema: Members, io: "input" | "output"): Rule {
  const json = rooted(schema, io);
  const made = z.fromJSONSchema(json);
  return { json, check: (value, nameOf) => objectOf(check(made, value, "", nameOf)) };
}

interface StandardJson extends StandardSchema {
  readonly "~standard": StandardSchema["~standard"] & {
    readonly jsonSchema: Readonly<Record<"input" | "output", (options: { target: string }) => Members>>;
  };
}

function ofStandard(schema: StandardJson, io: "input" | "output"): Rule {
  const json = rooted(schema["~standard"].jsonSchema[io]({ target: "draft-2020-12" }), io);
  return {
    json,
    async check(value, nameOf) {
      const surplus = io === "input" ? surplusOf(value, json) : undefined;
      return surplus === undefined
        ? objectOf(await validate(schema, value))
        : { problems: [`${nameOf(surplus.name)}: ${surplus.problem}`] };
    },
  };
}

/** The schema as it is told. @throws INVALID_ARGUMENT with what is wrong as what was got */
function rooted(schema: Members, io: "input" | "output"): ObjectSchema {
  const wrong = (got: string): Error => invalidArgument("schema", got, ALLOWED);
  const { $schema: _, type, ...rest } = schema;
  if (type !== "object") throw wrong(`a schema whose root is ${shortText(type)}`);
  const keyword = NOT_AT_ROOT.find((name) => Object.hasOwn(rest, name));
  if (keyword !== undefined) throw wrong(`a schema with ${keyword} at its root`);
  const { length } = JSON.stringify(rest);
  const most = LIMITS.tools.schemaChars;
  if (length > most) throw wrong(`a schema of ${length} characters, more than ${most}`);
  return { type, ...(io === "input" && { additionalProperties: false }), ...rest };
}

/** An argument that nothing is said about; such a schema may leave them out without a word. */
function surplusOf(value: unknown, json: ObjectSchema): { name: string; problem: string } | undefined {
  const { properties = {}, patternProperties, additionalProperties } = json;
  if (!isMembers(value) || additionalProperties !== false || patternProperties !== undefined)
    return undefined;
  const known = Object.keys(properties as Members);
  const name = Object.keys(value).find((key) => !known.includes(key));
  if (name === undefined) return undefined;
  const nearest = nearestName(name, known);
  const meant = nearest === undefined ? "" : ` (did you mean "${nearest}"?)`;
  return { name, problem: `unknown argument${meant}; known are ${known.join(", ")}` };
}

function objectOf(checked: Checked<unknown>): Checked<Members> {
  if (checked.problems) return checked;
  return isMembers(checked.value)
    ? { value: checked.value }
    : { problems: [`it is ${shortText(checked.value)}; allowed is an object`] };
}

const isMembers = (value: unknown): value is Members =>
  typeof value === "object" && value !== null && isPlainObject(value);

function isStandardJson(value: unknown): value is StandardJson {
  const standard = (value as Partial<StandardJson> | null | undefined)?.["~standard"];
  return typeof standard?.validate === "function" && typeof standard.jsonSchema?.input === "function";
}
