import { LIMITS, fault } from "../errors/index.ts";
import { placeOf } from "../schema/index.ts";

/** A value as it was written, and where. */
export interface SourceNode {
  /** Offset of its first character. */
  readonly at: number;
  readonly value: unknown;
  /** Of an object: where each key stands, and what it holds. */
  readonly fields?: ReadonlyMap<string, SourceField>;
  /** Of an array. */
  readonly items?: readonly SourceNode[];
}

export interface SourceField {
  readonly keyAt: number;
  readonly node: SourceNode;
}

/** A sentence, and the offset that it is about. */
export interface SourceProblem {
  readonly at: number;
  readonly text: string;
}

/** What a reader made of a text: its value as far as it could be read, and all that is wrong with it. */
export interface SourceText {
  readonly root: SourceNode;
  readonly problems: readonly SourceProblem[];
}

/** Gathers the fields of one object, each key once. */
export class FieldsUnderWay {
  readonly #fields = new Map<string, SourceField>();
  readonly #problems: SourceProblem[];

  constructor(problems: SourceProblem[]) {
    this.#problems = problems;
  }

  add(key: string, keyAt: number, node: SourceNode): void {
    if (key === "__proto__") this.#problems.push({ at: keyAt, text: 'the key "__proto__" is not allowed' });
    else if (this.#fields.has(key))
      this.#problems.push({ at: keyAt, text: `the key ${JSON.stringify(key)} is there twice` });
    else this.#fields.set(key, { keyAt, node });
  }

  nodeAt(at: number): SourceNode {
    const entries = [...this.#fields].map(([key, { node }]) => [key, node.value] as const);
    return { at, value: Object.fromEntries(entries), fields: this.#fields };
  }
}

/** Undefined where something may still be nested. */
export function depthProblem(depth: number, at: number): SourceProblem | undefined {
  const { wireDepth } = LIMITS.schema;
  return depth > wireDepth ? { at, text: `it is nested deeper than ${wireDepth} levels` } : undefined;
}

/** Where the value at a path stands; the deepest part of the path that is there, when it is not. */
export function offsetOf(root: SourceNode, path: readonly PropertyKey[]): number {
  let node = root;
  for (const [walked, key] of path.entries()) {
    const field = typeof key === "string" ? node.fields?.get(key) : undefined;
    // A key that nobody knows, and a value that is wrong, are both found where the key stands.
    if (field && walked === path.length - 1) return field.keyAt;
    const next = field?.node ?? (typeof key === "number" ? node.items?.[key] : undefined);
    if (!next) break;
    node = next;
  }
  return node.at;
}

/** `flights.yaml:12:5`, line and column from 1. */
export function placeText(source: string, text: string, offset: number): string {
  const { line, column } = placeOf(text, offset);
  return `${source}:${line}:${column}`;
}

/** @throws TEMPLATE_INVALID */
export function checkSize(text: string, source: string): void {
  const sizeBytes = Buffer.byteLength(text);
  const { templateBytes } = LIMITS.workflow;
  if (sizeBytes <= templateBytes) return;
  const problem = `it has ${sizeBytes} bytes; at most ${templateBytes} are allowed`;
  throw fault("TEMPLATE_INVALID", { template: source, problems: [problem] });
}
