import { existsSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { Reference, openSystem, packValue, type TaskRequest } from "../../src/index.ts";
import { LIMITS } from "../../src/errors/index.ts";
import { openBlobs } from "../../src/store/index.ts";
import { exportData, importData, type System } from "../../src/system/index.ts";
import { fromJson, toJson } from "../../src/system/export-format.ts";
import { openInline } from "../kit/inline-system.ts";
import { temporaryDirectory } from "./kit/directory.ts";

type Line = Record<string, unknown>;

const HOUR_MS = 3_600_000;

/** A data directory with these tasks, of which nothing is carried out. */
async function dataWith(directory: string, requests: readonly TaskRequest[], name = "data"): Promise<string> {
  const data = join(directory, name);
  await using system = await openSystem({ data, idle: true });
  await system.tasks.submitMany(requests);
  return data;
}

async function exported(
  data: string,
  states: {
    tasks?: ("queued" | "completed" | "failed" | "cancelled")[];
    runs?: ("completed" | "running")[];
  } = {},
): Promise<{ lines: Line[]; text: string; summary: Awaited<ReturnType<typeof exportData>> }> {
  let text = "";
  const write = (line: string): void => void (text += line);
  const summary = await exportData({ data, write, tasks: states.tasks ?? null, runs: states.runs ?? null });
  const lines = text
    .trimEnd()
    .split("\n")
    .map((line) => JSON.parse(line) as Line);
  return { lines, text, summary };
}

function fileOf(directory: string, content: string | Uint8Array | readonly Line[]): string {
  const file = join(directory, "export.ndjson");
  const isRaw = typeof content === "string" || content instanceof Uint8Array;
  writeFileSync(file, isRaw ? content : content.map((line) => `${JSON.stringify(line)}\n`).join(""));
  return file;
}

const tasksOf = (lines: readonly Line[]): Line[] => lines.filter(({ kind }) => kind === "task");

/** All that an import is to carry over, in its order. */
const workOf = (lines: readonly Line[]): unknown[] =>
  tasksOf(lines).map(({ submittedAtMs: _, notBeforeMs: __, dependsOn: ___, ...work }) => work);

const REQUESTS: readonly TaskRequest[] = [
  { id: "a", action: "echo", input: { n: 1 }, priority: 7, tags: ["x", "y"] },
  {
    id: "b",
    action: "echo",
    dependsOn: ["a"],
    onDependencyFailure: "run",
    attempts: 3,
    backoff: { shape: "fixed", delayMs: 9 },
  },
  {
    id: "c",
    action: "sleep",
    input: { ms: 1 },
    dependsOn: ["a", "b"],
    timeoutMs: 5_000,
    idempotencyKey: "key",
  },
  {
    id: "d",
    action: "echo",
    deadline: 4_000_000_000_000,
    requires: ["gpu"],
    metadata: { who: "me", when: 1n },
  },
  {
    id: "e",
    action: "echo",
    input: { at: new Date(5), big: 2n ** 60n, raw: Uint8Array.of(1, 2), odd: { $bytes: "x" } },
  },
];

describe("an export", () => {
  it("has a head, a line for each task in the order of submission, and an end that counts them", async () => {
    const { lines, summary } = await exported(await dataWith(temporaryDirectory(), REQUESTS));
    expect(lines[0]).toMatchObject({ format: "mcplusplus.export", version: 1, tasks: null, runs: null });
    expect(lines.slice(1, -1).map(({ kind, id }) => [kind, id])).toEqual(
      REQUESTS.map(({ id }) => ["task", id]),
    );
    expect(lines.at(-1)).toEqual({ kind: "end", tasks: 5, runs: 0, blobs: 0 });
    expect(summary).toEqual({ tasks: 5, runs: 0, blobs: 0, blobsLeftOut: 0 });
    expect(lines[3]).toMatchObject({
      action: "sleep",
      input: { ms: 1 },
      state: "queued",
      waitsFor: ["a", "b"],
    });
    expect(lines[5]?.["input"]).toEqual({ $bytes: expect.any(String) as string });
  });

  it("has ended tasks with what came out, runs with their steps, and of each only the states that were asked for", async () => {
    const data = join(temporaryDirectory(), "data");
    {
      await using system = await openInline({ data, threads: 1 });
      await system.run({
        workflowId: "w",
        steps: [{ stepId: "s", action: "echo", inputs: { word: "here" } }],
      });
      await system.tasks.submit({ id: "bad", action: "fail" });
      await system.tasks.wait("bad");
      await system.tasks.submit({ id: "later", action: "echo", delayMs: HOUR_MS });
    }
    const all = await exported(data);
    expect(
      all.lines.slice(1, -1).map(({ kind, id, workflowId, state }) => [kind, id ?? workflowId, state]),
    ).toEqual([
      ["task", "w/s/0/0", "completed"],
      ["task", "bad", "failed"],
      ["task", "later", "queued"],
      ["run", "w", "completed"],
    ]);
    expect(all.lines[1]).toMatchObject({ group: "w", output: { word: "here" } });
    expect(all.lines[2]).toMatchObject({ error: { code: expect.any(String) as string } });
    expect(all.lines[4]).toMatchObject({
      summary: { stepsTotal: 1 },
      steps: [{ stepId: "s", state: "completed" }],
    });
    const some = await exported(data, { tasks: ["failed"], runs: [] });
    expect(some.lines[0]).toMatchObject({ tasks: ["failed"], runs: [] });
    expect(some.summary).toMatchObject({ tasks: 1, runs: 0 });
    expect((await exported(data, { tasks: [], runs: ["running"] })).summary).toMatchObject({
      tasks: 0,
      runs: 0,
    });
  });

  it.each<[string, unknown, boolean]>([
    ["plain data", { a: [1, "x", null, true, 1.5], b: {} }, true],
    ["nothing", null, true],
    ["an undefined field", { a: undefined }, false],
    ["a date", new Date(1), false],
    ["bytes", Uint8Array.of(1), false],
    ["a bigint", 1n, false],
    ["a number that is none", Number.NaN, false],
    ["a reference", new Reference("ab".repeat(32), 3), false],
    ["what looks like packed bytes", { $bytes: "AA==" }, false],
  ])("writes %s so that an import gives the same bytes", (_, value, isPlain) => {
    const bytes = packValue(value);
    const json = JSON.parse(JSON.stringify(toJson(bytes))) as unknown;
    expect(fromJson(json)).toEqual(bytes);
    if (isPlain) expect(json).toEqual(value);
    else expect(Object.keys(json as object)).toEqual(["$bytes"]);
  });

  it("of a directory in use is refused with the way out", async () => {
    const data = join(temporaryDirectory(), "data");
    await using owner = await openSystem({ data, idle: true });
    await expect(exported(data)).rejects.toMatchObject({
      code: "STORE_OWNED",
      message: expect.stringContaining("end that process first") as string,
    });
    expect((await owner.health()).healthy).toBe(true);
  });
});

describe("an import", () => {
  const imported = (file: string, data: string) => importData({ file, data });

  it("gives the same waiting tasks, in their order, that wait for the same and are carried out", async () => {
    const directory = temporaryDirectory();
    const { lines, text } = await exported(await dataWith(directory, REQUESTS));
    const target = join(directory, "other");
    await expect(imported(fileOf(directory, text), target)).resolves.toEqual({
      imported: 5,
      known: 0,
      leftOut: { ended: 0, cancelling: 0, steps: 0, dependents: 0, runs: 0 },
      blobs: 0,
    });
    expect(workOf((await exported(target)).lines)).toEqual(workOf(lines));
    await using system = await openInline({ data: target, threads: 1 });
    expect((await system.tasks.wait("c")).state).toBe("completed");
    expect((await system.tasks.wait("e")).output).toEqual(REQUESTS[4]?.input);
  });

  it("twice, or into where it came from, changes nothing", async () => {
    const directory = temporaryDirectory();
    const data = await dataWith(directory, REQUESTS);
    const { lines, text } = await exported(data);
    const file = fileOf(directory, text);
    const target = join(directory, "other");
    await imported(file, target);
    const once = (await exported(target)).lines.slice(1);
    await expect(imported(file, target)).resolves.toMatchObject({ imported: 0, known: 5 });
    expect((await exported(target)).lines.slice(1)).toEqual(once);
    await expect(imported(file, data)).resolves.toMatchObject({ imported: 0, known: 5 });
    expect((await exported(data)).lines.slice(1)).toEqual(lines.slice(1));
  });

  it("brings the idempotency keys that later submits gave to a task", async () => {
    const directory = temporaryDirectory();
    const [a, , c] = REQUESTS as [TaskRequest, TaskRequest, TaskRequest];
    const given = [
      { ...a, idempotencyKey: "first" },
      { ...a, idempotencyKey: "second" },
      { ...c, idempotencyKey: "more" },
    ];
    const { lines, text } = await exported(await dataWith(directory, [...REQUESTS, ...given]));
    expect(tasksOf(lines).map(({ furtherKeys }) => furtherKeys)).toEqual([
      ["first", "second"],
      undefined,
      ["more"],
      undefined,
      undefined,
    ]);
    const data = join(directory, "other");
    expect(await imported(fileOf(directory, text), data)).toMatchObject({ imported: 5, known: 0 });
    expect(workOf((await exported(data)).lines)).toEqual(workOf(lines));
    await using system = await openSystem({ data, idle: true });
    const again = await system.tasks.submit({ ...a, id: "other", idempotencyKey: "second" });
    expect(again).toMatchObject({ taskId: "a", replayed: true });
  });

  it("takes many tasks, more than go to the disk at once", async () => {
    const directory = temporaryDirectory();
    const requests = Array.from({ length: 2_345 }, (_, at) => ({
      id: `t${at}`,
      action: "echo",
      input: { at },
    }));
    const { lines, text } = await exported(await dataWith(directory, requests));
    const target = join(directory, "other");
    await expect(imported(fileOf(directory, text), target)).resolves.toMatchObject({ imported: 2_345 });
    expect(workOf((await exported(target)).lines)).toEqual(workOf(lines));
  });

  it("keeps the time before which a task may not start, whatever the clock says", async () => {
    const directory = temporaryDirectory();
    const { lines, text } = await exported(
      await dataWith(directory, [{ id: "later", action: "echo", delayMs: HOUR_MS }]),
    );
    const target = join(directory, "other");
    await imported(fileOf(directory, text), target);
    const [was] = tasksOf(lines);
    const [is] = tasksOf((await exported(target)).lines);
    expect(Math.abs(Number(is?.["notBeforeMs"]) - Number(was?.["notBeforeMs"]))).toBeLessThan(2);
  });

  it("leaves out and counts what has ended, the steps of runs, and what waits for them; what waited for ended ones goes on", async () => {
    const directory = temporaryDirectory();
    const data = join(directory, "data");
    {
      await using system = await openInline({ data, threads: 1, graceMs: 0 });
      await system.tasks.run({ id: "done", action: "echo" });
      await system.tasks.submitMany([
        { id: "next", action: "echo", dependsOn: ["done"], delayMs: HOUR_MS },
        { id: "after", action: "echo", dependsOn: ["next"] },
      ]);
      const steps = [{ stepId: "s", action: "sleep", inputs: { ms: 600_000 } }];
      await system.submit({ workflowId: "w", steps });
      for await (const { step } of system.watch("w")) if (step?.state === "running") break;
      await system.tasks.submit({ id: "behind", action: "echo", dependsOn: ["w/s/0/0"] });
    }
    const { text } = await exported(data);
    const target = join(directory, "other");
    await expect(imported(fileOf(directory, text), target)).resolves.toMatchObject({
      imported: 2,
      leftOut: { ended: 1, cancelling: 0, steps: 1, dependents: 1, runs: 1 },
    });
    await using system = await openSystem({ data: target, idle: true });
    expect((await system.tasks.list()).tasks.map(({ taskId, blockedBy }) => [taskId, blockedBy])).toEqual([
      ["next", []],
      ["after", ["next"]],
    ]);
  });

  it("brings the large values that its tasks refer to, piece by piece, and no others", async () => {
    const directory = temporaryDirectory();
    const source = openBlobs({ directory: join(directory, "data", "blobs") });
    const large = packValue("x".repeat(2 * LIMITS.transfer.pieceBytes + 5));
    const { sha256, sizeBytes } = await source.put(large);
    const data = await dataWith(directory, [
      { id: "a", action: "echo", input: { rows: [new Reference(sha256, sizeBytes)] } },
      { id: "b", action: "echo", input: { rows: new Reference(sha256, sizeBytes).at(0) } },
    ]);
    const { lines, text, summary } = await exported(data);
    expect(summary).toMatchObject({ tasks: 2, blobs: 1, blobsLeftOut: 0 });
    expect(lines.map(({ kind }) => kind)).toEqual([undefined, "blob", "blob", "blob", "task", "task", "end"]);
    const target = join(directory, "other");
    await expect(imported(fileOf(directory, text), target)).resolves.toMatchObject({ imported: 2, blobs: 1 });
    const found = await openBlobs({ directory: join(target, "blobs") }).get(sha256);
    expect(Buffer.compare(found, large)).toBe(0);

    const third = join(directory, "third", "blobs");
    const gone = await openBlobs({ directory: third }).put(packValue("gone"));
    const input = { gone: new Reference(gone.sha256, gone.sizeBytes) };
    const without = await dataWith(directory, [{ id: "a", action: "echo", input }], "third");
    rmSync(third, { recursive: true });
    const lost = await exported(without);
    expect(lost.summary).toMatchObject({ blobs: 0, blobsLeftOut: 1 });
    await expect(imported(fileOf(directory, lost.text), join(directory, "fourth"))).rejects.toMatchObject({
      code: "EXPORT_INVALID",
      details: { line: 2, why: expect.stringContaining(gone.sha256) as string },
    });
  });

  describe("of a file that is wrong names the line and writes nothing", () => {
    const line = (lines: readonly Line[], at: number): Line => lines[at] ?? {};
    const cases: [string, number, RegExp, (lines: Line[]) => Line[] | string | Uint8Array][] = [
      ["without a head", 1, /not the head of an export/, (lines) => lines.slice(1)],
      ["that is empty", 1, /the file was cut/, () => ""],
      ["that was cut", 6, /the file was cut/, (lines) => lines.slice(0, 5)],
      ["that lacks a line in the middle", 6, /it tells of 5 tasks/, (lines) => lines.toSpliced(4, 1)],
      [
        "with a line that is no JSON",
        3,
        /it is no JSON/,
        (lines) => lines.map((each, at) => (at === 2 ? "{" : JSON.stringify(each))).join("\n"),
      ],
      ["with a line after its end", 8, /after the end/, (lines) => [...lines, line(lines, 1)]],
      [
        "with a key that nobody knows",
        2,
        /unknown key "prio"/,
        (lines) => lines.with(1, { ...line(lines, 1), prio: 1 }),
      ],
      [
        "with a task without input",
        2,
        /input is missing/,
        (lines) => lines.with(1, { ...line(lines, 1), input: undefined }),
      ],
      [
        "with a priority out of range",
        2,
        /priority is 1000001/,
        (lines) => lines.with(1, { ...line(lines, 1), priority: 1_000_001 }),
      ],
      [
        "with bytes that are no base64",
        2,
        /no base64/,
        (lines) => lines.with(1, { ...line(lines, 1), input: { $bytes: "!" } }),
      ],
      [
        "with bytes that are no value",
        2,
        /no MessagePack/,
        (lines) => lines.with(1, { ...line(lines, 1), input: { $bytes: "kg==" } }),
      ],
      [
        "with a dependency that comes later",
        2,
        /depends on "b", which is not known/,
        (lines) => lines.with(1, { ...line(lines, 1), waitsFor: ["b"] }),
      ],
      [
        "with one id for two works",
        6,
        /task "a" exists already/,
        (lines) => lines.with(5, { ...line(lines, 5), id: "a" }),
      ],
      [
        "with text that is no UTF-8",
        2,
        /./,
        (lines) => Buffer.concat([Buffer.from(JSON.stringify(lines[0])), Buffer.of(10, 0xff, 10)]),
      ],
    ];

    it.each(cases)("%s", async (_, number, why, change) => {
      const directory = temporaryDirectory();
      const { lines } = await exported(await dataWith(directory, REQUESTS));
      const file = fileOf(directory, change(lines));
      const target = await dataWith(directory, [{ id: "mine", action: "echo" }], "other");
      await expect(imported(file, target)).rejects.toMatchObject({
        code: "EXPORT_INVALID",
        details: { path: file, line: number, why: expect.stringMatching(why) as string },
        message: expect.stringContaining("nothing was imported") as string,
      });
      expect(tasksOf((await exported(target)).lines).map(({ id }) => id)).toEqual(["mine"]);
    });

    it("with a large value that is damaged, or not whole", async () => {
      const directory = temporaryDirectory();
      const { sha256, sizeBytes } = await openBlobs({ directory: join(directory, "data", "blobs") }).put(
        packValue("x".repeat(99)),
      );
      const { lines } = await exported(
        await dataWith(directory, [{ id: "a", action: "echo", input: new Reference(sha256, sizeBytes) }]),
      );
      const target = join(directory, "other");
      const refused = async (change: Line, why: string, at: number): Promise<void> => {
        const file = fileOf(directory, lines.with(1, { ...line(lines, 1), ...change }));
        await expect(imported(file, target)).rejects.toMatchObject({
          code: "EXPORT_INVALID",
          details: { line: at, why: expect.stringContaining(why) as string },
        });
      };
      await refused(
        { bytes: Buffer.from(packValue("y".repeat(99))).toString("base64") },
        "its content has another hash",
        2,
      );
      await refused({ bytes: "" }, "is not whole", 3);
      await refused({ at: 5 }, "does not go on", 2);
      expect(existsSync(join(target, "blobs"))).toBe(false);
    });

    it("from a newer version, with a plain sentence, and makes no directory", async () => {
      const directory = temporaryDirectory();
      const file = fileOf(directory, [{ format: "mcplusplus.export", version: 2, shape: "another" }]);
      await expect(imported(file, join(directory, "other"))).rejects.toMatchObject({
        code: "STORE_NEWER",
        details: { path: file, version: 2, supported: 1 },
      });
      expect(readdirSync(directory)).toEqual(["export.ndjson"]);
    });
  });

  it("of a file that is not there, or into a directory in use, is refused", async () => {
    const directory = temporaryDirectory();
    await expect(imported(join(directory, "gone"), join(directory, "data"))).rejects.toMatchObject({
      code: "FILE_UNREADABLE",
    });
    expect(existsSync(join(directory, "data"))).toBe(false);
    const data = await dataWith(directory, REQUESTS);
    const file = fileOf(directory, (await exported(data)).text);
    await using system: System = await openSystem({ data, idle: true });
    await expect(imported(file, data)).rejects.toMatchObject({ code: "STORE_OWNED" });
    expect((await system.tasks.list()).total).toBe(5);
    rmSync(file);
  });
});
