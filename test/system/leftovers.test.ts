import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdirSync, readdirSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { openSystem } from "../../src/system/index.ts";
import { makeWhole } from "../../src/system/whole-directory.ts";
import { temporaryDirectory } from "./kit/directory.ts";

const MODULE = new URL("../../src/system/whole-directory.ts", import.meta.url).href;
const BACKUP = { what: "the backup", signal: undefined };

/** Fills a directory as a backup does, as far as that is of interest here. */
const fill = async (temporary: string): Promise<void> => {
  mkdirSync(join(temporary, "blobs"));
  for (const name of ["queue.sqlite", "scheduler.sqlite.part"])
    writeFileSync(join(temporary, name), "copied");
};

/** A process that dies in the middle of making `target`. */
async function leave(target: string): Promise<void> {
  const script = `
    const { mkdirSync, writeFileSync } = await import("node:fs");
    const { join } = await import("node:path");
    const { makeWhole } = await import(${JSON.stringify(MODULE)});
    await makeWhole(${JSON.stringify(target)}, async (temporary) => {
      mkdirSync(join(temporary, "blobs"));
      for (const name of ["queue.sqlite", "scheduler.sqlite.part"]) writeFileSync(join(temporary, name), "copied");
      process.stdout.write("filled");
      return new Promise(() => setInterval(() => {}, 1_000));
    }, { what: "the backup", signal: undefined });`;
  const child = spawn(process.execPath, ["--input-type=module", "-e", script], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  await once(child.stdout, "data");
  child.kill("SIGKILL");
  await once(child, "exit");
}

const partsIn = (directory: string): string[] =>
  readdirSync(directory).filter((name) => name.startsWith("."));

describe("what a backup that was killed has left", () => {
  it("is deleted by the next backup to the same place", async () => {
    const directory = temporaryDirectory();
    const target = join(directory, "monday");
    await leave(target);
    await leave(target);
    expect(partsIn(directory)).toEqual(
      expect.arrayContaining([expect.stringMatching(/^\.monday\.[0-9a-f]{8}\.part$/) as string]),
    );
    await using system = await openSystem({ data: join(directory, "data"), idle: true });
    await system.backup(target);
    expect(readdirSync(directory).toSorted()).toEqual(["data", "monday"]);
  });

  it("is none of the business of a backup to another place", async () => {
    const directory = temporaryDirectory();
    await leave(join(directory, "monday"));
    const before = partsIn(directory);
    for (const name of ["monda", "tuesday", "monday.1"]) await makeWhole(join(directory, name), fill, BACKUP);
    expect(partsIn(directory)).toEqual(before);
  });

  it("stays when it holds anything that no backup does, or is no directory", async () => {
    const directory = temporaryDirectory();
    const target = join(directory, "monday");
    const other = join(directory, "other");
    mkdirSync(other);
    writeFileSync(join(other, "queue.sqlite"), "precious");
    const strange: ((part: string) => void)[] = [
      (part) => {
        mkdirSync(part);
        writeFileSync(join(part, "thesis.txt"), "precious");
      },
      (part) => symlinkSync(other, part),
      (part) => writeFileSync(part, "precious"),
    ];
    strange.forEach((make, index) => {
      const part = join(directory, `.monday.0000000${index}.part`);
      make(part);
      writeFileSync(`${part}.lock`, "");
    });
    // No lock, or what is none: nothing tells that its maker is dead, or that we were it.
    mkdirSync(join(directory, ".monday.00000008.part"));
    mkdirSync(join(directory, ".monday.00000009.part"));
    writeFileSync(join(directory, ".monday.00000009.part.lock"), "precious");
    mkdirSync(join(directory, ".monday.notours.part"));
    writeFileSync(join(directory, ".monday.notours.part.lock"), "");
    const before = partsIn(directory);
    await makeWhole(target, fill, BACKUP);
    expect(partsIn(directory)).toEqual(before);
    expect(existsSync(join(other, "queue.sqlite"))).toBe(true);
  });
});

describe("two backups to the same place at once", () => {
  it("do not meddle with each other: the first to end has the place, and the other leaves nothing", async () => {
    const directory = temporaryDirectory();
    const target = join(directory, "monday");
    const gate = Promise.withResolvers<void>();
    const filled = Promise.withResolvers<string>();
    const slow = makeWhole(
      target,
      async (temporary) => {
        await fill(temporary);
        filled.resolve(temporary);
        await gate.promise;
        return readdirSync(temporary).toSorted();
      },
      BACKUP,
    );
    const part = await filled.promise;
    await makeWhole(target, fill, BACKUP);
    expect(readdirSync(part).toSorted()).toEqual(["blobs", "queue.sqlite", "scheduler.sqlite.part"]);
    gate.resolve();
    await expect(slow).rejects.toMatchObject({ code: "DIRECTORY_NOT_EMPTY" });
    expect(readdirSync(directory)).toEqual(["monday"]);
  });

  it("do not meddle with each other in two processes", async () => {
    const directory = temporaryDirectory();
    const target = join(directory, "monday");
    const script = `
      const { makeWhole } = await import(${JSON.stringify(MODULE)});
      const { once } = await import("node:events");
      await makeWhole(${JSON.stringify(target)}, async () => {
        process.stdout.write("filled");
        await once(process.stdin, "data");
      }, { what: "the backup", signal: undefined }).catch((error) => process.stdout.write(error.code));
      process.exit(0);`;
    const child = spawn(process.execPath, ["--input-type=module", "-e", script], {
      stdio: ["pipe", "pipe", "inherit"],
    });
    await once(child.stdout, "data");
    const parts = partsIn(directory);
    expect(parts).toHaveLength(2);
    await makeWhole(target, fill, BACKUP);
    expect(partsIn(directory)).toEqual(parts);
    rmSync(target, { recursive: true });
    child.stdin.write("go on");
    await once(child, "exit");
    expect(readdirSync(directory)).toEqual(["monday"]);
  });
});
