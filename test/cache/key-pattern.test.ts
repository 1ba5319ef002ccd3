import * as fc from "fast-check";
import { expect, it } from "vitest";
import { keyPattern } from "../../src/cache/key-pattern.ts";
import { LIMITS } from "../../src/errors/index.ts";

it.each([
  ["user:*", ["user:", "user:1", "user:*"], ["use", "my user:1"]],
  ["*:1", ["user:1", ":1"], ["user:1 ", "user:2"]],
  ["a?c", ["abc", "a?c"], ["ac", "abbc"]],
  ["a*b*c", ["abc", "a-b-b-c"], ["acb", "ab"]],
  ["100\\%\\*", ["100%*"], ["100%", "100%x"]],
  ["(.+)+$", ["(.+)+$"], ["aaaa"]],
  ["a\\", ["a\\"], ["a"]],
])(
  "the pattern %s is for whole keys, and only the star and the question mark are special",
  (pattern, yes, no) => {
    const { matches } = keyPattern(pattern);
    expect(yes.filter((key) => !matches(key))).toEqual([]);
    expect(no.filter((key) => matches(key))).toEqual([]);
  },
);

it("a pattern matches what the same regular expression matches", () => {
  const text = fc.string({ unit: fc.constantFrom("a", "b", "*", "?"), minLength: 1, maxLength: 8 });
  const key = fc.string({ unit: fc.constantFrom("a", "b"), maxLength: 10 });
  fc.assert(
    fc.property(text, key, (pattern, key) => {
      const expression = new RegExp(`^${pattern.replaceAll("*", ".*").replaceAll("?", ".")}$`, "s");
      expect(keyPattern(pattern).matches(key)).toBe(expression.test(key));
    }),
    { numRuns: 1_000 },
  );
});

it("a pattern has 1 to 512 characters", () => {
  const refused = expect.objectContaining({ code: "INVALID_ARGUMENT" }) as Error;
  expect(() => keyPattern("")).toThrow(refused);
  expect(() => keyPattern("*".repeat(LIMITS.cache.patternChars + 1))).toThrow(refused);
  expect(keyPattern("*".repeat(LIMITS.cache.patternChars)).matches("k")).toBe(true);
});
