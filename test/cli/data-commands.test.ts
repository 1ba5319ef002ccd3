import { spawn } from "node:child_process";
import { once } from "node:events";
import {
  closeSync,
  existsSync,
  mkdirSync,
  openSync,
  readFileSync,
  readdirSync,
  rmSync,
  watch,
  writeFileSync,
} from "node:fs";
import { join, resolve } from "node:path";
import { text } from "node:stream/consumers";
import { describe, expect, it } from "vitest";
import { packValue } from "../../src/index.ts";
import { openBlobs } from "../../src/store/index.ts";
import { openSystem } from "../../src/system/index.ts";
import { run, temporaryDirectory } from "./kit/command.ts";

const ROOT = resolve(import.meta.dirname, "../..");

/** A directory with a data directory of two tasks, one of which waits for the other. */
async function kit() {
  const directory = temporaryDirectory();
  const at = (name: string): string => join(directory, name);
  {
    await using system = await openSystem({ data: at("data"), idle: true });
    await system.tasks.submitMany([
      { id: "a", action: "echo", priority: 3, input: { n: 1 } },
      { id: "b", action: "echo", dependsOn: ["a"] },
    ]);
  }
  return { directory, at, data: ["--data", at("data")] };
}

describe("backup and restore", () => {
  it("say what they did, in lines or as one line of JSON", async () => {
    const { at, data } = await kit();
    const { code, out, err } = await run("backup", at("one"), ...data);
    expect([code, err]).toEqual([0, ""]);
    expect(out).toMatch(/^backup of \S+: 3 files \(0 large values\), [\d.]+ KiB\nwrote .*\/one\n$/);
    const json = await run("backup", at("two"), ...data, "--json");
    expect(JSON.parse(json.out)).toEqual({
      success: true,
      path: at("two"),
      created_at: expect.any(String) as string,
      files: 3,
      blobs: 0,
      size_bytes: expect.any(Number) as number,
      damaged_blobs: [],
      left_out: [],
    });
    expect((await run("restore", at("one"), "--data", at("restored"))).out).toMatch(
      /^restored the backup of \S+: 3 files, [\d.]+ KiB\nwrote .*\/restored\n$/,
    );
    const replaced = await run("restore", at("two"), "--data", at("restored"), "--replace", "--json");
    expect(JSON.parse(replaced.out)).toMatchObject({
      success: true,
      path: at("restored"),
      moved_to: expect.stringContaining("restored.before-restore-") as string,
    });
  });

  it("say in one sentence why not", async () => {
    const { at, data } = await kit();
    mkdirSync(at("full"));
    writeFileSync(at("full/mine"), "");
    expect(await run("backup", at("full"), ...data)).toMatchObject({
      code: 1,
      out: "",
      err: `mcplusplus: ${at("full")} is not empty: name a directory that is empty or does not exist\n`,
    });
    const none = await run("restore", at("full"), "--data", at("restored"), "--json");
    expect(none.code).toBe(1);
    expect(JSON.parse(none.out)).toMatchObject({ success: false, code: "BACKUP_INVALID" });
    await run("backup", at("one"), ...data);
    expect((await run("restore", at("one"), ...data)).err).toContain(
      "is not empty: name another data directory",
    );
    rmSync(at("one/queue.sqlite"));
    expect((await run("restore", at("one"), "--data", at("restored"))).err).toBe(
      `mcplusplus: ${at("one")} cannot be restored: queue.sqlite is missing\n`,
    );
    expect(existsSync(at("restored"))).toBe(false);
  });

  it("name the owner of a directory in use, and the way out", async () => {
    const { at, data } = await kit();
    await using owner = await openSystem({ data: at("data"), idle: true });
    const { code, err } = await run("backup", at("one"), ...data);
    expect(code).toBe(1);
    expect(err).toMatch(
      /is in use by .*: end that process first, or let it make the backup itself with system\.backup/,
    );
    expect((await owner.health()).healthy).toBe(true);
  });
});

describe("export and import", () => {
  it("carry waiting tasks over, and say what they did", async () => {
    const { at, data } = await kit();
    const file = at("tasks.ndjson");
    expect(await run("export", "--out", file, ...data)).toEqual({
      code: 0,
      out: `exported 2 tasks, 0 runs and 0 large values\nwrote ${file}\n`,
      err: "",
    });
    expect(await run("import", file, "--data", at("other"))).toEqual({
      code: 0,
      out: "imported 2 tasks; 0 were there already\n",
      err: "",
    });
    expect(JSON.parse((await run("import", file, "--data", at("other"), "--json")).out)).toEqual({
      success: true,
      imported: 0,
      known: 2,
      left_out: { ended: 0, cancelling: 0, steps: 0, dependents: 0, runs: 0 },
      blobs: 0,
    });
    await using system = await openSystem({ data: at("other"), idle: true });
    expect((await system.tasks.list()).tasks).toMatchObject([
      { taskId: "a", priority: 3 },
      { taskId: "b", blockedBy: ["a"] },
    ]);
  });

  it("to standard output leaves it to the lines, and tells people elsewhere", async () => {
    const { data } = await kit();
    const { code, out, err } = await run(
      "export",
      "--out",
      "-",
      "--tasks",
      "queued",
      "--runs",
      "none",
      ...data,
    );
    expect(code).toBe(0);
    const lines = out
      .trimEnd()
      .split("\n")
      .map((line) => JSON.parse(line) as Record<string, unknown>);
    expect(lines.map(({ kind }) => kind)).toEqual([undefined, "task", "task", "end"]);
    expect(err).toBe("exported 2 tasks, 0 runs and 0 large values\n");
  });

  it("names the line of a file that is wrong", async () => {
    const { at } = await kit();
    writeFileSync(at("wrong"), "{}\n");
    expect(await run("import", at("wrong"), "--data", at("other"))).toMatchObject({
      code: 1,
      err: `mcplusplus: line 1 of ${at("wrong")} cannot be imported: it is not the head of an export of mcplusplus; nothing was imported\n`,
    });
    expect(existsSync(at("other"))).toBe(false);
  });

  it("keeps an earlier file when the export fails", async () => {
    const { at } = await kit();
    writeFileSync(at("tasks.ndjson"), "earlier");
    expect((await run("export", "--out", at("tasks.ndjson"), "--data", at("gone"))).code).toBe(1);
    expect(readFileSync(at("tasks.ndjson"), "utf8")).toBe("earlier");
    expect((await run("export", "--out", at("gone/tasks"), "--data", at("data"))).err).toContain(
      "cannot be written",
    );
  });
});

it.each([
  [["backup"], "<directory> is missing; allowed is mcplusplus backup <directory>"],
  [["restore", "a", "b"], '"b" is one operand too many; allowed is mcplusplus restore <backup>'],
  [["export"], "--out is missing; allowed is a file, or - for standard output"],
  [["export", "x", "--out", "-"], '"x" is one operand too many; allowed is mcplusplus export'],
  [["export", "--out", "-", "--json"], "--json is given with --out -"],
  [
    ["export", "--out", "-", "--tasks", "queud"],
    `--tasks is "queud"; allowed is all, none, or some of queued,running,`,
  ],
  [["export", "--out", "-", "--runs", "queued"], `--runs is "queued"; allowed is`],
  [["import"], "<file> is missing; allowed is mcplusplus import <file>"],
])("%j is refused with exit code 2 and one sentence", async (argv, sentence) => {
  const { code, err } = await run(...argv);
  expect(code).toBe(2);
  expect(err).toMatch(/^mcplusplus: [^\n]+\n$/);
  expect(err).toContain(sentence);
});

it("each of the four has a help", async () => {
  for (const name of ["backup", "restore", "export", "import"]) {
    const { code, out } = await run("help", name);
    expect(code).toBe(0);
    for (const flag of ["--data", "--json", "--help"]) expect(out).toContain(flag);
  }
});

it("Ctrl-C in a backup ends it with 130, and nothing of it is left", async () => {
  const { directory, at } = await kit();
  const blobs = openBlobs({ directory: at("data/blobs") });
  // So much that a signal comes in time.
  for (let at = 0; at < 40; at++) await blobs.put(packValue(`${at} `.repeat(400_000)));
  const args = [
    "--conditions=mcplusplus-source",
    "bin/mcplusplus.cjs",
    "backup",
    at("backup"),
    "--data",
    at("data"),
    "--json",
  ];
  const watcher = watch(directory);
  const child = spawn(process.execPath, args, { cwd: ROOT, stdio: ["ignore", "pipe", "pipe"] });
  const printed = Promise.all([text(child.stdout), text(child.stderr)]);
  const exited = once(child, "exit");
  while (!readdirSync(directory).some((name) => name.endsWith(".part"))) await once(watcher, "change");
  watcher.close();
  child.kill("SIGINT");
  expect(await exited).toEqual([130, null]);
  const [out, err] = await printed;
  expect(JSON.parse(out)).toMatchObject({ success: false, code: "CANCELLED" });
  expect(err).toBe("mcplusplus: the backup was cancelled: Ctrl-C\n");
  expect(readdirSync(directory)).toEqual(["data"]);
});

describe("a command whose output nobody can take", () => {
  const child = (argv: readonly string[], stdout: "pipe" | number) =>
    spawn(process.execPath, ["--conditions=mcplusplus-source", "bin/mcplusplus.cjs", ...argv], {
      cwd: ROOT,
      stdio: ["ignore", stdout, "pipe"],
    });

  it("ends without a word when its reader has seen enough, the export early", async () => {
    const { data } = await kit();
    for (const argv of [
      ["export", "--out", "-", ...data],
      ["task", "list", "--json", ...data],
    ]) {
      const process = child(argv, "pipe");
      const told = text(process.stderr as NodeJS.ReadableStream & AsyncIterable<Buffer>);
      process.stdout?.destroy();
      expect(await once(process, "exit")).toEqual([0, null]);
      expect(await told).toBe("");
    }
  });

  it.runIf(existsSync("/dev/full"))("says so in one sentence, and fails", async () => {
    const { data } = await kit();
    const full = openSync("/dev/full", "w");
    for (const argv of [
      ["export", "--out", "-", ...data],
      ["task", "list", ...data],
    ]) {
      const process = child(argv, full);
      const told = text(process.stderr as NodeJS.ReadableStream & AsyncIterable<Buffer>);
      expect(await once(process, "exit")).toEqual([1, null]);
      expect(await told).toMatch(/^mcplusplus: standard output cannot be written: [^\n]+\n$/);
    }
    closeSync(full);
  });
});
