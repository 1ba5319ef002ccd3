import type { Random } from "../../../src/scope/index.ts";

type Members = Record<string, unknown>;

/** What stands where something else belongs: other types, huge numbers, odd Unicode, names of prototypes. */
const HOSTILE: readonly unknown[] = [
  null,
  true,
  0,
  -1,
  1.5,
  1e308,
  Number.MAX_SAFE_INTEGER,
  2 ** 53,
  "",
  " ",
  "__proto__",
  "constructor",
  "\u0000\u001b[31m",
  "\u202egnp\u200b\ufeff",
  "\ud800",
  "🧪".repeat(300),
  "w".repeat(5_000),
  [],
  {},
  [[]],
  { toString: 1, valueOf: null },
  { constructor: { prototype: {} } },
  // Written out, since in a literal it would name the prototype.
  JSON.parse('{"__proto__":{"admin":true},"hasOwnProperty":0}'),
];
const DEPTHS = [3, 40, 200, 20_000];
const KEYS = [
  "id",
  "method",
  "params",
  "_meta",
  "arguments",
  "name",
  "jsonrpc",
  "__proto__",
  "toJSON",
  "result",
];

/** All that chance decides about a conversation. */
export class LineMutator {
  readonly #random: Random;

  constructor(random: Random) {
    this.#random = random;
  }

  /** From 0 to below `end`. */
  below(end: number): number {
    return Math.floor(this.#random.next() * end);
  }

  oneOf<T>(choices: readonly T[]): T {
    const choice = choices[this.below(choices.length)];
    if (choice === undefined) throw new Error("there is nothing to choose from");
    return choice;
  }

  /** The bytes of one message, or of what has become of it, with its line end unless that was lost. */
  line(message: Members): Buffer {
    let text = JSON.stringify(this.below(3) === 0 ? message : this.#misshapen(message));
    if (this.below(200) === 0) text = this.#deep(text);
    if (this.below(5) > 0) return Buffer.from(`${text}\n`);
    return this.#damaged(Buffer.from(`${text}\n`));
  }

  /** Cuts bytes anywhere, also inside a character. */
  *chunks(bytes: Buffer): Generator<Buffer> {
    for (let from = 0; from < bytes.length;) {
      const to = from + 1 + this.below(4_000);
      yield bytes.subarray(from, to);
      from = to;
    }
  }

  #misshapen(message: Members): unknown {
    const copy = structuredClone(message);
    for (let changes = 1 + this.below(3); changes > 0; changes--) this.#change(copy);
    return this.below(50) === 0 ? this.oneOf<unknown>([[copy], [copy, copy], copy["params"] ?? null]) : copy;
  }

  /** Somewhere in the value. */
  #change(value: object): void {
    const members = value as Members;
    const keys = Object.keys(members);
    const key = keys.length === 0 ? this.oneOf(KEYS) : this.oneOf(keys);
    // A name of a prototype would lead to that of all objects.
    const inner = Object.hasOwn(members, key) ? members[key] : undefined;
    if (typeof inner === "object" && inner !== null && this.below(4) > 0) return this.#change(inner);
    const kind = this.below(4);
    if (kind === 0) Reflect.deleteProperty(members, key);
    else if (kind === 1) put(members, this.oneOf(KEYS), this.#hostile());
    else if (kind === 2 && typeof inner === "string")
      put(members, key, `${inner}${this.oneOf(["x", "\u0000", "é"])}`);
    else put(members, key, this.#hostile());
  }

  /** A value of its own: the next change may be made inside it. */
  #hostile(): unknown {
    return structuredClone(this.oneOf(HOSTILE));
  }

  /** One of its empty places holds a value of many levels. */
  #deep(text: string): string {
    const depth = this.oneOf(DEPTHS);
    const [open, close] = this.oneOf([
      ["[", "]"],
      ['{"a":', "}"],
    ] as const);
    const nested = `${open.repeat(depth)}0${close.repeat(depth)}`;
    return text.replace(/"params":\{|"arguments":\{/, (found) => `${found}"deep":${nested},`);
  }

  #damaged(line: Buffer): Buffer {
    const at = this.below(line.length);
    const kind = this.below(6);
    if (kind === 0) return Buffer.concat([line.subarray(0, at), Buffer.from("\n"), line.subarray(at)]);
    if (kind === 1) return line.subarray(0, line.length - 1);
    if (kind === 2) return Buffer.concat([line.subarray(0, at), line.subarray(at + this.below(20))]);
    if (kind === 3) return Buffer.concat([line, line]);
    if (kind === 4) return Buffer.concat([Buffer.from(this.oneOf(["\ufeff", "\r\n", "\t\n", "["])), line]);
    const damaged = Buffer.from(line);
    for (let flips = 1 + this.below(4); flips > 0; flips--) {
      const place = this.below(damaged.length);
      damaged[place] = (damaged[place] ?? 0) ^ (1 << this.below(8));
    }
    return damaged;
  }
}

function put(members: Members, key: string, value: unknown): void {
  Object.defineProperty(members, key, { value, enumerable: true, configurable: true, writable: true });
}
