import {
  FieldsUnderWay,
  depthProblem,
  type SourceNode,
  type SourceProblem,
  type SourceText,
} from "./source-node.ts";

const SPACES = /[ \t\r\n]*/y;
const SCALAR =
  // oxlint-disable-next-line no-control-regex -- JSON forbids them
  /"(?:[^"\\\u0000-\u001f]|\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4}))*"|-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?(?![\w.])|(?:true|false|null)(?!\w)/y;

/**
 * JSON with the place of every value. Reading ends at the first thing that is no JSON.
 *
 * @see https://www.rfc-editor.org/rfc/rfc8259
 */
export function readJson(text: string): SourceText {
  const reader = new JsonReader(text);
  try {
    return { root: reader.document(), problems: reader.problems };
  } catch (error) {
    if (!(error instanceof NoJson)) throw error;
    return { root: { at: 0, value: null }, problems: [...reader.problems, error.problem] };
  }
}

/** Leaves the reader from however deep. */
class NoJson extends Error {
  readonly problem: SourceProblem;

  constructor(problem: SourceProblem) {
    super(problem.text);
    this.problem = problem;
  }
}

class JsonReader {
  readonly problems: SourceProblem[] = [];
  readonly #text: string;
  #at = 0;

  constructor(text: string) {
    this.#text = text;
  }

  document(): SourceNode {
    const root = this.#value(0);
    if (this.#next() !== "") this.#refuse("nothing more after the value");
    return root;
  }

  #value(depth: number): SourceNode {
    const first = this.#next();
    const problem = depthProblem(depth, this.#at);
    if (problem) throw new NoJson(problem);
    if (first === "{") return this.#object(depth);
    if (first === "[") return this.#array(depth);
    return this.#scalar("a value");
  }

  #object(depth: number): SourceNode {
    const at = this.#at;
    const fields = new FieldsUnderWay(this.problems);
    this.#list("}", "a key in double quotes", () => {
      if (this.#next() !== '"') this.#refuse("a key in double quotes");
      const key = this.#scalar("a key in double quotes");
      if (this.#next() !== ":") this.#refuse('":" after the key');
      this.#at += 1;
      fields.add(String(key.value), key.at, this.#value(depth + 1));
    });
    return fields.nodeAt(at);
  }

  #array(depth: number): SourceNode {
    const at = this.#at;
    const items: SourceNode[] = [];
    this.#list("]", "a value", () => void items.push(this.#value(depth + 1)));
    return { at, value: items.map(({ value }) => value), items };
  }

  /** From the opening bracket to behind the closing one. */
  #list(close: string, what: string, readItem: () => void): void {
    this.#at += 1;
    if (this.#next() === close) {
      this.#at += 1;
      return;
    }
    for (;;) {
      if (this.#next() === close) this.#refuse(`${what} after the comma`);
      readItem();
      const end = this.#next();
      if (end !== "," && end !== close) this.#refuse(`"," or "${close}"`);
      this.#at += 1;
      if (end === close) return;
    }
  }

  #scalar(what: string): SourceNode {
    const at = this.#at;
    SCALAR.lastIndex = at;
    const [written] = SCALAR.exec(this.#text) ?? [];
    if (written === undefined) this.#refuse(what);
    this.#at += written.length;
    return { at, value: JSON.parse(written) as unknown };
  }

  /** The character behind spaces; empty at the end. */
  #next(): string {
    SPACES.lastIndex = this.#at;
    SPACES.exec(this.#text);
    this.#at = SPACES.lastIndex;
    return this.#text.charAt(this.#at);
  }

  #refuse(wanted: string): never {
    const rest = this.#text.slice(this.#at, this.#at + 20).replace(/\s.*$/s, "");
    const found = this.#at >= this.#text.length ? "the text ends" : `there is ${JSON.stringify(rest)}`;
    throw new NoJson({ at: this.#at, text: `it is no JSON: ${found}; allowed is ${wanted}` });
  }
}
