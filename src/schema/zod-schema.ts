import { z } from "zod";
import { assert } from "../errors/index.ts";
import { compactSchema } from "./compact-schema.ts";
import { nearestName } from "./nearest-name.ts";
import type { Checked } from "./standard-schema.ts";
import { pathText, shortText } from "./value-text.ts";

/**
 * The second door of this room, for whoever checks what comes from outside: the house's conventions over zod, whose
 * only importer this file is. It is apart from `index.ts`, because loading zod takes longer than everything else
 * that a light thread loads.
 */
export { z };

type Issue = z.core.$ZodIssue;

/** What a format is called in a sentence; a format that is not here goes by its own name. */
const FORMATS: Readonly<Record<string, string>> = {
  datetime: "an ISO-8601 date and time like 2026-01-31T12:00:00Z",
  date: "an ISO-8601 date like 2026-01-31",
  email: "an e-mail address",
  url: "a URL",
  uuid: "a UUID",
};
/** What is counted when the size of something is out of range. */
const COUNTED: Readonly<Record<string, string>> = { string: "character", array: "item", set: "item" };
const VALUES_MAX = 20;

/**
 * Holds a value against a schema, and on failure says everything that is wrong with it.
 *
 * @param root what the value is called in the sentences; empty when its keys are arguments with names of their own
 * @param nameOf what a place like `rows[3].name` is called in the sentences; default: that
 */
export function check<S extends z.ZodType>(
  schema: S,
  value: unknown,
  root = "",
  nameOf = (place: string): string => place,
): Checked<z.output<S>> {
  const result = schema.safeParse(value, { reportInput: true, error: explainUnknownKeys });
  return result.success ? { value: result.data } : { problems: problemsOf(result.error, root, nameOf) };
}

/** A problem apart from its place, for whoever can point at that in a text. */
export interface PlacedProblem {
  /** For a key that nobody knows: where it stands itself. */
  readonly path: readonly PropertyKey[];
  readonly text: string;
}

/** Like `check`; the problems come with where they are. */
export function checkPlaces<S extends z.ZodType>(
  schema: S,
  value: unknown,
  root = "",
): { readonly value: z.output<S>; readonly problems?: undefined } | { readonly problems: PlacedProblem[] } {
  const result = schema.safeParse(value, { reportInput: true, error: explainUnknownKeys });
  if (result.success) return { value: result.data };
  const problems = result.error.issues.map((issue) => ({
    path: issue.code === "unrecognized_keys" ? [...issue.path, ...issue.keys.slice(0, 1)] : issue.path,
    text: sentenceOf(issue, root, (place) => place),
  }));
  return { problems };
}

/**
 * One sentence per problem: "priority is 11; allowed is at most 10". The sentences name what was got when the error
 * comes from `check`; zod's own parse keeps neither the input nor the known keys.
 */
export function problemsOf(
  error: z.ZodError,
  root = "",
  nameOf = (place: string): string => place,
): string[] {
  return error.issues.map((issue) => sentenceOf(issue, root, nameOf));
}

function sentenceOf(issue: Issue, root: string, nameOf: (place: string) => string): string {
  const place = nameOf(pathText(root, issue.path));
  if (issue.code === "custom" || issue.code === "unrecognized_keys") {
    return place === "" ? issue.message : `${place}: ${issue.message}`;
  }
  const got = "input" in issue ? shortText(gotOf(issue)) : "not acceptable";
  return `${place === "" ? "the value" : place} is ${got}; allowed is ${allowedOf(issue)}`;
}

/** A JSON Schema (2020-12) with an object at its root. */
export interface ObjectSchema {
  readonly type: "object";
  readonly [keyword: string]: unknown;
}

/** The JSON Schema of a tool's arguments, in few words. */
export const toInputSchema = (schema: z.ZodObject): ObjectSchema => objectSchema(schema, "input");

/** Likewise of its answers. */
export const toOutputSchema = (schema: z.ZodObject): ObjectSchema => objectSchema(schema, "output");

function objectSchema(schema: z.ZodObject, io: "input" | "output"): ObjectSchema {
  const made = z.toJSONSchema(schema, { io, target: "draft-2020-12" });
  const { $schema: _, type, ...rest } = compactSchema(made);
  assert(type === "object", "a tool takes and answers an object");
  return { type, ...rest };
}

/** Only here, while zod still knows which object refused the keys, can the known ones be named. */
const explainUnknownKeys: z.core.$ZodErrorMap = (issue) => {
  if (issue.code !== "unrecognized_keys" || !(issue.inst instanceof z.ZodObject)) return undefined;
  const known = Object.keys(issue.inst.shape);
  const named = issue.keys.map((key) => {
    const nearest = nearestName(key, known);
    return nearest === undefined ? shortText(key) : `${shortText(key)} (did you mean "${nearest}"?)`;
  });
  const noun = named.length === 1 ? "unknown key" : "unknown keys";
  return `${noun} ${named.join(", ")}; known are ${known.join(", ")}`;
};

/** A missing discriminator is reported with the whole object as its input. */
function gotOf(issue: Issue): unknown {
  if (issue.code !== "invalid_union" || issue.discriminator === undefined) return issue.input;
  return (issue.input as Record<string, unknown>)[issue.discriminator];
}

function allowedOf(issue: Issue): string {
  switch (issue.code) {
    case "invalid_type":
      return typeName(issue.expected);
    case "invalid_value":
      return oneOf(issue.values);
    case "too_small":
      return limit(issue, issue.minimum, issue.inclusive ? "at least" : "more than");
    case "too_big":
      return limit(issue, issue.maximum, issue.inclusive ? "at most" : "less than");
    case "invalid_format":
      return formatName(issue);
    case "not_multiple_of":
      return `a multiple of ${issue.divisor}`;
    case "invalid_union":
      return "options" in issue && issue.options ? oneOf(issue.options) : alternatives(issue.errors);
    case "invalid_key":
    case "invalid_element":
      return issue.issues.map(allowedOf).join(" and ");
    case "custom":
    case "unrecognized_keys":
      break;
  }
  return issue.message;
}

function typeName(expected: string): string {
  if (expected === "int") return "a whole number";
  if (expected === "null" || expected === "undefined") return expected;
  if (expected === "record") return "an object";
  return `${/^[aeiou]/.test(expected) ? "an" : "a"} ${expected}`;
}

function oneOf(values: readonly unknown[]): string {
  const shown = values.slice(0, VALUES_MAX).map(shortText).join(", ");
  const more = values.length > VALUES_MAX ? ` and ${values.length - VALUES_MAX} more` : "";
  return values.length === 1 ? shown : `one of ${shown}${more}`;
}

function limit(
  { origin, exact }: { readonly origin: string; readonly exact?: boolean },
  bound: number | bigint,
  how: string,
): string {
  const counted = COUNTED[origin];
  const unit = counted === undefined ? "" : ` ${counted}${Number(bound) === 1 ? "" : "s"}`;
  return `${exact ? "exactly" : how} ${bound}${unit}`;
}

function formatName(issue: z.core.$ZodIssueInvalidStringFormat): string {
  return issue.format === "regex"
    ? `text that matches ${issue.pattern}`
    : (FORMATS[issue.format] ?? issue.format);
}

/** What any of the members of a union would have taken, each thing once. */
function alternatives(members: readonly (readonly Issue[])[]): string {
  const allowed = members.map((issues) =>
    issues
      .map((issue) => (issue.path.length === 0 ? "" : `${pathText("", issue.path)}: `) + allowedOf(issue))
      .join(" and "),
  );
  return [...new Set(allowed)].join(" or ");
}
