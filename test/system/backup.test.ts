import { createHash } from "node:crypto";
import {
  cpSync,
  existsSync,
  mkdirSync,
  readFileSync,
  readdirSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { openSystem, packValue } from "../../src/index.ts";
import { canonicalJson } from "../../src/schema/index.ts";
import { openBlobs } from "../../src/store/index.ts";
import { backupData, restoreData, type System } from "../../src/system/index.ts";
import { openInline } from "../kit/inline-system.ts";
import { failOnLeaks } from "../kit/leak-check.ts";
import { temporaryDirectory } from "./kit/directory.ts";

const ids = (from: number, to: number): string[] =>
  Array.from({ length: to - from }, (_, at) => `t${from + at}`);
const submit = (system: System, names: readonly string[]) =>
  system.tasks.submitMany(names.map((id) => ({ id, action: "echo", input: { id } })));

/** Ids of all tasks. */
async function idsIn(system: System): Promise<string[]> {
  const found: string[] = [];
  for (let total = 1; found.length < total;) {
    const page = await system.tasks.list({ offset: found.length, limit: 1_000 });
    total = page.total;
    found.push(...page.tasks.map(({ taskId }) => taskId));
  }
  return found;
}

/** A data directory with some tasks and a large value, and a backup of it. */
async function withBackup() {
  const directory = temporaryDirectory();
  const [data, backup, restored] = ["data", "backup", "restored"].map((name) => join(directory, name)) as [
    string,
    string,
    string,
  ];
  {
    await using system = await openSystem({ data, idle: true });
    await submit(system, ids(0, 3));
  }
  const { sha256 } = await openBlobs({ directory: join(data, "blobs") }).put(packValue("large"));
  const blob = join("blobs", sha256.slice(0, 2), sha256.slice(2));
  const summary = await backupData(data, backup);
  return { directory, data, backup, restored, blob, sha256, summary };
}

const manifestOf = (backup: string) =>
  JSON.parse(readFileSync(join(backup, "manifest.json"), "utf8")) as Record<string, unknown>;

/** A manifest that is changed and yet agrees with itself, as only another program would write it. */
function rewrite(backup: string, change: (manifest: Record<string, unknown>) => void): void {
  const { checksum: _, ...body } = manifestOf(backup);
  change(body);
  const checksum = createHash("sha256").update(canonicalJson(body)).digest("hex");
  writeFileSync(join(backup, "manifest.json"), JSON.stringify({ ...body, checksum }));
}

describe("a backup of a system that is at work", () => {
  failOnLeaks();

  it("has every task that was acknowledged before it began, and opens as a data directory", async () => {
    const directory = temporaryDirectory();
    const [backup, restored] = [join(directory, "backup"), join(directory, "restored")];
    const before: string[] = [];
    let during = 0;
    {
      await using system = await openSystem({ data: join(directory, "data"), threads: 1 });
      await system.run({
        workflowId: "w",
        steps: [{ stepId: "a", action: "echo", inputs: { word: "here" } }],
      });
      await submit(system, ids(0, 2_000));
      before.push(...ids(0, 2_000));
      const state = { made: false };
      const made = system.backup(backup).finally(() => (state.made = true));
      while (!state.made) {
        await submit(system, ids(2_000 + during, 2_050 + during));
        during += 50;
      }
      await expect(made).resolves.toMatchObject({ path: backup, leftOut: [], damagedBlobs: [] });
    }
    await restoreData({ backup, data: restored });
    await using system = await openSystem({ data: restored, idle: true });
    const found = await idsIn(system);
    const known = new Set(found);
    expect(before.filter((id) => !known.has(id))).toEqual([]);
    // What came during the backup is in it from the first on, without gaps, as far as it goes.
    const later = found.filter((id) => !id.includes("/")).slice(before.length);
    expect(later).toEqual(ids(2_000, 2_000 + later.length));
    expect(during).toBeGreaterThan(0);
  });

  it("takes runs along that have ended, with their results, and those that have not go on where they were", async () => {
    const directory = temporaryDirectory();
    const [backup, restored] = [join(directory, "backup"), join(directory, "restored")];
    const once = join(directory, "once");
    {
      await using system = await openInline({ data: join(directory, "data"), threads: 1 });
      await system.run({
        workflowId: "done",
        steps: [{ stepId: "a", action: "echo", inputs: { word: "here" } }],
      });
      const steps = [
        { stepId: "first", action: "echo", inputs: { n: 1 } },
        { stepId: "second", action: "sleep", inputs: { ms: 600_000 }, dependsOn: ["first"] },
      ];
      await system.submit({ workflowId: "open", steps });
      for await (const { step } of system.watch("open"))
        if (step?.stepId === "second" && step.state === "running") break;
      await system.backup(backup);
      await system.cancel("open", { force: true });
    }
    expect(existsSync(once)).toBe(false);
    await restoreData({ backup, data: restored });
    await using system = await openInline({ data: restored, threads: 1, graceMs: 0 });
    expect((await system.result("done")).outputs).toEqual({ a: { word: "here" } });
    const { steps, state } = await system.status("open");
    expect(state).toBe("running");
    expect(steps[0]).toMatchObject({ state: "completed", attempt: 1 });
    await system.cancel("open", { force: true });
  });

  it("of one that carries out nothing has the scheduler's file too, and one in memory can be saved", async () => {
    const directory = temporaryDirectory();
    const data = join(directory, "data");
    {
      await using system = await openSystem({ data, threads: 1 });
      await system.run({
        workflowId: "w",
        steps: [{ stepId: "a", action: "echo", inputs: { word: "here" } }],
      });
    }
    {
      await using idle = await openSystem({ data, idle: true });
      await idle.backup(join(directory, "one"));
      await using memory = await openInline({ data: null, threads: 1 });
      await submit(memory, ["m"]);
      await memory.backup(join(directory, "two"));
    }
    await restoreData({ backup: join(directory, "one"), data: join(directory, "first") });
    await restoreData({ backup: join(directory, "two"), data: join(directory, "second") });
    await using first = await openInline({ data: join(directory, "first"), threads: 1 });
    expect((await first.result("w")).outputs).toEqual({ a: { word: "here" } });
    await using second = await openInline({ data: join(directory, "second"), threads: 1 });
    expect((await second.tasks.wait("m")).state).toBe("completed");
  });

  it("that is withdrawn leaves nothing, and the system works on", async () => {
    const directory = temporaryDirectory();
    await using system = await openSystem({ data: join(directory, "data"), idle: true });
    await submit(system, ids(0, 10));
    const stop = new AbortController();
    const onProgress = (): void => stop.abort();
    await expect(
      system.backup(join(directory, "backup"), { signal: stop.signal, onProgress }),
    ).rejects.toMatchObject({
      code: "CANCELLED",
      details: { what: "the backup" },
    });
    expect(readdirSync(directory)).toEqual(["data"]);
    expect(await idsIn(system)).toHaveLength(10);
  });

  it("into its own data directory is refused", async () => {
    const data = join(temporaryDirectory(), "data");
    await using system = await openSystem({ data, idle: true });
    await expect(system.backup(join(data, "backup"))).rejects.toMatchObject({ code: "INVALID_ARGUMENT" });
    expect(existsSync(join(data, "backup"))).toBe(false);
  });
});

describe("a backup", () => {
  it("holds the files of the stores and the large values, and a manifest with their hashes", async () => {
    const { backup, blob, summary } = await withBackup();
    expect(readdirSync(backup).toSorted()).toEqual([
      "blobs",
      "cache.sqlite",
      "manifest.json",
      "queue.sqlite",
      "scheduler.sqlite",
    ]);
    const { files, ...head } = manifestOf(backup) as {
      files: { path: string; sizeBytes: number; sha256: string }[];
    };
    expect(head).toMatchObject({
      format: "mcplusplus.backup",
      version: 1,
      createdAt: summary.createdAt,
      stores: { "queue.sqlite": expect.any(Number) as number },
    });
    expect(files.map(({ path }) => path)).toEqual([blob, "cache.sqlite", "queue.sqlite", "scheduler.sqlite"]);
    for (const { path, sizeBytes, sha256 } of files) {
      const bytes = readFileSync(join(backup, path));
      expect([bytes.byteLength, createHash("sha256").update(bytes).digest("hex")]).toEqual([
        sizeBytes,
        sha256,
      ]);
    }
    expect(summary).toMatchObject({ files: 4, blobs: 1, damagedBlobs: [], leftOut: [] });
  });

  it("is readable by its owner alone", async () => {
    const { backup } = await withBackup();
    for (const name of [".", "manifest.json", "queue.sqlite", "blobs"]) {
      expect(statSync(join(backup, name)).mode & 0o077).toBe(0);
    }
  });

  it("is made in a directory that is empty, and in none that is not", async () => {
    const { directory, data } = await withBackup();
    const [empty, full] = [join(directory, "empty"), join(directory, "full")];
    mkdirSync(empty);
    await backupData(data, empty);
    expect(existsSync(join(empty, "manifest.json"))).toBe(true);
    mkdirSync(full);
    writeFileSync(join(full, "mine"), "");
    await expect(backupData(data, full)).rejects.toMatchObject({
      code: "DIRECTORY_NOT_EMPTY",
      details: { path: full },
    });
    expect(readdirSync(full)).toEqual(["mine"]);
    writeFileSync(join(directory, "file"), "");
    await expect(backupData(data, join(directory, "file"))).rejects.toMatchObject({
      code: "FILE_UNWRITABLE",
    });
  });

  it("copies a damaged large value as it is, and names it", async () => {
    const { directory, data, blob, sha256, restored } = await withBackup();
    writeFileSync(join(data, blob), "other");
    const backup = join(directory, "another");
    await expect(backupData(data, backup)).resolves.toMatchObject({ damagedBlobs: [sha256] });
    await restoreData({ backup, data: restored });
    expect(readFileSync(join(restored, blob), "utf8")).toBe("other");
  });

  it("leaves a damaged cache out, and is refused when another store is damaged", async () => {
    const { directory, data } = await withBackup();
    const damaged = "this is no database, and long enough to be looked at".repeat(40);
    writeFileSync(join(data, "cache.sqlite"), damaged);
    await expect(backupData(data, join(directory, "a"))).resolves.toMatchObject({
      leftOut: ["cache.sqlite"],
    });
    writeFileSync(join(data, "queue.sqlite"), damaged);
    await expect(backupData(data, join(directory, "b"))).rejects.toMatchObject({ code: "STORE_CORRUPT" });
    expect(readdirSync(directory).toSorted()).toEqual(["a", "backup", "data"]);
  });

  it("of a directory that is none, or in use, is refused with the way out", async () => {
    const { directory, data } = await withBackup();
    await expect(backupData(join(directory, "gone"), join(directory, "a"))).rejects.toMatchObject({
      code: "FILE_UNREADABLE",
      message: expect.stringContaining("there is no such directory") as string,
    });
    await expect(backupData(directory, join(directory, "a"))).rejects.toThrow("it is no data directory");
    await using owner = await openSystem({ data, idle: true });
    await expect(backupData(data, join(directory, "a"))).rejects.toMatchObject({
      code: "STORE_OWNED",
      message: expect.stringContaining("system.backup(directory)") as string,
    });
    expect((await owner.health()).healthy).toBe(true);
  });
});

describe("a restore", () => {
  it("gives what was backed up, and the directory can be opened", async () => {
    const { backup, restored, summary, blob } = await withBackup();
    await expect(restoreData({ backup, data: restored })).resolves.toEqual({
      path: restored,
      createdAt: summary.createdAt,
      files: 4,
      sizeBytes: summary.sizeBytes,
      movedTo: null,
    });
    expect(existsSync(join(restored, blob))).toBe(true);
    expect(existsSync(join(restored, "manifest.json"))).toBe(false);
    await using system = await openSystem({ data: restored, idle: true });
    expect(await idsIn(system)).toEqual(ids(0, 3));
  });

  it.each(["queue.sqlite", "cache.sqlite"])(
    "refuses a backup whose %s is damaged or missing, and leaves nothing",
    async (name) => {
      const { directory, backup, restored } = await withBackup();
      const path = join(backup, name);
      const bytes = readFileSync(path);
      const changed = Buffer.from(bytes);
      changed[bytes.length - 1] = (changed[bytes.length - 1] ?? 0) ^ 1;
      const refused = async (why: string): Promise<void> => {
        await expect(restoreData({ backup, data: restored })).rejects.toMatchObject({
          code: "BACKUP_INVALID",
          details: { path: backup, why: expect.stringContaining(why) as string },
        });
        expect(readdirSync(directory).toSorted()).toEqual(["backup", "data"]);
      };
      writeFileSync(path, changed);
      await refused(`${name} is damaged: its hash is another`);
      writeFileSync(path, bytes.subarray(1));
      await refused(`${name} is damaged: it has ${bytes.length - 1} bytes instead of ${bytes.length}`);
      rmSync(path);
      await refused(`${name} is missing`);
    },
  );

  it.each<[string, (text: string) => string | undefined]>([
    ["missing", () => undefined],
    ["cut", (text) => text.slice(0, -20)],
    ["changed in a figure", (text) => text.replace(/"sizeBytes": (\d+)/, '"sizeBytes": 1$1')],
    ["changed in its time", (text) => text.replace(/"createdAt": "20/, '"createdAt": "21')],
    ["null", () => "null"],
  ])("refuses a backup whose manifest is %s", async (_, change) => {
    const { backup, restored } = await withBackup();
    const path = join(backup, "manifest.json");
    const text = change(readFileSync(path, "utf8"));
    if (text === undefined) rmSync(path);
    else writeFileSync(path, text);
    await expect(restoreData({ backup, data: restored })).rejects.toMatchObject({
      code: "BACKUP_INVALID",
      message: expect.stringContaining("manifest.json") as string,
    });
    expect(existsSync(restored)).toBe(false);
  });

  it("refuses a manifest that names another place of the machine, or one file twice", async () => {
    const { backup, restored } = await withBackup();
    const file = { sizeBytes: 1, sha256: "a".repeat(64) };
    for (const path of ["../outside", "/etc/passwd", "blobs/aa/../../x", "manifest.json", "queue.sqlite"]) {
      rewrite(backup, (manifest) => (manifest["files"] as object[]).push({ ...file, path }));
      await expect(restoreData({ backup, data: restored })).rejects.toMatchObject({ code: "BACKUP_INVALID" });
    }
    expect(existsSync(restored)).toBe(false);
  });

  it("refuses a newer manifest and a newer store with a plain sentence", async () => {
    const { backup, restored } = await withBackup();
    rewrite(backup, (manifest) => ((manifest["stores"] as Record<string, number>)["queue.sqlite"] = 99));
    await expect(restoreData({ backup, data: restored })).rejects.toMatchObject({
      code: "STORE_NEWER",
      message: expect.stringMatching(
        /queue\.sqlite has format 99; this version reads up to \d+: use a newer mcplusplus/,
      ) as string,
    });
    rewrite(backup, (manifest) => {
      manifest["version"] = 2;
      manifest["stores"] = "another shape";
    });
    await expect(restoreData({ backup, data: restored })).rejects.toMatchObject({
      code: "STORE_NEWER",
      details: { path: join(backup, "manifest.json"), version: 2, supported: 1 },
    });
  });

  it("over a directory that is not empty is refused, and with replace moves it aside as it is", async () => {
    const { backup, data, directory } = await withBackup();
    writeFileSync(join(data, "mine"), "kept");
    await expect(restoreData({ backup, data })).rejects.toMatchObject({
      code: "DIRECTORY_NOT_EMPTY",
      message: expect.stringContaining("--replace") as string,
    });
    expect(readFileSync(join(data, "mine"), "utf8")).toBe("kept");
    const { movedTo } = await restoreData({ backup, data, replace: true });
    expect(movedTo).toMatch(/data\.before-restore-\d{4}-\d\d-\d\dT[\d-]+Z$/);
    expect(readFileSync(join(movedTo ?? "", "mine"), "utf8")).toBe("kept");
    expect(existsSync(join(data, "mine"))).toBe(false);
    expect(readdirSync(directory)).toHaveLength(3);
    await using system = await openSystem({ data, idle: true });
    expect(await idsIn(system)).toEqual(ids(0, 3));
  });

  it("replaces a directory whose stores are damaged, and none that another process has", async () => {
    const { backup, data } = await withBackup();
    {
      await using system = await openSystem({ data, idle: true });
      await expect(restoreData({ backup, data, replace: true })).rejects.toMatchObject({
        code: "STORE_OWNED",
      });
      expect(await idsIn(system)).toHaveLength(3);
    }
    writeFileSync(join(data, "queue.sqlite"), "no database".repeat(400));
    await restoreData({ backup, data, replace: true });
    await using system = await openSystem({ data, idle: true });
    expect(await idsIn(system)).toEqual(ids(0, 3));
  });

  it("that fails with replace leaves the directory where it was", async () => {
    const { backup, data, directory } = await withBackup();
    const damaged = join(directory, "damaged");
    cpSync(backup, damaged, { recursive: true });
    rmSync(join(damaged, "queue.sqlite"));
    await expect(restoreData({ backup: damaged, data, replace: true })).rejects.toMatchObject({
      code: "BACKUP_INVALID",
    });
    expect(readdirSync(directory).toSorted()).toEqual(["backup", "damaged", "data"]);
    await using system = await openSystem({ data, idle: true });
    expect(await idsIn(system)).toHaveLength(3);
  });

  it("that is withdrawn leaves nothing", async () => {
    const { backup, restored, directory } = await withBackup();
    const stop = new AbortController();
    const onProgress = (): void => stop.abort();
    await expect(
      restoreData({ backup, data: restored, signal: stop.signal, onProgress }),
    ).rejects.toMatchObject({
      code: "CANCELLED",
    });
    expect(readdirSync(directory).toSorted()).toEqual(["backup", "data"]);
  });

  it("through a link makes the directory where the link leads", async () => {
    const { backup, directory } = await withBackup();
    const [real, link] = [join(directory, "real"), join(directory, "link")];
    mkdirSync(real);
    symlinkSync(real, link);
    const { path } = await restoreData({ backup, data: link });
    expect(path).toBe(real);
    expect(existsSync(join(link, "queue.sqlite"))).toBe(true);
  });
});
