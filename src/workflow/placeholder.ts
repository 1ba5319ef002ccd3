import { escapeText } from "./reference.ts";

/**
 * Placeholders of a template: `${name}` stands for a parameter and is replaced once, when the template becomes a
 * workflow; what was put in is never looked at again. `$${` writes a literal `${`. References `${{ … }}` stay as they
 * are: they are resolved while the workflow runs, and only in inputs.
 */
const TOKEN = /\$\$\{\{|\$\$\{|\$\{\{|\$\{(\w+)\}|\$\{/g;
const WHOLE = /^\$\{(\w+)\}$/;

export type Parameters = ReadonlyMap<string, unknown>;

export interface Place {
  /** For messages: `steps[0].inputs.file`. */
  readonly name: string;
  /** References are read there later, so text that is put in is protected from being read as one. */
  readonly isInput: boolean;
}

/** The value with every placeholder replaced. What is wrong goes into `problems`, and its text stays as it is. */
export function substitute(
  value: unknown,
  parameters: Parameters,
  place: Place,
  problems: string[],
): unknown {
  if (typeof value === "string") return substituteText(value, parameters, place, problems);
  if (Array.isArray(value)) {
    return value.map((item, index) => substitute(item, parameters, inside(place, `[${index}]`), problems));
  }
  if (typeof value !== "object" || value === null) return value;
  const entries = Object.entries(value).map(([key, item]) => {
    return [key, substitute(item, parameters, inside(place, `.${key}`), problems)] as const;
  });
  return Object.fromEntries(entries);
}

/** True when a placeholder, an escape or a reference is somewhere in the value. */
export function isOpen(value: unknown): boolean {
  if (typeof value === "string") return value.includes("${");
  if (Array.isArray(value)) return value.some(isOpen);
  return typeof value === "object" && value !== null && Object.values(value).some(isOpen);
}

const inside = ({ name, isInput }: Place, key: string): Place => ({ name: `${name}${key}`, isInput });

function substituteText(text: string, parameters: Parameters, place: Place, problems: string[]): unknown {
  const whole = WHOLE.exec(text)?.[1];
  if (whole !== undefined && parameters.has(whole)) {
    const value = parameters.get(whole);
    return place.isInput ? escapeAll(value) : value;
  }
  return text.replaceAll(TOKEN, (token: string, name: string | undefined, at: number) => {
    if (token === "$${{") return place.isInput ? token : "${{";
    if (token === "$${") return "${";
    if (token === "${{") {
      if (!place.isInput) problems.push(`${place.name} holds a reference; only inputs may`);
      return token;
    }
    if (name === undefined) {
      problems.push(`${place.name} has a \${ that names no parameter; write $\${ for the text itself`);
      return token;
    }
    if (!parameters.has(name)) {
      const known = [...parameters.keys()].join(", ");
      problems.push(`${place.name} refers to parameter "${name}"; there are: ${known || "none"}`);
      return token;
    }
    const inserted = asText(parameters.get(name));
    if (!place.isInput) return inserted;
    if (/\$\{?$/.test(inserted) && /^\$?\{/.test(text.slice(at + token.length))) {
      problems.push(
        `${place.name}: the value of parameter "${name}" ends in "$" right before a "{"; put something between`,
      );
    }
    return escapeText(inserted);
  });
}

const asText = (value: unknown): string => (typeof value === "string" ? value : JSON.stringify(value));

/** A parameter's text stays text, however deep it is. */
function escapeAll(value: unknown): unknown {
  if (typeof value === "string") return escapeText(value);
  if (Array.isArray(value)) return value.map(escapeAll);
  if (typeof value !== "object" || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, escapeAll(item)]));
}
