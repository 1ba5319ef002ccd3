import { LIMITS } from "../errors/index.ts";
import { frozen, type Template } from "./template-shape.ts";
import type { Problem } from "./template-source.ts";

/** The template that `id` or `id@range` means, or undefined. */
export type Lookup = (include: string) => Template | undefined;

export type Composed =
  | { readonly template: Template; readonly problems?: undefined }
  | { readonly problems: readonly IncludeProblem[] };

interface IncludeProblem extends Problem {
  /** It is of a template further down, and names that. */
  readonly isInherited?: boolean;
}

/**
 * Composes templates that may include one another. Each is composed once, however many include it: else a short chain of
 * includes could take for ever.
 */
export class Composer {
  readonly #lookup: Lookup;
  readonly #done = new Map<Template, Composed>();

  constructor(lookup: Lookup) {
    this.#lookup = lookup;
  }

  /**
   * A template with the steps of all that it includes, and of what they include, before its own: each under the id of
   * the include and `_`, references and dependencies too. Of parameters with one name the first counts: its own, then
   * those of its includes in their order.
   *
   * @param above the templates on the way here, this one last
   */
  compose(template: Template, above: readonly Template[] = [template]): Composed {
    const done = this.#done.get(template) ?? this.#composeNew(template, above);
    this.#done.set(template, done);
    return done;
  }

  #composeNew(template: Template, above: readonly Template[]): Composed {
    const { includes } = template;
    if (includes.length === 0) return { template };
    const problems: IncludeProblem[] = [];
    const parts: Template[] = [];
    const seen = new Set<string>();
    for (const [at, include] of includes.entries()) {
      const part = this.#part(include, above);
      if ("text" in part) problems.push({ path: ["includes", at], ...part });
      else if (seen.has(part.templateId))
        problems.push({ path: ["includes", at], text: `"${part.templateId}" is included twice` });
      else {
        seen.add(part.templateId);
        parts.push(part);
      }
    }
    const count = parts.reduce((sum, { steps }) => sum + steps.length, template.steps.length);
    const { templateSteps: stepsMax } = LIMITS.workflow;
    if (count > stepsMax)
      problems.push({
        path: ["includes"],
        text: `it has ${count} steps with its includes; at most ${stepsMax} are allowed`,
      });
    if (problems.length > 0) return { problems };
    return {
      template: frozen({
        ...template,
        parameters: firstOfEach([...template.parameters, ...parts.flatMap(({ parameters }) => parameters)]),
        steps: [...parts.flatMap(prefixedSteps), ...template.steps],
        includes: [],
      }),
    };
  }

  /** The composed template, or why it cannot be had. */
  #part(include: string, above: readonly Template[]): Template | Omit<IncludeProblem, "path"> {
    const found = this.#lookup(include);
    if (!found) return { text: `there is no template "${include}" to include` };
    const from = above.findIndex(({ templateId }) => templateId === found.templateId);
    if (from >= 0) {
      const cycle = [...above.slice(from), found].map(({ templateId }) => templateId).join(" -> ");
      return { text: `templates include one another: ${cycle}` };
    }
    const { templateIncludeDepth } = LIMITS.workflow;
    if (above.length > templateIncludeDepth)
      return { text: `templates include one another more than ${templateIncludeDepth} deep` };
    const composed = this.compose(found, [...above, found]);
    const inherited = (text: string): Omit<IncludeProblem, "path"> => ({
      text: `"${found.templateId}" cannot be included: ${text}`,
      isInherited: true,
    });
    if (composed.problems) {
      const [first] = composed.problems;
      return first?.isInherited ? { text: first.text, isInherited: true } : inherited(first?.text ?? "");
    }
    const open = composed.template.steps.find(({ depends_on }) => typeof depends_on === "string");
    if (!open) return composed.template;
    return inherited(`one parameter is all that its step "${String(open["step_id"])}" depends on`);
  }
}

function firstOfEach(parameters: Template["parameters"]): Template["parameters"] {
  const first = new Map<string, (typeof parameters)[number]>();
  for (const parameter of parameters) if (!first.has(parameter.name)) first.set(parameter.name, parameter);
  return [...first.values()];
}

type RawStep = Template["steps"][number];

function prefixedSteps({ templateId, steps }: Template): RawStep[] {
  const prefix = `${templateId}_`;
  const ids = new Set(steps.map(({ step_id }) => step_id));
  const rename = (value: unknown): unknown =>
    typeof value === "string" ? renameReferences(value, prefix) : mapValues(value, rename);
  return steps.map((step) => {
    const { step_id, depends_on, when } = step;
    const renamed = Object.entries(step).map(([key, value]) => [
      key,
      REFERRING.has(key) ? rename(value) : value,
    ]);
    return {
      ...(Object.fromEntries(renamed) as RawStep),
      step_id: prefixed(step_id, prefix),
      ...(depends_on === undefined
        ? {}
        : { depends_on: mapValues(depends_on, (id) => prefixed(id, prefix)) }),
      ...(typeof when === "string" ? { when: renameInExpression(when, ids, prefix) } : {}),
    };
  });
}

/** Fields that hold references. */
const REFERRING: ReadonlySet<string> = new Set(["inputs", "for_each", "compensate"]);

const prefixed = (id: unknown, prefix: string): unknown => (typeof id === "string" ? prefix + id : id);

function mapValues(value: unknown, change: (item: unknown) => unknown): unknown {
  if (Array.isArray(value)) return value.map(change);
  if (typeof value !== "object" || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, change(item)]));
}

/** How a reference names its step: `${{ steps.load` or `${{ steps["load rows"]`, and no escape before it. */
const REFERENCE = /(?<!\$)(\$\{\{\s*steps)(?:\.([\w$-]+)|\["((?:[^"\\]|\\.)*)"\])/g;
const WORD = /^[\w$-]+$/;

function renameReferences(text: string, prefix: string): string {
  return text.replaceAll(
    REFERENCE,
    (_, head: string, word: string | undefined, quoted: string | undefined) => {
      if (word !== undefined && WORD.test(prefix)) return `${head}.${prefix}${word}`;
      return `${head}[${JSON.stringify(prefix).slice(0, -1)}${quoted ?? word}"]`;
    },
  );
}

/** How a condition names a step: `steps.load`, `` steps.`load rows` `` or `steps."load rows"`. */
const IN_EXPRESSION = /(?<![\w$.])steps\.(?:([A-Za-z_]\w*)|`([^`]*)`|"([^"\\]*)")/g;

function renameInExpression(expression: string, ids: ReadonlySet<unknown>, prefix: string): string {
  return expression.replaceAll(IN_EXPRESSION, (all: string, ...names: (string | undefined)[]) => {
    const id = names.slice(0, 3).find((name) => name !== undefined);
    return ids.has(id) ? `steps.\`${prefix}${id}\`` : all;
  });
}
