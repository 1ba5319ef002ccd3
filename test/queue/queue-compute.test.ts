import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { packValue, unpackValue } from "../../src/codec/index.ts";
import type { System } from "../../src/system/index.ts";
import { openInline } from "../kit/inline-system.ts";

let system: System;
beforeAll(async () => {
  system = await openInline({ data: null, threads: 1, graceMs: 100 });
});
afterAll(() => system.close());

const compute = async (action: string, input: unknown, signal?: AbortSignal): Promise<unknown> => {
  const { call } = system.actors.queue;
  const { output } = await call.compute({ action, input: packValue(input) }, { ...(signal && { signal }) });
  return unpackValue(output);
};

describe("a handler that is run without a task", () => {
  it("gives its output, and leaves nothing in the queue, also when that is paused", async () => {
    await system.tasks.pause();
    expect(await compute("echo", { rows: [1, "two"] })).toEqual({ rows: [1, "two"] });
    expect(await system.tasks.list()).toEqual({ tasks: [], total: 0 });
    expect(await system.queueStats()).toMatchObject({ completed: 0, retries: 0 });
    await system.tasks.resume();
  });

  it("is run once, and its failure is told", async () => {
    await expect(compute("fail", { message: "not today", times: 1 })).rejects.toMatchObject({
      code: "HANDLER_FAILED",
      message: expect.stringContaining("not today") as string,
    });
  });

  it("is refused when there is none of that name", async () => {
    await expect(compute("nobody", {})).rejects.toMatchObject({ code: "UNKNOWN_ACTION" });
  });

  it("ends with its call, and gives its thread back", async () => {
    const caller = new AbortController();
    const sleeping = compute("sleep", { ms: 600_000 }, caller.signal);
    caller.abort();
    await expect(sleeping).rejects.toMatchObject({ code: "CANCELLED" });
    expect(await compute("echo", 7)).toBe(7);
  });

  it("does not keep tasks from running, nor they it", async () => {
    const task = system.tasks.run({ action: "echo", input: { n: 1 } });
    expect(await Promise.all([compute("echo", 1), task, compute("echo", 2)])).toEqual([1, { n: 1 }, 2]);
  });
});
