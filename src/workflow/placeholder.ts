import type { Problem } from "./template-source.ts";
import { escapeText } from "./reference.ts";

/**
 * Placeholders of a template: `${name}` stands for a parameter and is replaced once, when the template becomes a
 * workflow; what was put in is never looked at again. `$${` writes a literal `${`. References `${{ … }}` stay as they
 * are: they are resolved while the workflow runs, and only where a step reads references.
 *
 * A value is looked through once, and becomes either a constant or a function that puts the parameters in.
 */
const TOKEN = /\$\$\{\{|\$\$\{|\$\{\{|\$\{(\w+)\}|\$\{/g;
const WHOLE = /^\$\{(\w+)\}$/;

export type Parameters = ReadonlyMap<string, unknown>;

/** Puts the parameters in; what cannot be is told to `problems`. */
export type Fill = (parameters: Parameters, problems: Problem[]) => unknown;

/** A value without a blank, escapes resolved; or what makes one. */
export type Filled =
  | { readonly constant: unknown; readonly fill?: undefined }
  | { readonly constant?: undefined; readonly fill: Fill };

/**
 * What reads the text later: nothing; the references of a step, so that text that is put in is protected from being
 * read as one; or an expression, where a value stands as a literal.
 */
export type Reader = "nothing" | "references" | "expression";

export interface Place {
  readonly path: readonly PropertyKey[];
  /** For messages: `steps[0].inputs.file`. */
  readonly name: string;
  readonly reader: Reader;
}

/** What is known while values are looked through. */
export interface Compilation {
  readonly known: ReadonlySet<string>;
  readonly problems: Problem[];
  /** Told of a reference that a placeholder is part of: what it refers to shows only when it is filled. */
  readonly onOpenReference: () => void;
}

export function compileValue(value: unknown, place: Place, compilation: Compilation): Filled {
  if (typeof value === "string") return compileText(value, place, compilation);
  if (typeof value !== "object" || value === null) return { constant: value };
  const keys = Object.keys(value);
  const isList = Array.isArray(value);
  const parts = Object.values(value).map((item: unknown, at) =>
    compileValue(item, inside(place, isList ? at : (keys[at] ?? "")), compilation),
  );
  const build = (items: unknown[]): unknown => (isList ? items : objectOf(keys, items));
  if (parts.every((part) => part.fill === undefined)) {
    return {
      constant: Object.freeze(build(parts.map(({ constant }) => constant))),
    };
  }
  return {
    fill: (parameters, problems) =>
      build(parts.map((part) => (part.fill === undefined ? part.constant : part.fill(parameters, problems)))),
  };
}

function objectOf(keys: readonly string[], items: readonly unknown[]): unknown {
  const object: Record<string, unknown> = {};
  // Assigned, which is some times as fast as from entries; no reader lets the one key pass that this would not set.
  for (let at = 0; at < keys.length; at += 1) object[keys[at] ?? ""] = items[at];
  return object;
}

/** True when a placeholder, an escape or a reference is somewhere in the value. */
export function isOpen(value: unknown): boolean {
  if (typeof value === "string") return value.includes("${");
  if (Array.isArray(value)) return value.some(isOpen);
  return typeof value === "object" && value !== null && Object.values(value).some(isOpen);
}

function inside({ path, name, reader }: Place, key: string | number): Place {
  return {
    path: [...path, key],
    name: typeof key === "number" ? `${name}[${key}]` : `${name}.${key}`,
    reader,
  };
}

/** A piece of a text that stands for itself, or a parameter. */
type Piece = string | { readonly parameter: string; readonly beforeBrace: boolean };

function compileText(text: string, place: Place, { known, problems, onOpenReference }: Compilation): Filled {
  if (!text.includes("${")) return { constant: text };
  const { path, name: where, reader } = place;
  const refuse = (problem: string): void => void problems.push({ path, text: problem });
  const whole = WHOLE.exec(text)?.[1];
  if (whole !== undefined && known.has(whole)) {
    const protect = reader === "references" ? escapeAll : (value: unknown): unknown => value;
    return { fill: (parameters) => protect(parameters.get(whole)) };
  }
  const pieces: Piece[] = [];
  let last = 0;
  let referenceEnd = 0;
  for (const { 0: token, 1: name, index } of text.matchAll(TOKEN)) {
    const end = index + token.length;
    pieces.push(text.slice(last, index));
    last = end;
    if (name !== undefined && known.has(name)) {
      if (index < referenceEnd) onOpenReference();
      pieces.push({ parameter: name, beforeBrace: /^\$?\{/.test(text.slice(end, end + 2)) });
    } else if (token === "$${{") pieces.push(reader === "references" ? token : "${{");
    else if (token === "$${") pieces.push("${");
    else {
      pieces.push(token);
      if (token === "${{") {
        if (reader !== "references") refuse(`${where} holds a reference; only inputs may`);
        referenceEnd = text.indexOf("}}", end);
        if (referenceEnd < 0) referenceEnd = text.length;
      } else if (name === undefined)
        refuse(`${where} has a \${ that names no parameter; write $\${ for the text itself`);
      else refuse(`${where} refers to parameter "${name}"; there are: ${[...known].join(", ") || "none"}`);
    }
  }
  pieces.push(text.slice(last));
  if (pieces.every((piece) => typeof piece === "string")) return { constant: pieces.join("") };
  return { fill: fillText(pieces, place) };
}

function fillText(pieces: readonly Piece[], { path, name, reader }: Place): Fill {
  const asText = reader === "expression" ? JSON.stringify : plainText;
  return (parameters, problems) => {
    let text = "";
    for (const piece of pieces) {
      if (typeof piece === "string") {
        text += piece;
        continue;
      }
      const inserted = asText(parameters.get(piece.parameter));
      if (reader === "references" && piece.beforeBrace && /\$\{?$/.test(inserted)) {
        const problem = `${name}: the value of parameter "${piece.parameter}" ends in "$" right before a "{"; put something between`;
        problems.push({ path, text: problem });
      }
      text += reader === "references" && inserted.includes("${") ? escapeText(inserted) : inserted;
    }
    return text;
  };
}

const plainText = (value: unknown): string => (typeof value === "string" ? value : JSON.stringify(value));

/** A parameter's text stays text, however deep it is. */
function escapeAll(value: unknown): unknown {
  if (typeof value === "string") return escapeText(value);
  if (Array.isArray(value)) return value.map(escapeAll);
  if (typeof value !== "object" || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, escapeAll(item)]));
}
