import { join } from "node:path";
import { describe, expect, it } from "vitest";

import { packValue, unpackValue } from "../../src/codec/index.ts";
import { LIMITS, fault, isFault } from "../../src/errors/index.ts";
import { cacheKey } from "../../src/workflow/content-key.ts";
import { openStore } from "../../src/store/index.ts";
import { RUN_MIGRATIONS, RunRows, type RunFilter } from "../../src/workflow/run.rows.ts";
import { schedulerBehaviour } from "../../src/workflow/scheduler.behaviour.ts";
import { Scheduler, type RunState } from "../../src/workflow/workflow.protocol.ts";
import { fakeActor, fakeMessage } from "../kit/actor-context.ts";
import { step, workflow } from "./kit/definitions.ts";
import { SchedulerKit, openKit, watch } from "./kit/scheduler-kit.ts";

const CHAIN = workflow([step("a"), step("b", ["a"], { inputs: { x: "${{ steps.a.output.id }}" } })]);

describe("submitting", () => {
  it("is answered when the run is on disk, and starts it", async () => {
    await using kit = await openKit();
    const status = await kit.submit(CHAIN);
    expect(status).toMatchObject({
      state: "submitted",
      stepsTotal: 2,
      stepsEnded: 0,
      progress: 0,
      startedAtMs: null,
    });
    expect(await kit.states()).toBe("a:ready b:pending");
    expect([...kit.queue.tasks.keys()]).toEqual(["w/a/0/0"]);
    expect(kit.queue.task("a")).toMatchObject({ group: "w", action: "echo", priority: 1 });
  });

  it("runs steps in order, hands outputs on, and collects the results from the queue", async () => {
    await using kit = await openKit();
    await kit.submit(CHAIN);
    await kit.finish();
    expect(unpackValue(kit.queue.task("b").input)).toEqual({ x: "a" });
    expect(await kit.status()).toMatchObject({ state: "completed", progress: 1 });
    const outcome = await kit.result();
    expect(Object.entries(outcome.outputs).map(([id, bytes]) => [id, unpackValue(bytes)])).toEqual([
      ["a", { id: "a" }],
      ["b", { id: "b" }],
    ]);
  });

  it("refuses a workflow with all its problems at once, unknown actions included, and keeps nothing", async () => {
    await using kit = await openKit();
    const broken = workflow([step("a", ["b"]), step("b", ["a"]), step("c", [], { action: "shout" })], {
      priority: NaN,
    });
    const submitted = watch(kit.call.submit({ definition: broken }, fakeMessage()));
    await kit.settle();
    expect(submitted.error).toMatchObject({
      code: "WORKFLOW_INVALID",
      details: {
        problems: [
          "the priority is NaN; allowed is a number from -1000000 to 1000000",
          "it has a cycle: a -> b -> a",
          'step "c": there is no action "shout"; there are: echo, transform',
        ],
      },
    });
    expect(kit.call.list({ offset: 0, limit: 10 }, fakeMessage())).toEqual({ runs: [], total: 0 });
  });

  it("takes a step whose action only a worker outside has, and says of others that there is none", async () => {
    await using kit = await openKit();
    kit.queue.outside = ["shout"];
    expect((await kit.submit(workflow([step("a", [], { action: "shout" })]))).state).toBe("submitted");
    const submitted = watch(
      kit.call.submit(
        { definition: workflow([step("a", [], { action: "sing" })], { workflowId: "v" }) },
        fakeMessage(),
      ),
    );
    await kit.settle();
    expect(submitted.error).toMatchObject({
      details: { problems: ['step "a": there is no action "sing"; there are: echo, transform'] },
    });
  });

  it("again with the same definition returns the run as it stands, with another one is refused", async () => {
    await using kit = await openKit();
    const twice = [0, 1].map(() => watch(kit.call.submit({ definition: CHAIN }, fakeMessage())));
    const other = watch(kit.call.submit({ definition: { ...CHAIN, name: "other" } }, fakeMessage()));
    await kit.settle();
    expect(twice.map(({ value }) => value?.workflowId)).toEqual(["w", "w"]);
    expect(other.error).toMatchObject({ code: "ALREADY_EXISTS" });
    await kit.finish();
    expect((await kit.submit(CHAIN)).state).toBe("completed");
    await expect(kit.submit({ ...CHAIN, priority: 2 })).rejects.toMatchObject({ code: "ALREADY_EXISTS" });
    expect(kit.queue.tasks.size).toBe(2);
  });

  it("that the disk refuses is no run", async () => {
    await using kit = new SchedulerKit();
    const { openStore } = kit;
    let broken = true;
    kit.openStore = (options) => {
      const store = openStore(options);
      const refuse = (): Promise<void> => Promise.reject(fault("STORE_FULL", { path: options.path }));
      return new Proxy(store, {
        get: (target, key) => {
          if (key === "write" && broken) return refuse;
          const value: unknown = Reflect.get(target, key);
          return typeof value === "function" ? (value.bind(target) as unknown) : value;
        },
      });
    };
    await kit.start();
    await expect(kit.submit(CHAIN)).rejects.toMatchObject({ code: "STORE_FULL" });
    await expect(kit.status()).rejects.toMatchObject({ code: "WORKFLOW_NOT_FOUND" });
    broken = false;
    expect((await kit.submit(CHAIN)).state).toBe("submitted");
    broken = true;
    await kit.finish();
    expect(kit.events.some(({ state }) => state === "completed")).toBe(false);
    broken = false;
    await kit.clock.advance(10_000);
    await kit.settle();
    expect(kit.events.at(-1)).toMatchObject({ state: "completed", step: null });
    expect((await kit.status()).state).toBe("completed");
  });

  it("waits while the queue is away, and gives up when it is stopped for good", async () => {
    await using kit = await openKit();
    kit.queue.kill();
    const submitted = watch(kit.call.submit({ definition: CHAIN }, fakeMessage()));
    await kit.settle();
    expect(submitted.settled).toBe(false);
    kit.queue.link.revive();
    await kit.settle();
    expect(submitted.value?.state).toBe("submitted");
    kit.queue.link.stop();
    await expect(kit.submit({ ...CHAIN, workflowId: "v" })).rejects.toMatchObject({ code: "ACTOR_STOPPED" });
    expect(kit.actor.logged.map(({ message }) => message)).toContain(
      "the queue has been stopped; unfinished runs wait for its return",
    );
  });

  it("is refused while too many runs are unfinished, and taken when one has ended", async () => {
    await using kit = new SchedulerKit();
    kit.liveRunsMax = 1;
    await kit.start();
    await kit.submit(CHAIN);
    await expect(kit.submit({ ...CHAIN, workflowId: "v" })).rejects.toMatchObject({ code: "UNAVAILABLE" });
    await kit.finish();
    expect((await kit.submit({ ...CHAIN, workflowId: "v" })).state).toBe("submitted");
  });

  it("asks for the actions again after a failure, and after the queue was away", async () => {
    await using kit = await openKit();
    kit.queue.link.refusals.push({
      member: "actions",
      error: fault("MODULE_INVALID", { module: "m", why: "x" }),
    });
    await expect(kit.submit(CHAIN)).rejects.toMatchObject({ code: "MODULE_INVALID" });
    await kit.submit(CHAIN);
    const asked = kit.queue.link.calls.get("actions");
    await kit.submit({ ...CHAIN, workflowId: "v" });
    expect(kit.queue.link.calls.get("actions")).toBe(asked);
    kit.queue.kill();
    kit.queue.actions = [];
    kit.queue.link.revive();
    await kit.settle();
    await expect(kit.submit({ ...CHAIN, workflowId: "u" })).rejects.toMatchObject({
      code: "WORKFLOW_INVALID",
    });
  });
});

describe("following the queue", () => {
  it("tells each change of a run as an event, the end last and only when it is on disk", async () => {
    await using kit = await openKit();
    await kit.submit(workflow([step("a")]));
    kit.queue.start("a");
    kit.queue.progress("a", 0.5, "half");
    kit.queue.progress("a", 0.6);
    await kit.settle();
    kit.queue.settle("a");
    await kit.settle();
    expect(kit.events.map(({ state, step: each, message }) => [state, each?.state ?? null, message])).toEqual(
      [
        ["running", null, null],
        ["running", "ready", null],
        ["running", "running", null],
        ["running", "running", "half"],
        ["running", "running", null],
        ["running", "completed", null],
        ["completed", null, null],
      ],
    );
    expect(kit.events.map(({ sequence }) => sequence)).toEqual([1, 2, 3, 4, 5, 6, 7]);
    expect(kit.actor.health()).toMatchObject({ liveRuns: 0 });
  });

  it("tells the end of a run with all that came out of it, unless that is too much for an event", async () => {
    await using kit = await openKit();
    await kit.submit(CHAIN);
    await kit.finish();
    expect(kit.ends).toMatchObject([{ workflowId: "w", state: "completed", step: null }]);
    expect(kit.ends[0]?.result).toEqual(await kit.result());
    kit.queue.outputOf = () => ({ id: "x".repeat(LIMITS.workflow.endBytes) });
    await kit.submit({ ...CHAIN, workflowId: "large" });
    await kit.finish();
    expect(kit.ends[1]).toMatchObject({ workflowId: "large", state: "completed", result: null });
  });

  it("ignores the tasks of others, also those that bear the name of a run", async () => {
    await using kit = await openKit();
    await kit.submit(CHAIN);
    for (const taskId of ["mine", "w/zz/0/0", "other/a/0/0"]) {
      kit.queue.link.emit("started", { taskId, group: "w", attempt: 1, startedAtMs: 0 });
      kit.queue.link.emit("settled", { ...kit.queue.task("a"), taskId, state: "completed" });
    }
    await kit.settle();
    expect(await kit.states()).toBe("a:ready b:pending");
  });

  it("looks at the queue's tasks again when events were lost", async () => {
    await using kit = await openKit();
    await kit.submit(CHAIN);
    kit.queue.link.loseEvents("settled");
    kit.queue.start("a");
    kit.queue.settle("a");
    await kit.clock.advance(100);
    await kit.settle();
    expect(await kit.states()).toBe("a:completed b:ready");
  });

  it("reads the tasks of a large run page by page", async () => {
    await using kit = await openKit();
    const steps = Array.from({ length: 450 }, (_, at) => step(`s${at}`));
    await kit.submit(workflow(steps));
    kit.queue.kill();
    for (let at = 0; at < 450; at += 3) kit.queue.settle(`s${at}`);
    kit.queue.link.revive();
    await kit.settle();
    expect(await kit.status()).toMatchObject({ stepsEnded: 150 });
    expect(kit.queue.link.calls.get("group")).toBeGreaterThanOrEqual(3);
  });
});

describe("the queue", () => {
  it("that restarts is subscribed to again, its tasks are compared, and what is missing is submitted", async () => {
    await using kit = await openKit();
    await kit.submit(workflow([step("a"), step("b"), step("c"), step("d", ["a"])]));
    kit.queue.start("b");
    await kit.settle();
    kit.queue.kill();
    kit.queue.settle("a");
    kit.queue.tasks.delete("w/c/0/0");
    await kit.settle();
    expect(await kit.states()).toBe("a:ready b:running c:ready d:pending");
    kit.queue.link.revive();
    await kit.settle();
    expect(await kit.states()).toBe("a:completed b:ready c:ready d:ready");
    expect(kit.queue.open.map(({ taskId }) => taskId)).toEqual(["w/b/0/0", "w/d/0/0", "w/c/0/0"]);
    kit.queue.start("c");
    kit.queue.kill();
    kit.queue.link.revive();
    kit.queue.start("c");
    await kit.finish();
    expect((await kit.status()).state).toBe("completed");
  });

  it("that refuses one task of a batch fails that step alone", async () => {
    await using kit = await openKit();
    await kit.submit(workflow([step("a"), step("b", ["a"]), step("c", ["a"])]));
    kit.queue.tasks.set("w/b/0/0", { ...kit.queue.task("a"), taskId: "w/b/0/0", input: new Uint8Array([1]) });
    kit.queue.settle("a");
    await kit.settle();
    expect(await kit.states()).toBe("a:completed b:failed c:ready");
    const { steps } = await kit.status();
    expect(steps[1]?.error).toMatchObject({ code: "ALREADY_EXISTS" });
  });

  it("that has no room is asked again when it has", async () => {
    await using kit = await openKit();
    const full = fault("MAILBOX_FULL", { actor: "queue", limit: 1, unit: "messages" as const });
    for (let n = 0; n < 3; n++) kit.queue.link.refusals.push({ member: "submit", error: full });
    await kit.submit(CHAIN);
    expect(kit.queue.tasks.size).toBe(1);
  });

  it("that cannot write is asked again after pauses that grow, and the log says so in the end", async () => {
    await using kit = await openKit();
    const full = fault("STORE_FULL", { path: "queue.sqlite" });
    for (let n = 0; n < 8; n++) kit.queue.link.refusals.push({ member: "submit", error: full });
    await kit.submit(CHAIN);
    expect(kit.queue.tasks.size).toBe(0);
    for (let n = 0; n < 10; n++) {
      await kit.clock.advance(5_000);
      await kit.settle();
    }
    expect(kit.queue.tasks.size).toBe(1);
    expect(kit.actor.logged.filter(({ level }) => level === "warn").map(({ message }) => message)).toEqual([
      "a run waits to go on",
    ]);
  });

  it("whose task was there already, and has ended, is believed", async () => {
    await using kit = await openKit();
    await kit.submit(workflow([step("a"), step("b", ["a"])]));
    const { task } = kit.queue;
    kit.queue.tasks.set("w/b/0/0", { ...task.call(kit.queue, "a"), taskId: "w/b/0/0" });
    kit.queue.tasks.get("w/b/0/0");
    kit.queue.settle("b");
    kit.queue.settle("a");
    await kit.settle();
    expect((await kit.status()).state).toBe("completed");
  });
});

describe("cancelling", () => {
  it("asks for those that run last, so that nothing that is to be cancelled too takes their places", async () => {
    await using kit = await openKit();
    await kit.submit(workflow([step("a"), step("b"), step("c")]));
    kit.queue.start("a");
    await kit.settle();
    watch(kit.call.cancel({ workflowId: "w", reason: "enough", force: false }, fakeMessage()));
    await kit.settle();
    expect(kit.queue.cancellations).toEqual([["b", "c", "a"]]);
  });

  it("resolves when nothing of the run executes any more", async () => {
    await using kit = await openKit();
    await kit.submit(workflow([step("a"), step("b"), step("c", ["a"])]));
    kit.queue.start("a");
    await kit.settle();
    const reason = "x".repeat(3_000);
    const cancelled = watch(kit.call.cancel({ workflowId: "w", reason, force: false }, fakeMessage()));
    await kit.settle();
    expect([cancelled.settled, kit.queue.task("a").state]).toEqual([false, "cancelling"]);
    expect(await kit.states()).toBe("a:running b:cancelled c:cancelled");
    expect((await kit.status()).state).toBe("cancelling");
    const again = watch(kit.call.cancel({ workflowId: "w", reason: "again", force: false }, fakeMessage()));
    const forced = watch(kit.call.cancel({ workflowId: "w", reason: "now", force: true }, fakeMessage()));
    await kit.settle();
    expect(kit.queue.link.calls.get("cancel")).toBe(2);
    kit.queue.settle("a", "cancelled");
    await kit.settle();
    for (const each of [cancelled, again, forced]) expect(each.value?.state).toBe("cancelled");
    const late = await kit.call.cancel({ workflowId: "w", reason: "late", force: false }, fakeMessage());
    expect(late.state).toBe("cancelled");
  });

  it("of tasks that never reached the queue ends them at once", async () => {
    await using kit = await openKit();
    await kit.submit(workflow([step("a")]));
    kit.queue.kill();
    kit.queue.tasks.clear();
    const cancelled = watch(
      kit.call.cancel({ workflowId: "w", reason: "enough", force: false }, fakeMessage()),
    );
    await kit.settle();
    expect(cancelled.settled).toBe(false);
    kit.queue.link.revive();
    await kit.settle();
    expect(cancelled.value?.state).toBe("cancelled");
  });

  it("is repeated to a queue that restarted before it heard of it", async () => {
    await using kit = await openKit();
    await kit.submit(workflow([step("a")]));
    kit.queue.start("a");
    await kit.settle();
    kit.queue.link.kill();
    const cancelled = watch(
      kit.call.cancel({ workflowId: "w", reason: "enough", force: false }, fakeMessage()),
    );
    await kit.settle();
    kit.queue.link.revive();
    await kit.settle();
    expect(kit.queue.task("a").state).toBe("cancelling");
    kit.queue.settle("a", "completed");
    await kit.settle();
    expect(cancelled.value?.state).toBe("cancelled");
  });

  it("survives a restart of the scheduler", async () => {
    await using kit = await openKit();
    await kit.submit(CHAIN);
    kit.queue.start("a");
    await kit.settle();
    watch(kit.call.cancel({ workflowId: "w", reason: "enough", force: true }, fakeMessage()));
    await kit.settle();
    await kit.restart();
    await kit.settle();
    expect((await kit.status()).state).toBe("cancelling");
    kit.queue.settle("a", "cancelled");
    await kit.settle();
    expect(await kit.status()).toMatchObject({
      state: "cancelled",
      error: { message: 'workflow "w" was cancelled: enough' },
    });
  });

  it("of an unknown run is an error", async () => {
    await using kit = await openKit();
    const call = kit.call.cancel({ workflowId: "nope", reason: "", force: false }, fakeMessage());
    await expect(call).rejects.toMatchObject({ code: "WORKFLOW_NOT_FOUND" });
  });
});

describe("a restart of the scheduler", () => {
  it("goes on where it stood: finished steps do not run again, queued ones stay queued", async () => {
    await using kit = await openKit();
    await kit.submit(CHAIN);
    kit.queue.start("a");
    kit.queue.settle("a");
    await kit.settle();
    await kit.restart();
    await kit.settle();
    expect(await kit.states()).toBe("a:completed b:ready");
    expect(kit.events).toMatchObject([
      { sequence: 1, message: "resumed after a restart: 1 of 2 steps had ended", state: "running" },
    ]);
    await kit.finish();
    expect((await kit.status()).state).toBe("completed");
    expect(kit.queue.link.calls.get("submit")).toBe(2);
  });

  it("hears what ended meanwhile, and what ends while it reads", async () => {
    await using kit = await openKit();
    await kit.submit(workflow([step("a"), step("b"), step("c", ["a", "b"])]));
    kit.queue.start("a");
    kit.queue.start("b");
    await kit.settle();
    await kit.crash();
    kit.queue.settle("a");
    await kit.start();
    await kit.turns.step();
    kit.queue.settle("b");
    await kit.settle();
    expect(await kit.states()).toBe("a:completed b:completed c:ready");
  });

  it("keeps ended runs readable", async () => {
    await using kit = await openKit();
    await kit.submit(CHAIN);
    await kit.finish();
    const before = await kit.status();
    await kit.restart();
    expect(await kit.status()).toEqual(before);
    const result = await kit.result();
    expect(Object.keys(result.outputs)).toEqual(["a", "b"]);
  });

  it("answers about a run only when it stands again, but lists it at once", async () => {
    await using kit = await openKit();
    await kit.submit(CHAIN);
    kit.queue.kill();
    await kit.restart();
    const status = watch(kit.call.status({ workflowId: "w" }, fakeMessage()));
    const result = watch(kit.call.result({ workflowId: "w" }, fakeMessage()));
    await kit.settle();
    expect([status.settled, result.settled]).toEqual([false, false]);
    const { runs } = await kit.call.list({ offset: 0, limit: 1 }, fakeMessage());
    expect(runs).toMatchObject([{ workflowId: "w", state: "running", stepsTotal: 2 }]);
    kit.queue.link.revive();
    await kit.settle();
    expect(status.value?.state).toBe("running");
    expect(result.error).toMatchObject({ code: "WORKFLOW_NOT_FINISHED" });
  });

  it("recovers more runs than it reads at a time", async () => {
    await using kit = await openKit();
    const ids = Array.from({ length: 20 }, (_, at) => `w${at}`);
    for (const workflowId of ids) await kit.submit({ ...CHAIN, workflowId });
    await kit.restart();
    await kit.settle();
    for (const id of ids) expect(await kit.states(id)).toBe("a:ready b:pending");
    expect(kit.actor.health()).toMatchObject({ liveRuns: 20 });
  });
});

describe("a cached step", () => {
  const CACHED = workflow([
    step("a", [], { cacheTtlMs: 1_000 }),
    step("b", ["a"], { inputs: { x: "${{ steps.a.output }}" } }),
  ]);
  const key = cacheKey("echo", null, {}) ?? "";

  it("is answered by the cache; its output is handed on, found in the result, and survives a restart", async () => {
    await using kit = await openKit();
    kit.cache.entries.set(key, packValue({ kept: 7 }));
    await kit.submit(CACHED);
    expect(unpackValue(kit.queue.task("b").input)).toEqual({ x: { kept: 7 } });
    await kit.restart();
    kit.cache.kill();
    await kit.finish();
    const { steps } = await kit.status();
    expect(steps.map(({ stepId, state, cached }) => [stepId, state, cached])).toEqual([
      ["a", "completed", true],
      ["b", "completed", false],
    ]);
    expect([...kit.queue.tasks.keys()]).toEqual(["w/b/0/0"]);
    const result = await kit.result();
    expect(unpackValue(result.outputs["a"] ?? packValue(0))).toEqual({ kept: 7 });
  });

  it("is run on a miss and then kept", async () => {
    await using kit = await openKit();
    await kit.submit(CACHED);
    await kit.finish();
    expect(unpackValue(kit.cache.entries.get(key) ?? packValue(0))).toEqual({ id: "a" });
    await kit.submit({ ...CACHED, workflowId: "again" });
    expect(await kit.states("again")).toBe("a:completed b:ready");
  });

  it("is run when the cache is down or fails, and the run does not notice", async () => {
    await using kit = await openKit();
    kit.cache.kill();
    await kit.submit(CACHED);
    await kit.finish();
    expect((await kit.status()).state).toBe("completed");
    kit.cache.link.revive();
    kit.cache.entries.set(key, packValue(1));
    kit.cache.link.refusals.push({
      member: "get",
      error: fault("STORE_CORRUPT", { path: "cache", why: "x" }),
    });
    kit.cache.link.refusals.push({ member: "put", error: fault("STORE_FULL", { path: "cache" }) });
    await kit.submit({ ...CACHED, workflowId: "v" });
    await kit.finish();
    expect((await kit.status("v")).steps[0]).toMatchObject({ state: "completed", cached: false });
  });

  it("is looked up with others, not all at once, and not at all in a run that is being stopped", async () => {
    await using kit = await openKit();
    const many = Array.from({ length: 100 }, (_, at) =>
      step(`s${at}`, [], { cacheTtlMs: 5, inputs: { at } }),
    );
    const submitted = watch(kit.call.submit({ definition: workflow(many) }, fakeMessage()));
    while (!submitted.settled) await kit.turns.step();
    expect(kit.cache.link.calls.get("get")).toBe(32);
    watch(kit.call.cancel({ workflowId: "w", reason: "enough", force: false }, fakeMessage()));
    await kit.settle();
    expect(kit.cache.link.calls.get("get")).toBeLessThan(100);
    expect((await kit.status()).state).toBe("cancelled");
  });
});

describe("a run that is submitted with a trace", () => {
  const CALLERS = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
  const OTHER = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-00";
  const message = (traceparent?: string) => fakeMessage({ traceparent });

  /** What the queue is told with each task, as it comes. */
  function tracesOf(kit: SchedulerKit): (readonly [taskId: string, traceparent: string | undefined])[] {
    const traces: ReturnType<typeof tracesOf> = [];
    kit.queue.mayTake = (specs) => {
      for (const { taskId, traceparent } of specs) traces.push([taskId, traceparent]);
    };
    return traces;
  }

  it("hands it to every task of its steps, also in another life", async () => {
    await using kit = await openKit();
    const traces = tracesOf(kit);
    kit.queue.outputOf = () => true;
    const definition = workflow([
      step("a", [], { when: "true" }),
      step("b", ["a"], { forEach: { items: [1, 2] } }),
    ]);
    await kit.answer(kit.call.submit({ definition }, message(CALLERS)));
    await kit.restart();
    await kit.finish();
    expect(traces.map(([id]) => id).toSorted()).toEqual(["w/a/0/0", "w/a/when/0", "w/b/0/0", "w/b/1/0"]);
    expect(new Set(traces.map(([, trace]) => trace))).toEqual(new Set([CALLERS]));
  });

  it("is the same run with another trace, or with none, and keeps its own", async () => {
    await using kit = await openKit();
    const traces = tracesOf(kit);
    const definition = { ...CHAIN, idempotencyKey: "k" };
    await kit.answer(kit.call.submit({ definition }, message(CALLERS)));
    for (const trace of [OTHER, undefined]) {
      const again = kit.answer(kit.call.submit({ definition }, message(trace)));
      expect((await again).replayed).toBe(true);
      const renamed = { ...definition, workflowId: "other" };
      const byKey = await kit.answer(kit.call.submit({ definition: renamed }, message(trace)));
      expect(byKey).toMatchObject({ workflowId: "w", replayed: true });
    }
    await kit.finish();
    expect(traces).toEqual([
      ["w/a/0/0", CALLERS],
      ["w/b/0/0", CALLERS],
    ]);
  });

  it("has a rerun that is part of the trace of whoever asks for it, else of its own", async () => {
    await using kit = await openKit();
    const traces = tracesOf(kit);
    kit.queue.fateOf = () => "failed";
    await kit.answer(kit.call.submit({ definition: workflow([step("a")]) }, message(CALLERS)));
    await kit.finish();
    for (const trace of [undefined, OTHER]) {
      await kit.answer(kit.call.rerun({ workflowId: "w" }, message(trace)));
      await kit.finish();
    }
    expect(traces.map(([, trace]) => trace)).toEqual([CALLERS, CALLERS, OTHER]);
  });

  it.each([undefined, "nonsense", CALLERS.toUpperCase()])(
    "and says nothing of one that is %s",
    async (given) => {
      await using kit = await openKit();
      const traces = tracesOf(kit);
      await kit.answer(kit.call.submit({ definition: CHAIN }, message(given)));
      await kit.finish();
      expect(traces.map(([, trace]) => trace)).toEqual([undefined, undefined]);
    },
  );
});

describe("reading runs", () => {
  it("lists them in submission order, page by page, by state and by tags", async () => {
    await using kit = await openKit();
    for (const [at, tags] of [["x"], ["x", "y"], [], ["y"]].entries()) {
      await kit.submit(workflow([step("a")], { workflowId: `w${at}`, tags }));
    }
    kit.queue.settle("w0/a/0/0");
    await kit.settle();
    const list = (more: {
      offset?: number;
      limit?: number;
      states?: RunState[];
      tags?: string[];
    }): string => {
      const page = kit.call.list({ offset: 0, limit: 10, ...more }, fakeMessage());
      if (page instanceof Promise) throw new Error("listing waits for nothing");
      return `${page.runs.map(({ workflowId, state }) => `${workflowId}:${state}`).join(" ")} of ${page.total}`;
    };
    expect(list({})).toBe("w0:completed w1:running w2:running w3:running of 4");
    expect(list({ offset: 1, limit: 2 })).toBe("w1:running w2:running of 4");
    expect(list({ states: ["completed"] })).toBe("w0:completed of 1");
    expect(list({ states: ["running", "failed"], tags: ["y"] })).toBe("w1:running w3:running of 2");
    expect(list({ tags: ["x", "y"] })).toBe("w1:running of 1");
    expect(list({ states: [] })).toBe(" of 0");
  });

  /** `w0` had its own pool and the peer P, `w1` a process that is no peer, `w2` the peer Q, and `w3` nobody yet. */
  async function runsOfWorkers(kit: SchedulerKit): Promise<void> {
    for (let at = 0; at < 4; at++)
      await kit.submit(workflow([step("a"), step("b")], { workflowId: `w${at}` }));
    const workers = [
      ["w0/a/0/0", "local"],
      ["w0/b/0/0", "peer:P"],
      ["w1/a/0/0", "gpu"],
      ["w2/a/0/0", "peer:Q"],
    ];
    for (const [id = "", workerId] of workers) {
      await kit.clock.advance(1);
      kit.queue.start(id, workerId);
    }
    await kit.settle();
  }

  async function listed(kit: SchedulerKit, filter: Partial<RunFilter>): Promise<string> {
    const { runs, total } = await kit.call.list({ offset: 0, limit: 10, ...filter }, fakeMessage());
    return `${runs.map(({ workflowId }) => workflowId).join(" ")} of ${total}`;
  }

  const BY_WORKERS: readonly [Partial<RunFilter>, string][] = [
    [{ worker: "local" }, "w0 of 1"],
    [{ worker: "peer:P" }, "w0 of 1"],
    [{ worker: "peer:P", peer: "local" }, "w0 of 1"],
    [{ worker: "gpu" }, "w1 of 1"],
    [{ peer: "Q" }, "w2 of 1"],
    [{ peer: "local" }, "w0 w1 w3 of 3"],
    [{ peer: "local", offset: 1, limit: 1 }, "w1 of 3"],
    [{ worker: "peer:" }, " of 0"],
    [{ peer: "gpu" }, " of 0"],
  ];

  it("tells of live runs who had them, and lists them by that", async () => {
    await using kit = await openKit();
    await runsOfWorkers(kit);
    expect((await kit.status("w0")).workerIds).toEqual(["local", "peer:P"]);
    expect((await kit.status("w3")).workerIds).toEqual([]);
    for (const [filter, runs] of BY_WORKERS) expect(await listed(kit, filter)).toBe(runs);
  });

  it("tells the same of ended runs, also to another life", async () => {
    await using kit = await openKit();
    await runsOfWorkers(kit);
    for (const id of ["w0", "w1", "w2"])
      for (const name of ["a", "b"]) kit.queue.settle(`${id}/${name}/0/0`, "completed");
    await kit.settle();
    for (const [filter, runs] of BY_WORKERS) expect(await listed(kit, filter)).toBe(runs);
    await kit.restart();
    await kit.settle();
    expect((await kit.status("w0")).workerIds).toEqual(["local", "peer:P"]);
    for (const [filter, runs] of BY_WORKERS) expect(await listed(kit, filter)).toBe(runs);
  });

  it("still tells after a restart who had a live run, also of a worker whose attempt was made again elsewhere", async () => {
    await using kit = await openKit();
    await kit.submit(workflow([step("a"), step("b")]));
    for (const [id, workerId] of [
      ["a", "local"],
      ["a", "peer:P"],
      ["b", "peer:Q"],
      ["a", "peer:R"],
    ] as const) {
      await kit.clock.advance(1);
      kit.queue.start(id, workerId);
      await kit.settle();
    }
    const before = ["local", "peer:P", "peer:Q", "peer:R"];
    expect((await kit.status()).workerIds).toEqual(before);
    await kit.restart();
    expect(await listed(kit, { peer: "P" })).toBe("w of 1");
    await kit.settle();
    expect((await kit.status()).workerIds).toEqual(before);
    expect(await listed(kit, { worker: "local" })).toBe("w of 1");
  });

  it("writes down who had a run 16 times at most, however many take turns", async () => {
    await using kit = await openKit();
    await kit.submit(workflow([step("a")]));
    for (let at = 0; at < 40; at++) {
      await kit.clock.advance(1);
      kit.queue.start("a", `peer:${at}`);
    }
    await kit.settle();
    const all = Array.from({ length: 40 }, (_, at) => `peer:${at}`);
    expect((await kit.status()).workerIds).toEqual(all.slice(24));
    await kit.restart();
    await kit.settle();
    expect((await kit.status()).workerIds).toEqual([...all.slice(2, 17), "peer:39"]);
  });

  it.each([
    { limit: 0 },
    { limit: 1_001 },
    { worker: 7 as unknown as string },
    { peer: null as unknown as string },
    { limit: 1.5 },
    { offset: -1 },
    { states: ["done" as "failed"] },
    { tags: "x" as unknown as string[] },
  ])("refuses the page %j", async (more) => {
    await using kit = await openKit();
    const list = (): unknown => kit.call.list({ offset: 0, limit: 10, ...more }, fakeMessage());
    expect(list).toThrow(expect.objectContaining({ code: "INVALID_ARGUMENT" }));
  });

  it("of an unknown workflow is an error", async () => {
    await using kit = await openKit();
    await expect(kit.status("nope")).rejects.toMatchObject({ code: "WORKFLOW_NOT_FOUND" });
    await expect(kit.result("nope")).rejects.toMatchObject({ code: "WORKFLOW_NOT_FOUND" });
  });

  it("says so when a queue in memory has lost an output", async () => {
    await using kit = await openKit();
    await kit.submit(CHAIN);
    await kit.finish();
    kit.queue.tasks.clear();
    await expect(kit.result()).rejects.toMatchObject({
      code: "TASK_NOT_FOUND",
      details: { taskId: "w/a/0/0" },
    });
  });

  it("waits for a queue that is away, and ends when the caller gives up", async () => {
    await using kit = await openKit();
    await kit.submit(CHAIN);
    await kit.finish();
    kit.queue.kill();
    const patient = watch(kit.call.result({ workflowId: "w" }, fakeMessage()));
    const caller = new AbortController();
    const hasty = watch(kit.call.result({ workflowId: "w" }, fakeMessage({ signal: caller.signal })));
    await kit.settle();
    caller.abort(fault("CANCELLED", { what: "the call" }));
    await kit.settle();
    expect([patient.settled, isFault(hasty.error)]).toEqual([false, true]);
    kit.queue.link.revive();
    await kit.settle();
    expect(patient.value?.state).toBe("completed");
  });
});

describe("the file", () => {
  const refs = (kit: SchedulerKit): { queue: typeof kit.queue.ref; cache: typeof kit.cache.ref } => ({
    queue: kit.queue.ref,
    cache: kit.cache.ref,
  });

  it("is not needed with durability memory", async () => {
    await using kit = new SchedulerKit();
    const { context, stop } = fakeActor(Scheduler, { refs: refs(kit) });
    const handlers = await schedulerBehaviour.setup(context, {
      directory: null,
      durability: "memory",
      keptTasks: 1,
      keptMs: 1,
    });
    expect(handlers.list({ offset: 0, limit: 1 }, fakeMessage())).toEqual({ runs: [], total: 0 });
    await stop();
  });

  it("needs a directory with every other durability", async () => {
    await using kit = new SchedulerKit();
    const { context } = fakeActor(Scheduler, { refs: refs(kit) });
    const setup = (): unknown =>
      schedulerBehaviour.setup(context, {
        directory: null,
        durability: "flushed",
        keptTasks: 1,
        keptMs: 1,
      });
    expect(setup).toThrow(expect.objectContaining({ code: "INVALID_ARGUMENT" }));
  });
});

describe("a backup of the scheduler", () => {
  it("has every run that was acknowledged, at an absolute path", async () => {
    await using kit = await openKit();
    await kit.submit(CHAIN);
    const path = join(kit.directory, "copy.sqlite");
    const backup = async (to: string) => kit.call.backup({ path: to }, fakeMessage());
    await expect(backup("copy.sqlite")).rejects.toMatchObject({ code: "INVALID_ARGUMENT" });
    await expect(backup(path)).resolves.toMatchObject({ sizeBytes: expect.any(Number) as number });
    const { clock, turns: scheduler } = kit;
    await using copy = openStore({ path, migrations: RUN_MIGRATIONS, clock, scheduler });
    expect(
      [...new RunRows(copy).every()].map(({ workflowId, state, summary }) => [workflowId, state, summary]),
    ).toEqual([["w", "running", null]]);
  });
});
