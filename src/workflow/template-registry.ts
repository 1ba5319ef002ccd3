import { maxSatisfying, rcompare, validRange } from "semver";
import { LIMITS, fault } from "../errors/index.ts";
import { parseTemplates } from "./template-file.ts";
import { Composer } from "./template-includes.ts";
import { instantiate, templateProblems } from "./template-plan.ts";
import { fileOf, type Template } from "./template-shape.ts";
import { invalid, sentencesOf, type Problem } from "./template-source.ts";
import type { WorkflowDefinition } from "./workflow.protocol.ts";

/** One version of a template, in a list. */
export interface TemplateEntry {
  readonly templateId: string;
  readonly name: string;
  readonly version: string;
  readonly description: string;
  readonly parameterCount: number;
  /** Its own; those of its includes come to them. */
  readonly stepCount: number;
  readonly includes: readonly string[];
}

/**
 * Templates by id and version, in memory. What a template includes is looked up when it is used: the version that is
 * the latest then, unless the include names a range.
 */
export class TemplateRegistry {
  readonly #templates = new Map<string, Map<string, Template>>();
  /** Keeps what was composed since the last change. */
  #composer = this.#newComposer();
  #count = 0;

  /**
   * Takes all of these templates, or none. They may include one another, in any order.
   *
   * @throws ALREADY_EXISTS without `overwrite`, when one is there in its version
   * @throws TEMPLATE_INVALID listing all problems, those with their includes too
   */
  register(
    templates: Template | readonly Template[],
    { overwrite = false }: { overwrite?: boolean } = {},
  ): void {
    this.#add("templateId" in templates ? [templates] : templates, overwrite);
  }

  /**
   * @param which a version, a range such as `^1.2`, or `latest`: the highest by semantic versioning, which counts
   *   `2.0.0-beta.1` as higher than `1.9.0`. A range leaves out such early versions unless it names one.
   */
  get(templateId: string, which = "latest"): Template | undefined {
    return pick(this.#templates.get(templateId), which);
  }

  /** By id; of one id the latest first. */
  list(): TemplateEntry[] {
    return this.#all().map((template) => ({
      templateId: template.templateId,
      name: template.name,
      version: template.version,
      description: template.description,
      parameterCount: template.parameters.length,
      stepCount: template.steps.length,
      includes: template.includes,
    }));
  }

  /** @param version left out: all of them @returns false when there was nothing to delete */
  delete(templateId: string, version?: string): boolean {
    const versions = this.#templates.get(templateId);
    if (!versions) return false;
    const deleted = version === undefined ? versions.size : Number(versions.delete(version));
    if (version === undefined || versions.size === 0) this.#templates.delete(templateId);
    this.#count -= deleted;
    this.#composer = this.#newComposer();
    return deleted > 0;
  }

  /**
   * A template with the steps and parameters of all that it includes.
   *
   * @param which as of `get`
   * @throws UNKNOWN_NAME @throws TEMPLATE_INVALID when an include cannot be found, or leads back
   */
  compose(templateId: string, which = "latest"): Template {
    const template = this.get(templateId, which);
    if (!template) throw this.#unknown(templateId, which);
    const composed = this.#composer.compose(template);
    if (composed.problems) throw invalid(templateId, sentencesOf(template, composed.problems));
    return composed.template;
  }

  /**
   * A workflow from a template and what it includes.
   *
   * @param given by parameter name
   * @throws UNKNOWN_NAME @throws TEMPLATE_INVALID
   */
  instantiate(
    templateId: string,
    given: Readonly<Record<string, unknown>>,
    { workflowId, version = "latest" }: { workflowId: string; version?: string },
  ): WorkflowDefinition {
    return instantiate(this.compose(templateId, version), given, workflowId);
  }

  /** All of it as JSON: `{ templates: { id: { version: template } } }`. */
  exportText(): string {
    const templates: Record<string, Record<string, unknown>> = {};
    for (const template of this.#all())
      (templates[template.templateId] ??= {})[template.version] = fileOf(template);
    return `${JSON.stringify({ templates }, null, 2)}\n`;
  }

  /**
   * Takes all templates of a text, in place of those with the same id and version.
   *
   * @param source what the text is called in messages; YAML where it ends in `.yaml` or `.yml`
   * @returns how many there were
   * @throws TEMPLATE_INVALID listing all problems; then none is taken
   */
  importText(text: string, source: string): number {
    const templates = parseTemplates(text, source);
    this.#add(templates, true, source);
    return templates.length;
  }

  /**
   * Would they be taken, in place of those with the same id and version? Nothing is.
   *
   * @param source what they are called together in messages
   * @throws TEMPLATE_INVALID listing all problems, those with their includes too
   */
  check(templates: readonly Template[], source: string): void {
    this.#checked(templates, true, source);
  }

  #add(templates: readonly Template[], overwrite: boolean, source = "registry"): void {
    const { added, count } = this.#checked(templates, overwrite, source);
    for (const [templateId, versions] of added)
      this.#templates.set(templateId, new Map([...(this.#templates.get(templateId) ?? []), ...versions]));
    this.#count = count;
    this.#composer = this.#newComposer();
  }

  /** By id and version, and how many there would be in all. */
  #checked(
    templates: readonly Template[],
    overwrite: boolean,
    source: string,
  ): { added: ReadonlyMap<string, ReadonlyMap<string, Template>>; count: number } {
    const added = new Map<string, Map<string, Template>>();
    let count = this.#count;
    for (const template of templates) {
      const { templateId, version } = template;
      const isThere = this.#templates.get(templateId)?.has(version) === true;
      if (isThere && !overwrite)
        throw fault("ALREADY_EXISTS", { kind: "template", name: `${templateId}@${version}` });
      if (!isThere) count += 1;
      const versions = added.get(templateId) ?? new Map<string, Template>();
      added.set(templateId, versions.set(version, template));
    }
    const { templateVersions } = LIMITS.workflow;
    if (count > templateVersions)
      throw invalid("registry", [
        `it would hold ${count} templates; at most ${templateVersions} are allowed`,
      ]);
    const composer = this.#newComposer(added);
    const problems = templates.flatMap((template) => {
      const composed = composer.compose(template);
      return sentencesOf(template, composed.problems ?? problemsOf(composed.template, template));
    });
    const [first] = templates;
    if (problems.length > 0)
      throw invalid(templates.length === 1 && first ? first.templateId : source, problems);
    return { added, count };
  }

  #newComposer(added?: ReadonlyMap<string, ReadonlyMap<string, Template>>): Composer {
    return new Composer((include) => this.#find(include, added));
  }

  #find(include: string, added?: ReadonlyMap<string, ReadonlyMap<string, Template>>): Template | undefined {
    const [templateId = "", range = "latest"] = include.split("@", 2);
    const there = this.#templates.get(templateId);
    const more = added?.get(templateId);
    return pick(there && more ? new Map([...there, ...more]) : (more ?? there), range);
  }

  #all(): Template[] {
    const ids = [...this.#templates.keys()].toSorted();
    return ids.flatMap((id) => {
      const versions = [...(this.#templates.get(id)?.values() ?? [])];
      return versions.toSorted((a, b) => rcompare(a.version, b.version));
    });
  }

  #unknown(templateId: string, which: string): Error {
    const versions = this.#templates.get(templateId);
    const name = which === "latest" ? templateId : `${templateId}@${which}`;
    const known = versions
      ? [...versions.keys()].map((each) => `${templateId}@${each}`)
      : [...this.#templates.keys()];
    return fault("UNKNOWN_NAME", {
      kind: "template",
      name,
      known: known.length === 0 ? ["none"] : known.slice(0, LIMITS.workflow.problems),
    });
  }
}

function pick(versions: ReadonlyMap<string, Template> | undefined, which: string): Template | undefined {
  if (!versions) return undefined;
  if (which === "latest") return versions.get([...versions.keys()].toSorted(rcompare)[0] ?? "");
  if (validRange(which) === null) return undefined;
  return versions.get(which) ?? versions.get(maxSatisfying([...versions.keys()], which) ?? "");
}

/** What is wrong with a composed template, told of the one that includes. */
function problemsOf(composed: Template, template: Template): readonly Problem[] {
  const before = composed.steps.length - template.steps.length;
  return templateProblems(composed).map(({ path, text }) => {
    const [list, at] = path;
    if (list !== "steps" || typeof at !== "number") return { path, text };
    return { path: at < before ? ["includes"] : ["steps", at - before, ...path.slice(2)], text };
  });
}
