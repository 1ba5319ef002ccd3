import { execFileSync } from "node:child_process";
import { once } from "node:events";
import {
  mkdirSync,
  mkdtempSync,
  readFileSync,
  readdirSync,
  realpathSync,
  rmSync,
  statSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { Reference } from "../../../src/codec/index.ts";
import { LIMITS } from "../../../src/errors/index.ts";
import { openBlobs } from "../../../src/store/index.ts";
import { attemptKit, type AttemptKit } from "../attempt-kit.ts";

const { fileBytes, inlineBytes } = LIMITS.compute;

let base = "";
let root = "";
let kit: AttemptKit;

beforeEach(() => {
  base = realpathSync(mkdtempSync(join(tmpdir(), "files-")));
  root = join(base, "root");
  mkdirSync(root);
  kit = attemptKit({ roots: [root] });
});
afterEach(() => rmSync(base, { recursive: true, force: true }));

const refusal = (code: string, message = ""): unknown =>
  expect.objectContaining({
    error: expect.objectContaining({ code, message: expect.stringContaining(message) as string }) as object,
  });

/** Each leads out of the root, or to what is no path. */
const ASTRAY: [string, string][] = [
  ["up and out", "../secret"],
  ["up and out behind what is not there", "not/there/../../../secret"],
  ["an absolute path outside", "/etc/passwd"],
  ["a link that leads outside", "link"],
  ["through a directory that is a link", "door/secret"],
  ["a null character", "secret\0.txt"],
];

function plantLinks(): void {
  writeFileSync(join(base, "secret"), "do not tell");
  symlinkSync(join(base, "secret"), join(root, "link"));
  symlinkSync(base, join(root, "door"));
}

describe("read_file", () => {
  it("returns the text of a file, its encoding and its size", async () => {
    writeFileSync(join(root, "a.txt"), "\uFEFFgrün\n");
    expect(await kit.output("read_file", { path: "a.txt" })).toEqual({
      path: "a.txt",
      content: "\uFEFFgrün\n",
      encoding: "utf-8",
      size_bytes: 9,
    });
  });

  it("returns any bytes as base64, and refuses to call them text", async () => {
    writeFileSync(join(root, "a.bin"), Uint8Array.of(0xff, 0, 1));
    expect(await kit.output("read_file", { path: "a.bin", encoding: "base64" })).toMatchObject({
      content: "/wAB",
      size_bytes: 3,
    });
    expect(await kit.run("read_file", { path: "a.bin" })).toEqual(
      refusal("FILE_UNREADABLE", 'ask for encoding "base64"'),
    );
  });

  it.each(ASTRAY)("refuses %s", async (_what, path) => {
    plantLinks();
    expect(await kit.run("read_file", { path })).toEqual(refusal("INVALID_ARGUMENT", root));
  });

  it.each([
    ["is not there", "absent", "there is no such file"],
    ["is a directory", ".", "it is a directory"],
    ["is a pipe, and does not wait for a writer", "pipe", "it is a pipe"],
  ])("refuses what %s", async (_what, path, why) => {
    execFileSync("mkfifo", [join(root, "pipe")]);
    expect(await kit.run("read_file", { path })).toEqual(refusal("FILE_UNREADABLE", why));
  });

  it("refuses a socket without opening it", async () => {
    const server = createServer().listen(join(root, "socket"));
    await once(server, "listening");
    expect(await kit.run("read_file", { path: "socket" })).toEqual(
      refusal("FILE_UNREADABLE", "it is a socket"),
    );
    server.close();
  });

  it("refuses a device, which may never end", async () => {
    expect(await attemptKit({ roots: ["/dev"] }).run("read_file", { path: "zero" })).toEqual(
      refusal("FILE_UNREADABLE", "it is a device"),
    );
  });

  it("takes a file of as many bytes as it may, and refuses one more", async () => {
    writeFileSync(join(root, "a.txt"), "12345");
    expect(await kit.output("read_file", { path: "a.txt", max_bytes: 5 })).toMatchObject({
      content: "12345",
    });
    expect(await kit.run("read_file", { path: "a.txt", max_bytes: 4 })).toEqual(
      refusal("SIZE_EXCEEDED", "more than 4 bytes"),
    );
    truncateSync(join(root, "a.txt"), fileBytes + 1);
    expect(await kit.run("read_file", { path: "a.txt" })).toEqual(refusal("SIZE_EXCEEDED"));
  });

  it("measures what it reads, not what the file says of itself", async () => {
    // The system makes this one up while it is read, and claims that it is empty.
    const system = attemptKit({ roots: ["/proc/self"] });
    expect(await system.run("read_file", { path: "status", max_bytes: 10 })).toEqual(
      refusal("SIZE_EXCEEDED"),
    );
    expect(await system.output("read_file", { path: "status" })).toMatchObject({
      content: expect.stringContaining("Pid:") as string,
    });
  });

  it("keeps a large content apart, so that the rest travels without it", async () => {
    writeFileSync(join(root, "a.txt"), "x".repeat(inlineBytes + 1));
    const keeping = attemptKit({ roots: [root], blobs: openBlobs({ directory: join(base, "blobs") }) });
    expect(await keeping.output("read_file", { path: "a.txt" })).toMatchObject({
      content: expect.any(Reference) as Reference,
      size_bytes: inlineBytes + 1,
    });
    // Where nothing is kept on disk it travels as it is.
    expect(await kit.output("read_file", { path: "a.txt" })).toMatchObject({
      content: "x".repeat(inlineBytes + 1),
    });
  });

  it("names everything that is wrong with its input", async () => {
    expect(await kit.run("read_file", { path: 1, encoding: "latin1", limit: 3 })).toMatchObject({
      error: {
        code: "INPUT_INVALID",
        details: {
          problems: [/path is 1; allowed is a string/, /encoding is "latin1"/, /unknown key "limit"/].map(
            (text) => expect.stringMatching(text) as string,
          ),
        },
      },
    });
  });
});

describe("write_file", () => {
  it("writes text or bytes, makes directories, and leaves nothing else behind", async () => {
    expect(await kit.output("write_file", { path: "new/a.txt", content: "grün" })).toEqual({
      path: "new/a.txt",
      size_bytes: 5,
    });
    await kit.output("write_file", { path: "new/a.bin", content: "/wAB", encoding: "base64" });
    expect(readFileSync(join(root, "new/a.txt"), "utf8")).toBe("grün");
    expect([...readFileSync(join(root, "new/a.bin"))]).toEqual([0xff, 0, 1]);
    expect(readdirSync(join(root, "new")).toSorted()).toEqual(["a.bin", "a.txt"]);
  });

  it("puts another file in the place of the old one, so that who has it open reads on in the old one", async () => {
    writeFileSync(join(root, "a.txt"), "old");
    const { ino } = statSync(join(root, "a.txt"));
    await kit.output("write_file", { path: "a.txt", content: "new" });
    expect(readFileSync(join(root, "a.txt"), "utf8")).toBe("new");
    expect(statSync(join(root, "a.txt")).ino).not.toBe(ino);
  });

  it.each(ASTRAY)("refuses %s, and writes nothing", async (_what, path) => {
    plantLinks();
    expect(await kit.run("write_file", { path, content: "x" })).toEqual(refusal("INVALID_ARGUMENT", root));
    expect(readFileSync(join(base, "secret"), "utf8")).toBe("do not tell");
    expect(readdirSync(base).toSorted()).toEqual(["root", "secret"]);
  });

  it.each([
    ["a directory", "taken"],
    ["a pipe", "pipe"],
  ])("refuses to put a file in the place of %s", async (kind, path) => {
    mkdirSync(join(root, "taken"));
    execFileSync("mkfifo", [join(root, "pipe")]);
    expect(await kit.run("write_file", { path, content: "x" })).toEqual(
      refusal("FILE_UNWRITABLE", `it is ${kind}`),
    );
    expect(readdirSync(root).toSorted()).toEqual(["pipe", "taken"]);
    expect(statSync(join(root, "pipe")).isFIFO()).toBe(true);
  });

  it("takes as many bytes as it may, and refuses one more", async () => {
    const most = "x".repeat(fileBytes);
    expect(await kit.output("write_file", { path: "a.txt", content: most })).toMatchObject({
      size_bytes: fileBytes,
    });
    expect(await kit.run("write_file", { path: "b.txt", content: `${most}x` })).toEqual(
      refusal("SIZE_EXCEEDED"),
    );
    expect(readdirSync(root)).toEqual(["a.txt"]);
  });

  it.each([["%%%%"], ["/wA"], ["/wAB\n"], ["/wB="]])("refuses %j as base64", async (content) => {
    expect(await kit.run("write_file", { path: "a", content, encoding: "base64" })).toEqual(
      refusal("INPUT_INVALID", "content is no base64"),
    );
    expect(readdirSync(root)).toEqual([]);
  });
});
