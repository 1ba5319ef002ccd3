import { Reference } from "../codec/index.ts";
import { LIMITS, fault } from "../errors/index.ts";
import { ownMember, type Wire } from "../schema/index.ts";

/**
 * References from the inputs of one step to the outputs of others, `${{ steps.fetch.output.rows[0].name }}`; and within a
 * step that fans out to the item that is meant, `${{ item.name }}`, and its place from 0, `${{ index }}`.
 *
 * ```
 * reference  = "${{" "steps" step ".output" key* "}}"  |  "${{" "item" key* "}}"  |  "${{" "index" "}}"
 * step, key  = "." word  |  "[" digits "]"  |  "[" quoted "]"      word: letters, digits, "_", "$", "-"
 * ```
 * `$${{` writes a literal `${{`. Names that are no plain words are quoted: `steps["load rows"].output["a b"]`.
 */
export interface OutputReference {
  /** As it is written, for messages. */
  readonly text: string;
  readonly stepId: string;
  readonly path: readonly (string | number)[];
}

/** Of one item of a fan-out: the item, or a part of it, or its place. */
export interface ItemReference {
  /** As it is written, for messages. */
  readonly text: string;
  readonly of: "item" | "index";
  readonly path: readonly (string | number)[];
}

/** A string cut into what stands for itself and what refers. */
export type Segment = string | OutputReference | ItemReference;

export type ParsedText =
  | { readonly ok: true; readonly segments: readonly Segment[] }
  | { readonly ok: false; readonly problem: string };

const OPEN = "${{";
const ESCAPED_OPEN = "$${{";
const SPACES = /\s*/y;
const ROOT = /(steps|item|index)(?![\w$-])/y;
const CLOSE = /\}\}/y;
const WORD_KEY = /\.([\w$-]+)/y;
const INDEX_KEY = /\[(0|[1-9]\d{0,9})\]/y;
const QUOTED_KEY = /\[("(?:[^"\\]|\\.)*")\]/y;

/** Cuts a string at its references. A problem names the character it stands at, from 1. */
export function parseText(text: string): ParsedText {
  const segments: Segment[] = [];
  let literal = "";
  let at = 0;
  while (at < text.length) {
    const open = text.indexOf(OPEN, at);
    if (open < 0) break;
    if (open > at && text.startsWith(ESCAPED_OPEN, open - 1)) {
      literal += text.slice(at, open - 1) + OPEN;
      at = open + OPEN.length;
      continue;
    }
    literal += text.slice(at, open);
    const parsed = parseReference(text, open);
    if ("problem" in parsed) return { ok: false, problem: parsed.problem };
    if (literal !== "") segments.push(literal);
    literal = "";
    segments.push(parsed.reference);
    at = parsed.end;
  }
  literal += text.slice(at);
  if (literal !== "" || segments.length === 0) segments.push(literal);
  return { ok: true, segments };
}

type ParsedReference =
  | { readonly reference: OutputReference | ItemReference; readonly end: number }
  | { readonly problem: string };

function parseReference(text: string, open: number): ParsedReference {
  let at = open + OPEN.length;
  const take = (pattern: RegExp): RegExpExecArray | null => {
    pattern.lastIndex = at;
    const match = pattern.exec(text);
    if (match) at += match[0].length;
    return match;
  };
  const takeKey = (): string | number | undefined => {
    const word = take(WORD_KEY)?.[1];
    if (word !== undefined) return word;
    const index = take(INDEX_KEY)?.[1];
    if (index !== undefined) return Number(index);
    const before = at;
    const quoted = unquote(take(QUOTED_KEY)?.[1]);
    if (quoted === undefined) at = before;
    return quoted;
  };
  const expected = (what: string): ParsedReference => {
    const found = at >= text.length ? "the text ends there" : `found "${text.slice(at, at + 12)}"`;
    return { problem: `a reference at character ${open + 1} needs ${what} at character ${at + 1}, ${found}` };
  };

  take(SPACES);
  const root = take(ROOT)?.[1];
  if (root === undefined) return expected('"steps", "item" or "index"');
  const step = root === "steps" ? takeKey() : null;
  if (step === undefined) return expected('the id of a step, as in .fetch or ["fetch rows"],');
  if (step !== null && takeKey() !== "output") return expected('".output" behind the step');
  const path: (string | number)[] = [];
  if (root !== "index") for (let key = takeKey(); key !== undefined; key = takeKey()) path.push(key);
  take(SPACES);
  if (!take(CLOSE))
    return expected(root === "index" ? '"}}"' : 'a key, as in .rows, [0] or ["a b"], or "}}"');
  const written = text.slice(open, at);
  const reference =
    root === "steps"
      ? { text: written, stepId: String(step), path }
      : { text: written, of: root === "item" ? ("item" as const) : ("index" as const), path };
  return { reference, end: at };
}

function unquote(quoted: string | undefined): string | undefined {
  if (quoted === undefined) return undefined;
  try {
    return JSON.parse(quoted) as string;
  } catch {
    return undefined;
  }
}

export interface FoundReference {
  /** Where in the inputs: `inputs.rows[0]`. */
  readonly place: string;
  readonly reference: OutputReference;
}

export interface FoundReferences {
  readonly references: FoundReference[];
  /** Those that only an item of a fan-out can follow. */
  readonly ofItems: { readonly place: string; readonly text: string }[];
  /** A sentence for each string that is malformed or too deep. */
  readonly problems: string[];
}

/** @param place what the value is called */
export function findReferences(inputs: Wire, place = "inputs"): FoundReferences {
  const references: FoundReference[] = [];
  const ofItems: { place: string; text: string }[] = [];
  const problems: string[] = [];
  const walk = (value: unknown, place: string, depth: number): void => {
    const { wireDepth } = LIMITS.schema;
    // So that every later walk over the inputs may recurse.
    if (depth > wireDepth) {
      problems.push(`${place.slice(0, 60)}… is nested deeper than ${wireDepth} levels`);
    } else if (typeof value === "string") {
      if (!value.includes(OPEN)) return;
      const parsed = parseText(value);
      if (!parsed.ok) problems.push(`${place}: ${parsed.problem}`);
      else
        for (const part of parsed.segments) {
          if (typeof part === "string") continue;
          if ("of" in part) ofItems.push({ place, text: part.text });
          else references.push({ place, reference: part });
        }
    } else if (Array.isArray(value)) {
      value.forEach((item, index) => walk(item, `${place}[${index}]`, depth + 1));
    } else if (isPlain(value)) {
      for (const key of Object.keys(value)) walk(value[key], `${place}.${key}`, depth + 1);
    }
  };
  walk(inputs, place, 0);
  return { references, ofItems, problems };
}

/** What a step gave, or why it gave nothing. */
export type Output = { readonly value: unknown } | { readonly missing: string };

/** What references can be followed to. */
export interface Sources {
  outputOf(stepId: string): Output;
  /** The item of a fan-out that is meant; null outside of one. */
  readonly item: { readonly value: unknown; readonly index: number } | null;
}

/**
 * The inputs of a step with every reference replaced by what it refers to.
 *
 * A string that is exactly one reference becomes the value itself, of its own type; where the value is kept as a blob
 * it becomes a `Reference` to the part that is meant. A reference within a longer string is put in as text: a string
 * as it is, anything else as JSON.
 *
 * @throws REFERENCE_MISSING when the output, or a key on the way into it, does not exist
 * @throws INPUT_INVALID when a blob or bytes would have to be put into text
 */
export function resolveInputs(stepId: string, inputs: Wire, sources: Sources): unknown {
  const resolve = (value: unknown): unknown => {
    if (typeof value === "string") return value.includes(OPEN) ? resolveText(stepId, value, sources) : value;
    if (Array.isArray(value)) return value.map(resolve);
    if (!isPlain(value)) return value;
    return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, resolve(item)]));
  };
  return resolve(inputs);
}

function resolveText(stepId: string, text: string, sources: Sources): unknown {
  const parsed = parseText(text);
  if (!parsed.ok) throw fault("INPUT_INVALID", { what: `step "${stepId}"`, problems: [parsed.problem] });
  const [first] = parsed.segments;
  if (parsed.segments.length === 1 && first !== undefined) {
    return typeof first === "string" ? first : follow(stepId, first, sources);
  }
  return parsed.segments
    .map((part) =>
      typeof part === "string" ? part : asText(stepId, part.text, follow(stepId, part, sources)),
    )
    .join("");
}

function follow(step: string, reference: OutputReference | ItemReference, sources: Sources): unknown {
  const { text, path } = reference;
  const missing = (why: string): Error => fault("REFERENCE_MISSING", { step, reference: text, why });
  const source = "of" in reference ? itemOf(reference.of, sources) : sources.outputOf(reference.stepId);
  if ("missing" in source) throw missing(source.missing);
  let value = source.value;
  let place = "of" in reference ? reference.of : "output";
  for (const [walked, key] of path.entries()) {
    if (value instanceof Reference) return value.at(...path.slice(walked));
    const inside = describe(value);
    const found = ownMember(value, key);
    if (found === undefined) {
      throw missing(
        `${place} is ${inside} without ${typeof key === "number" ? `index ${key}` : `key "${key}"`}`,
      );
    }
    value = found.value;
    place += typeof key === "number" ? `[${key}]` : `.${key}`;
  }
  return value;
}

function itemOf(of: ItemReference["of"], { item }: Sources): Output {
  if (item === null) return { missing: "the step does not fan out" };
  return { value: of === "item" ? item.value : item.index };
}

function asText(stepId: string, text: string, value: unknown): string {
  const refuse = (what: string): Error =>
    fault("INPUT_INVALID", {
      what: `step "${stepId}"`,
      problems: [`${text} ${what} and cannot be put into text; make it the whole string`],
    });
  if (typeof value === "string") return value;
  if (value instanceof Reference) throw refuse(`is kept as a blob of ${value.sizeBytes} bytes`);
  if (value instanceof Uint8Array) throw refuse("is bytes");
  if (typeof value === "bigint" || value === undefined) return String(value);
  return JSON.stringify(value, function (this: Record<string, unknown>, key, item: unknown) {
    // Looked up again, because JSON hands over what `toJSON` made of it.
    const raw = this[key];
    if (raw instanceof Uint8Array) throw refuse("holds bytes");
    if (raw instanceof Reference) throw refuse("holds a part that is kept as a blob");
    return typeof item === "bigint" ? String(item) : item;
  });
}

function describe(value: unknown): string {
  if (value === null) return "null";
  if (Array.isArray(value)) return `an array of ${value.length}`;
  return isPlain(value) ? "an object" : `a ${typeof value}`;
}

function isPlain(value: unknown): value is Readonly<Record<string, unknown>> {
  if (typeof value !== "object" || value === null || Array.isArray(value)) return false;
  const prototype: unknown = Object.getPrototypeOf(value);
  return prototype === Object.prototype || prototype === null;
}

/** Makes a text stand for itself where references are read: each `${{` in it is no reference any more. */
export function escapeText(text: string): string {
  // A function, because "$$" in a replacement text would mean "$".
  return text.replaceAll(OPEN, () => ESCAPED_OPEN);
}
