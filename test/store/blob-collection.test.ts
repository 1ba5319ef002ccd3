import { spawn } from "node:child_process";
import { createHash } from "node:crypto";
import { once } from "node:events";
import {
  closeSync,
  mkdirSync,
  openSync,
  readdirSync,
  renameSync,
  statSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { describe, expect, it } from "vitest";
import { openBlobs, type BlobStore } from "../../src/store/index.ts";
import { temporaryDirectory } from "./store-kit.ts";

const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);
const sha = (text: string): string => createHash("sha256").update(text).digest("hex");

const HOUR_MS = 3_600_000;

/** A directory whose ages are reckoned by a clock that the test sets. */
function kit() {
  const directory = join(temporaryDirectory(), "blobs");
  const clock = { wallMs: 1_000 * HOUR_MS, wallNow: () => clock.wallMs };
  const pathOf = (sha256: string): string => join(directory, sha256.slice(0, 2), sha256.slice(2));
  /** As a collection leaves a value that dies before it has decided. */
  const leaveAside = (sha256: string): void =>
    renameSync(pathOf(sha256), `${pathOf(sha256)}.00000000-0000-4000-8000-000000000000`);
  /** Quicker than `put`, which flushes. */
  const write = (text: string): string => {
    const path = pathOf(sha(text));
    mkdirSync(dirname(path), { recursive: true });
    writeFileSync(path, text);
    utimesSync(path, 1, 1);
    return sha(text);
  };
  /** Quicker still: a file without content. */
  const writeNone = (text: string): string => {
    const path = pathOf(sha(text));
    mkdirSync(dirname(path), { recursive: true });
    closeSync(openSync(path, "wx"));
    utimesSync(path, 1, 1);
    return sha(text);
  };
  return { directory, clock, pathOf, leaveAside, write, writeNone, blobs: openBlobs({ directory, clock }) };
}

async function oldOf(blobs: BlobStore, beforeMs: number): Promise<string[]> {
  const found = [];
  for await (const sha256 of blobs.old(beforeMs)) found.push(sha256);
  return found.toSorted();
}

const textOf = async (blobs: BlobStore, sha256: string): Promise<string> =>
  Buffer.from(await blobs.get(sha256)).toString();

describe("the age of a value", () => {
  it("is reckoned by the clock of whoever put it, and begins anew when it is put or touched", async () => {
    const { blobs, clock } = kit();
    for (const text of ["put", "touched", "left"]) await blobs.put(bytes(text));
    clock.wallMs += HOUR_MS;
    expect(await oldOf(blobs, clock.wallMs)).toEqual(["put", "touched", "left"].map(sha).toSorted());
    expect(await oldOf(blobs, clock.wallMs - HOUR_MS)).toEqual([]);
    await blobs.put(bytes("put"));
    await blobs.touch(sha("touched"));
    expect(await oldOf(blobs, clock.wallMs)).toEqual([sha("left")]);
  });

  it("of one that is not there cannot be changed", async () => {
    const { blobs } = kit();
    const missing = { code: "BLOB_MISSING", details: { sha256: sha("x") } };
    await expect(blobs.touch(sha("x"))).rejects.toMatchObject(missing);
    await expect(blobs.touch("../x")).rejects.toMatchObject({ code: "INVALID_ARGUMENT" });
  });
});

describe("a value in pieces", () => {
  it("is the value, whatever its size, and BLOB_MISSING when there is none", async () => {
    const { blobs } = kit();
    for (const size of [0, 1, 262_144, 262_145, 1_000_000]) {
      const content = Buffer.alloc(size, "abc");
      const { sha256 } = await blobs.put(content);
      const pieces = [];
      for await (const piece of blobs.pieces(sha256)) pieces.push(piece);
      expect(Buffer.concat(pieces).equals(content)).toBe(true);
    }
    await expect(blobs.pieces(sha("x")).next()).rejects.toMatchObject({ code: "BLOB_MISSING" });
  });
});

describe("a value that a collection had put aside when it died", () => {
  it("is there as before, whoever asks for it", async () => {
    const { blobs, leaveAside } = kit();
    const { sha256 } = await blobs.put(bytes("hello"));
    leaveAside(sha256);
    expect(await textOf(blobs, sha256)).toBe("hello");
    expect(await blobs.has(sha256)).toBe(true);
    for await (const piece of blobs.pieces(sha256)) expect(piece).toEqual(Buffer.from("hello"));
  });

  it("has its name again when it was touched, so that no other collection can take it", async () => {
    const { blobs, clock, leaveAside, pathOf } = kit();
    const { sha256 } = await blobs.put(bytes("hello"));
    leaveAside(sha256);
    clock.wallMs += HOUR_MS;
    await blobs.touch(sha256);
    expect(statSync(pathOf(sha256)).mtimeMs).toBe(clock.wallMs);
  });

  it.each(["mend", "collect"] as const)(
    "gets its name back from the next one, and is young: %s",
    async (by) => {
      const { blobs, clock, directory, leaveAside } = kit();
      const { sha256 } = await blobs.put(bytes("hello"));
      leaveAside(sha256);
      clock.wallMs += HOUR_MS;
      expect(await oldOf(blobs, clock.wallMs)).toEqual([]);
      if (by === "mend") await blobs.mend();
      else {
        const collected = await blobs.collect({ keep: () => false, beforeMs: clock.wallNow });
        expect(collected).toEqual({ removed: 0, freedBytes: 0 });
      }
      expect(readdirSync(join(directory, sha256.slice(0, 2)))).toEqual([sha256.slice(2)]);
      expect(await textOf(blobs, sha256)).toBe("hello");
      expect(await oldOf(blobs, clock.wallMs)).toEqual([]);
    },
  );

  it("does not make one that was put meanwhile look old", async () => {
    const { blobs, clock, leaveAside } = kit();
    const { sha256 } = await blobs.put(bytes("hello"));
    leaveAside(sha256);
    clock.wallMs += HOUR_MS;
    await blobs.put(bytes("hello"));
    await blobs.collect({ keep: () => false, beforeMs: clock.wallNow });
    expect(await textOf(blobs, sha256)).toBe("hello");
  });
});

describe("a collection", () => {
  it("that is cut off leaves the rest to the next one, and only a whole one counts", async () => {
    const { blobs, clock, write } = kit();
    const all = Array.from({ length: 100 }, (_, at) => write(`value ${at}`));
    expect(await blobs.collectedAtMs()).toBeNull();
    const stop = new AbortController();
    let seen = 0;
    const keep = (): boolean => {
      seen += 1;
      if (seen === 40) stop.abort(new Error("enough"));
      return false;
    };
    const options = { beforeMs: clock.wallNow };
    await expect(blobs.collect({ ...options, keep, signal: stop.signal })).rejects.toThrow("enough");
    expect(await oldOf(blobs, clock.wallMs)).toHaveLength(60);
    expect(await blobs.collectedAtMs()).toBeNull();
    expect(await blobs.collect({ ...options, keep: () => false })).toMatchObject({ removed: 60 });
    expect(await blobs.collectedAtMs()).toBe(clock.wallMs);
    for (const sha256 of all) expect(await blobs.has(sha256)).toBe(false);
  });

  it("of a directory that is not there makes none", async () => {
    const { blobs, clock, directory } = kit();
    await blobs.collect({ keep: () => false, beforeMs: clock.wallNow });
    expect(await blobs.collectedAtMs()).toBeNull();
    expect(() => readdirSync(directory)).toThrow("ENOENT");
  });

  it("of 10,000 values that is killed has taken nothing that is wanted, and the next one takes the rest", async () => {
    const { directory, writeNone } = kit();
    const blobs = openBlobs({ directory });
    const all = Array.from({ length: 10_000 }, (_, at) => writeNone(`value ${at}`));
    const isWanted = (sha256: string): boolean => Number.parseInt(sha256.charAt(0), 16) % 2 === 0;
    const script = fileURLToPath(new URL("modules/collecting.process.ts", import.meta.url));
    const child = spawn(process.execPath, [script, directory], { stdio: ["ignore", "pipe", "inherit"] });
    let told = "";
    for await (const part of child.stdout) {
      told += String(part);
      if (!told.includes("2000\n")) continue;
      child.kill("SIGKILL");
      break;
    }
    await once(child, "exit");
    expect(told).not.toContain("done");

    const there = await Promise.all(all.map((sha256) => blobs.has(sha256)));
    expect(all.filter((sha256, at) => isWanted(sha256) && !there[at])).toEqual([]);
    const beforeMs = Date.now() - 60_000;
    await blobs.mend();
    const left = (await oldOf(blobs, beforeMs)).filter((sha256) => !isWanted(sha256));
    expect(left.length).toBeGreaterThan(0);
    expect(left.length).toBeLessThan(5_000);
    expect(await blobs.collect({ keep: isWanted, beforeMs: () => beforeMs })).toMatchObject({
      removed: left.length,
    });
    expect(await oldOf(blobs, beforeMs)).toEqual(all.filter(isWanted).toSorted());
  }, 60_000);
});
