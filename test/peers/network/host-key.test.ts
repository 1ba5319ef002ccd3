import {
  chmodSync,
  mkdtempSync,
  readFileSync,
  readdirSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { hostKey } from "../../../src/peers/network/host-key.ts";

let directory: string;
let path: string;

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), "key-"));
  path = join(directory, "deeper", "node.key");
});

afterEach(() => rmSync(directory, { recursive: true }));

const idOf = async () => (await hostKey(path)).publicKey.toCID().toString();

describe("the key of a node", () => {
  it("is made once, with mode 600, and is the same from then on", async () => {
    const first = await idOf();
    expect(statSync(path).mode & 0o777).toBe(0o600);
    expect(await idOf()).toBe(first);
    expect(readdirSync(join(directory, "deeper"))).toEqual(["node.key"]);
  });

  it("is one, when several processes make it at once", async () => {
    const made = await Promise.all(Array.from({ length: 8 }, () => idOf()));
    expect(new Set(made).size).toBe(1);
    expect(await idOf()).toBe(made[0]);
  });

  it("that others may read is refused, and left alone", async () => {
    await idOf();
    chmodSync(path, 0o640);
    const before = readFileSync(path);
    await expect(idOf()).rejects.toMatchObject({
      code: "FILE_UNREADABLE",
      message: expect.stringContaining("others may read it (mode 640)") as unknown,
    });
    expect(readFileSync(path).equals(before)).toBe(true);
  });

  it.each([
    ["nothing", Buffer.alloc(0)],
    ["something else", Buffer.from("not a key")],
    ["a key that is cut", "cut"],
    ["more than any key", Buffer.alloc(5_000, 8)],
  ])("that holds %s is refused with one sentence, and never replaced", async (_, content) => {
    await idOf();
    const bytes = content === "cut" ? readFileSync(path).subarray(0, 40) : content;
    writeFileSync(path, bytes);
    await expect(idOf()).rejects.toMatchObject({
      code: "FILE_UNREADABLE",
      message: expect.stringContaining("holds no Ed25519 key") as unknown,
    });
    expect(readFileSync(path).equals(Buffer.from(bytes))).toBe(true);
  });

  it("behind a symbolic link is refused", async () => {
    await idOf();
    const alias = join(directory, "alias");
    symlinkSync(path, alias);
    await expect(hostKey(alias)).rejects.toMatchObject({ code: "FILE_UNREADABLE" });
  });

  it("without a file is another one in each life", async () => {
    const one = await hostKey(null);
    expect(one.equals(await hostKey(null))).toBe(false);
  });
});
