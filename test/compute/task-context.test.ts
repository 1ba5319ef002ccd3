import {
  mkdtempSync,
  readdirSync,
  readFileSync,
  realpathSync,
  rmSync,
  statSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { Reference, unpackValue } from "../../src/codec/index.ts";
import { Slots } from "../../src/compute/slots.ts";
import {
  openContext,
  PROGRESS_INTERVAL_MS,
  type ContextServices,
  type OpenContext,
} from "../../src/compute/task-context.ts";
import { TaskLog } from "../../src/compute/task-log.ts";
import type { ThreadMessage } from "../../src/compute/thread-message.ts";
import { openBlobs } from "../../src/store/index.ts";
import { manualClock, type ManualClock } from "../kit/manual-clock.ts";
import { attemptRequest } from "./attempt-kit.ts";

interface Kit extends OpenContext {
  readonly slots: Slots;
  readonly clock: ManualClock;
  readonly messages: ThreadMessage[];
}

function openKit(services: Partial<ContextServices> = {}): Kit {
  const slots = Slots.allocate(1);
  slots.assign(0, 1, 0);
  slots.enter(0, 1, 1, 0);
  slots.begin(0, 1, 0);
  const clock = manualClock();
  const messages: ThreadMessage[] = [];
  const post = (message: ThreadMessage): void => void messages.push(message);
  const opened = openContext(attemptRequest({ attempt: 2, timeoutMs: 100 }), new TaskLog(null, post), {
    slots,
    clock,
    roots: [],
    blobs: null,
    post,
    ...services,
  });
  return { ...opened, slots, clock, messages };
}

const reported = (messages: readonly ThreadMessage[]): unknown[] =>
  messages.map((message) =>
    message.kind === "mcplusplus.progress" ? [message.fraction, message.message] : null,
  );

describe("a context", () => {
  it("names its task and attempt, and is frozen", () => {
    const { context, end } = openKit();
    expect([context.taskId, context.attempt, Object.isFrozen(context)]).toEqual(["t1", 2, true]);
    end();
  });

  it("can be taken apart", () => {
    const { context, slots, end } = openKit();
    const { signal, checkpoint, log } = context;
    log("line");
    slots.stop(0, 1, "cancelled");
    expect(checkpoint).toThrow(expect.objectContaining({ code: "CANCELLED" }));
    expect(signal.aborted).toBe(true);
    end();
  });
});

describe("progress", () => {
  it("is sent at once, then at most once per interval, the newest each time", async () => {
    const { context, clock, messages, end } = openKit();
    context.progress(0.1, "one");
    context.progress(0.2, "two");
    context.progress(0.3, "three");
    expect(reported(messages)).toEqual([[0.1, "one"]]);
    await clock.advance(PROGRESS_INTERVAL_MS);
    expect(reported(messages)).toEqual([
      [0.1, "one"],
      [0.3, "three"],
    ]);
    expect(end()).toBeNull();
  });

  it("goes out from a loop that never waits, as time passes", async () => {
    const { context, clock, messages, end } = openKit();
    context.progress(0.1);
    await clock.advance(PROGRESS_INTERVAL_MS);
    context.progress(0.2);
    expect(reported(messages)).toEqual([
      [0.1, ""],
      [0.2, ""],
    ]);
    end();
  });

  it("hands over at the end what was not sent, and nothing goes out afterwards", async () => {
    const { context, clock, messages, end } = openKit();
    context.progress(0.1);
    context.progress(0.9, "nearly");
    expect(end()).toEqual({ fraction: 0.9, message: "nearly" });
    context.progress(1);
    await clock.advance(1_000);
    expect(messages).toHaveLength(1);
    expect(clock.pending).toBe(0);
  });

  it("is bounded to 0 and 1, refuses what is no number, and cuts long messages", async () => {
    const { context, clock, messages, end } = openKit();
    context.progress(-1);
    await clock.advance(PROGRESS_INTERVAL_MS);
    context.progress(1.000001, "x".repeat(501));
    expect(reported(messages)).toEqual([
      [0, ""],
      [1, `${"x".repeat(500)}…`],
    ]);
    for (const odd of [Number.NaN, "half" as unknown as number]) {
      expect(() => context.progress(odd)).toThrow(expect.objectContaining({ code: "INVALID_ARGUMENT" }));
    }
    end();
  });
});

describe("files and kept values", () => {
  let root = "";
  beforeEach(() => {
    root = realpathSync(mkdtempSync(join(tmpdir(), "context-")));
  });
  afterEach(() => rmSync(root, { recursive: true, force: true }));

  it("keep stores a value by its content and returns its reference", async () => {
    const blobs = openBlobs({ directory: join(root, "blobs") });
    const { context, end } = openKit({ blobs });
    const reference = await context.keep({ rows: [1, 2] });
    expect(reference).toBeInstanceOf(Reference);
    const bytes = await blobs.get(reference.sha256);
    expect(unpackValue(bytes)).toEqual({ rows: [1, 2] });
    expect(reference.sizeBytes).toBe(bytes.byteLength);
    const path = join(root, "blobs", reference.sha256.slice(0, 2), reference.sha256.slice(2));
    utimesSync(path, 1, 1);
    expect(await context.keep({ nested: reference })).toBeInstanceOf(Reference);
    expect(statSync(path).mtimeMs).toBeGreaterThan(Date.now() - 60_000);
    const nothing = new Reference("0".repeat(64), 1);
    await expect(context.keep({ nested: nothing })).rejects.toMatchObject({ code: "BLOB_MISSING" });
    end();
  });

  it("keep refuses what cannot be stored, what is cancelled, and to keep where nothing is kept", async () => {
    const { context, slots, end } = openKit();
    await expect(context.keep({ f: () => {} })).rejects.toMatchObject({ code: "NOT_A_WIRE_VALUE" });
    await expect(context.keep(1)).rejects.toMatchObject({ code: "UNAVAILABLE" });
    slots.stop(0, 1, "cancelled");
    await expect(context.keep(1)).rejects.toMatchObject({ code: "CANCELLED" });
    end();
  });

  it("path resolves inside the roots and refuses a link that leads out", () => {
    symlinkSync(tmpdir(), join(root, "out"));
    const { context, end } = openKit({ roots: [root] });
    expect(context.path("a/b")).toBe(join(root, "a/b"));
    expect(() => context.path("out/b")).toThrow(expect.objectContaining({ code: "INVALID_ARGUMENT" }));
    end();
  });

  it("writeFile makes or replaces a whole file and leaves nothing else behind", async () => {
    const { context, end } = openKit({ roots: [root] });
    await context.writeFile("report/a.txt", "one");
    await context.writeFile("report/a.txt", new Uint8Array([50]));
    expect(readFileSync(join(root, "report/a.txt"), "utf8")).toBe("2");
    expect(readdirSync(join(root, "report"))).toEqual(["a.txt"]);
    end();
  });

  it("writeFile replaces nothing when the task is cancelled before or during the write", async () => {
    const { context, slots, end } = openKit({ roots: [root] });
    writeFileSync(join(root, "a.txt"), "old");
    const during = context.writeFile("a.txt", "new");
    slots.stop(0, 1, "cancelled");
    await expect(during).rejects.toMatchObject({ code: "CANCELLED" });
    await expect(context.writeFile("a.txt", "new")).rejects.toMatchObject({ code: "CANCELLED" });
    expect(readFileSync(join(root, "a.txt"), "utf8")).toBe("old");
    expect(readdirSync(root)).toEqual(["a.txt"]);
    end();
  });

  it("writeFile says why a file cannot be written", async () => {
    const { context, end } = openKit({ roots: [root] });
    writeFileSync(join(root, "file"), "");
    await expect(context.writeFile("file/a.txt", "x")).rejects.toMatchObject({ code: "FILE_UNWRITABLE" });
    await expect(context.writeFile("../a.txt", "x")).rejects.toMatchObject({ code: "INVALID_ARGUMENT" });
    end();
  });
});
