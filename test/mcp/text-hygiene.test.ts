import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import { textHygiene } from "../../src/mcp/text-hygiene.ts";

const hygiene = textHygiene({
  GITHUB_TOKEN: "correct horse battery",
  DB_PASSWORD: "battery",
  HOME: "/home/me",
  API_KEY: "short",
});

it.each([
  ["colours and moves of a terminal", "\u001b[31mred\u001b[0m\u001b[2K\u001b]8;;http://x\u0007", "red"],
  ["control characters", "a\u0000b\u0007c\u0085d", "abcd"],
  ["marks that turn the direction of what follows", "a\u202eb\u2066c", "abc"],
  ["signs of no width, and blank letters", "a\u200bb\u2060c\ufeffd\u3164e\u00adf", "abcdef"],
  [
    "a text that is hidden in tags",
    `hi${Array.from("do it", (sign) => String.fromCodePoint(0xe0000 + (sign.codePointAt(0) ?? 0))).join("")}!`,
    "hi!",
  ],
  ["a row of signs that are one with others between them", "a\u200c\u200b\u200c\u2060\u200cb", "ab"],
  ["a text that is hidden in a row of variation selectors", "a\ufe00\ufe0f\ufe01b\u{e0100}\u{e0101}", "ab"],
])("takes out %s", (_, text, clean) => {
  expect(hygiene.clean(text)).toBe(clean);
});

it.each(["line one\n\tline two\r\n", "Grüße, 你好, שלום, नमस्ते", "👩‍👧 ❤️ 🏳️‍🌈", "می‌خواهم", "葛\u{e0100}城"])(
  "leaves what people write as it is: %j",
  (text) => {
    expect(hygiene.clean(text)).toBe(text);
  },
);

describe("a secret is written over", () => {
  it.each([
    ["the value of a variable whose name says so", "it is correct horse battery!", "it is [redacted]!"],
    ["a header", "Authorization: Bearer abcdefghijklmnop.qrst", "Authorization: Bearer [redacted]"],
    ["a password in a URL", "postgres://me:hunter2@db/x", "postgres://me:[redacted]@db/x"],
    ["a key in a URL", "https://x/?a=1&api_key=abc123&b=2", "https://x/?a=1&api_key=[redacted]&b=2"],
    ["a key of GitHub", `x ghp_${"a".repeat(36)} y`, "x [redacted] y"],
    ["a key of a model provider", `sk-ant-${"a1".repeat(20)}`, "[redacted]"],
    ["a signed token", "eyJhbGciOiJI.eyJzdWIiOiIx.SflKxwRJSM", "[redacted]"],
    ["a private key", "-----BEGIN PRIVATE KEY-----\nMIIE\n-----END PRIVATE KEY-----", "[redacted]"],
  ])("%s", (_, text, clean) => {
    expect(hygiene.clean(text)).toBe(clean);
  });

  it("and nothing that only looks a little like one", () => {
    for (const text of [
      "short",
      "/home/me",
      "task-1",
      "a token bucket",
      "https://x/?page=2",
      "sk-1",
      "battery",
    ])
      expect(hygiene.clean(text)).toBe(text);
  });
});

it("cleans every text of a value, keys included, and gives a clean value back as it is", () => {
  const value = { rows: [{ "na\u200bme": "\u001b[1mx" }], count: 3, none: null, ok: true };
  expect(hygiene.cleanValue(value)).toEqual({ rows: [{ name: "x" }], count: 3, none: null, ok: true });
  const clean = { rows: [{ name: "x" }], count: 3 };
  expect(hygiene.cleanValue(clean)).toBe(clean);
});

it("a value and the text of its JSON are cleaned alike, whatever the shortcuts", () => {
  const part = fc.oneof(
    fc.constantFrom(
      "Bearer\nabcdefghijklmnop",
      "correct horse battery",
      "a\u200bb",
      "?sig=x",
      "\\u001b[31m",
      "\u001b[31m",
    ),
    fc.string(),
  );
  fc.assert(
    fc.property(fc.dictionary(part, fc.array(part)), (value) => {
      const cleaned = hygiene.cleanValue(value);
      expect(hygiene.cleanJson(value)).toEqual({ value: cleaned, text: JSON.stringify(cleaned) });
    }),
  );
});

it("cleaning a text twice changes nothing more", () => {
  fc.assert(
    fc.property(fc.string({ unit: "binary" }), (text) => {
      const once = hygiene.clean(text);
      expect(hygiene.clean(once)).toBe(once);
    }),
  );
});

it("looks at no part of a text again and again, whatever it holds", () => {
  // Text for which a pattern goes back and forth takes minutes at this length, and the test runs out of time.
  const parts = [
    "?token",
    "a:",
    "://",
    "Bearer ",
    "-----BEGIN PRIVATE KEY-----",
    "\u001b]",
    "\u001b[0",
    "x-",
    "eyJ-",
    "eyJaaaaaaaaa.",
  ];
  for (const part of parts) expect(hygiene.clean(`?${part.repeat(200_000)}`)).toBeTypeOf("string");
});
