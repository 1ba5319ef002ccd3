import { spawn } from "node:child_process";
import { createHash } from "node:crypto";
import { once } from "node:events";
import { mkdirSync, readdirSync, renameSync, utimesSync, writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { describe, expect, it } from "vitest";
import { Reference, openSystem, packValue } from "../../src/index.ts";
import { LIMITS } from "../../src/errors/index.ts";
import { openBlobs } from "../../src/store/index.ts";
import { backupData, exportData, restoreData, type System } from "../../src/system/index.ts";
import { failOnLeaks } from "../kit/leak-check.ts";
import { openInline } from "../kit/inline-system.ts";
import { temporaryDirectory } from "./kit/directory.ts";

const ROOT = resolve(import.meta.dirname, "../..");
const LARGE = join(import.meta.dirname, "modules/large.tasks.ts");

/** It collects when it is asked to: as far as it knows, that was done only just now. */
function open(data: string, how = openInline): Promise<System> {
  mkdirSync(join(data, "blobs"), { recursive: true });
  writeFileSync(join(data, "blobs", "collected"), "");
  return how({ data, tasks: [LARGE], threads: 1 });
}

const pathOf = (data: string, sha256: string): string =>
  join(data, "blobs", sha256.slice(0, 2), sha256.slice(2));

/** Addresses of all large values. */
function valuesIn(data: string): string[] {
  const directory = join(data, "blobs");
  return readdirSync(directory)
    .filter((folder) => folder.length === 2)
    .flatMap((folder) => readdirSync(join(directory, folder)).map((rest) => folder + rest))
    .toSorted();
}

/** As if nothing had happened for a day. */
function makeOld(data: string): void {
  for (const sha256 of valuesIn(data)) utimesSync(pathOf(data, sha256), 1, 1);
}

async function putOld(data: string, value: unknown): Promise<Reference> {
  const { sha256, sizeBytes } = await openBlobs({ directory: join(data, "blobs") }).put(packValue(value));
  utimesSync(pathOf(data, sha256), 1, 1);
  return new Reference(sha256, sizeBytes);
}

async function referenceOf(running: Promise<unknown>): Promise<Reference> {
  const output = await running;
  if (!(output instanceof Reference)) throw new Error("the output is not kept by reference");
  return output;
}

describe("a large value", () => {
  failOnLeaks();

  it("is kept while a task names it: as output, as input, or as the input of its retry", async () => {
    const data = join(temporaryDirectory(), "data");
    await using system = await open(data);
    const { tasks } = system;
    const output = await referenceOf(tasks.run({ action: "write", input: { word: "a" } }));
    const input = await putOld(data, { given: 1 });
    const held = await tasks.submit({ action: "echo", input: { held: input }, delayMs: 1_000_000 });
    const retried = await putOld(data, { again: 1 });
    await tasks.submit({ id: "t", action: "refuse", input: { value: retried } });
    expect((await tasks.wait("t")).state).toBe("failed");
    await tasks.pause();
    await tasks.retry("t");
    const nobodys = await putOld(data, "nobody's");
    makeOld(data);
    expect(await system.collect()).toMatchObject({ removed: 1 });
    await expect(system.load(nobodys)).rejects.toMatchObject({
      code: "BLOB_MISSING",
      details: { sha256: nobodys.sha256 },
    });
    expect(valuesIn(data)).toEqual([output, input, retried].map(({ sha256 }) => sha256).toSorted());

    // The retry alone names it now.
    await tasks.clear(["completed", "failed"]);
    makeOld(data);
    expect(await system.collect()).toMatchObject({ removed: 1 });
    expect(valuesIn(data)).toEqual([input, retried].map(({ sha256 }) => sha256).toSorted());
    await tasks.cancel([held.taskId, "t-retry-1"]);
    await tasks.clear(["cancelled"]);
    makeOld(data);
    await system.collect();
    expect(valuesIn(data)).toEqual([]);
  });

  it("is kept while it is named within a value that is named", async () => {
    const data = join(temporaryDirectory(), "data");
    await using system = await open(data);
    const small = await system.tasks.run<{ part: Reference }>({
      id: "small",
      action: "parts",
      input: { word: "a", pad: 1 },
    });
    const large = await referenceOf(
      system.tasks.run({ id: "large", action: "parts", input: { word: "b", pad: 100_000 } }),
    );
    const { part } = (await system.load(large)) as { part: Reference };
    makeOld(data);
    expect(await system.collect()).toMatchObject({ removed: 0 });
    expect([await system.load(small.part), await system.load(part)]).toEqual([{ word: "a" }, { word: "b" }]);
    await system.tasks.clear(["completed"]);
    makeOld(data);
    expect(await system.collect()).toMatchObject({ removed: 3 });
  });

  it("is kept while a run has it as output of a step, or the cache as its result", async () => {
    const data = join(temporaryDirectory(), "data");
    await using system = await open(data);
    const step = { stepId: "a", action: "write", inputs: { word: "c" }, cacheTtlMs: 1_000_000 };
    const first = await system.run({ workflowId: "first", steps: [step] });
    const second = await system.run({ workflowId: "second", steps: [step] });
    expect(second.status.steps[0]).toMatchObject({ cached: true });
    const output = first.outputs["a"] as Reference;
    expect(second.outputs["a"]).toEqual(output);
    makeOld(data);
    expect(await system.collect()).toMatchObject({ removed: 0 });

    // Without the tasks, the runs' own rows and the cache name it; then the cache alone; then nobody.
    await system.actors.queue.call.forget({ group: "first" });
    makeOld(data);
    expect(await system.collect()).toMatchObject({ removed: 0 });
    await system.actors.cache.call.clear();
    makeOld(data);
    expect(await system.collect()).toMatchObject({ removed: 0 });
    expect(await system.load(output.at("word"))).toBe("c");
  });

  it("that has left with retention says so, whoever refers to it", async () => {
    const data = join(temporaryDirectory(), "data");
    await using system = await open(data);
    const output = await referenceOf(system.tasks.run({ action: "write", input: { word: "d" } }));
    await system.tasks.clear(["completed"]);
    makeOld(data);
    await system.collect();
    const missing = { code: "BLOB_MISSING", details: { sha256: output.sha256 } };
    await expect(system.load(output)).rejects.toMatchObject(missing);
    await expect(
      system.tasks.submitMany([{ id: "a" }, { id: "b", input: output.at("text") }].map(echo)),
    ).rejects.toMatchObject(missing);
    expect((await system.tasks.list()).total).toBe(0);
    await expect(
      system.tasks.run({ action: "name", input: { sha256: output.sha256 } }),
    ).rejects.toMatchObject(missing);
  });

  it("that a submit names is young again, so that it is there when its task is", async () => {
    const data = join(temporaryDirectory(), "data");
    await using system = await open(data);
    const named = await putOld(data, { word: "e" });
    await system.tasks.submit({ action: "echo", input: [named.at("word")], delayMs: 1_000_000 });
    await system.tasks.clear(["queued"]);
    expect(await system.collect()).toMatchObject({ removed: 0 });
  });

  it("in a backup or an export is there for good, whatever becomes of the original", async () => {
    const directory = temporaryDirectory();
    const [data, backup, restored] = ["data", "backup", "restored"].map((name) => join(directory, name)) as [
      string,
      string,
      string,
    ];
    let output: Reference;
    let exported = "";
    {
      await using system = await open(data);
      output = await referenceOf(system.tasks.run({ action: "write", input: { word: "f" } }));
      await system.backup(backup);
      await expect(system.collect()).rejects.toMatchObject({ code: "UNAVAILABLE" });
    }
    const write = (line: string): void => void (exported += line);
    await exportData({ data, write, tasks: null, runs: null });
    {
      await using system = await open(data);
      await system.tasks.clear(["completed"]);
      makeOld(data);
      expect(await system.collect()).toMatchObject({ removed: 1 });
    }
    expect(exported).toContain(`{"kind":"blob","sha256":"${output.sha256}"`);
    await restoreData({ backup, data: restored });
    await using system = await open(restored);
    expect(await system.load(output.at("word"))).toBe("f");
  });

  it("that a collection had put aside when it died is in a backup", async () => {
    const directory = temporaryDirectory();
    const data = join(directory, "data");
    const named = await (async () => {
      await using system = await open(data);
      return await referenceOf(system.tasks.run({ action: "write", input: { word: "g" } }));
    })();
    const path = pathOf(data, named.sha256);
    renameSync(path, `${path}.00000000-0000-4000-8000-000000000000`);
    await backupData(data, join(directory, "backup"));
    expect(readdirSync(join(directory, "backup", "blobs", named.sha256.slice(0, 2)))).toEqual([
      named.sha256.slice(2),
    ]);
  });
});

const echo = (request: { id: string; input?: unknown }) => ({ ...request, action: "echo" });

/** So many that others are served while they are collected. */
const GARBAGE = 300;

/** Old values of whatever content that nobody names. */
function writeGarbage(data: string): void {
  for (let at = 0; at < GARBAGE; at++) {
    const path = pathOf(data, createHash("sha256").update(`garbage ${at}`).digest("hex"));
    mkdirSync(resolve(path, ".."), { recursive: true });
    writeFileSync(path, "", { flag: "wx" });
    utimesSync(path, 1, 1);
  }
}

describe("a collection of hundreds of values", () => {
  it("goes on beside everything else", async () => {
    const data = join(temporaryDirectory(), "data");
    await using system = await open(data, openSystem);
    const output = await referenceOf(system.tasks.run({ action: "write", input: { word: "h" } }));
    makeOld(data);
    writeGarbage(data);
    const state = { collected: false };
    const collecting = system.collect().finally(() => (state.collected = true));
    let done = 0;
    for (; !state.collected; done++) {
      await system.tasks.run({ action: "echo", input: { done } });
      await system.run({ workflowId: `w${done}`, steps: [{ stepId: "a", action: "echo" }] });
    }
    expect(await collecting).toMatchObject({ removed: GARBAGE });
    expect(done).toBeGreaterThan(3);
    expect(valuesIn(data)).toEqual([output.sha256]);
  });

  it("that is killed leaves all that is named, and the next one ends it", async () => {
    const data = join(temporaryDirectory(), "data");
    const outputs: Reference[] = [];
    {
      await using system = await open(data);
      for (const word of ["i", "j", "k"])
        outputs.push(await referenceOf(system.tasks.run({ action: "write", input: { word } })));
    }
    makeOld(data);
    writeGarbage(data);
    const program = join(import.meta.dirname, "modules/collecting.process.ts");
    const args = ["--conditions=mcplusplus-source", program, data];
    const child = spawn(process.execPath, args, { cwd: ROOT, stdio: ["ignore", "pipe", "inherit"] });
    await once(child.stdout, "data");
    let left = valuesIn(data).length;
    while (left > 0.9 * GARBAGE) {
      await new Promise(setImmediate);
      left = valuesIn(data).length;
    }
    child.kill("SIGKILL");
    await once(child, "exit");

    await using system = await open(data);
    expect(valuesIn(data).length).toBeGreaterThan(3);
    await system.collect();
    // One may have been put aside, and is young then.
    expect(valuesIn(data).length).toBeLessThanOrEqual(4);
    for (const output of outputs) expect(await system.load(output)).toMatchObject({});
  });
});

it("a system that is idle, or keeps nothing on disk, collects nothing and says so", async () => {
  const data = join(temporaryDirectory(), "data");
  await using idle = await openSystem({ data, idle: true });
  await expect(idle.collect()).rejects.toMatchObject({ code: "UNAVAILABLE" });
  await using memory = await openSystem({ data: null, idle: true });
  await expect(memory.collect()).rejects.toMatchObject({ code: "UNAVAILABLE" });
});

describe("a worker outside", () => {
  failOnLeaks();

  it("has a large output stored as the pool has, and a small one not", async () => {
    const data = join(temporaryDirectory(), "data");
    await using system = await open(data);
    const stop = new AbortController();
    const kept = await putOld(data, "kept by the worker's program");
    const handlers = {
      paint: ({ size }: { size: number }) => "x".repeat(size),
      sign: () => [kept],
    };
    const work = system.tasks.work({ workerId: "w", handlers, signal: stop.signal });
    while (!(await system.tasks.workers.list()).some(({ workerId }) => workerId === "w"));
    const { inlineBytes } = LIMITS.compute;
    const overhead = packValue("x".repeat(60_000)).byteLength - 60_000;
    const paint = (size: number) => system.tasks.run({ action: "paint", input: { size } });
    expect(await paint(inlineBytes - overhead)).toHaveLength(inlineBytes - overhead);
    const large = await referenceOf(paint(inlineBytes - overhead + 1));
    expect(await system.load(large)).toHaveLength(inlineBytes - overhead + 1);
    // Larger than a message may be.
    expect(await system.load(await referenceOf(paint(20_000_000)))).toHaveLength(20_000_000);
    expect(await system.tasks.run({ action: "sign" })).toEqual([kept]);
    await system.collect();
    expect(await system.load(kept)).toBe("kept by the worker's program");
    stop.abort();
    expect(await work).toMatchObject({ completed: 4, failed: 0 });
  });
});
