import { setTimeout as pause } from "node:timers/promises";
import { expect, it } from "vitest";
import { z } from "../../src/schema/zod-schema.ts";
import type { System } from "../../src/system/index.ts";
import {
  DEFAULT_TOOLSETS,
  TOOLS,
  TOOLSETS,
  TOOLSET_NAMES,
  callTool,
  toolsOf,
} from "../../src/tools/index.ts";
import { defineTool } from "../../src/tools/tool.ts";

it("the tools of operators are offered only when they are asked for", () => {
  expect(DEFAULT_TOOLSETS).toEqual(["workflow", "taskqueue"]);
  expect(toolsOf()).toEqual([...TOOLSETS.workflow, ...TOOLSETS.taskqueue]);
  expect(toolsOf(["admin", "workflow"])).toEqual([...TOOLSETS.workflow, ...TOOLSETS.admin]);
  expect(toolsOf(TOOLSET_NAMES)).toEqual(TOOLS);
});

it("a toolset that there is not is named, with those that there are", () => {
  expect(() => toolsOf(["workflow", "queue"])).toThrow(
    'there is no toolset "queue"; there are: workflow, taskqueue, deadletters, runs, templates, cache, admin',
  );
  expect(() => toolsOf(["constructor"])).toThrow("there is no toolset");
});

it("no two tools have one name", () => {
  expect(new Set(TOOLS.map(({ name }) => name)).size).toBe(TOOLS.length);
});

/** A tool that waits until it is told to stop. */
const waiting = (timeoutMs: number, waitsMs?: number) =>
  defineTool({
    name: "wait",
    title: "Wait",
    description: "",
    input: z.strictObject({}),
    output: z.looseObject({}),
    hints: { readOnlyHint: true, destructiveHint: false, idempotentHint: true, openWorldHint: false },
    metadata: { timeoutMs },
    echo: [],
    ...(waitsMs !== undefined && { waitsMs: () => waitsMs }),
    run: (_args, { signal }) => pause(60_000, {}, { signal }),
  });
const open = async (): Promise<System> => ({}) as System;

it("a call that takes longer than its tool may is ended with DEADLINE_EXCEEDED, and may be made again", async () => {
  const { signal } = new AbortController();
  expect(await callTool(waiting(1), {}, { open, signal })).toMatchObject({
    success: false,
    code: "DEADLINE_EXCEEDED",
    error: "wait did not end within 0.001 s",
    retryable: true,
  });
});

it("a call whose caller gives up is ended, also while its arguments let it wait for long", async () => {
  const controller = new AbortController();
  const call = callTool(waiting(1, 300_000), {}, { open, signal: controller.signal });
  controller.abort();
  expect(await call).toMatchObject({ success: false, code: "CANCELLED" });
});

it("what a tool leaves out of its metadata has a default", () => {
  expect(waiting(1).metadata).toEqual({
    category: "general",
    runtime: "auto",
    priority: 5,
    timeoutMs: 1,
    retryPolicy: "none",
    requiresPeers: false,
    ioIntensive: false,
    cpuIntensive: false,
    memoryIntensive: false,
  });
});
