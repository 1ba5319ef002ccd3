import { sentenceOf } from "../errors/index.ts";
import { pathText } from "./value-text.ts";

/**
 * Users bring the schema library they like: whatever implements Standard Schema version 1 is accepted.
 *
 * @see https://standardschema.dev
 */
export interface StandardSchema<Input = unknown, Output = Input> {
  readonly "~standard": {
    readonly version: 1;
    readonly vendor: string;
    readonly validate: (value: unknown) => StandardResult<Output> | Promise<StandardResult<Output>>;
    /** Phantom; never read. */
    readonly types?: { readonly input: Input; readonly output: Output } | undefined;
  };
}

export type StandardResult<Output> =
  | { readonly value: Output; readonly issues?: undefined }
  | { readonly issues: readonly StandardIssue[] };

export interface StandardIssue {
  readonly message: string;
  readonly path?: readonly (PropertyKey | { readonly key: PropertyKey })[] | undefined;
}

/** What a schema takes. */
export type StandardInput<S> = S extends StandardSchema<infer Input, unknown> ? Input : never;
/** What a schema gives. */
export type StandardOutput<S> = S extends StandardSchema<unknown, infer Output> ? Output : never;

/** Either the value as its schema gave it, or every problem, each one sentence that names its place. */
export type Checked<T> =
  | { readonly value: T; readonly problems?: undefined }
  | { readonly problems: readonly string[] };

/**
 * Holds a value against a schema.
 *
 * @param root what the value is called in the sentences: `inputs` gives "inputs.rows[3].name: expected string"
 * @returns problems also when the schema itself throws: it is the user's code, and its failure concerns this value
 */
export async function validate<Output>(
  schema: StandardSchema<unknown, Output>,
  value: unknown,
  root = "",
): Promise<Checked<Output>> {
  try {
    const result = await schema["~standard"].validate(value);
    return result.issues === undefined
      ? { value: result.value }
      : { problems: result.issues.map((issue) => sentence(issue, root)) };
  } catch (error) {
    return { problems: [`${root === "" ? "" : `${root}: `}the schema threw: ${sentenceOf(error)}`] };
  }
}

function sentence({ message, path = [] }: StandardIssue, root: string): string {
  const keys = path.map((segment) => (typeof segment === "object" ? segment.key : segment));
  const place = pathText(root, keys);
  return place === "" ? message : `${place}: ${message}`;
}
