/** Schemas by name. */
const MAPS = new Set(["properties", "patternProperties", "$defs"]);
/** Lists of schemas. */
const LISTS = new Set(["anyOf", "oneOf", "allOf", "prefixItems"]);
const SINGLE = new Set(["items", "additionalProperties", "propertyNames", "not", "contains"]);

type Schema = Readonly<Record<string, unknown>>;

const isSchema = (value: unknown): value is Schema =>
  typeof value === "object" && value !== null && !Array.isArray(value);

/**
 * The same JSON Schema in fewer words, since every client reads it, and many models: without what holds of every JSON value
 * anyway (keys are texts, objects are open, whole numbers are those that a number can hold), without patterns of times
 * that a format names, and with `null` as one more type instead of an alternative.
 */
export function compactSchema(schema: Schema): Record<string, unknown> {
  const entries = Object.entries(schema)
    .filter(([keyword, value]) => !saysNothing(keyword, value, schema))
    .map(([keyword, value]) => [keyword, compactValue(keyword, value)] as const);
  return nullAsType(Object.fromEntries(entries));
}

function compactValue(keyword: string, value: unknown): unknown {
  if (SINGLE.has(keyword) && isSchema(value)) return compactSchema(value);
  if (LISTS.has(keyword) && Array.isArray(value))
    return value.map((each: unknown) => (isSchema(each) ? compactSchema(each) : each));
  if (!MAPS.has(keyword) || !isSchema(value)) return value;
  const named = Object.entries(value).map(([name, each]) => [
    name,
    isSchema(each) ? compactSchema(each) : each,
  ]);
  return Object.fromEntries(named) as unknown;
}

function saysNothing(keyword: string, value: unknown, { format }: Schema): boolean {
  if (keyword === "minimum") return value === Number.MIN_SAFE_INTEGER;
  if (keyword === "maximum") return value === Number.MAX_SAFE_INTEGER;
  if (keyword === "pattern") return format === "date-time";
  if (keyword === "additionalProperties") return isSchema(value) && Object.keys(value).length === 0;
  return keyword === "propertyNames" && isSchema(value) && Object.keys(value).join() === "type";
}

/** `anyOf: [{ type: "number", … }, { type: "null" }]` is `type: ["number", "null"], …`. */
function nullAsType(schema: Record<string, unknown>): Record<string, unknown> {
  const { anyOf, ...rest } = schema;
  if (!Array.isArray(anyOf) || anyOf.length !== 2) return schema;
  const [one, other] = anyOf as readonly unknown[];
  if (!isSchema(one) || !isSchema(other) || other["type"] !== "null" || typeof one["type"] !== "string")
    return schema;
  const { type, enum: values, ...more } = one;
  // An enumeration holds beside the type: null has to be one of its values.
  return {
    ...rest,
    ...more,
    type: [type, "null"],
    ...(Array.isArray(values) && { enum: [...(values as readonly unknown[]), null] }),
  };
}
