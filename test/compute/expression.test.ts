import { describe, expect, it } from "vitest";
import { checkExpression } from "../../src/compute/expression.ts";
import { LIMITS } from "../../src/errors/index.ts";

const { checkedChars } = LIMITS.compute;

/** The first that returns, from the deepest call on. */
function atTheEndOfTheStack<T>(call: () => T): T {
  try {
    return atTheEndOfTheStack(call);
  } catch {
    return call();
  }
}

describe("the check of an expression", () => {
  it.each([["steps.fetch.output.count > 0"], ["$sum(rows.price)"], ["/a+/i"], ["a.b.(%.c)"], ["$process()"]])(
    "finds nothing wrong with %j, whose value it does not ask for",
    (text) => {
      expect(checkExpression(text)).toBeUndefined();
    },
  );

  it.each([
    ["", "line 1, column 1: Unexpected end of expression"],
    ["$sum(", 'line 1, column 5: Expected ")" before end of expression'],
    ["rows[0", 'line 1, column 6: Expected "]" before end of expression'],
    ["(\n  a := 1\n)", "line 2, column 3: The left side of := must be a variable name (start with $)"],
    ["'abc", "line 1, column 4: String literal must be terminated by a matching quote"],
    ["a ~> /a{2,1}/", "Invalid regular expression"],
  ])("says in one sentence what is wrong with %j, and where", (text, problem) => {
    expect(checkExpression(text)).toContain(problem);
  });

  it("takes as many characters as there may be, and refuses one more", () => {
    expect(checkExpression("1".padEnd(checkedChars))).toBeUndefined();
    expect(checkExpression("1".padEnd(checkedChars + 1))).toBe(`it has more than ${checkedChars} characters`);
  });

  it("refuses what is nested deeper than the stack holds, and lives on", () => {
    const nested = `${"(".repeat(1_000)}1${")".repeat(1_000)}`;
    expect(checkExpression(nested)).toBeUndefined();
    expect(atTheEndOfTheStack(() => checkExpression(nested))).toBe(
      "it is nested too deeply, or calls itself too often",
    );
  });

  it("does not run a regular expression that it reads", () => {
    expect(checkExpression(`$match("${"a".repeat(60)}!", /^(a+)+$/)`)).toBeUndefined();
  });
});
