import { createHash } from "node:crypto";
import { readdirSync, statSync, utimesSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { openBlobs } from "../../src/store/index.ts";
import { temporaryDirectory } from "./store-kit.ts";

const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);
const sha = (text: string): string => createHash("sha256").update(text).digest("hex");
const textOf = (value: Uint8Array): string => Buffer.from(value).toString();

async function* piecesOf(...texts: string[]): AsyncGenerator<Uint8Array> {
  for (const text of texts) yield bytes(text);
}

function kit() {
  const directory = join(temporaryDirectory(), "blobs");
  const pathOf = (sha256: string): string => join(directory, sha256.slice(0, 2), sha256.slice(2));
  const unfinished = (): string[] => readdirSync(join(directory, "tmp"));
  return { directory, pathOf, unfinished, blobs: openBlobs({ directory }) };
}

describe("a value that comes in pieces", () => {
  it.each([
    ["several", ["hel", "", "lo"]],
    ["one", ["hello"]],
    ["none", []],
  ])("is there under its address, and nothing unfinished beside it: %s", async (_, texts) => {
    const { blobs, pathOf, unfinished } = kit();
    const whole = texts.join("");
    const address = { sha256: sha(whole), sizeBytes: whole.length };
    expect(await blobs.putPieces(address.sha256, piecesOf(...texts))).toEqual(address);
    expect(textOf(await blobs.get(address.sha256))).toBe(whole);
    expect(statSync(pathOf(address.sha256)).mode & 0o777).toBe(0o600);
    expect(unfinished()).toEqual([]);
  });

  it("and is not what its address says is thrown away", async () => {
    const { blobs, unfinished } = kit();
    const wanted = sha("hello");
    await expect(blobs.putPieces(wanted, piecesOf("hel", "l0"))).rejects.toMatchObject({
      code: "BLOB_CORRUPT",
    });
    expect(await blobs.has(wanted)).toBe(false);
    expect(unfinished()).toEqual([]);
  });

  it("and breaks off is thrown away, and its failure is the caller's", async () => {
    const { blobs, unfinished } = kit();
    async function* broken(): AsyncGenerator<Uint8Array> {
      yield bytes("hel");
      throw new Error("the peer has gone");
    }
    await expect(blobs.putPieces(sha("hello"), broken())).rejects.toThrow("the peer has gone");
    expect(unfinished()).toEqual([]);
  });

  it("takes the place of a damaged one, and makes it young", async () => {
    const { blobs, pathOf } = kit();
    const { sha256 } = await blobs.put(bytes("hello"));
    writeFileSync(pathOf(sha256), "hell0");
    utimesSync(pathOf(sha256), 1, 1);
    await blobs.putPieces(sha256, piecesOf("hello"));
    expect(textOf(await blobs.get(sha256))).toBe("hello");
    expect(statSync(pathOf(sha256)).mtimeMs).toBeGreaterThan(1_000);
  });

  it("under what is no address is refused before anything is written", async () => {
    const { blobs } = kit();
    await expect(blobs.putPieces("../x", piecesOf("x"))).rejects.toMatchObject({ code: "INVALID_ARGUMENT" });
  });
});

describe("a part of a value", () => {
  it.each([
    [0, 2, "he"],
    [3, 2, "lo"],
    [3, 100, "lo"],
    [5, 10, ""],
    [99, 10, ""],
    [0, 0, ""],
  ])("from %i, of %i bytes, is what is there, with the size of the whole", async (offset, length, text) => {
    const { blobs } = kit();
    const { sha256 } = await blobs.put(bytes("hello"));
    const part = await blobs.read(sha256, offset, length);
    expect([textOf(part.bytes), part.sizeBytes]).toEqual([text, 5]);
  });

  it("of a value that is not there is missing", async () => {
    const { blobs } = kit();
    await expect(blobs.read(sha("x"), 0, 1)).rejects.toMatchObject({ code: "BLOB_MISSING" });
  });
});
