import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { openSystem } from "../../src/index.ts";
import { LIMITS } from "../../src/errors/index.ts";
import { resolveOptions } from "../../src/system/options.ts";
import { openInline } from "../kit/inline-system.ts";
import { failOnLeaks } from "../kit/leak-check.ts";
import { STEPS, temporaryDirectory } from "./kit/directory.ts";

describe("the options of the queue", () => {
  it("are by priority, without quotas, and as long a memory as the limits say, unless they say otherwise", () => {
    const { keptTasks, keptMs } = LIMITS.queue;
    expect(resolveOptions({ data: null })).toMatchObject({
      order: { by: "priority" },
      quotas: [],
      keptTasks,
      keptMs,
    });
    const order = { by: "priority_deadline", weightMs: 5, horizonMs: 6 } as const;
    const quotas = [{ scope: "tag", name: "x", queued: 3 }] as const;
    const said = { order, quotas, keptTasks: 0, keptMs: 1 };
    expect(resolveOptions({ data: null, ...said })).toMatchObject(said);
  });

  it.each([
    [
      { order: { by: "chance" } },
      'order.by is "chance"; allowed is one of fifo, priority, deadline, priority_deadline',
    ],
    [
      { order: { by: "fifo", ageingMs: 1 } },
      "order.ageingMs is unknown; allowed is by fifo, nothing beside it",
    ],
    [
      { order: { by: "priority", ageingMs: 0 } },
      "order.ageingMs is 0; allowed is a number from 1 to 31622400000",
    ],
    [{ keptTasks: -1 }, "keptTasks is -1; allowed is an integer from 0"],
    [{ keptMs: 0.5 }, "keptMs is 0.5; allowed is an integer from 0"],
  ])("are refused when they are %j", (options, sentence) => {
    expect(() => resolveOptions({ data: null, ...(options as object) })).toThrow(sentence);
  });

  it("hold from the start: a wrong quota opens nothing, a right one bounds", async () => {
    const quota = { scope: "action", name: "echo" } as const;
    await expect(openSystem({ data: null, quotas: [{ ...quota, concurrency: -1 }] })).rejects.toMatchObject({
      code: "INVALID_ARGUMENT",
    });
    await using system = await openSystem({ data: null, idle: true, quotas: [{ ...quota, queued: 1 }] });
    await system.tasks.submit({ action: "echo" });
    await expect(system.tasks.submit({ action: "echo" })).rejects.toMatchObject({ code: "QUOTA_EXCEEDED" });
  });
});

describe("an idle system", () => {
  failOnLeaks();

  it("takes tasks and answers about them, runs none, and leaves them to whoever comes next", async () => {
    const data = temporaryDirectory();
    {
      await using idle = await openSystem({ data, idle: true });
      await idle.tasks.submit({ id: "a", action: "echo", input: { n: 1 } });
      expect(await idle.tasks.status("a")).toMatchObject({ state: "queued", attempt: 0 });
      const { blockers } = await idle.tasks.explain("a");
      expect(blockers.map(({ cause }) => cause)).toEqual(["idle"]);
    }
    await using system = await openInline({ data });
    expect((await system.tasks.wait("a")).output).toEqual({ n: 1 });
  });

  it("leaves unfinished workflows alone, also those whose handlers it does not know", async () => {
    const [data, directory] = [temporaryDirectory(), temporaryDirectory()];
    const options = { data, tasks: [STEPS], roots: [directory] };
    const note = { stepId: "a", action: "note", inputs: { log: join(directory, "log"), line: "noted" } };
    {
      await using system = await openInline(options);
      await system.tasks.pause();
      await system.submit({ workflowId: "w", steps: [note, { ...note, stepId: "b", dependsOn: ["a"] }] });
      // The run is on disk; its first task comes to the queue a moment later.
      while ((await system.tasks.stats()).queued === 0);
    }
    {
      await using idle = await openSystem({ data, idle: true });
      await idle.tasks.resume();
      expect((await idle.tasks.stats()).queued).toBe(1);
    }
    await using system = await openInline(options);
    for await (const event of system.watch("w")) void event;
    expect((await system.result("w")).outputs).toEqual({ a: "noted", b: "noted" });
  });
});
