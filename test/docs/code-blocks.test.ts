import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { missingPiece } from "./excerpt.ts";
import { ROOT, allPages, codeBlocks } from "./pages.ts";

const excerpts = allPages()
  .flatMap(codeBlocks)
  .flatMap(({ path, info, code }) => {
    const [, file] = /(?:^|\s)file=(\S+)/.exec(info) ?? [];
    return file === undefined ? [] : [{ path, file, code }];
  });

describe("a code block marked as a file", () => {
  it.each(excerpts)("is what the file says: $file in $path", ({ file, code }) => {
    expect(missingPiece(code, readFileSync(join(ROOT, file), "utf8"))).toBeUndefined();
  });

  it("stands in the README for the module of handlers and for the program", () => {
    const files = excerpts.filter(({ path }) => path === "README.md").map(({ file }) => file);
    expect(files).toEqual(["docs/examples/embed.tasks.ts", "docs/examples/embed.ts"]);
  });
});

describe("an excerpt", () => {
  const file = "one();\ntwo();\nthree();\n";

  it.each([
    ["the whole file", file],
    ["some of its lines", "two();\nthree();\n"],
    ["lines with something left out between them", "one();\n// …\nthree();\n"],
    ["lines with something left out at an indentation", "one();\n  // …\nthree();\n"],
  ])("is true when it is %s", (_, excerpt) => {
    expect(missingPiece(excerpt, file)).toBeUndefined();
  });

  it.each([
    ["a line was changed", "one();\ntow();\n", "one();\ntow();\n"],
    ["lines changed their places", "three();\n// …\none();\n", "one();\n"],
    ["something is left out without a word", "one();\nthree();\n", "one();\nthree();\n"],
    ["a line is only the end of one", "wo();\n", "wo();\n"],
  ])("is false when %s", (_, excerpt, missing) => {
    expect(missingPiece(excerpt, file)).toBe(missing);
  });
});
