import { createHash } from "node:crypto";
import {
  existsSync,
  mkdirSync,
  readFileSync,
  readdirSync,
  statSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { Worker } from "node:worker_threads";
import { once } from "node:events";
import { describe, expect, it } from "vitest";
import { openBlobs } from "../../src/store/index.ts";
import { temporaryDirectory } from "./store-kit.ts";

const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);
const sha = (text: string): string => createHash("sha256").update(text).digest("hex");

function kit() {
  const directory = join(temporaryDirectory(), "blobs");
  const pathOf = (sha256: string): string => join(directory, sha256.slice(0, 2), sha256.slice(2));
  return { directory, pathOf, blobs: openBlobs({ directory }) };
}

describe("a value that is put", () => {
  it.each([
    ["text", "hello"],
    ["nothing", ""],
  ])("comes back under the hash of its content: %s", async (_, text) => {
    const { blobs } = kit();
    const address = await blobs.put(bytes(text));
    expect(address).toEqual({ sha256: sha(text), sizeBytes: text.length });
    expect(Buffer.from(await blobs.get(address.sha256)).toString()).toBe(text);
    expect(await blobs.has(address.sha256)).toBe(true);
  });

  it("lies in a directory named by the first two digits, readable by nobody but the user, with nothing unfinished beside", async () => {
    const { blobs, directory, pathOf } = kit();
    const { sha256 } = await blobs.put(bytes("hello"));
    expect(readFileSync(pathOf(sha256), "utf8")).toBe("hello");
    expect(statSync(pathOf(sha256)).mode & 0o777).toBe(0o600);
    expect(statSync(join(directory, sha256.slice(0, 2))).mode & 0o777).toBe(0o700);
    expect(readdirSync(join(directory, "tmp"))).toEqual([]);
  });

  it("a second time is not written again, but is as young as new", async () => {
    const { blobs, pathOf } = kit();
    const { sha256 } = await blobs.put(bytes("hello"));
    const path = pathOf(sha256);
    utimesSync(path, 1, 1);
    const { ino } = statSync(path);
    await blobs.put(bytes("hello"));
    expect(statSync(path).ino).toBe(ino);
    expect(statSync(path).mtimeMs).toBeGreaterThan(1_000);
  });

  it.each([
    ["cut short", "hel"],
    ["changed", "hellO"],
  ])("over content that was %s is written again", async (_, damaged) => {
    const { blobs, pathOf } = kit();
    const { sha256 } = await blobs.put(bytes("hello"));
    writeFileSync(pathOf(sha256), damaged);
    await expect(blobs.get(sha256)).rejects.toMatchObject({ code: "BLOB_CORRUPT", details: { sha256 } });
    await blobs.put(bytes("hello"));
    expect(Buffer.from(await blobs.get(sha256)).toString()).toBe("hello");
  });

  it("by several threads and several times at once is stored once and whole", async () => {
    const { blobs, directory } = kit();
    const door = new URL("../../src/store/index.ts", import.meta.url).href;
    const threads = [1, 2].map(
      () =>
        new Worker(
          `import(${JSON.stringify(door)}).then(({ openBlobs }) => {
             const blobs = openBlobs({ directory: require("node:worker_threads").workerData });
             return Promise.all(Array.from({ length: 20 }, (_, n) => blobs.put(Buffer.alloc(50_000, n % 4))));
           });`,
          { eval: true, workerData: directory },
        ),
    );
    const exits = threads.map((thread) => once(thread, "exit"));
    await Promise.all(Array.from({ length: 20 }, (_, n) => blobs.put(Buffer.alloc(50_000, n % 4))));
    expect((await Promise.all(exits)).flat()).toEqual([0, 0]);
    for (const fill of [0, 1, 2, 3]) {
      const content = Buffer.alloc(50_000, fill);
      expect(await blobs.get(sha(content.toString("latin1")))).toEqual(content);
    }
    expect(
      readdirSync(directory, { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile()),
    ).toHaveLength(4);
  });

  it("where there is no room for it is refused", async () => {
    const { blobs, directory } = kit();
    writeFileSync(directory, "a file is in the way");
    await expect(blobs.put(bytes("x"))).rejects.toMatchObject({ code: "STORE_FAILED" });
  });

  it("whose name cannot be given to it is refused", async () => {
    const { blobs, pathOf } = kit();
    mkdirSync(pathOf(sha("x")), { recursive: true });
    mkdirSync(join(pathOf(sha("x")), "in the way"));
    await expect(blobs.put(bytes("x"))).rejects.toMatchObject({ code: "STORE_FAILED" });
  });
});

describe("an address", () => {
  it("of nothing is BLOB_MISSING", async () => {
    const { blobs } = kit();
    await expect(blobs.get(sha("x"))).rejects.toMatchObject({
      code: "BLOB_MISSING",
      details: { sha256: sha("x") },
    });
    expect(await blobs.has(sha("x"))).toBe(false);
  });

  it.each([
    "",
    "../../etc/passwd",
    sha("x").toUpperCase(),
    sha("x").slice(1),
    `${sha("x")}\n`,
    `../${sha("x").slice(3)}`,
  ])("that is none is refused, and no path is made of it: %j", async (malformed) => {
    const { blobs } = kit();
    await expect(blobs.get(malformed)).rejects.toMatchObject({ code: "INVALID_ARGUMENT" });
    await expect(blobs.has(malformed)).rejects.toMatchObject({ code: "INVALID_ARGUMENT" });
  });

  it("whose file cannot be read is FILE_UNREADABLE", async () => {
    const { blobs, directory, pathOf } = kit();
    mkdirSync(pathOf(sha("x")), { recursive: true });
    await expect(blobs.get(sha("x"))).rejects.toMatchObject({ code: "FILE_UNREADABLE" });
    writeFileSync(join(directory, sha("y").slice(0, 2)), "a file is in the way");
    await expect(blobs.has(sha("y"))).rejects.toMatchObject({ code: "FILE_UNREADABLE" });
  });
});

describe("collect", () => {
  const beforeMs = (): number => Date.UTC(2020, 0, 1);
  const agesAgo = (path: string): void => utimesSync(path, 1, 1);

  it("removes what is old and not wanted, and nothing else", async () => {
    const { blobs, directory, pathOf } = kit();
    const addresses = [];
    for (const text of ["wanted", "unwanted", "young"]) addresses.push(await blobs.put(bytes(text)));
    const [wanted, unwanted, young] = addresses.map(({ sha256 }) => sha256) as [string, string, string];
    for (const sha256 of [wanted, unwanted]) agesAgo(pathOf(sha256));
    writeFileSync(join(directory, "README"), "not ours");
    agesAgo(join(directory, "README"));

    const seen: string[] = [];
    const keep = (sha256: string): boolean => (seen.push(sha256), sha256 === wanted);
    expect(await blobs.collect({ keep, beforeMs })).toEqual({
      removed: 1,
      freedBytes: "unwanted".length,
    });
    expect(seen.toSorted()).toEqual([wanted, unwanted].toSorted());
    expect(await Promise.all([wanted, unwanted, young].map((each) => blobs.has(each)))).toEqual([
      true,
      false,
      true,
    ]);
    expect(existsSync(join(directory, "README"))).toBe(true);
  });

  it("removes unfinished files only once they are old", async () => {
    const { blobs, directory } = kit();
    await blobs.put(bytes("x"));
    for (const name of ["old", "young"]) writeFileSync(join(directory, "tmp", name), "unfinished");
    agesAgo(join(directory, "tmp", "old"));
    expect(await blobs.collect({ keep: () => true, beforeMs })).toEqual({
      removed: 1,
      freedBytes: 10,
    });
    expect(readdirSync(join(directory, "tmp"))).toEqual(["young"]);
  });

  it("spares a value that is put again while it is being judged", async () => {
    const { blobs, pathOf } = kit();
    const { sha256 } = await blobs.put(bytes("again"));
    agesAgo(pathOf(sha256));
    const touchedMeanwhile = (): boolean => {
      const now = new Date();
      utimesSync(pathOf(sha256), now, now);
      return false;
    };
    expect(await blobs.collect({ keep: touchedMeanwhile, beforeMs })).toEqual({
      removed: 0,
      freedBytes: 0,
    });
    expect(Buffer.from(await blobs.get(sha256)).toString()).toBe("again");
  });

  it("of a directory that is not there yet finds nothing, and of one that cannot be read says so", async () => {
    const { blobs, directory } = kit();
    expect(await blobs.collect({ keep: () => false, beforeMs })).toEqual({
      removed: 0,
      freedBytes: 0,
    });
    writeFileSync(directory, "a file is in the way");
    await expect(blobs.collect({ keep: () => false, beforeMs })).rejects.toMatchObject({
      code: "FILE_UNREADABLE",
    });
  });
});
