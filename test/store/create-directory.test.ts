import { mkdirSync, readdirSync, statSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { replaceWholeFile } from "../../src/compute/replace-file.ts";
import { systemClock, systemScheduler } from "../../src/scope/index.ts";
import { createDirectory } from "../../src/store/create-directory.ts";
import { openBlobs, openStore } from "../../src/store/index.ts";
import { temporaryDirectory } from "./store-kit.ts";

describe("a directory that is made", () => {
  it("is made with those above it, each with the given mode, and the highest of them is told", () => {
    const root = temporaryDirectory();
    const path = join(root, "a", "b", "c");
    expect(createDirectory(path, 0o700)).toBe(join(root, "a"));
    expect(["a", "a/b", "a/b/c"].map((part) => statSync(join(root, part)).mode & 0o777)).toEqual([
      0o700, 0o700, 0o700,
    ]);
    expect(createDirectory(path, 0o777)).toBeUndefined();
    expect(createDirectory(join(path, "d"), 0o700)).toBe(join(path, "d"));
  });

  it("may be there already, also by a link", () => {
    const root = temporaryDirectory();
    mkdirSync(join(root, "real"));
    symlinkSync(join(root, "real"), join(root, "link"));
    expect(createDirectory(join(root, "link", "a"), 0o700)).toBe(join(root, "link", "a"));
    expect(readdirSync(join(root, "real"))).toEqual(["a"]);
    expect(createDirectory("/", 0o700)).toBeUndefined();
  });

  it("is refused where a file is in the way, or a link that leads nowhere", () => {
    const root = temporaryDirectory();
    writeFileSync(join(root, "file"), "");
    symlinkSync(join(root, "nowhere"), join(root, "link"));
    expect(() => createDirectory(join(root, "file"), 0o700)).toThrow("EEXIST");
    expect(() => createDirectory(join(root, "file", "a"), 0o700)).toThrow(/EEXIST|ENOTDIR/);
    expect(() => createDirectory(join(root, "link"), 0o700)).toThrow("EEXIST");
  });
});

// Node's own `mkdir` with `recursive` never returns there.
describe.runIf(process.platform === "linux")(
  "a directory that takes no entries and says that it is not there",
  () => {
    const failed = { code: "STORE_FAILED", message: expect.stringContaining("ENOENT") as string };

    it("refuses to have one made in it", () => {
      expect(() => createDirectory("/proc/nowhere/below", 0o700)).toThrow("ENOENT");
    });

    it("refuses a store, a large value, and a file of a handler", async () => {
      const path = "/proc/nowhere/items.db";
      const open = () => openStore({ path, migrations: [], clock: systemClock, scheduler: systemScheduler });
      expect(open).toThrow(expect.objectContaining(failed));
      await expect(openBlobs({ directory: "/proc/nowhere" }).put(new Uint8Array(1))).rejects.toMatchObject(
        failed,
      );
      await expect(replaceWholeFile("/proc/nowhere/file", "x", () => undefined)).rejects.toThrow("ENOENT");
    });
  },
);
