import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { threadId } from "node:worker_threads";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { ToolRouter, toolMetadata } from "../../src/router/index.ts";
import type { System } from "../../src/system/index.ts";
import { TOOLS, callTool, computeTasks, loadTools, type Tool } from "../../src/tools/index.ts";
import { openInline } from "../kit/inline-system.ts";
import { toolNamed } from "./kit/call.ts";

let directory: string;
let system: System;
let primes: Tool;
/** One of ours, moved there. */
let stats: Tool;
const router = new ToolRouter();

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), "compute-"));
  const data = join(directory, "data");
  stats = { ...toolNamed("queue_stats"), metadata: toolMetadata("queue_stats", { runtime: "compute" }) };
  const tools = await loadTools([join(import.meta.dirname, "modules", "primes.tools.ts")]);
  [primes = (tools[0] as Tool)] = tools;
  system = await openInline({
    data,
    attach: true,
    threads: 1,
    graceMs: 100,
    tasks: [...computeTasks([...tools, stats], data)],
  });
});

afterAll(async () => {
  await system.close();
  await rm(directory, { recursive: true });
});

const NEVER = new AbortController().signal;

const call = (args: object, signal = NEVER): Promise<Record<string, unknown>> =>
  callTool(primes, args, { open: async () => system, signal, router });

describe("a tool of runtime compute", () => {
  it("runs on a thread of the queue's pool, with a system that is attached, and leaves no task behind", async () => {
    expect(router.begin(primes).runtime).toBe("compute");
    const answer = await call({ below: 100 });
    expect(answer).toMatchObject({ success: true, count: 25, queued: 0, role: "guest" });
    expect(answer["thread"]).not.toBe(threadId);
    expect(await system.tasks.list()).toEqual({ tasks: [], total: 0 });
  });

  it("answers with the code of what it throws, and with its own error where that has none", async () => {
    expect(await call({ below: 1, mode: "fault" })).toMatchObject({
      success: false,
      code: "TASK_NOT_FOUND",
      error: 'there is no task "nobody"',
      retryable: false,
    });
    expect(await call({ below: 1, mode: "fail" })).toMatchObject({
      success: false,
      code: "HANDLER_FAILED",
      error: "primes failed: no more numbers",
    });
  });

  it("is told the trace of its caller, in a span of its own", async () => {
    const args = { below: 1, mode: "trace" };
    const traceparent = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
    const answer = await callTool(primes, args, {
      open: async () => system,
      signal: NEVER,
      router,
      traceparent,
    });
    expect(answer["traceparent"]).toMatch(/^00-4bf92f3577b34da6a3ce929d0e0e4736-[0-9a-f]{16}-01$/);
    expect(answer["traceparent"]).not.toBe(traceparent);
    expect(await call(args)).toMatchObject({ traceparent: null });
  });

  it("may be one of ours", async () => {
    const answer = await callTool(stats, {}, { open: async () => system, signal: NEVER, router });
    expect(answer).toMatchObject({ success: true, queued_count: 0, status: "active" });
    expect(router.begin(stats).runtime).toBe("compute");
  });

  it("gives a large answer whole", async () => {
    const { list } = await call({ below: 200_000, mode: "list" });
    expect(list).toHaveLength(17_984);
  });

  it("loses its thread when its caller gives up and it goes on computing; the next call has another", async () => {
    const caller = new AbortController();
    const spinning = call({ below: 1, mode: "spin" }, caller.signal);
    await expect.poll(() => system.cache.get("begun"), { timeout: 10_000 }).toBeDefined();
    caller.abort();
    expect(await spinning).toMatchObject({ success: false, code: "CANCELLED" });
    expect(await call({ below: 10 })).toMatchObject({ success: true, count: 4 });
  });

  it("is refused as a task when it is none that was offered", async () => {
    const submitted = await system.tasks.submit({
      action: "mcplusplus.tool",
      input: { tool: "queue_clear", args: { confirm: true } },
    });
    const { error } = await system.tasks.wait(submitted.taskId);
    expect(error).toMatchObject({
      code: "UNKNOWN_NAME",
      message: 'there is no tool "queue_clear"; there are: primes, queue_stats',
    });
    await system.tasks.clear(["failed"]);
  });

  it("is unavailable in a system that was opened without its module", async () => {
    await using other = await openInline({ data: null });
    const answer = await callTool(primes, { below: 1 }, { open: async () => other, signal: NEVER, router });
    expect(answer).toMatchObject({ success: false, code: "UNAVAILABLE" });
    expect(answer["error"]).toContain("was started without the tools that run on it");
  });
});

it("a system needs no module for tools that run elsewhere", () => {
  expect(computeTasks([...TOOLS], "data")).toEqual([]);
});
