import { describe, expect, it } from "vitest";

import { Reference, packValue, unpackValue } from "../../src/codec/index.ts";
import { cacheKey } from "../../src/workflow/content-key.ts";
import { fakeMessage } from "../kit/actor-context.ts";
import { step, workflow } from "./kit/definitions.ts";
import { openKit, watch, type SchedulerKit } from "./kit/scheduler-kit.ts";

/** Names of tasks that the queue has ever had, of what a test calls them. */
const tasksOf = (kit: SchedulerKit): string[] => [...kit.queue.tasks.keys()].toSorted();

describe("a condition", () => {
  const GUARDED = workflow([
    step("a"),
    step("b", ["a"], { when: "steps.a.output.id = 'a'" }),
    step("c", ["b"]),
  ]);

  it("is a task of the built-in action transform, over what its step depends on", async () => {
    await using kit = await openKit();
    await kit.submit(GUARDED);
    kit.queue.start("a");
    kit.queue.settle("a");
    await kit.settle();
    const task = kit.queue.task("b/when");
    expect(task).toMatchObject({ taskId: "w/b/when/0", action: "transform", group: "w" });
    expect(unpackValue(task.input)).toEqual({
      expression: "(steps.a.output.id = 'a'\n) ? true : false",
      input: { steps: { a: { state: "completed", output: { id: "a" } } }, metadata: {} },
    });
  });

  it("lets its step run when it is true, and is asked once, whatever died meanwhile", async () => {
    await using kit = await openKit();
    kit.queue.outputOf = (name) => (name === "b/when" ? true : { id: name });
    await kit.submit(GUARDED);
    kit.queue.settle("a");
    await kit.restart();
    await kit.settle();
    kit.queue.settle("b/when");
    await kit.restart();
    await kit.settle();
    expect(tasksOf(kit)).toEqual(["w/a/0/0", "w/b/0/0", "w/b/when/0"]);
    await kit.finish();
    expect(await kit.states()).toBe("a:completed b:completed c:completed");
  });

  it("skips its step and all that waits for it when it is false, and the run completes", async () => {
    await using kit = await openKit();
    kit.queue.outputOf = (name) => (name === "b/when" ? false : { id: name });
    await kit.submit(GUARDED);
    await kit.finish();
    await kit.restart();
    const { state, steps, progress, error } = await kit.status();
    expect({ state, progress, error }).toEqual({ state: "completed", progress: 1, error: null });
    expect(steps.map(({ state: of, error: why }) => [of, why?.message])).toEqual([
      ["completed", undefined],
      ["skipped", 'step "b" is skipped: its condition is false'],
      ["skipped", 'step "c" is skipped: the condition of step "b", on which it depends, is false'],
    ]);
    expect((await kit.result()).outputs).toEqual({ a: packValue({ id: "a" }) });
  });

  it("that is no expression refuses the run, which then is not there", async () => {
    await using kit = await openKit();
    const broken = kit.submit(workflow([step("a", [], { when: "1 +" })]));
    await expect(broken).rejects.toMatchObject({
      code: "WORKFLOW_INVALID",
      details: { problems: [expect.stringMatching(/^step "a": the condition cannot be read: line 1/)] },
    });
    await expect(kit.status()).rejects.toMatchObject({ code: "WORKFLOW_NOT_FOUND" });
  });
});

describe("a step that fans out", () => {
  const FAN = workflow([
    step("a"),
    step("f", ["a"], {
      inputs: { of: "${{ item }}", at: "${{ index }}" },
      forEach: { items: "${{ steps.a.output }}", maxConcurrent: 2 },
    }),
    step("j", ["f"], { inputs: { all: "${{ steps.f.output }}" } }),
  ]);
  const list = (values: readonly unknown[]) => (name: string, input: unknown) =>
    name === "a" ? values : { name, input };

  it("gives each item its task and joins their outputs in the order of the items", async () => {
    await using kit = await openKit();
    kit.queue.outputOf = list(["x", "y", "z"]);
    await kit.submit(FAN);
    await kit.finish();
    expect(tasksOf(kit)).toEqual(["w/a/0/0", "w/f/0/0", "w/f/1/0", "w/f/2/0", "w/j/0/0"]);
    const joined = ["f", "f[1]", "f[2]"].map((name, at) => ({
      name,
      input: { of: ["x", "y", "z"][at], at },
    }));
    expect(kit.queue.task("j").input).toEqual(packValue({ all: joined }));
    const { outputs } = await kit.result();
    expect(outputs["f"]).toEqual(packValue(joined));
  });

  it("runs no item twice, whatever died between any two of them", async () => {
    await using kit = await openKit();
    kit.queue.outputOf = list([1, 2, 3, 4, 5]);
    await kit.submit(FAN);
    kit.queue.settle("a");
    for (const name of ["f[1]", "f", "f[2]", "f[4]", "f[3]"]) {
      await kit.restart();
      await kit.settle();
      // Two at a time, in their order.
      expect(kit.queue.open).toHaveLength(name === "f[3]" ? 1 : 2);
      kit.queue.settle(name);
      await kit.settle();
    }
    await kit.restart();
    await kit.finish();
    // The queue of the kit throws when a task ends twice.
    expect(kit.queue.tasks.size).toBe(7);
    expect((await kit.status()).steps[1]?.items).toEqual({ total: 5, running: 0, completed: 5, failed: 0 });
    expect(await kit.states()).toBe("a:completed f:completed j:completed");
  });

  it("keeps what the cache gave for an item through a restart, though the cache has forgotten it", async () => {
    await using kit = await openKit();
    kit.queue.outputOf = list(["x", "y"]);
    const cached = workflow([
      step("f", [], { inputs: { of: "${{ item }}" }, forEach: { items: ["x", "y"] }, cacheTtlMs: 60_000 }),
      step("j", ["f"], { inputs: { all: "${{ steps.f.output }}" } }),
    ]);
    kit.cache.entries.set(cacheKey("echo", null, { of: "y" }) ?? "", packValue("from the cache"));
    await kit.submit(cached);
    kit.cache.kill();
    kit.cache.link.revive();
    await kit.restart();
    await kit.finish();
    expect(tasksOf(kit)).toEqual(["w/f/0/0", "w/j/0/0"]);
    const joined = [{ name: "f", input: { of: "x" } }, "from the cache"];
    expect(kit.queue.task("j").input).toEqual(packValue({ all: joined }));
    expect((await kit.status()).steps[0]).toMatchObject({ cached: false, items: { completed: 2 } });
    expect((await kit.result()).outputs["f"]).toEqual(packValue(joined));
  });

  it("is taken over as a whole by a rerun, and not asked for again", async () => {
    await using kit = await openKit();
    kit.queue.outputOf = list(["x", "y"]);
    kit.queue.fateOf = (name) => (name === "j" ? "failed" : "completed");
    await kit.submit(FAN);
    await kit.finish();
    kit.queue.fateOf = () => "completed";
    const { workflowId } = await kit.answer(kit.call.rerun({ workflowId: "w" }, fakeMessage()));
    await kit.restart();
    await kit.finish();
    const again = await kit.status(workflowId);
    expect(again.steps.map(({ state, reused }) => [state, reused])).toEqual([
      ["completed", true],
      ["completed", true],
      ["completed", false],
    ]);
    expect([...kit.queue.tasks.keys()].filter((id) => id.startsWith(workflowId))).toEqual([
      `${workflowId}/j/0/0`,
    ]);
    const first = await kit.result();
    expect((await kit.result(workflowId)).outputs["f"]).toEqual(first.outputs["f"]);
  });

  it("over nothing had completed before what waited for it failed, though the clock does not tell", async () => {
    await using kit = await openKit();
    kit.queue.fateOf = () => "failed";
    const steps = [step("none", [], { forEach: { items: [] } }), step("b", ["none"]), step("x")];
    await kit.submit(workflow(steps, { onFailure: "fail_fast" }));
    kit.queue.start("b");
    await kit.crash();
    kit.queue.settle("b");
    await kit.start();
    await kit.settle();
    expect(await kit.states()).toBe("none:completed b:failed x:cancelled");
    expect((await kit.status()).state).toBe("failed");
  });

  it("over a large value loads it, also after a restart in the middle", async () => {
    await using kit = await openKit();
    const { sha256, sizeBytes } = await kit.blobs.put(packValue({ rows: ["x", "y", "z"] }));
    const reference = new Reference(sha256, sizeBytes, ["rows"]);
    kit.queue.outputOf = (name, input) => (name === "a" ? reference : { name, input });
    await kit.submit(FAN);
    kit.queue.settle("a");
    await kit.restart();
    await kit.settle();
    kit.queue.settle("f[1]");
    await kit.restart();
    await kit.finish();
    expect(tasksOf(kit)).toEqual(["w/a/0/0", "w/f/0/0", "w/f/1/0", "w/f/2/0", "w/j/0/0"]);
    expect(await kit.states()).toBe("a:completed f:completed j:completed");
  });

  it("over a large value stays completed through a cancellation and a restart, and what runs is waited for", async () => {
    await using kit = await openKit();
    const { sha256, sizeBytes } = await kit.blobs.put(packValue(["x", "y", "z"]));
    kit.queue.outputOf = (name, input) => (name === "a" ? new Reference(sha256, sizeBytes) : { name, input });
    await kit.submit(FAN);
    for (const name of ["a", "f", "f[1]", "f[2]"]) {
      kit.queue.settle(name);
      await kit.settle();
    }
    kit.queue.start("j");
    await kit.settle();
    watch(kit.call.cancel({ workflowId: "w", reason: "enough", force: false }, fakeMessage()));
    await kit.settle();
    await kit.restart();
    await kit.settle();
    expect(await kit.states()).toBe("a:completed f:completed j:running");
    expect((await kit.status()).state).toBe("cancelling");
    kit.queue.settle("j", "cancelled");
    await kit.settle();
    expect([await kit.states(), (await kit.status()).state]).toEqual([
      "a:completed f:completed j:cancelled",
      "cancelled",
    ]);
  });

  it("over a large value that is gone fails with its step", async () => {
    await using kit = await openKit();
    const reference = new Reference("0".repeat(64), 10);
    kit.queue.outputOf = (name) => (name === "a" ? reference : name);
    await kit.submit(FAN);
    await kit.finish();
    expect(await kit.states()).toBe("a:completed f:failed j:skipped");
    expect((await kit.status()).steps[1]?.error?.code).toBe("BLOB_MISSING");
  });
});
