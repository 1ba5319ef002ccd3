import { LIMITS, fault } from "../errors/index.ts";
import { cutText } from "../schema/index.ts";

/** What a place of an answer may hold, as far as it matters here. */
type Schema = Readonly<Record<string, unknown>>;
type Members = Record<string, unknown>;

export interface CapOptions {
  /** The answer's JSON Schema: what is cut still fits it. */
  readonly schema: Schema;
  /** What the answer is called when it cannot be cut. */
  readonly what: string;
  /** Where the whole of it can be read; undefined: nowhere. */
  readonly resource: string | undefined;
  /** Of a page: how many items of the list are before it. */
  readonly offset: number;
}

/** A smaller value costs a reader less than the note in its place would gain. */
const VALUE_BYTES_MIN = 1_000;
const TEXT_CHARS = 2_000;
/** What the notes about the cut take. */
const NOTES_BYTES = 2_000;

/** As many bytes as it has on the wire. */
export const jsonBytes = (value: unknown): number => Buffer.byteLength(JSON.stringify(value) ?? "");

/**
 * An answer that a model can read: one above 100,000 bytes is cut, and says so. First large values go that may be anything,
 * such as outputs, the largest first: `{ truncated: true, size_bytes, resource }` stands for each. Then lists lose their
 * ends: a page is shorter and has a `next_offset`, any other list is told in `truncated_lists`. Then texts are cut.
 *
 * @returns the answer itself when it is small enough
 * @throws SIZE_EXCEEDED when too much is left, or its schema has no room for the notes
 */
export function capAnswer(answer: Members, options: CapOptions): Members {
  const limit = LIMITS.mcp.resultBytes;
  const sizeBytes = jsonBytes(answer);
  if (sizeBytes <= limit) return answer;
  const cut = structuredClone(answer);
  let overBytes = sizeBytes + NOTES_BYTES - limit;
  overBytes -= cutValues(cut, options, overBytes);
  overBytes -= cutLists(cut, options, overBytes);
  if (overBytes > 0) cutTexts(cut);
  cut["truncated"] = true;
  if (options.resource !== undefined) cut["resource"] = options.resource;
  if (options.schema["additionalProperties"] === false || jsonBytes(cut) > limit)
    throw fault("SIZE_EXCEEDED", { what: `the answer of ${options.what}`, limit, unit: "bytes" });
  return cut;
}

/** @returns how many bytes that saved */
function cutValues(answer: Members, { schema, resource }: CapOptions, wantedBytes: number): number {
  const large = placesOf(answer, schema)
    .map((place) => ({ ...place, sizeBytes: jsonBytes(place.holder[place.key]) }))
    .filter(({ sizeBytes }) => sizeBytes >= VALUE_BYTES_MIN)
    .sort((one, other) => other.sizeBytes - one.sizeBytes);
  let saved = 0;
  for (const { holder, key, sizeBytes } of large) {
    if (saved >= wantedBytes) break;
    const note = { truncated: true, size_bytes: sizeBytes, ...(resource !== undefined && { resource }) };
    holder[key] = note;
    saved += sizeBytes - jsonBytes(note);
  }
  return saved;
}

/** Places of the answer, and of the items of its lists, that may hold anything, or any object. */
function placesOf(answer: Members, schema: Schema): { holder: Members; key: string }[] {
  const free = freeKeys(schema).map((key) => ({ holder: answer, key }));
  const ofItems = Object.entries(propertiesOf(schema)).flatMap(([name, property]) => {
    const items = answer[name];
    const keys = isObject(property["items"]) ? freeKeys(property["items"]) : [];
    if (!Array.isArray(items) || keys.length === 0) return [];
    return items.filter(isObject).flatMap((holder) => keys.map((key) => ({ holder, key })));
  });
  return [...free, ...ofItems].filter(({ holder, key }) => holder[key] !== undefined && holder[key] !== null);
}

const freeKeys = (schema: Schema): string[] =>
  Object.entries(propertiesOf(schema))
    .filter(([, property]) => isFree(property))
    .map(([key]) => key);

/** Whatever stands there, the note may stand there too. */
const isFree = (schema: Schema): boolean =>
  (schema["type"] === undefined && schema["anyOf"] === undefined && schema["enum"] === undefined) ||
  (schema["type"] === "object" && Object.keys(propertiesOf(schema)).length === 0);

function propertiesOf({ properties }: Schema): Record<string, Schema> {
  return isObject(properties)
    ? (Object.fromEntries(Object.entries(properties).filter(([, each]) => isObject(each))) as Record<
        string,
        Schema
      >)
    : {};
}

const isObject = (value: unknown): value is Members =>
  typeof value === "object" && value !== null && !Array.isArray(value);

/** @returns how many bytes that saved */
function cutLists(answer: Members, { offset }: CapOptions, wantedBytes: number): number {
  const lists = Object.entries(answer)
    .filter((entry): entry is [string, unknown[]] => Array.isArray(entry[1]))
    .map(([key, items]) => ({ key, items, sizeBytes: jsonBytes(items) }))
    .sort((one, other) => other.sizeBytes - one.sizeBytes);
  const isPage = typeof answer["returned_count"] === "number" && typeof answer["has_more"] === "boolean";
  const shortened: Record<string, { shown: number; total: number }> = {};
  let saved = 0;
  for (const { key, items } of lists) {
    if (saved >= wantedBytes) break;
    const total = items.length;
    while (items.length > 0 && saved < wantedBytes) saved += jsonBytes(items.pop()) + 1;
    if (isPage && total === answer["returned_count"])
      Object.assign(answer, {
        returned_count: items.length,
        has_more: true,
        next_offset: offset + items.length,
      });
    else if (items.length < total) shortened[key] = { shown: items.length, total };
  }
  if (Object.keys(shortened).length > 0) answer["truncated_lists"] = shortened;
  return saved;
}

function cutTexts(answer: Members): void {
  for (const [key, value] of Object.entries(answer)) {
    if (typeof value === "string" && value.length > TEXT_CHARS)
      answer[key] = `${cutText(value, TEXT_CHARS)}… (${value.length} characters)`;
  }
}
