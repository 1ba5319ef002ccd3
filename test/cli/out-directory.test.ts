import { chmodSync, mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, it, onTestFinished } from "vitest";
import { openOutDirectory } from "../../src/cli/out-directory.ts";
import { writeWhole } from "../../src/cli/whole-file.ts";
import { temporaryDirectory } from "./kit/command.ts";

it("tells which files are new or were written again, and nothing of those that were not", () => {
  const directory = temporaryDirectory();
  const put = (name: string, content: string): void => writeFileSync(join(directory, name), content);
  put("old.txt", "as it was");
  put("changed.txt", "before");
  mkdirSync(join(directory, "below"));
  mkdirSync(join(directory, "data"));
  const out = openOutDirectory(directory, join(directory, "data"));
  expect(out.written()).toEqual([]);
  put("changed.txt", "after it");
  put("below/new.txt", "");
  put(".hidden.tmp", "half");
  put("data/queue.sqlite", "");
  expect(out.written()).toEqual([join(directory, "below/new.txt"), join(directory, "changed.txt")]);
});

it("need not be there yet, and is not made", () => {
  const path = join(temporaryDirectory(), "not", "yet");
  const out = openOutDirectory(path, "data");
  expect(out.written()).toEqual([]);
  mkdirSync(path, { recursive: true });
  writeFileSync(join(path, "new"), "");
  expect(out.written()).toEqual([join(path, "new")]);
});

it.skipIf(process.getuid?.() === 0)(
  "is refused when it may not be written (not for root, who may write everywhere)",
  () => {
    const path = temporaryDirectory();
    chmodSync(path, 0o500);
    onTestFinished(() => chmodSync(path, 0o700));
    expect(() => openOutDirectory(join(path, "below"), "data")).toThrow("permission is denied");
  },
);

it("a whole file replaces another in one step, and leaves nothing behind when it cannot be written", async () => {
  const directory = temporaryDirectory();
  const path = join(directory, "deep", "page.html");
  await writeWhole(path, "first");
  await writeWhole(path, "second");
  await expect(writeWhole(join(path, "below"), "x")).rejects.toMatchObject({ code: "FILE_UNWRITABLE" });
  await expect(writeWhole(join(directory, "deep"), "x")).rejects.toMatchObject({ code: "FILE_UNWRITABLE" });
  const out = openOutDirectory(directory, "data");
  expect(out.path).toBe(directory);
});
