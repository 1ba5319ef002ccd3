import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { constants, createContext, Script } from "node:vm";
import { assert } from "../../errors/index.ts";
import type { ExpressionError } from "../expression-problem.ts";

/**
 * Where expressions are evaluated: a JavaScript realm of its own, made for one expression and thrown away after it.
 *
 * JSONata is meant to give an expression nothing but its input. Four times in 2024 and 2026 one could get at more all the
 * same, up to running any code in the process (CVE-2024-27307, CVE-2026-77413, -77414, -77415; mended in 2.2.1). So the
 * package is loaded into a realm that has nothing to get at: no `process`, no `require`, no timers, and no way to make
 * code of text. Only texts cross its border, and no function of ours does: its constructor would be the way out. What
 * such an expression could still reach ends with the realm.
 */

export interface ExpressionBounds {
  /** Nested calls. */
  readonly depth: number;
  /** Items of one list. */
  readonly items: number;
}

/** `json` is the value, `parsing` and `evaluating` say when it failed. */
export type Evaluated =
  | { readonly json: string }
  | { readonly failed: "parsing" | "evaluating"; readonly error: ExpressionError };

/** Nothing of ours is in it: not even the object that it is made with. */
export function openRealm(): Record<string, unknown> {
  return createContext(constants.DONT_CONTEXTIFY, {
    codeGeneration: { strings: false, wasm: false },
    // What a program leaves to be done later is done when it returns.
    microtaskMode: "afterEvaluate",
  });
}

/** Blocks until there is a result, also when there never is one: to be called on a thread that can be ended. */
export function evaluate(expression: string, inputJson: string, bounds: ExpressionBounds): Evaluated {
  const realm = openRealm();
  const { library, program } = scripts();
  library.runInContext(realm);
  realm["expression"] = expression;
  realm["inputJson"] = inputJson;
  realm["boundsJson"] = JSON.stringify({ stack: bounds.depth, sequence: bounds.items });
  program.runInContext(realm);
  return outcomeOf(realm);
}

function outcomeOf(realm: Record<string, unknown>): Evaluated {
  const { outcome, json } = realm;
  assert(typeof outcome === "string", "an evaluation ends with an outcome");
  const { failed, message, position } = JSON.parse(outcome) as {
    failed: "parsing" | "evaluating" | null;
    message: string;
    position: unknown;
  };
  if (failed === null) {
    assert(typeof json === "string", "a value crosses as text");
    return { json };
  }
  return {
    failed,
    error: { message, position: typeof position === "number" ? position : null },
  };
}

let compiled: { readonly library: Script; readonly program: Script } | null = null;

/** Compiled once per thread, and run in each realm. */
function scripts(): NonNullable<typeof compiled> {
  compiled ??= {
    library: new Script(readFileSync(createRequire(import.meta.url).resolve("jsonata"), "utf8")),
    program: new Script(PROGRAM),
  };
  return compiled;
}

/**
 * Runs in the realm, with `jsonata`, `expression`, `inputJson` and `boundsJson`, and leaves `outcome` and `json`. The
 * package takes base64 from a browser's `window`, so there is one with just that.
 */
const PROGRAM = `"use strict";
(() => {
  const DIGITS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  const bits = (values, from, to) => {
    const groups = [];
    let [held, value] = [0, 0];
    for (const each of values) {
      value = ((value << from) | each) & 0xffff;
      for (held += from; held >= to; held -= to) groups.push((value >> (held - to)) & ((1 << to) - 1));
    }
    return { groups, rest: held === 0 ? [] : [(value << (to - held)) & ((1 << to) - 1)] };
  };
  const window = {
    btoa(text) {
      const bytes = Array.from(text, (char) => char.charCodeAt(0));
      if (bytes.some((byte) => byte > 255)) throw new RangeError("base64 takes characters up to U+00FF only");
      const { groups, rest } = bits(bytes, 8, 6);
      const digits = [...groups, ...rest].map((group) => DIGITS[group]).join("");
      return digits.padEnd(Math.ceil(digits.length / 4) * 4, "=");
    },
    atob(text) {
      const digits = Array.from(text.replace(/=+$/, ""), (char) => DIGITS.indexOf(char));
      if (digits.includes(-1)) throw new RangeError("it is no base64");
      return bits(digits, 6, 8).groups.map((byte) => String.fromCharCode(byte)).join("");
    },
  };
  globalThis.window = window;
  const end = (failed, error) => {
    const message = String(error?.message ?? error);
    globalThis.outcome = JSON.stringify({ failed, message, position: error?.position });
  };
  const withoutFunctions = (key, value) => {
    if (typeof value !== "function" && value?._jsonata_lambda !== true && value?._jsonata_function !== true) return value;
    throw new TypeError("its value is, or holds, a function" + (key === "" ? "" : " at " + JSON.stringify(key)));
  };
  let evaluator;
  try {
    evaluator = jsonata(expression, JSON.parse(boundsJson));
  } catch (error) {
    end("parsing", error);
    return;
  }
  evaluator
    .evaluate(JSON.parse(inputJson))
    .then((value) => {
      globalThis.json = JSON.stringify(value === undefined ? null : value, withoutFunctions);
      end(null, null);
    })
    .catch((error) => end("evaluating", error));
})();
`;
