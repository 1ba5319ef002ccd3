import { afterEach, describe, expect, it } from "vitest";
import { LIMITS } from "../../../src/errors/index.ts";
import { attemptKit } from "../attempt-kit.ts";
import { closePools, openPoolKit } from "../pool-kit.ts";

const { expressionItems, expressionDepth, expressionChars, transformCpuMs } = LIMITS.compute;

const valueOf = (expression: string, input: unknown = {}): Promise<unknown> =>
  attemptKit().output("transform", { expression, input });
const failureOf = async (expression: string, input: unknown = {}): Promise<unknown> => {
  const reply = await attemptKit().run("transform", { expression, input });
  return reply.kind === "failed" ? [reply.error.code, reply.error.message] : reply;
};

describe("transform", () => {
  it.each([
    ["$sum(rows.price)", { rows: [{ price: 1.5 }, { price: 2 }] }, 3.5],
    ["rows[price > 1].name", { rows: [{ name: "a", price: 2 }, { price: 1 }] }, "a"],
    ["rows.{ 'id': $string(id) }", { rows: [{ id: 1 }, { id: 2 }] }, [{ id: "1" }, { id: "2" }]],
    ["[1..3]", {}, [1, 2, 3]],
    ["$map([1, 2], function($n) { $n * 2 })", {}, [2, 4]],
    ["$", "whole", "whole"],
    ["nothing.there", {}, null],
    ["null", {}, null],
    ["$base64encode('Zürich') & ' ' & $base64decode('Y2Fm6Q==')", {}, "WvxyaWNo café"],
    ["$eval('1 + 1')", {}, 2],
    ["$number($fromMillis(0, '[Y]'))", {}, 1970],
  ])("of %s is what JSONata says", async (expression, input, value) => {
    expect(await valueOf(expression, input)).toEqual(value);
  });

  it("works without an input, and on an input that is a list", async () => {
    expect(await attemptKit().output("transform", { expression: "1 + 1" })).toBe(2);
    expect(await valueOf("$count($)", [1, 2, 3])).toBe(3);
  });

  it("sees a date as its ISO-8601 text", async () => {
    expect(await valueOf("at", { at: new Date(0) })).toBe("1970-01-01T00:00:00.000Z");
  });

  it.each([
    ["bytes", { a: { b: Uint8Array.of(1) } }, 'at "b", holds bytes'],
    ["a bigint", { a: 2n ** 60n }, 'at "a", holds a bigint'],
    ["what is no number", { a: [NaN] }, 'at "0", holds NaN'],
  ])("refuses %s in its input, and does not change it into something else", async (_what, input, why) => {
    expect(await failureOf("a", input)).toEqual(["INPUT_INVALID", expect.stringContaining(why) as string]);
  });

  it("says where a syntax error is", async () => {
    expect(await failureOf("(\n  $sum(rows\n)")).toEqual([
      "EXPRESSION_INVALID",
      'the expression cannot be parsed: line 3, column 1: Expected ")" before end of expression',
    ]);
  });

  it("says where it failed on its input", async () => {
    expect(await failureOf("1 + name", { name: "a" })).toEqual([
      "EXPRESSION_FAILED",
      'the expression failed: line 1, column 3: The right side of the "+" operator must evaluate to a number',
    ]);
    expect(await failureOf("$error('no luck')")).toEqual([
      "EXPRESSION_FAILED",
      expect.stringContaining("no luck") as string,
    ]);
  });

  it.each([
    ["$sum"],
    ["function($x) { $x }"],
    ["{ 'a': [$sum] }"],
    ["$base64encode('→')"],
    ["$base64decode('?')"],
  ])("fails on %s, whose value is no JSON", async (expression) => {
    expect(await failureOf(expression)).toEqual([
      "EXPRESSION_FAILED",
      expect.stringMatching(/function|base64/) as string,
    ]);
  });

  it("takes as many characters as there may be, and refuses one more", async () => {
    expect(await valueOf("1".padEnd(expressionChars))).toBe(1);
    expect(await failureOf("1".padEnd(expressionChars + 1))).toEqual([
      "INPUT_INVALID",
      expect.stringContaining(`at most ${expressionChars} characters`) as string,
    ]);
  });

  it("bounds its lists", async () => {
    expect(await valueOf(`$count([1..${expressionItems}])`)).toBe(expressionItems);
    expect(await failureOf("$count([1..20000000])")).toEqual(["EXPRESSION_FAILED", expect.anything()]);
    expect(await failureOf(`[1..${expressionItems}] ~> $append(1)`)).toEqual([
      "EXPRESSION_FAILED",
      expect.stringContaining(`${expressionItems + 1} was exceeded`) as string,
    ]);
  });

  it("bounds its recursion", async () => {
    const sum = "($f := function($n) { $n <= 0 ? 0 : $n + $f($n - 1) }; $f(n))";
    expect(await valueOf(sum, { n: 500 })).toBe(125_250);
    expect(await failureOf(sum, { n: expressionDepth })).toEqual([
      "EXPRESSION_FAILED",
      expect.stringContaining("Stack overflow") as string,
    ]);
  });

  it("bounds its processor time", async () => {
    const kit = attemptKit();
    await kit.run("transform", { expression: "1" });
    expect(kit.slots.cpuMs(0)).toBe(transformCpuMs);
  });
});

/** What went wrong before, by its number, and what could go wrong in the same way. */
const ESCAPES: [string, string][] = [
  [
    "CVE-2024-27307, the transform operator writes to a prototype",
    '{} ~> |__proto__|{"polluted": true}| ~> |constructor|{"polluted": true}|',
  ],
  [
    "CVE-2026-77413, names that are inherited",
    `(__lookupSetter__('__proto__')(constructor);
      __defineGetter__('l', constructor("return process.getBuiltinModule('child_process')")); valueOf().l)`,
  ],
  ["CVE-2026-77414, variables that are inherited", "($constructor; $hasOwnProperty; $toString; $__proto__)"],
  ["the constructor of the constructor", "$.constructor.constructor('return process')()"],
  ["the same of a text", "''.constructor.constructor('return process')()"],
  ["the same by $lookup", "$lookup($lookup($, 'constructor'), 'constructor')('return process')()"],
  ["the insides of a function", "$sum.implementation.constructor('return process')()"],
  ["the insides of a lambda", "(function() { 1 }).environment"],
  ["the insides of a lambda, by wildcard", "$string((function() { 1 }).*)"],
  ["the insides of a built-in function, by descent", "$count($sum.**)"],
  ["the globals by name", "process.version & globalThis.process & require('fs') & window & jsonata"],
  ["the globals as variables", "$process & $globalThis & $require & $window"],
];

describe("an expression", () => {
  it.each(ESCAPES)("reaches nothing but its input: %s", async (_what, expression) => {
    const reply = await attemptKit().run("transform", { expression, input: { own: 1 } });
    const text = JSON.stringify(reply.kind === "failed" ? reply.error.message : reply);
    expect(text).not.toMatch(/child_process|v24|function Object|native code|\[object/);
    // Whatever it has reached, it was not ours.
    expect(Object.prototype).not.toHaveProperty("polluted");
    expect(Object).not.toHaveProperty("polluted");
    expect(await valueOf("polluted")).toBeNull();
  });

  it("takes marks of the evaluator in its input for data", async () => {
    const posing = { _jsonata_lambda: true, _jsonata_function: true, body: { type: "value", value: 1 } };
    expect(await failureOf("f()", { f: posing })).toEqual(["EXPRESSION_FAILED", expect.anything()]);
    expect(await failureOf("$map([1], f)", { f: posing })).toEqual(["EXPRESSION_FAILED", expect.anything()]);
  });

  it("leaves nothing behind for the next one", async () => {
    const kit = attemptKit();
    expect(await kit.output("transform", { expression: "($a := 1; $a)" })).toBe(1);
    expect(await kit.output("transform", { expression: "$a" })).toBeNull();
  });
});

describe("an expression that does not end", () => {
  afterEach(closePools);

  it.each([
    ["by a regular expression that explodes", `$match("${"a".repeat(60)}!", /^(a+)+$/)`],
    ["by calling itself in its last place", "($f := function() { $f() }; $f())"],
  ])("is ended by the time-out %s, and its thread replaced", async (_what, expression) => {
    const kit = openPoolKit();
    expect(await kit.output("transform", { expression: "1" })).toBe(1);
    expect(await kit.run("transform", { expression }, 50)).toMatchObject({
      kind: "failed",
      error: { code: "HANDLER_TIMEOUT" },
    });
    expect(await kit.output("transform", { expression: "2" })).toBe(2);
  });
});
