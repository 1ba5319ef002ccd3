import { describe, expect, it } from "vitest";

import { packValue, unpackValue } from "../../src/codec/index.ts";
import { RunCore } from "../../src/workflow/run.core.ts";
import type { FailurePolicy, StepDefinition } from "../../src/workflow/workflow.protocol.ts";
import { dagOf, step, workflow } from "./kit/definitions.ts";
import { RunWorld } from "./kit/run-world.ts";

const world = (steps: readonly StepDefinition[], onFailure: FailurePolicy = "skip_dependents"): RunWorld =>
  new RunWorld(workflow(steps, { onFailure }));

/** a -> b -> d, a -> c -> d, and x alone. */
const DIAMOND = [step("a"), step("b", ["a"]), step("c", ["a"]), step("d", ["b", "c"]), step("x")];

describe("scheduling", () => {
  it("starts a step as soon as its own dependencies have ended, whatever its level", () => {
    const run = world([step("a"), step("slow"), step("b", ["a"]), step("c", ["b"])]).start();
    expect(run.submitted).toEqual(["a", "slow"]);
    run.complete("a").complete("b");
    expect(run.submitted).toEqual(["a", "slow", "b", "c"]);
    expect(run.states).toBe("a:completed slow:ready b:completed c:ready");
  });

  it("completes a run when its last step has completed, and says so last", () => {
    const run = world(DIAMOND).start();
    for (const id of ["a", "b", "x", "c"]) run.complete(id);
    expect([run.core.state, run.ends]).toEqual(["running", 0]);
    run.complete("d");
    expect(run.core.status()).toMatchObject({
      state: "completed",
      progress: 1,
      stepsTotal: 5,
      stepsEnded: 5,
      error: null,
    });
    expect(run.effects.at(-1)?.type).toBe("ended");
    expect(run.events.at(-1)).toMatchObject({ state: "completed", step: null, progress: 1 });
    expect(run.ends).toBe(1);
  });

  it("makes a task of the step's own figures, and of the run's where it has none", () => {
    const more = { priority: 7, timeoutMs: 50, attempts: 3, action: "shout", inputs: { n: [1] } };
    const run = world([step("a", [], more), step("b")]).start();
    const { input, ...task } = run.core.taskOf("a") ?? { input: packValue(null) };
    expect(task).toEqual({
      taskId: "w/a/0/0",
      action: "shout",
      priority: 7,
      timeoutMs: 50,
      attempts: 3,
      group: "w",
    });
    expect(unpackValue(input)).toEqual({ n: [1] });
    expect(Object.keys(run.core.taskOf("b") ?? {})).toEqual([
      "taskId",
      "action",
      "input",
      "priority",
      "group",
    ]);
    expect(run.core.taskOf("b")?.priority).toBe(1);
  });

  it("has no task for a step that is not in the queue's hands", () => {
    const run = world(DIAMOND).start().complete("x");
    expect([run.core.taskOf("b"), run.core.taskOf("x"), run.core.taskOf("nowhere")]).toEqual([
      undefined,
      undefined,
      undefined,
    ]);
    expect(run.core.outstanding()).toEqual([{ stepId: "a", taskId: "w/a/0/0", running: false }]);
  });

  it("passes 30,000 chained failures on without running out of stack", () => {
    const chain = Array.from({ length: 30_000 }, (_, at) => {
      if (at === 0) return step("s0");
      return step(`s${at}`, [`s${at - 1}`], { inputs: { x: `\${{ steps.s${at - 1}.output }}` } });
    });
    const run = world(chain, "ignore").start().fail("s0");
    expect(run.core.status()).toMatchObject({ state: "completed", stepsEnded: 30_000 });
    expect(run.step("s29999").error?.code).toBe("REFERENCE_MISSING");
  });
});

describe("news of a step", () => {
  it("moves it through ready, running and its end, with attempt, progress and times", () => {
    const run = world([step("a")])
      .start()
      .started("a");
    run.take(run.core.stepProgressed("a", 0.5, "half", 1_001));
    expect(run.step("a")).toMatchObject({ state: "running", attempt: 1, progress: 0.5, startedAtMs: 1_000 });
    expect(run.events.at(-1)).toMatchObject({ message: "half", progress: 0.5 });
    run.started("a", 2);
    expect(run.step("a")).toMatchObject({ state: "running", attempt: 2, progress: 0 });
    run.take(run.core.stepInterrupted("a", 1_002));
    expect(run.step("a")).toMatchObject({ state: "ready", progress: 0 });
    run.started("a", 2).complete("a");
    expect(run.step("a")).toMatchObject({
      state: "completed",
      progress: 1,
      endedAtMs: 1_000,
      cached: false,
    });
  });

  it("keeps progress within 0 and 1, and counts running steps by their share", () => {
    const run = world([step("a"), step("b")])
      .start()
      .started("a")
      .started("b")
      .complete("a");
    run.take(run.core.stepProgressed("b", 7, null, 0));
    expect(run.core.progress).toBe(1);
    run.take(run.core.stepProgressed("b", -1, null, 0));
    expect(run.core.progress).toBe(0.5);
  });

  it("changes nothing when it is old, doubled, or of no step", () => {
    const run = world([step("a"), step("b", ["a"])])
      .start()
      .started("a");
    const before = run.events.length;
    run.started("a").started("b").started("nowhere");
    run.take(run.core.stepProgressed("b", 0.5, null, 0)).take(run.core.stepInterrupted("b", 0));
    run.complete("b").complete("nowhere");
    run.take(run.core.cacheAnswered("a", packValue(1), 0));
    expect(run.events.length).toBe(before);
    run.complete("a");
    const after = run.events.length;
    run.started("a").complete("a").fail("a");
    run.take(run.core.stepProgressed("a", 0.5, null, 0));
    expect([run.events.length, run.states]).toEqual([after, "a:completed b:ready"]);
  });

  it("is told in events without gaps, and the end is told once", () => {
    const run = world(DIAMOND, "fail_fast").start().started("a").started("x").fail("x").stop("a");
    expect(run.events.map(({ sequence }) => sequence)).toEqual(run.events.map((_, at) => at + 1));
    expect(run.events.filter(({ state }) => state === "failed").length).toBe(1);
    expect(run.cancel().fail("a").events.at(-1)?.state).toBe("failed");
    expect(run.ends).toBe(1);
  });

  it("takes a task without an output for one that returned nothing", () => {
    const run = world([step("a"), step("b", ["a"], { inputs: { x: "${{ steps.a.output }}" } })]).start();
    run.settle("a", { ...run.end("completed", "a"), output: null, endedAtMs: null });
    expect(unpackValue(run.core.taskOf("b")?.input ?? packValue(0))).toEqual({ x: null });
  });
});

describe("a failed step", () => {
  it("skips what waits for it, directly or not, names itself as the reason, and lets other branches go on", () => {
    const run = world([...DIAMOND, step("y", ["x"])])
      .start()
      .complete("a")
      .fail("b", "no disk");
    expect(run.states).toBe("a:completed b:failed c:ready d:skipped x:ready y:pending");
    expect(run.step("d").error).toMatchObject({
      code: "CANCELLED",
      message: 'step "d" was cancelled: it depends on step "b", which failed',
    });
    for (const id of ["c", "x", "y"]) run.complete(id);
    expect(run.core.status()).toMatchObject({
      state: "failed",
      progress: 4 / 6,
      stepsEnded: 6,
      error: {
        code: "WORKFLOW_FAILED",
        message: 'step "b" failed: echo failed: no disk',
        details: { workflowId: "w", step: "b" },
        cause: { code: "HANDLER_FAILED" },
      },
    });
  });

  it("with fail_fast cancels everything else, and the run fails when the last running step has stopped", () => {
    const run = world([...DIAMOND, step("y", ["x"])], "fail_fast")
      .start()
      .started("x")
      .fail("a");
    expect(run.states).toBe("a:failed b:cancelled c:cancelled d:cancelled x:running y:cancelled");
    expect(run.cancelled).toEqual([{ steps: ["x"], reason: 'step "a" failed', force: false }]);
    expect(run.core.state).toBe("running");
    run.complete("x");
    expect(run.core.status()).toMatchObject({ state: "failed", error: { details: { step: "a" } } });
    expect(run.states).toContain("x:completed y:cancelled");
  });

  it("with ignore counts as done, and the run completes", () => {
    const run = world(
      [step("a"), step("b", ["a"]), step("c", ["a"], { inputs: { x: "${{ steps.a.output }}" } })],
      "ignore",
    );
    run.start().fail("a");
    expect(run.states).toBe("a:failed b:ready c:failed");
    expect(run.step("c").error?.message).toContain('step "a" is failed and has no output');
    run.complete("b");
    expect(run.core.status()).toMatchObject({ state: "completed", progress: 1, error: null });
  });

  it("that failed first in time is the one that the run's error names", () => {
    const run = world([step("a"), step("b"), step("c")]).start();
    run.settle("a", { ...run.end("failed", "a", "late"), endedAtMs: 5_000 });
    run.settle("b", { ...run.end("failed", "b", "early"), endedAtMs: 4_000 });
    run.complete("c");
    expect(run.core.status().error?.message).toBe('step "b" failed: echo failed: early');
  });

  it("that gave no reason still has a sentence", () => {
    const run = world([step("a")]).start();
    run.settle("a", { ...run.end("failed", "a"), error: null });
    expect(run.core.status().error?.message).toBe(
      'step "a" failed: step "a" was cancelled: its task was cancelled',
    );
  });

  it.each(["a.nothing", "a.id.deeper"])("is one whose inputs refer to %s", (path) => {
    const [id = "", ...rest] = path.split(".");
    const inputs = { x: `\${{ steps.${id}.output.${rest.join(".")} }}` };
    const run = world([step("a"), step("b", ["a"], { inputs }), step("c", ["b"])])
      .start()
      .complete("a");
    expect(run.submitted).toEqual(["a"]);
    expect(run.states).toBe("a:completed b:failed c:skipped");
    expect(run.core.status().error).toMatchObject({
      code: "WORKFLOW_FAILED",
      cause: { code: "REFERENCE_MISSING" },
    });
  });

  it("is one that reads an output which cannot be decoded; nobody else suffers", () => {
    const run = world([
      step("a"),
      step("b", ["a"], { inputs: { x: "${{ steps.a.output }}" } }),
      step("c", ["a"]),
    ]).start();
    run.settle("a", { ...run.end("completed", "a"), output: new Uint8Array([0x92, 1]) });
    expect(run.states).toBe("a:completed b:failed c:ready");
    expect(run.step("b").error?.message).toContain("its output cannot be read");
  });
});

describe("a step whose task was cancelled by others", () => {
  it("counts as failed, but a real failure is named rather than it", () => {
    const run = world([step("a"), step("b", ["a"]), step("c")])
      .start()
      .stop("a");
    expect(run.step("b").error?.message).toContain('depends on step "a", which was cancelled');
    run.fail("c");
    expect(run.core.status()).toMatchObject({ state: "failed", error: { details: { step: "c" } } });
  });

  it("fails the run when nothing else did", () => {
    const run = world([step("a"), step("b")])
      .start()
      .stop("a")
      .complete("b");
    expect(run.core.status()).toMatchObject({ state: "failed", error: { cause: { code: "CANCELLED" } } });
  });
});

describe("cancelling", () => {
  it("ends at once what is not in the queue, and the run when nothing runs any more", () => {
    const run = world(DIAMOND).start().started("a").cancel("not wanted");
    expect(run.states).toBe("a:running b:cancelled c:cancelled d:cancelled x:ready");
    expect(run.cancelled).toEqual([{ steps: ["a", "x"], reason: "not wanted", force: false }]);
    expect([run.core.state, run.core.stopping?.reason]).toEqual(["cancelling", "not wanted"]);
    run.stop("x");
    expect(run.core.state).toBe("cancelling");
    run.stop("a");
    expect(run.core.status()).toMatchObject({
      state: "cancelled",
      error: { code: "CANCELLED", message: 'workflow "w" was cancelled: not wanted' },
    });
    expect(run.step("b").error?.message).toBe('step "b" was cancelled: not wanted');
  });

  it("never ends as completed, and starts nothing for a step that completes all the same", () => {
    const run = world([step("a"), step("b", ["a"])])
      .start()
      .started("a")
      .cancel()
      .complete("a");
    expect([run.core.state, run.states]).toEqual(["cancelled", "a:completed b:cancelled"]);
    expect(run.core.progress).toBe(0.5);
  });

  it("again changes nothing, and with force hurries what still runs", () => {
    const run = world([step("a")])
      .start()
      .cancel();
    const events = run.events.length;
    run.cancel("again");
    expect([run.cancelled.length, run.events.length]).toEqual([1, events]);
    run.cancel("now", true);
    expect(run.cancelled.at(-1)).toEqual({ steps: ["a"], reason: "now", force: true });
    run.stop("a");
    expect(run.core.status().error?.message).toBe('workflow "w" was cancelled: enough');
  });

  it("of a run that has ended changes nothing", () => {
    const run = world([step("a")])
      .start()
      .complete("a")
      .cancel();
    expect([run.core.state, run.cancelled, run.ends]).toEqual(["completed", [], 1]);
  });

  it("of a run that has not started ends it", () => {
    const run = world(DIAMOND).cancel();
    expect([run.core.state, run.ends, run.submitted]).toEqual(["cancelled", 1, []]);
    expect(run.events.map(({ state }) => state)).toEqual(run.events.map(() => "cancelled"));
  });

  it("overtakes a failure whose rest is still being stopped", () => {
    const run = world([step("a"), step("b")], "fail_fast")
      .start()
      .fail("a")
      .cancel()
      .stop("b");
    expect(run.core.state).toBe("cancelled");
  });
});

describe("a cached step", () => {
  const cached = { cacheTtlMs: 500, inputs: { x: 1 } };

  it("is looked up first, and completes without a task on a hit", () => {
    const run = world([
      step("a", [], cached),
      step("b", ["a"], { inputs: { y: "${{ steps.a.output.z }}" } }),
    ]).start();
    expect([run.lookedUp, run.submitted]).toEqual([["a"], []]);
    run.take(run.core.cacheAnswered("a", packValue({ z: 5 }), 1_007));
    expect(run.step("a")).toMatchObject({
      state: "completed",
      cached: true,
      progress: 1,
      endedAtMs: 1_007,
      attempt: 0,
    });
    expect(unpackValue(run.core.taskOf("b")?.input ?? packValue(0))).toEqual({ y: 5 });
    expect(run.stored).toEqual([]);
  });

  it("is submitted on a miss, and its output is kept under the same key", () => {
    const run = world([step("a", [], cached)]).start();
    run.take(run.core.cacheAnswered("a", null, 0)).complete("a", "made");
    const lookup = run.effects.find((effect) => effect.type === "lookUpCache");
    expect(run.stored).toEqual([
      { type: "storeInCache", key: lookup?.key, value: packValue("made"), ttlMs: 500 },
    ]);
  });

  it("does not keep the output of a failure", () => {
    const run = world([step("a", [], cached)]).start();
    run.take(run.core.cacheAnswered("a", null, 0)).fail("a");
    expect(run.stored).toEqual([]);
  });

  it("has a key of its action and its resolved inputs", () => {
    const keyOf = (more: Partial<StepDefinition>, output: unknown): string | undefined => {
      const run = world([
        step("a"),
        step("b", ["a"], { cacheTtlMs: 1, inputs: { x: "${{ steps.a.output }}" }, ...more }),
      ]);
      const lookup = run
        .start()
        .complete("a", output)
        .effects.find((effect) => effect.type === "lookUpCache");
      return lookup?.key;
    };
    expect(keyOf({}, { p: 1, q: 2 })).toBe(keyOf({ priority: 9 }, { q: 2, p: 1 }));
    expect(keyOf({}, 1)).not.toBe(keyOf({}, 2));
    expect(keyOf({}, 1)).not.toBe(keyOf({ action: "fail" }, 1));
  });

  it.each([{ cacheTtlMs: 0 }, { cacheTtlMs: 5, inputs: { half: "\ud800" } }])(
    "is not looked up with %j",
    (more) => {
      const run = world([step("a", [], more)]).start();
      expect([run.lookedUp, run.submitted]).toEqual([[], ["a"]]);
    },
  );

  it("is cancelled at once while the cache is being asked, and a late answer changes nothing", () => {
    const run = world([step("a", [], cached)])
      .start()
      .cancel();
    expect([run.core.state, run.cancelled]).toEqual(["cancelled", []]);
    run.take(run.core.cacheAnswered("a", packValue(1), 0));
    expect(run.states).toBe("a:cancelled");
  });
});

it("a graph of another definition is a defect", () => {
  expect(() => new RunCore(workflow(DIAMOND), dagOf(workflow([step("a")])), 0)).toThrow("defect");
});
