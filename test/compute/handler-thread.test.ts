import { Console } from "node:console";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { PassThrough } from "node:stream";
import { describe, expect, it } from "vitest";
import { LIMITS } from "../../src/errors/index.ts";
import { packValue, Reference, unpackValue } from "../../src/codec/index.ts";
import { openHandlerThread, type ThreadHost } from "../../src/compute/handler-thread.ts";
import type { Printer } from "../../src/compute/printed-text.ts";
import { Slots } from "../../src/compute/slots.ts";
import type { ThreadMessage } from "../../src/compute/thread-message.ts";
import { manualClock } from "../kit/manual-clock.ts";
import { attemptRequest } from "./attempt-kit.ts";

describe("a handler thread", () => {
  it("turns what is printed on either stream into log records", () => {
    const messages: ThreadMessage[] = [];
    const stdout = new PassThrough();
    const stderr = new PassThrough();
    openHandlerThread(
      { slots: new SharedArrayBuffer(64), modules: [], roots: [], allowedHosts: [], blobsDirectory: null },
      hostOf({ stdout, stderr, post: (message) => void messages.push(message) }),
    );
    const console = new Console(stdout, stderr);
    console.log("out");
    console.error("err");
    expect(messages).toMatchObject([
      { by: null, level: "info", message: "out" },
      { by: null, level: "error", message: "err" },
    ]);
    expect(stdout.readableLength + stderr.readableLength).toBe(0);
  });

  it("stores large values in its directory, and finds them there again", async () => {
    const directory = mkdtempSync(join(tmpdir(), "thread-"));
    const slots = Slots.allocate(1);
    const runner = openHandlerThread(
      { slots: slots.buffer, modules: [], roots: [], allowedHosts: [], blobsDirectory: directory },
      hostOf({}),
    );
    const echo = async (token: number, value: unknown): Promise<unknown> => {
      slots.assign(0, token, 0);
      const reply = await runner.run(attemptRequest({ token, input: packValue(value) }));
      return reply.kind === "completed" ? unpackValue(reply.output) : reply;
    };
    const reference = await echo(1, { text: "x".repeat(LIMITS.compute.inlineBytes), rows: 3 });
    expect(reference).toBeInstanceOf(Reference);
    expect(await echo(2, (reference as Reference).at("rows"))).toBe(3);
    rmSync(directory, { recursive: true });
  });

  it("runs attempts on the slots it is given, and notes its end", async () => {
    const slots = Slots.allocate(1);
    let noteEnd = (): void => {};
    const runner = openHandlerThread(
      {
        slots: slots.buffer,
        modules: [],
        roots: [],
        allowedHosts: [],
        blobsDirectory: "/not-made-before-the-first-value",
      },
      hostOf({ onEnd: (note) => (noteEnd = note) }),
    );
    slots.assign(0, 1, 0);
    expect(await runner.run(attemptRequest())).toMatchObject({ kind: "completed" });
    noteEnd();
    expect([slots.thread(0), slots.endedByLeftover(0)]).toEqual([3, false]);
  });
});

function hostOf(
  host: Partial<Omit<ThreadHost, "stdout" | "stderr">> & { stdout?: PassThrough; stderr?: PassThrough },
): ThreadHost {
  return {
    threadId: 3,
    clock: manualClock(),
    post: () => {},
    onEnd: () => {},
    ...host,
    stdout: (host.stdout ?? new PassThrough()) as Printer,
    stderr: (host.stderr ?? new PassThrough()) as Printer,
  };
}
