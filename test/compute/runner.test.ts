import { mkdtempSync, realpathSync, rmSync, statSync, utimesSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { LIMITS } from "../../src/errors/index.ts";
import { packValue, Reference, unpackValue } from "../../src/codec/index.ts";
import { BUILT_IN_ACTIONS } from "../../src/compute/built-in.protocol.ts";
import { openBlobs, type BlobStore } from "../../src/store/index.ts";
import { attemptKit, moduleUrl } from "./attempt-kit.ts";

const modules = [moduleUrl("answers")];
const failure = (details: object): object => ({ kind: "failed", error: details });

describe("an attempt", () => {
  it("runs a handler on its unpacked input and packs what it returns", async () => {
    const kit = attemptKit({ modules: [moduleUrl("small")] });
    expect(await kit.output("double", 21)).toBe(42);
    expect([kit.slots.phase(0, 1), kit.slots.thread(0)]).toEqual(["ended", 5]);
  });

  it("returns null for a handler that returns nothing", async () => {
    expect(await attemptKit({ modules }).output("nothing")).toBeNull();
  });

  it("gives the handler what its schema makes of the input, and keeps what the other makes of the output", async () => {
    expect(await attemptKit({ modules }).output("checked", {})).toEqual({
      length: 3,
      extra: "from the schema",
    });
  });

  it("lists every problem of an input and of an output", async () => {
    const kit = attemptKit({ modules });
    expect(await kit.run("checked", { text: 1, more: 2 })).toMatchObject(
      failure({
        code: "INPUT_INVALID",
        details: {
          what: "checked",
          problems: [/^input.text: /, /more/].map((text) => expect.stringMatching(text) as string),
        },
      }),
    );
    expect(await kit.run("checked", { text: "bad" })).toMatchObject(
      failure({ code: "OUTPUT_INVALID", details: { problems: [expect.stringMatching(/^output.length: /)] } }),
    );
  });

  it.each([
    ["aFunction", "it holds a function at rows[0]"],
    ["aCycle", "it holds a cycle at self"],
    ["aMap", "it holds an instance of Map"],
  ])("refuses an output that cannot be stored: %s", async (action, problem) => {
    expect(await attemptKit({ modules }).run(action)).toMatchObject(
      failure({ code: "OUTPUT_INVALID", details: { problems: [problem] } }),
    );
  });

  it("fails with the text of what was thrown, and writes the stack to the task's log", async () => {
    const kit = attemptKit({ modules });
    expect(await kit.run("throwError")).toMatchObject(
      failure({
        code: "HANDLER_FAILED",
        message: "throwError failed: TypeError: no such row",
        cause: { details: { name: "TypeError", text: "no such row" } },
      }),
    );
    expect(kit.logged()).toEqual([expect.stringMatching(/^TypeError: no such row\n +at /)]);
  });

  it.each([
    ["throwText", "just a text"],
    ["throwNothing", "something that has no text"],
    ["throwUnnamed", "Error"],
    ["throwAbort", "AbortError: This operation was aborted"],
    ["throwCancelled", "my own was cancelled"],
  ])("fails whatever is thrown: %s", async (action, text) => {
    expect(await attemptKit({ modules }).run(action)).toMatchObject(
      failure({ code: "HANDLER_FAILED", details: { action, text } }),
    );
  });

  it("keeps the code of a fault, and its details as far as they can cross", async () => {
    const kit = attemptKit({ modules });
    expect(await kit.run("throwFault")).toMatchObject(
      failure({ code: "FILE_UNREADABLE", details: { path: "a.csv", why: "row 3" } }),
    );
    expect(await kit.run("throwOddFault")).toMatchObject(
      failure({ code: "FILE_UNREADABLE", details: { path: "a.csv", why: "1" } }),
    );
  });

  it("fails for an unknown action and for an invalid module", async () => {
    expect(await attemptKit().run("nope")).toMatchObject(failure({ code: "UNKNOWN_ACTION" }));
    expect(await attemptKit({ modules: [moduleUrl("throws")] }).run("nope")).toMatchObject(
      failure({ code: "MODULE_INVALID" }),
    );
  });

  it("hands over the last progress with its end", async () => {
    expect(await attemptKit({ modules }).run("progress")).toMatchObject({
      kind: "completed",
      progress: { fraction: 1, message: "done" },
    });
  });
});

describe("an attempt that is told to stop", () => {
  it("before it is taken up never calls its handler", async () => {
    const kit = attemptKit({ modules });
    const request = kit.request("count");
    kit.slots.assign(0, request.token, 0);
    kit.slots.stop(0, request.token, "cancelled");
    expect(await kit.runner.run(request)).toEqual({ kind: "stopped" });
    expect(await kit.output("count")).toBe(1);
  });

  it("while its modules are imported never calls its handler", async () => {
    const kit = attemptKit({ modules });
    const request = kit.request("count");
    kit.slots.assign(0, request.token, 0);
    const reply = kit.runner.run(request);
    kit.slots.stop(0, request.token, "cancelled");
    expect(await reply).toEqual({ kind: "stopped" });
  });

  it.each(["returnWhenStopped", "throwWhenStopped"])(
    "is stopped, whatever it still does: %s",
    async (action) => {
      const kit = attemptKit({ modules });
      const request = kit.request(action);
      kit.slots.assign(0, request.token, 0);
      const reply = kit.runner.run(request);
      while (kit.slots.phase(0, request.token) !== "running") await new Promise(setImmediate);
      kit.slots.stop(0, request.token, "timedOut");
      expect(await reply).toEqual({ kind: "stopped" });
      expect(kit.slots.phase(0, request.token)).toBe("left");
    },
  );
});

describe("values by reference", () => {
  let directory = "";
  let blobs: BlobStore;
  beforeAll(() => {
    directory = realpathSync(mkdtempSync(join(tmpdir(), "runner-")));
    blobs = openBlobs({ directory });
  });
  afterAll(() => rmSync(directory, { recursive: true, force: true }));

  /** Of the header of a text of less than 64 KiB. */
  const overhead = packValue("x".repeat(60_000)).byteLength - 60_000;

  it(`keeps an output of ${LIMITS.compute.inlineBytes} bytes inline and stores a larger one`, async () => {
    const kit = attemptKit({ blobs });
    const text = "x".repeat(LIMITS.compute.inlineBytes - overhead);
    expect(await kit.output("echo", text)).toBe(text);
    const reference = await kit.output("echo", `${text}x`);
    expect(reference).toBeInstanceOf(Reference);
    expect(unpackValue(await blobs.get((reference as Reference).sha256))).toBe(`${text}x`);
  });

  it("keeps everything inline where nothing is kept on disk", async () => {
    const text = "x".repeat(LIMITS.compute.inlineBytes * 2);
    expect(await attemptKit().output("echo", text)).toBe(text);
  });

  it("gives the handler what a reference in its input stands for", async () => {
    const { sha256, sizeBytes } = await blobs.put(packValue({ rows: [{ id: 7 }] }));
    const kit = attemptKit({ blobs });
    const whole = new Reference(sha256, sizeBytes);
    expect(await kit.output("echo", { row: whole.at("rows", 0) })).toEqual({ row: { id: 7 } });
    expect(await kit.run("echo", whole.at("columns"))).toMatchObject(failure({ code: "REFERENCE_MISSING" }));
    expect(await kit.run("echo", new Reference("0".repeat(64), 1))).toMatchObject(
      failure({ code: "BLOB_MISSING" }),
    );
  });

  it("makes the values young that an output refers to, and fails one that refers to nothing", async () => {
    const bytes = packValue("kept by an earlier attempt");
    const { sha256, sizeBytes } = await blobs.put(bytes);
    const path = join(directory, sha256.slice(0, 2), sha256.slice(2));
    utimesSync(path, 1, 1);
    const kit = attemptKit({ modules, blobs });
    expect(await kit.output("refer", { sha256, sizeBytes })).toEqual(new Reference(sha256, sizeBytes));
    expect(statSync(path).mtimeMs).toBeGreaterThan(Date.now() - 60_000);
    expect(await kit.run("refer", { sha256: "0".repeat(64), sizeBytes: 1 })).toMatchObject(
      failure({ code: "BLOB_MISSING" }),
    );
  });

  it("passes references in an output on as they are", async () => {
    expect(await attemptKit({ modules, blobs }).output("keepTwo")).toEqual([
      expect.any(Reference),
      { inner: expect.any(Reference) as Reference },
    ]);
  });
});

describe("a description", () => {
  it("names the handlers, or the module that cannot be used", async () => {
    const good = attemptKit({ modules: [moduleUrl("small")] });
    good.slots.assign(0, 0, 0);
    expect(await good.runner.run({ kind: "describe", slot: 0, token: 0 })).toMatchObject({
      kind: "described",
      handlers: { length: BUILT_IN_ACTIONS.length + 1 },
    });
    const bad = attemptKit({ modules: [moduleUrl("empty")] });
    bad.slots.assign(0, 0, 0);
    expect(await bad.runner.run({ kind: "describe", slot: 0, token: 0 })).toMatchObject(
      failure({ code: "MODULE_INVALID" }),
    );
    expect(bad.slots.module(0)).toBe(0);
  });

  it.each(["small", "empty"])("that is stopped says only that: %s", async (name) => {
    const kit = attemptKit({ modules: [moduleUrl(name)] });
    kit.slots.assign(0, 0, 0);
    const reply = kit.runner.run({ kind: "describe", slot: 0, token: 0 });
    kit.slots.stop(0, 0, "cancelled");
    expect(await reply).toEqual({ kind: "stopped" });
  });
});

describe("what runs on a thread", () => {
  it("logs to the attempt it belongs to, also after that has ended", async () => {
    const kit = attemptKit({ modules });
    const shared = { logFrom: () => kit.runner.log() };
    (globalThis as { answersHooks?: unknown }).answersHooks = shared;
    await kit.run("logNowAndLater", null, { taskId: "first", attempt: 2 });
    await kit.run("echo", null, { taskId: "second" });
    await kit.run("releaseLater", null, { taskId: "third" });
    const by = { taskId: "first", token: 1, attempt: 2 };
    expect(kit.messages).toMatchObject([
      { by, message: "now" },
      { by, message: "later" },
    ]);
    kit.runner.log().write("info", "nobody's");
    expect(kit.messages.at(-1)).toMatchObject({ by: null });
  });

  it("is to blame for the end of the thread only while its own attempt runs", async () => {
    const kit = attemptKit({ modules });
    (globalThis as { answersHooks?: unknown }).answersHooks = { noteEnd: () => kit.runner.noteEnd() };
    await kit.run("endNow");
    expect(kit.slots.endedByLeftover(0)).toBe(false);
    await kit.run("endLater", null, { slot: 1 });
    await kit.run("releaseLater");
    expect(kit.slots.endedByLeftover(0)).toBe(true);
    kit.runner.noteEnd();
  });
});
