import { runInContext } from "node:vm";
import { describe, expect, it } from "vitest";
import { openRealm } from "../../../src/compute/actions/expression-realm.ts";

/** What any code could do there that an expression had got to run. */
const inRealm = (code: string): unknown => runInContext(code, openRealm());

describe("the realm of an expression", () => {
  it("has nothing that leads out of the thread", () => {
    const names = [
      "process",
      "require",
      "Buffer",
      "fetch",
      "setTimeout",
      "queueMicrotask",
      "performance",
      "URL",
    ];
    expect(names.filter((name) => inRealm(`typeof ${name}`) !== "undefined")).toEqual([]);
  });

  it.each([
    ['Function("return 1")()'],
    ['eval("1")'],
    ['(async () => {}).constructor("return 1")()'],
    ['globalThis.constructor.constructor("return process")()'],
  ])("makes no code of text by %s", (code) => {
    expect(() => inRealm(code)).toThrow(/Code generation from strings disallowed/);
  });

  it("has prototypes of its own", () => {
    expect(inRealm("Object.prototype.polluted = 1; ({}).polluted")).toBe(1);
    expect(Object.prototype).not.toHaveProperty("polluted");
    expect(inRealm("({}).polluted")).toBeUndefined();
  });

  it("has done what was put off when it returns", () => {
    const realm = openRealm();
    runInContext("Promise.resolve().then(() => { globalThis.done = 1; })", realm);
    expect(realm["done"]).toBe(1);
  });
});
