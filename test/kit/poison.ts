import { expect } from "vitest";

/** Values that programs without types, or bad luck, put where a wire value belongs. */

const boom = (): never => {
  throw new Error("boom");
};

/** What refuses every look. */
const closed = (target: object): object =>
  new Proxy(target, { get: boom, getPrototypeOf: boom, ownKeys: boom, has: boom });

const revoked = (target: object): object => {
  const { proxy, revoke } = Proxy.revocable(target, {});
  revoke();
  return proxy;
};

/** A few objects, and a tree without end for whoever walks it. */
const laughs = (): unknown => {
  let value: unknown = "lol";
  for (let level = 0; level < 100; level++) value = [value, value];
  return value;
};

/** Alternately lists and objects. */
export const nested = (depth: number): unknown => {
  let value: unknown = 1;
  for (let level = 0; level < depth; level++) value = level % 2 === 0 ? [value] : { a: value };
  return value;
};

/** The longest list there is, with nothing in it. */
export const emptyList = (): unknown[] => Object.assign([], { length: 2 ** 32 - 1 });

const manyKeys = (count: number): Record<string, number> =>
  Object.fromEntries(Array.from({ length: count }, (_, index) => [`k${index}`, index]));

const transferred = (): Uint8Array => {
  const bytes = new Uint8Array(8);
  structuredClone(bytes.buffer, { transfer: [bytes.buffer] });
  return bytes;
};

// oxlint-disable-next-line no-thenable
const thenable = (): object => ({ then: boom });

const cyclic = (): unknown => {
  const cycle: { list: unknown[] } = { list: [] };
  cycle.list.push(cycle);
  return cycle;
};

const unlike = (prototype: object): object => Object.create(prototype) as object;

class Account {
  readonly balance = 1;
}

class Nameless extends Account {}
Object.defineProperty(Nameless, "name", { value: boom });

const readError = (text: string): unknown =>
  expect.stringMatching(new RegExp(`^something that cannot be read \\(${text}\\) at a$`));

/** What is no wire value: its name, how it is made, and what is said to be found of it under the key "a". */
export const UNSENDABLE: readonly (readonly [string, () => unknown, unknown])[] = [
  ["a function", () => boom, "a function at a"],
  ["a symbol", () => Symbol("s"), "a symbol at a"],
  ["a thenable", () => thenable(), "a function at a.then"],
  ["a promise", () => Promise.resolve(1), "an instance of Promise at a"],
  ["a Map", () => new Map([[1, 2]]), "an instance of Map at a"],
  ["a Set", () => new Set([1]), "an instance of Set at a"],
  ["an Error", () => new Error("x"), "an instance of Error at a"],
  ["a RegExp", () => /x/, "an instance of RegExp at a"],
  ["a class's instance", () => new Account(), "an instance of Account at a"],
  ["other numbers than bytes", () => new Float64Array(1), "an instance of Float64Array at a"],
  ["a buffer without a view", () => new ArrayBuffer(1), "an instance of ArrayBuffer at a"],
  ["a boxed text", (): unknown => Object("x"), "an instance of String at a"],
  ["an iterator", () => (function* () {})(), "an instance of a class without a name at a"],
  [
    "an instance of nothing",
    () => unlike(unlike({ constructor: undefined })),
    "an instance of a class without a name at a",
  ],
  [
    "an instance of a class that hides its name",
    () => new Nameless(),
    "an instance of a class without a name at a",
  ],
  ["bytes that are none", () => unlike(Uint8Array.prototype), "an instance of Uint8Array at a"],
  ["a date that is none", () => unlike(Date.prototype), "an instance of Date at a"],
  ["bytes that are elsewhere", transferred, "bytes that have been transferred at a"],
  ["a bigint of more than 64 bits", () => 2n ** 64n, "a bigint of more than 64 bits at a"],
  ["half a surrogate pair", () => "\ud800", "half a surrogate pair at a"],
  ["the same at the end of a long text", () => `${"é".repeat(5_000)}\udbff`, "half a surrogate pair at a"],
  ["the same in a key", () => ({ "\ud800": 1 }), 'a key with half a surrogate pair at a["\\ud800"]'],
  [
    "a key __proto__",
    (): unknown => JSON.parse('{"__proto__":{"admin":true}}'),
    "a key that no object should have at a.__proto__",
  ],
  ["a hole", () => [1, , 3], "a hole at a[1]"], // oxlint-disable-line no-sparse-arrays
  ["a cycle", cyclic, "a cycle at a.list[0]"],
  [
    "a nesting of 100,000 lists and objects",
    () => nested(100_000),
    expect.stringMatching(/^something nested deeper than \d+ at a/),
  ],
  [
    "a getter that throws",
    () => ({
      get b() {
        return boom();
      },
    }),
    'something that cannot be read ("boom") at a.b',
  ],
  ["a closed proxy", () => closed({}), readError('"boom"')],
  ["a closed list", () => closed([]), readError('"boom"')],
  ["a revoked proxy", () => revoked({}), readError(".*")],
  ["a revoked list", () => revoked([]), readError(".*")],
  ["a proxy without end", endless, expect.stringMatching(/^something nested deeper than \d+ at a/)],
];

function endless(): object {
  const get = (): object => endless();
  return new Proxy(
    {},
    {
      get,
      ownKeys: () => ["b"],
      getOwnPropertyDescriptor: () => ({ value: 1, enumerable: true, configurable: true }),
    },
  );
}

/** What is larger than so many bytes, however little memory it takes: its name, and how it is made. */
export const OVERSIZED = (bytes: number): readonly (readonly [string, () => unknown])[] => [
  ["a text", () => "x".repeat(bytes + 1)],
  ["a long key", () => ({ ["k".repeat(bytes + 1)]: 1 })],
  ["many keys", () => manyKeys(Math.ceil(bytes / 3))],
  ["bytes", () => new Uint8Array(bytes + 1)],
  ["a list", () => Array.from({ length: bytes + 1 }, () => 0)],
  ["a list of nothing but holes", emptyList],
  [
    "a list that lies about its length",
    () => new Proxy([], { get: (_, key) => (key === "length" ? 1e15 : 0) }),
  ],
  ["a few objects that stand for many", laughs],
];
