import { fault } from "../../src/errors/index.ts";

const refuse = (): never => {
  throw new Error("no");
};

/** Something like a fault of another copy of the package, with whatever parts. */
const branded = (parts: object): object =>
  Object.defineProperty(Object.assign(new Error("foreign"), parts), Symbol.for("mcplusplus.fault"), {
    value: true,
  });

function errorWith(parts: PropertyDescriptorMap): Error {
  return Object.defineProperties(new Error("kept"), parts);
}

function cyclic(): Error {
  const first = new Error("first");
  first.cause = new Error("second", { cause: first });
  return first;
}

function cyclicAggregate(): AggregateError {
  const errors: unknown[] = [];
  const aggregate = new AggregateError(errors, "all of it");
  for (let index = 0; index < 100; index++) aggregate.errors.push(aggregate);
  aggregate.cause = aggregate;
  return aggregate;
}

const revoked = (): object => {
  const { proxy, revoke } = Proxy.revocable({}, {});
  revoke();
  return proxy;
};

const megabytes = "long ".repeat(1_000_000);

/** What only an adversary, or a very unlucky program, throws. None of it is a cancellation. */
export const HOSTILE: readonly { readonly name: string; readonly thrown: unknown }[] = [
  { name: "nothing", thrown: undefined },
  { name: "null", thrown: null },
  { name: "a symbol", thrown: Symbol("s") },
  { name: "a function", thrown: refuse },
  { name: "a bigint", thrown: 2n ** 100n },
  { name: "an object without a prototype", thrown: Object.create(null) },
  { name: "an object whose text throws", thrown: { toString: refuse } },
  { name: "a revoked proxy", thrown: revoked() },
  {
    name: "a proxy that refuses every look",
    thrown: new Proxy(new Error("x"), { get: refuse, getPrototypeOf: refuse, has: refuse }),
  },
  { name: "an error whose message throws", thrown: errorWith({ message: { get: refuse } }) },
  { name: "an error whose name throws", thrown: errorWith({ name: { get: refuse } }) },
  { name: "an error whose cause throws", thrown: errorWith({ cause: { get: refuse } }) },
  {
    name: "an error whose message is an object",
    thrown: errorWith({ message: { value: { toString: refuse } } }),
  },
  { name: "an error whose name is a symbol", thrown: errorWith({ name: { value: Symbol("n") } }) },
  { name: "an error with half a surrogate pair", thrown: new Error("half \ud800") },
  { name: "an error with a huge message", thrown: new Error(megabytes) },
  {
    name: "an error that is cut within a surrogate pair",
    thrown: new Error(`${"x".repeat(1_999)}😀${"y".repeat(99)}`),
  },
  { name: "a cycle of causes", thrown: cyclic() },
  { name: "a cycle of errors and causes", thrown: cyclicAggregate() },
  {
    name: "an aggregate without errors",
    thrown: Object.defineProperty(new AggregateError([]), "errors", { value: 7 }),
  },
  {
    name: "an aggregate whose errors throw",
    thrown: Object.defineProperty(new AggregateError([]), "errors", { get: refuse }),
  },
  {
    name: "an aggregate whose errors are a revoked proxy",
    thrown: Object.defineProperty(new AggregateError([]), "errors", { value: revoked() }),
  },
  {
    name: "an aggregate whose errors cannot be walked",
    thrown: Object.defineProperty(new AggregateError([]), "errors", {
      value: new Proxy([], { get: refuse }),
    }),
  },
  { name: "a brand and nothing else", thrown: branded({}) },
  { name: "a brand with a code that is no text", thrown: branded({ code: 7 }) },
  {
    name: "a brand with details that are no object",
    thrown: branded({ code: "CANCELED", details: "text", errors: "text" }),
  },
  {
    name: "a brand with details that throw",
    thrown: branded({
      code: "SEVERAL",
      details: {
        get count(): never {
          return refuse();
        },
      },
    }),
  },
  {
    name: "a brand with details that hide their keys",
    thrown: branded({ code: "SEVERAL", details: new Proxy({}, { ownKeys: refuse }) }),
  },
  {
    name: "details that cannot cross",
    thrown: branded({
      code: "UNAVAILABLE",
      details: {
        what: Symbol("w"),
        why: refuse,
        error: new Error("x"),
        list: [refuse, { a: 1 }, 1n, new Map(), revoked()],
        when: new Date(0),
        bytes: new Uint8Array(3),
        big: 2n ** 99n,
        half: "\udc00",
        ["key \ud800"]: true,
        nested: { deep: { deeper: refuse } },
      },
      cause: revoked(),
    }),
  },
  {
    name: "details that set a prototype",
    thrown: branded({
      code: "SEVERAL",
      details: JSON.parse('{"__proto__":{"admin":true},"count":1}') as object,
    }),
  },
  {
    name: "huge details",
    thrown: fault("WORKFLOW_INVALID", {
      workflowId: megabytes,
      problems: Array<string>(5_000).fill("long ".repeat(600)),
    }),
  },
  {
    name: "many details",
    thrown: branded({
      code: "SEVERAL",
      details: Object.fromEntries(Array.from({ length: 50_000 }, (_, index) => [`k${index}`, index])),
    }),
  },
];
