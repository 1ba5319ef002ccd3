import { setTimeout as pause } from "node:timers/promises";
import { describe, expect, it } from "vitest";
import { z } from "../../src/schema/zod-schema.ts";
import type { System } from "../../src/system/index.ts";
import {
  DEFAULT_TOOLSETS,
  TOOLS,
  TOOLSETS,
  TOOLSET_NAMES,
  callTool,
  selectTools,
  type ToolSelection,
} from "../../src/tools/index.ts";
import { defineTool } from "../../src/tools/tool.ts";

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
/** One that does not say that it only reads. */
const writing = defineTool({
  name: "write",
  title: "Write",
  description: "",
  input: z.strictObject({}),
  output: z.looseObject({}),
  hints: { readOnlyHint: false, destructiveHint: false, idempotentHint: true, openWorldHint: false },
  echo: [],
  run: async () => ({}),
});

describe("the tools that are offered", () => {
  const names = (selection?: ToolSelection): string[] => selectTools(selection).map(({ name }) => name);
  const mine = waiting(1);

  it("leave out those of operators, unless they are asked for", () => {
    expect(DEFAULT_TOOLSETS).toEqual(["workflow", "taskqueue", "peers"]);
    expect(selectTools()).toEqual([...TOOLSETS.workflow, ...TOOLSETS.taskqueue, ...TOOLSETS.peers]);
    expect(selectTools({ toolsets: TOOLSET_NAMES })).toEqual(TOOLS);
  });

  it("have one order, however they were asked for, and the user's own come last", () => {
    const expected = [...TOOLSETS.workflow, ...TOOLSETS.admin, mine];
    expect(selectTools({ toolsets: ["admin", "workflow"], own: [mine] })).toEqual(expected);
    expect(names({ tools: ["wait", "cache_get", "task_list"], own: [mine] })).toEqual([
      "task_list",
      "cache_get",
      "wait",
    ]);
  });

  it("are single ones of any toolset where they are named", () => {
    expect(names({ tools: ["quota_list"] })).toEqual(["quota_list"]);
  });

  it("change nothing where they are to be read-only", () => {
    const selected = selectTools({ toolsets: TOOLSET_NAMES, readOnly: true, own: [mine, writing] });
    expect(selected).toEqual([...TOOLS.filter(({ hints }) => hints.readOnlyHint), mine]);
    expect(selected.map(({ name }) => name)).not.toContain("task_submit");
    expect(selected.length).toBeGreaterThan(10);
  });

  it.each([
    [
      { toolsets: ["workflow", "queue"] },
      'there is no toolset "queue"; there are: workflow, taskqueue, peers, deadletters',
    ],
    [{ toolsets: ["constructor"] }, "there is no toolset"],
    [{ tools: ["task_lists"] }, 'there is no tool "task_lists"; there are: workflow_submit'],
    [{ tools: ["wait"] }, 'there is no tool "wait"'],
    [
      { tools: ["task_list"], toolsets: ["workflow"] },
      "toolsets and single tools; allowed is one of the two",
    ],
    [{ tools: ["task_list", "task_cancel"], readOnly: true }, 'read-only with "task_cancel"'],
    [{ toolsets: [] }, "the selection of tools is empty"],
    [{ tools: [] }, "the selection of tools is empty"],
  ])("are refused for %j", (selection, sentence) => {
    expect(() => selectTools(selection)).toThrow(sentence);
  });
});

it("no two tools have one name", () => {
  expect(new Set(TOOLS.map(({ name }) => name)).size).toBe(TOOLS.length);
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

it("a tool that may be called twice says so in its metadata, unless they say otherwise", () => {
  expect(waiting(1).metadata).toMatchObject({ category: "general", timeoutMs: 1, idempotent: true });
});
