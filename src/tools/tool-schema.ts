import type { Checked, StandardSchema } from "../schema/index.ts";
import { check, toInputSchema, toOutputSchema, type ObjectSchema, type z } from "../schema/zod-schema.ts";

/** What a tool takes: as a client is told it, and as a rule that its arguments are held against. */
export interface ArgumentSchema {
  readonly json: () => ObjectSchema;
  /** @param nameOf what a place like `rows[3].name` is called in the sentences */
  check(
    args: unknown,
    nameOf: (place: string) => string,
  ): Checked<Record<string, unknown>> | Promise<Checked<Record<string, unknown>>>;
}

/** What a tool answers: a rule that can be told as JSON Schema too, in the form that the protocol's package takes. */
export interface AnswerSchema extends StandardSchema<unknown, unknown> {
  readonly "~standard": StandardSchema<unknown, unknown>["~standard"] & {
    readonly jsonSchema: { readonly input: () => ObjectSchema; readonly output: () => ObjectSchema };
  };
}

/** The arguments of a tool of ours. */
export const zodArguments = (schema: z.ZodObject): ArgumentSchema => ({
  json: once(() => toInputSchema(schema)),
  check: (args, nameOf) => check(schema, args, "", nameOf),
});

/** The answers of a tool of ours. */
export function zodAnswer(schema: z.ZodObject): AnswerSchema {
  const json = once(() => toOutputSchema(schema));
  return { "~standard": { ...schema["~standard"], jsonSchema: { input: json, output: json } } };
}

/** Making a schema takes as long as a call does, and each connection asks for it. */
function once<T>(make: () => T): () => T {
  let made: { readonly value: T } | undefined;
  return () => (made ??= { value: make() }).value;
}
