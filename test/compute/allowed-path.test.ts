import { mkdirSync, mkdtempSync, realpathSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { allowedPath } from "../../src/compute/allowed-path.ts";

describe("an allowed path", () => {
  let base = "";
  let root = "";
  let other = "";

  beforeAll(() => {
    base = realpathSync(mkdtempSync(join(tmpdir(), "allowed-")));
    root = join(base, "root");
    other = join(base, "other");
    for (const directory of [root, other, join(base, "outside")]) mkdirSync(directory);
    mkdirSync(join(root, "inner"));
    writeFileSync(join(root, "file.txt"), "");
    symlinkSync(join(base, "outside"), join(root, "escape"));
    symlinkSync(join(base, "nowhere"), join(root, "dangling"));
    symlinkSync(join(root, "inner"), join(root, "shortcut"));
    symlinkSync(join(root, "loop"), join(root, "loop"));
    symlinkSync(root, join(base, "root-by-link"));
  });
  afterAll(() => rmSync(base, { recursive: true, force: true }));

  it("is relative to the first root, or absolute inside any", () => {
    expect(allowedPath("file.txt", [root, other])).toBe(join(root, "file.txt"));
    expect(allowedPath(join(other, "x"), [root, other])).toBe(join(other, "x"));
    expect(allowedPath(".", [root])).toBe(root);
  });

  it("need not exist", () => {
    expect(allowedPath("new/deeper/file.json", [root])).toBe(join(root, "new/deeper/file.json"));
    expect(allowedPath("..name", [root])).toBe(join(root, "..name"));
  });

  it("is the real one behind links that stay inside, also when the root is a link or is not there", () => {
    expect(allowedPath("shortcut/a", [root])).toBe(join(root, "inner/a"));
    expect(allowedPath("file.txt", [join(base, "root-by-link")])).toBe(join(root, "file.txt"));
    expect(allowedPath("a", [join(base, "not-there")])).toBe(join(base, "not-there/a"));
  });

  it.each([
    ["up and out", "../outside/x"],
    ["absolute and outside", "/etc/passwd"],
    ["a sibling whose name begins like the root", "../root2"],
    ["through a link that leads outside", "escape/x"],
    ["a link that leads nowhere, which writing would follow", "dangling"],
    ["through a link that leads nowhere", "dangling/x"],
    ["a link to itself", "loop"],
    ["a null character", "a\0b"],
  ])("refuses %s and names the roots", (_what, path) => {
    expect(() => allowedPath(path, [root])).toThrow(
      expect.objectContaining({ code: "INVALID_ARGUMENT", message: expect.stringContaining(root) as string }),
    );
  });

  it("refuses everything when there is no root", () => {
    expect(() => allowedPath("a", [])).toThrow(/no directory is opened to handlers/);
  });
});
