import { describe, expect, it } from "vitest";
import { defineTool, type Tool } from "../../src/tools/tool.ts";
import { z } from "../../src/schema/zod-schema.ts";
import { manualClock } from "../kit/manual-clock.ts";
import { ERAS, connectTo, openApp } from "./kit/connected-client.ts";

const sleeping = (workflow_id: string, ms: number): Record<string, unknown> => ({
  workflow_id,
  name: workflow_id,
  steps: [
    { step_id: "first", action: "echo", inputs: { rows: 3 } },
    { step_id: "last", action: "sleep", inputs: { ms }, depends_on: ["first"] },
  ],
});
const HOUR_MS = 3_600_000;

describe.each(ERAS)("a call that waits, of a client of the %s era", (era) => {
  it("answers when the workflow has ended, and tells how far it is meanwhile", async () => {
    const { client, call } = await connectTo(await openApp(), era);
    await call("workflow_submit", sleeping("w", 50));
    const told: number[] = [];
    const { structuredContent } = await client.callTool(
      { name: "workflow_result", arguments: { workflow_id: "w", wait_seconds: 45 } },
      { onprogress: ({ progress }) => void told.push(progress) },
    );
    expect(structuredContent).toMatchObject({ success: true, status: "completed" });
    expect(told[0]).toBe(0);
    // The last word is not lost behind the answer.
    expect(told.at(-1)).toBeGreaterThanOrEqual(100);
    expect(told).toEqual(told.toSorted((one, other) => one - other));
  });

  it("answers when the task has ended", async () => {
    const { call } = await connectTo(await openApp(), era);
    await call("task_submit", { task_id: "t", task_type: "sleep", payload: { ms: 50 } });
    expect(await call("task_result", { task_id: "t", wait_seconds: 45 })).toMatchObject({
      success: true,
      status: "completed",
    });
  });
});

it("a wait that is over says that the work goes on, and what to ask next", async () => {
  const { call } = await connectTo(await openApp(), "legacy");
  await call("workflow_submit", sleeping("w", HOUR_MS));
  await call("task_submit", { task_id: "t", task_type: "sleep", payload: { ms: HOUR_MS } });
  expect(await call("workflow_result", { workflow_id: "w", wait_seconds: 0.01 })).toMatchObject({
    success: true,
    status: "running",
    result: null,
    next: expect.stringContaining("workflow_result again") as string,
  });
  expect(await call("task_result", { task_id: "t", wait_seconds: 0.01 })).toMatchObject({
    success: true,
    result: null,
    next: expect.stringContaining("task_result again") as string,
  });
  expect(await call("workflow_result", { workflow_id: "w" })).toMatchObject({
    success: false,
    code: "WORKFLOW_NOT_FINISHED",
  });
  expect(await call("workflow_result", { workflow_id: "w", wait_seconds: 46 })).toMatchObject({
    code: "INPUT_INVALID",
    error: expect.stringContaining("wait_seconds is 46; allowed is at most 45") as string,
  });
});

it("a wait for work that does not exist ends at once", async () => {
  const { call } = await connectTo(await openApp(), "legacy");
  expect(await call("workflow_result", { workflow_id: "w", wait_seconds: 45 })).toMatchObject({
    code: "WORKFLOW_NOT_FOUND",
  });
  expect(await call("task_result", { task_id: "t", wait_seconds: 45 })).toMatchObject({
    code: "TASK_NOT_FOUND",
  });
});

/** A tool whose call owns a task: it does not outlive the call. */
const owning = (began: (taskId: string) => void): Tool =>
  defineTool({
    name: "owns_work",
    title: "Owns work",
    description: "Runs a task for as long as its call lasts.",
    input: z.strictObject({}),
    output: z.looseObject({ success: z.boolean() }),
    hints: { readOnlyHint: false, destructiveHint: false, idempotentHint: false, openWorldHint: false },
    echo: [],
    async run(_, { system, signal }) {
      began("owned");
      await system.tasks.run({ id: "owned", action: "sleep", input: { ms: HOUR_MS } }, { signal });
      return {};
    },
  });

it.each(ERAS)("cancelling a call that only waits leaves the work alone (%s)", async (era) => {
  const app = await openApp();
  const { client, call } = await connectTo(app, era);
  await call("workflow_submit", sleeping("w", HOUR_MS));
  const controller = new AbortController();
  const waiting = client.callTool(
    { name: "workflow_result", arguments: { workflow_id: "w", wait_seconds: 45 } },
    { signal: controller.signal, onprogress: () => controller.abort("enough") },
  );
  await expect(waiting).rejects.toThrow("enough");
  const system = await app.system();
  expect((await system.status("w")).state).toBe("running");
});

it.each(ERAS)("cancelling a call that owns its work stops the handler (%s)", async (era) => {
  const began = Promise.withResolvers<string>();
  const app = await openApp({ tools: [owning(began.resolve)] });
  const { client } = await connectTo(app, era);
  const controller = new AbortController();
  const calling = client.callTool({ name: "owns_work", arguments: {} }, { signal: controller.signal });
  const system = await app.system();
  const taskId = await began.promise;
  // It may not have been submitted yet.
  const isRunning = async (): Promise<boolean> =>
    (await system.tasks.list({ states: ["running"] })).tasks.some((task) => task.taskId === taskId);
  while (!(await isRunning())) await new Promise(setImmediate);
  controller.abort("enough");
  await expect(calling).rejects.toThrow("enough");
  expect(await system.tasks.wait(taskId)).toMatchObject({ state: "cancelled" });
});

it.each([
  ["whose tool has more time than a client", { timeoutMs: 90_000 }, 0, 45_000],
  ["that says it waits longer than a client", { timeoutMs: 10_000 }, 300_000, 50_000],
  ["whose tool has less time", { timeoutMs: 10_000 }, 0, 10_000],
])("the signal of a call %s aborts in time", async (_, metadata, waitsMs, atMs) => {
  const began = Promise.withResolvers<void>();
  const clock = manualClock();
  const tool = defineTool({
    name: "is_slow",
    title: "Is slow",
    description: "Does not end.",
    input: z.strictObject({}),
    output: z.looseObject({ success: z.boolean() }),
    hints: { readOnlyHint: true, destructiveHint: false, idempotentHint: true, openWorldHint: false },
    metadata: { runtime: "p2p", ...metadata },
    echo: [],
    waitsMs: () => waitsMs,
    run(__, { signal }) {
      began.resolve();
      return new Promise((resolve) =>
        signal.addEventListener("abort", () => resolve({ cutAtMs: clock.now() })),
      );
    },
  });
  const { call } = await connectTo(await openApp({ tools: [tool], clock }), "legacy");
  const answer = call("is_slow");
  await began.promise;
  await clock.advance(atMs - 1);
  await clock.advance(1);
  expect(await answer).toMatchObject({ cutAtMs: atMs });
});

it("a call that does not end by itself in time is left to itself, and says what to do", async () => {
  const began = Promise.withResolvers<void>();
  const clock = manualClock();
  const tool = defineTool({
    name: "is_stuck",
    title: "Is stuck",
    description: "Does not even hear its signal.",
    input: z.strictObject({}),
    output: z.looseObject({ success: z.boolean() }),
    hints: { readOnlyHint: true, destructiveHint: false, idempotentHint: true, openWorldHint: false },
    metadata: { runtime: "p2p", timeoutMs: 90_000 },
    echo: [],
    run() {
      began.resolve();
      return new Promise(() => undefined);
    },
  });
  const { call } = await connectTo(await openApp({ tools: [tool], clock }), "legacy");
  const answer = call("is_stuck");
  await began.promise;
  await clock.advance(46_000);
  expect(await answer).toMatchObject({
    success: false,
    code: "DEADLINE_EXCEEDED",
    retryable: true,
    next: expect.stringContaining("may go on") as string,
  });
});
