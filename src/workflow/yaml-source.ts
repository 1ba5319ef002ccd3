import { isAlias, isMap, isScalar, isSeq, parseDocument, type Node } from "yaml";
import { LIMITS } from "../errors/index.ts";
import {
  FieldsUnderWay,
  depthProblem,
  type SourceNode,
  type SourceProblem,
  type SourceText,
} from "./source-node.ts";

/**
 * YAML 1.2 with the place of every value: the core schema, so nothing but what JSON can say; no tags, no merge keys,
 * one document.
 *
 * @see https://yaml.org/spec/1.2.2/#103-core-schema
 */
export function readYaml(text: string): SourceText {
  const document = parseDocument(text, {
    schema: "core",
    merge: false,
    resolveKnownTags: false,
    // Ours takes no time in the square of the keys, and sees each of them.
    uniqueKeys: false,
    prettyErrors: false,
  });
  const found = [...document.errors, ...document.warnings];
  const problems = found.map(({ message, pos }) => ({ at: pos[0], text: `it is no YAML: ${message}` }));
  // A text that is broken is nested in ways that nobody meant.
  if (problems.length > 0) return { root: { at: 0, value: null }, problems };
  const reader = new YamlReader();
  return { root: reader.node(document.contents, 0, 0), problems: reader.problems };
}

class YamlReader {
  readonly problems: SourceProblem[] = [];
  readonly #anchors = new Map<string, Node>();
  /** How many aliases are open above what is being read. */
  #aliases = 0;
  #repeated = 0;

  /** @param above where its owner stands, for a value of which nothing is written */
  node(node: Node | null | undefined, above: number, depth: number): SourceNode {
    const at = node?.range?.[0] ?? above;
    const empty = { at, value: null };
    if (!node) return empty;
    const problem = depthProblem(depth, at);
    if (problem) return this.#refuse(problem.at, problem.text);
    if (this.#aliases > 0 && ++this.#repeated > LIMITS.workflow.templateAliasNodes) {
      const { templateAliasNodes: most } = LIMITS.workflow;
      // Said once, though every further value is one too many.
      if (this.#repeated > most + 1) return empty;
      return this.#refuse(at, `the aliases repeat more than ${most} values`);
    }
    if (isAlias(node)) return this.#alias(node.source, this.#anchors.get(node.source), at, depth);
    // An anchor counts from where it is written, and so inside its own value too: that ends at the depth.
    if (node.anchor !== undefined) this.#anchors.set(node.anchor, node);
    if (isScalar(node)) return this.#scalar(node.value, at);
    if (isSeq<Node>(node)) {
      const items = node.items.map((item) => this.node(item, at, depth + 1));
      return { at, value: items.map(({ value }) => value), items };
    }
    if (!isMap<Node, Node>(node)) return this.#refuse(at, "it is no value");
    const fields = new FieldsUnderWay(this.problems);
    for (const { key, value } of node.items) {
      const keyAt = key.range?.[0] ?? at;
      if (isScalar(key)) fields.add(String(key.value), keyAt, this.node(value, keyAt, depth + 1));
      else this.#refuse(keyAt, "a key is a text");
    }
    return fields.nodeAt(at);
  }

  #alias(name: string, target: Node | undefined, at: number, depth: number): SourceNode {
    if (!target) return this.#refuse(at, `there is no anchor "${name}" before the alias`);
    if (this.#repeated > LIMITS.workflow.templateAliasNodes) return { at, value: null };
    this.#aliases += 1;
    const node = this.node(target, at, depth + 1);
    this.#aliases -= 1;
    return node;
  }

  #scalar(value: unknown, at: number): SourceNode {
    if (typeof value !== "number" || Number.isFinite(value)) return { at, value };
    return this.#refuse(at, "a number that JSON cannot say");
  }

  #refuse(at: number, text: string): SourceNode {
    this.problems.push({ at, text });
    return { at, value: null };
  }
}
