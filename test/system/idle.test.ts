import { join } from "node:path";
import { expect, it } from "vitest";
import { openSystem } from "../../src/system/index.ts";
import { resolveOptions } from "../../src/system/options.ts";
import { failOnLeaks } from "../kit/leak-check.ts";
import { temporaryDirectory } from "./kit/directory.ts";

failOnLeaks();

it("an idle system makes nothing leave that its owner may want to keep, unless a bound is given", () => {
  const { keptTasks, keptMs, cache } = resolveOptions({ data: null, idle: true });
  const bounds = [keptTasks, keptMs, cache.entriesMax, cache.sizeBytesMax];
  expect(new Set(bounds)).toEqual(new Set([Number.MAX_SAFE_INTEGER]));
  const given = { keptTasks: 5, keptMs: 6, cache: { entriesMax: 7, sizeBytesMax: 8 } };
  expect(resolveOptions({ data: null, idle: true, ...given })).toMatchObject(given);
});

it("an idle system tells of the workflows of its directory, and takes new ones for the next owner", async () => {
  const data = join(temporaryDirectory(), "data");
  {
    await using system = await openSystem({ data, threads: 1, supervisor: "host" });
    await system.run({ workflowId: "done", steps: [{ stepId: "a", action: "echo", inputs: { n: 1 } }] });
  }
  {
    await using idle = await openSystem({ data, idle: true });
    expect((await idle.result("done")).outputs).toEqual({ a: { n: 1 } });
    await idle.submit({ workflowId: "new", steps: [{ stepId: "a", action: "echo" }] });
    expect((await idle.list()).runs.map(({ workflowId, state }) => `${workflowId} ${state}`)).toEqual([
      "done completed",
      "new running",
    ]);
    expect((await idle.queueStats()).queued).toBe(0);
    await expect(idle.actions()).rejects.toMatchObject({
      code: "UNAVAILABLE",
      message: "the list of handlers is unavailable: there is no thread to load them",
    });
  }
  await using owner = await openSystem({ data, threads: 1, supervisor: "host" });
  await Array.fromAsync(owner.watch("new"));
  expect((await owner.status("new")).state).toBe("completed");
});
