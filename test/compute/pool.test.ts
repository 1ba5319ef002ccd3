import { mkdirSync, mkdtempSync, readFileSync, realpathSync, rmSync, symlinkSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from "vitest";
import { Reference, packValue, unpackValue } from "../../src/codec/index.ts";
import type { PoolOptions } from "../../src/compute/index.ts";
import { moduleUrl } from "./attempt-kit.ts";
import { closePools, openPoolKit, type PoolKit } from "./pool-kit.ts";

/** Real threads. What has to happen first is awaited by an event of the handler, never by time. */

let base = "";
beforeAll(() => {
  base = realpathSync(mkdtempSync(join(tmpdir(), "pool-")));
});
afterAll(() => rmSync(base, { recursive: true, force: true }));

afterEach(closePools);

const openKit = (options: Partial<PoolOptions> = {}): PoolKit =>
  openPoolKit({ blobsDirectory: join(base, "blobs"), roots: [base], ...options });

describe("a pool", () => {
  it("describes the handlers of modules that it never imports on the caller's thread", async () => {
    const { pool } = openKit({ modules: [moduleUrl("small"), moduleUrl("sample")] });
    const printed = vi.spyOn(console, "log");
    const handlers = await pool.describe();
    expect(handlers.find(({ name }) => name === "double")).toMatchObject({
      module: moduleUrl("small"),
      timeoutMs: 2_000,
      moduleSha256: expect.stringMatching(/^[0-9a-f]{64}$/) as string,
    });
    expect(handlers.map(({ name }) => name)).toContain("spin");
    expect(printed).not.toHaveBeenCalled();
    printed.mockRestore();
  });

  it.each(["thread", "shared"] as const)(
    "tells the handler of an attempt on a thread (%s) its trace, and those that hear its log",
    async (place) => {
      const { pool, logged } = openKit({ modules: [moduleUrl("traced")] });
      const action = place === "thread" ? "tracedAlone" : "tracedShared";
      const traceparent = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
      const request = { token: 1, action, input: packValue(null), timeoutMs: Infinity, attempt: 1, place };
      const outcomes = await Promise.all([
        pool.run({ ...request, taskId: "a", traceparent }),
        pool.run({ ...request, taskId: "b" }),
      ]);
      const outputs = outcomes.map((end): unknown =>
        end.kind === "completed" ? unpackValue(end.output) : end,
      );
      expect(outputs).toEqual([traceparent, null]);
      // A record may come after the outcome of its attempt.
      await expect
        .poll((): unknown => Object.fromEntries(logged.map(([by]) => [by?.taskId, by?.traceparent ?? null])))
        .toEqual({ a: traceparent, b: null });
    },
  );

  it("keeps one thread for one attempt after the other, and uses as many as it has", async () => {
    const { output } = openKit({ threads: 2 });
    const first = await output("thread");
    expect(await output("thread")).toBe(first);
    const both = await Promise.all([output("sleep", { ms: 20 }), output("thread")]);
    expect(both[0]).toEqual({ slept_ms: 20 });
  });

  it("lets only its first thread strip types, because that is slow and can crash the process", async () => {
    vi.stubEnv("NODE_COMPILE_CACHE", undefined);
    const { run, output } = openKit();
    expect(await output("stripsTypes")).toBe(true);
    await run("exit", { exitCode: 0 });
    expect(await output("stripsTypes")).toBe(false);
    vi.unstubAllEnvs();
  });

  it("fails a run of an unknown action and names the known ones", async () => {
    expect(await openKit().run("nope")).toMatchObject({
      kind: "failed",
      error: {
        code: "UNKNOWN_ACTION",
        details: { known: expect.arrayContaining(["echo", "spin"]) as string[] },
      },
    });
  });

  it("refuses a path that leaves the roots by a symbolic link", async () => {
    mkdirSync(join(base, "data"));
    symlinkSync(tmpdir(), join(base, "data/out"));
    const { run, output } = openKit({ roots: [join(base, "data")] });
    expect(await output("resolve", { path: "in/file" })).toBe(join(base, "data/in/file"));
    expect(await run("resolve", { path: "out/file" })).toMatchObject({ error: { code: "INVALID_ARGUMENT" } });
  });

  it("lets nothing that a handler prints reach standard output or standard error", async () => {
    const { output, logged } = openKit();
    const written = [process.stdout, process.stderr].map((stream) => vi.spyOn(stream, "write"));
    const by = { taskId: "t1", token: 1, attempt: 1 };
    await output("print");
    await output("echo");
    expect(logged).toEqual([
      [null, "info", "the sample module is imported", {}],
      [by, "info", "printed 1", {}],
      [by, "error", "printed to standard error", {}],
      [by, "info", "written", {}],
      [by, "info", "logged", { rows: 3 }],
    ]);
    for (const write of written) {
      expect(write).not.toHaveBeenCalled();
      write.mockRestore();
    }
  });
});

describe("a large value", () => {
  it("comes as a reference and goes back into a handler as the value, or as a part of it", async () => {
    const { output } = openKit();
    const reference = await output("big");
    expect(reference).toBeInstanceOf(Reference);
    expect(await output("echo", { row: (reference as Reference).at("rows", 49_999) })).toEqual({
      row: { id: 49_999 },
    });
  });

  it("may be kept in parts by its handler", async () => {
    const { output } = openKit();
    const { parts } = (await output("keepParts")) as { parts: Reference[] };
    expect(await output("echo", [parts[0]?.at(1), parts[1]?.at("deep", "c")])).toEqual(["b", 3]);
  });
});

describe("a handler that breaks its thread", () => {
  it("costs its own attempt only, five times in a row", async () => {
    const { run, output } = openKit();
    for (let exitCode = 0; exitCode < 5; exitCode++) {
      expect(await run("exit", { exitCode })).toMatchObject({
        kind: "failed",
        error: { code: "HANDLER_EXITED", details: { action: "exit", exitCode } },
      });
    }
    expect(await output("echo", "still here")).toBe("still here");
  });

  it("by using up its memory is told the limit", async () => {
    const { run, output } = openKit({ heapMb: 32 });
    expect(await run("allocate")).toMatchObject({
      error: { code: "HANDLER_OUT_OF_MEMORY", details: { limitMb: 32 } },
    });
    expect(await output("echo", 1)).toBe(1);
  });

  it("by a late throw has failed with it", async () => {
    expect(await openKit().run("throwLate")).toMatchObject({
      error: { code: "HANDLER_FAILED", cause: { details: { name: "RangeError", text: "thrown late" } } },
    });
  });

  it("after it has ended interrupts the attempt that is there then, which is not to blame", async () => {
    for (const left of ["leaveBomb", "leaveExit"]) {
      const { run, output } = openKit();
      expect(await output(left)).toBe("left");
      expect(await run("release")).toMatchObject({ kind: "interrupted" });
      expect(await output("echo", 1)).toBe(1);
    }
  });

  it("while nothing runs costs nobody anything, and the log says so", async () => {
    const { output, nextLine, lines } = openKit();
    const line = nextLine();
    await output("leaveFuse");
    const fuse = new BroadcastChannel("fuse");
    fuse.postMessage("now");
    await line;
    fuse.close();
    expect(JSON.parse(lines[0] ?? "")).toMatchObject({ level: "warn", why: "thrown while idle" });
    expect(await output("echo", 1)).toBe(1);
  });

  it("does not touch its neighbours", async () => {
    const kit = openKit({ threads: 2 });
    const waiting = kit.nextProgress();
    const neighbour = kit.run("waitPolitely", { path: join(base, "neighbour") });
    const taskId = await waiting;
    expect(await kit.run("exit", { exitCode: 1 })).toMatchObject({ kind: "failed" });
    expect(await kit.run("spin", null, 20)).toMatchObject({ error: { code: "HANDLER_TIMEOUT" } });
    expect(kit.pool.running).toBe(1);
    kit.pool.cancel(taskId, { graceMs: 10_000 });
    expect(await neighbour).toMatchObject({ kind: "cancelled" });
  });
});

describe("stopping a handler", () => {
  it("that computes for ever takes its time-out and its thread, and the pool goes on", async () => {
    const { run, output } = openKit();
    const first = await output("thread");
    expect(await run("spin", null, 50)).toMatchObject({
      kind: "failed",
      error: { code: "HANDLER_TIMEOUT", details: { action: "spin", timeoutMs: 50 } },
    });
    expect(await output("thread")).not.toBe(first);
  });

  it.each(["spinPolitely", "waitPolitely"])(
    "that looks at its signal lets it clean up: %s",
    async (action) => {
      const kit = openKit();
      const path = join(base, action);
      const thread = await kit.output("thread");
      const begun = kit.nextProgress();
      const outcome = kit.run(action, { path });
      expect(kit.pool.cancel(await begun, { graceMs: 10_000 })).toBe(true);
      expect(await outcome).toMatchObject({ kind: "cancelled", error: { code: "CANCELLED" } });
      expect(readFileSync(path, "utf8")).toBe("cleaned up");
      expect(await kit.output("thread")).toBe(thread);
    },
  );

  it("that does not look terminates its thread after the grace", async () => {
    const kit = openKit();
    const begun = kit.nextProgress();
    const outcome = kit.run("ignore");
    kit.pool.cancel(await begun, { graceMs: 20 });
    expect(await outcome).toMatchObject({
      kind: "cancelled",
      error: { message: expect.stringContaining("its thread was terminated") as string },
    });
    expect(await kit.output("echo", 1)).toBe(1);
  });

  it("by closing the pool interrupts it, and no thread is left", async () => {
    const kit = openKit();
    const begun = kit.nextProgress();
    const outcome = kit.run("ignore");
    await begun;
    await kit.pool.close({ graceMs: 0 });
    expect(await outcome).toEqual({ kind: "interrupted", why: "the pool was closed" });
  });
});

describe("a module that cannot be imported", () => {
  it.each([
    ["throws", "SyntaxError: half a module"],
    ["exits", "importing it ended the thread: exit code 7"],
    ["spins", "its import did not end within 1 s"],
  ])("is named with the reason, and built-in handlers still run: %s", async (name, why) => {
    const module = moduleUrl(name);
    const { pool, run, output } = openKit({ modules: [moduleUrl("small"), module], loadMs: 1_000 });
    const refusal = { code: "MODULE_INVALID", details: { module, why } };
    await expect(pool.describe()).rejects.toMatchObject(refusal);
    expect(await run("double", 1)).toMatchObject({ kind: "failed", error: refusal });
    expect(await output("echo", 1)).toBe(1);
  });
});
