import { describe, expect, it } from "vitest";

import { packValue, unpackValue } from "../../src/codec/index.ts";
import { fault, toWireError } from "../../src/errors/index.ts";
import type { Wire } from "../../src/schema/index.ts";
import type { TaskOutcome } from "../../src/queue/queue.protocol.ts";
import { NO_MARKS, type RunMarks } from "../../src/workflow/run-memory.ts";
import type { StepDefinition, WorkflowDefinition } from "../../src/workflow/workflow.protocol.ts";
import { step, workflow } from "./kit/definitions.ts";
import { QUEUED } from "./kit/queued-task.ts";
import { RunWorld } from "./kit/run-world.ts";

const undone = (inputs: Readonly<Record<string, Wire>> = {}): Partial<StepDefinition> => ({
  compensate: { action: "undo", inputs },
});

/** `a` and `b` before `c`, `c` before `last`, which has nothing to undo. */
const TRIP = [
  step("a", [], undone()),
  step("b", [], undone()),
  step("c", ["a", "b"], undone()),
  step("last", ["c"]),
];
const open = (more: Partial<WorkflowDefinition> = {}, steps: readonly StepDefinition[] = TRIP): RunWorld =>
  new RunWorld(workflow(steps, more)).start();
const done = (run: RunWorld, ...names: string[]): RunWorld => {
  for (const name of names) run.complete(name);
  return run;
};
const failed = (more: Partial<WorkflowDefinition> = {}): RunWorld =>
  done(open(more), "a", "b", "c").fail("last");
/** `a:completed b:null`. */
const compensations = (run: RunWorld): string =>
  run.core
    .status()
    .steps.map(({ stepId, compensation }) => `${stepId}:${compensation}`)
    .join(" ");

describe("the compensation of a step", () => {
  it("is no part of a run that completes", () => {
    const run = done(open(), "a", "b", "c", "last");
    expect([run.core.state, compensations(run)]).toEqual(["completed", "a:null b:null c:null last:null"]);
    const ignored = done(open({ onFailure: "ignore" }), "a", "b", "c").fail("last");
    expect([ignored.core.state, ignored.inQueue]).toEqual(["completed", []]);
  });

  it("runs when the run is about to fail, in reverse, each when those of all that depend on it have ended", () => {
    const run = failed();
    expect([run.core.state, run.ends, run.inQueue]).toEqual(["running", 0, ["c/compensate"]]);
    expect(compensations(run)).toBe("a:pending b:pending c:pending last:null");
    run.started("c/compensate");
    expect(run.step("c").compensation).toBe("running");
    run.complete("c/compensate");
    expect(run.inQueue).toEqual(["a/compensate", "b/compensate"]);
    run.complete("b/compensate");
    expect(run.core.state).toBe("running");
    run.complete("a/compensate");
    expect(compensations(run)).toBe("a:completed b:completed c:completed last:null");
    expect(run.core.status()).toMatchObject({ state: "failed", error: { code: "WORKFLOW_FAILED" } });
    expect([run.ends, run.core.status().steps[0]?.state]).toEqual([1, "completed"]);
  });

  it("waits for those of steps that depend on it through others, which have none", () => {
    const run = open({}, [step("a", [], undone()), step("m", ["a"]), step("z", ["m"], undone()), step("x")]);
    done(run, "a", "m", "z").fail("x");
    expect(run.inQueue).toEqual(["z/compensate"]);
    expect(run.complete("z/compensate").inQueue).toEqual(["a/compensate"]);
  });

  it("waits until no step of the run executes any more", () => {
    const run = open({ onFailure: "fail_fast" }, [step("a", [], undone()), step("b"), step("c")]);
    run.started("b").complete("a").fail("c");
    expect(run.inQueue).toEqual(["b"]);
    expect(run.stop("b").inQueue).toEqual(["a/compensate"]);
  });

  it("concerns neither what did not complete, nor what came from the cache or from an earlier run", () => {
    const cached = open({}, [step("a", [], { ...undone(), cacheTtlMs: 5 }), step("b", ["a"], undone())]);
    cached.answered("a", packValue("there")).fail("b");
    expect([cached.core.state, compensations(cached)]).toEqual(["failed", "a:null b:null"]);
    const rerun = new RunWorld(workflow([step("a", [], undone()), step("b", ["a"])]));
    const kept = new Map([["a", new Map([[-1, { output: packValue(1), atMs: 5, reused: true }]])]]);
    rerun.take(rerun.core.start(5, kept)).fail("b");
    expect([rerun.core.state, compensations(rerun)]).toEqual(["failed", "a:null b:null"]);
  });

  it("of a step that fans out is one for all of its items, over the list of their outputs", () => {
    const each = { forEach: { items: ["x", "y"] }, inputs: { of: "${{ item }}" } };
    const run = open({}, [
      step("f", [], { ...each, ...undone({ all: "${{ steps.f.output }}" }) }),
      step("b", ["f"]),
    ]);
    run.complete("f[0]", 1).complete("f[1]", 2).fail("b");
    expect(run.inQueue).toEqual(["f/compensate"]);
    expect(unpackValue(run.spec("f/compensate")?.input ?? packValue(null))).toEqual({ all: [1, 2] });
  });

  it("gets its inputs from the step itself and from those before it, and the step's attempts and timeout", () => {
    const reads = { own: "${{ steps.b.output.id }}", before: "${{ steps.a.output }}", plain: 1 };
    const retried = { attempts: 3, timeoutMs: 500, backoff: { delayMs: 7 }, priority: 4, deadlineMs: 2_000 };
    const run = open({ timeoutMs: 1_000 }, [
      step("a"),
      step("b", ["a"], { ...undone(reads), ...retried }),
      step("c", ["b"]),
    ]);
    done(run, "a", "b").fail("c");
    const { input, ...spec } = run.spec("b/compensate") ?? { input: packValue(null) };
    expect(unpackValue(input)).toEqual({ own: "b", before: { id: "a" }, plain: 1 });
    expect(spec).toEqual({
      taskId: "w/b/compensate/0",
      action: "undo",
      group: "w",
      attempts: 3,
      timeoutMs: 500,
      backoff: { delayMs: 7 },
      priority: 4,
    });
  });

  it("that fails holds up no other, and is named in the error of the run, whose cause is why it failed", () => {
    const run = failed().fail("c/compensate", "no refund").complete("a/compensate").stop("b/compensate");
    expect(compensations(run)).toBe("a:completed b:failed c:failed last:null");
    expect(run.core.status()).toMatchObject({
      state: "failed",
      error: {
        code: "COMPENSATION_FAILED",
        message:
          'workflow "w" did not complete, and 2 of its steps could not be undone: b, c; the first: task of b/compensate was cancelled',
        cause: { code: "WORKFLOW_FAILED", details: { step: "last" } },
      },
    });
  });

  it("fails when its inputs lead nowhere", () => {
    const blind = { x: "${{ steps.a.output.none }}" };
    const run = open({}, [step("a", [], undone(blind)), step("b", ["a"])])
      .complete("a")
      .fail("b");
    expect(compensations(run)).toBe("a:failed b:null");
    const { error } = run.core.status();
    expect(error?.code).toBe("COMPENSATION_FAILED");
    expect(error?.message).toContain('could not be undone: a; the first: the inputs of step "a" refer');
    const forced = open({}, [step("a", [], undone(blind)), step("b", ["a"])])
      .complete("a")
      .cancel("now", true);
    expect(compensations(forced.stop("b"))).toBe("a:failed b:null");
  });

  it("goes back to waiting when what ran it died", () => {
    const run = failed().started("c/compensate").interrupted("c/compensate");
    expect(run.step("c").compensation).toBe("pending");
    run.started("c/compensate", 2).complete("c/compensate");
    expect(run.step("c").compensation).toBe("completed");
  });

  it("is told as a change of its step", () => {
    const run = failed();
    const before = run.events.length;
    run.started("c/compensate").fail("c/compensate", "no refund");
    const told = run.events
      .slice(before)
      .map(({ step: of, message }) => [of?.stepId, of?.compensation, message]);
    expect(told).toEqual([
      ["c", "running", "compensation: running"],
      ["c", "failed", "compensation failed: echo failed: no refund"],
    ]);
  });

  it("takes no more room in the queue than the run has", () => {
    const run = done(open({ maxConcurrency: 1 }), "a", "b", "c")
      .fail("last")
      .complete("c/compensate");
    expect(run.inQueue).toEqual(["a/compensate"]);
    expect(run.complete("a/compensate").inQueue).toEqual(["b/compensate"]);
  });

  it("runs through a chain of 15,000 steps without running out of stack", () => {
    const chain = Array.from({ length: 15_000 }, (_, at) =>
      step(`s${at}`, at === 0 ? [] : [`s${at - 1}`], at === 0 ? undone() : {}),
    );
    const run = open({}, chain);
    for (let at = 0; at < 14_999; at++) run.complete(`s${at}`);
    expect(run.fail("s14999").inQueue).toEqual(["s0/compensate"]);
  });
});

describe("a run that is cancelled", () => {
  it("undoes what was done, and is cancelling until that has ended", () => {
    const run = done(open(), "a", "b").cancel();
    expect([run.core.state, run.inQueue]).toEqual(["cancelling", ["c"]]);
    run.stop("c");
    expect([run.core.state, run.inQueue]).toEqual(["cancelling", ["a/compensate", "b/compensate"]]);
    expect(run.cancelled.map(({ steps }) => steps)).toEqual([["c"]]);
    done(run, "a/compensate", "b/compensate");
    expect(run.core.status()).toMatchObject({ state: "cancelled", error: { code: "CANCELLED" } });
  });

  it("by force undoes nothing", () => {
    const run = done(open(), "a", "b").cancel("enough", true).stop("c");
    expect([run.core.state, run.inQueue]).toEqual(["cancelled", []]);
    expect(compensations(run)).toBe("a:skipped b:skipped c:null last:null");
  });

  it("while it is undone goes on with that, and by force stops what runs and skips the rest", () => {
    const run = failed().cancel();
    expect([run.core.state, run.inQueue, run.cancelled]).toEqual(["cancelling", ["c/compensate"], []]);
    expect(run.core.tasksToCancel).toEqual([]);
    run.started("c/compensate").cancel("now", true);
    expect(run.cancelled.map(({ steps, force }) => [steps, force])).toEqual([[["c/compensate"], true]]);
    expect(run.core.tasksToCancel.length).toBe(1);
    run.stop("c/compensate");
    expect(compensations(run)).toBe("a:skipped b:skipped c:failed last:null");
    expect(run.core.status()).toMatchObject({
      state: "cancelled",
      error: { code: "COMPENSATION_FAILED", cause: { code: "CANCELLED" } },
    });
  });

  it("by force has skipped what the queue had not started", () => {
    const run = failed().cancel("now", true);
    const error = toWireError(fault("CANCELLED", { what: "task" }));
    run.settle("c/compensate", { ...run.end("cancelled", "c/compensate"), attempt: 0, error });
    expect(compensations(run)).toBe("a:skipped b:skipped c:skipped last:null");
    expect(run.core.status().error?.code).toBe("CANCELLED");
  });
});

describe("a run that is being undone", () => {
  it("can be paused: what has not started is given back, and asked for anew", () => {
    const run = failed({ onFailure: "fail_fast" }).pause();
    expect([run.core.state, run.withdrawn]).toEqual(["paused", [["c/compensate"]]]);
    run.giveBack("c/compensate");
    expect([run.core.state, run.inQueue]).toEqual(["paused", []]);
    expect(run.resume().submittedIds.at(-1)).toBe("w/c/compensate/1");
  });

  it("waits for its resumption when it was paused before, unless it is cancelled", () => {
    const paused = (): RunWorld => done(open(), "a", "b", "c").started("last").pause().fail("last");
    expect([paused().core.state, paused().inQueue]).toEqual(["paused", []]);
    expect(paused().resume().inQueue).toEqual(["c/compensate"]);
    expect(paused().cancel().inQueue).toEqual(["c/compensate"]);
  });

  it("has no time limit any more, and ends as the limit says that stopped it", () => {
    const run = failed({ timeoutMs: 10_000 });
    run.take(run.core.expire(run.nowMs));
    expect([run.inQueue, run.cancelled]).toEqual([["c/compensate"], []]);
    expect(run.spec("c/compensate")?.timeoutMs).toBeUndefined();
    const late = done(open({ timeoutMs: 10 }), "a", "b");
    late.take(late.core.expire(late.nowMs)).stop("c");
    expect(late.inQueue).toEqual(["a/compensate", "b/compensate"]);
    done(late, "a/compensate", "b/compensate");
    expect(late.core.status()).toMatchObject({ state: "failed", error: { code: "DEADLINE_EXCEEDED" } });
  });
});

describe("a run that is recovered", () => {
  const STEPS = [step("none", [], { forEach: { items: [] } }), step("a", [], undone()), step("b", ["a"])];
  const task = (name: string, more: Partial<TaskOutcome>): [string, TaskOutcome] => {
    const common = { ...QUEUED, taskId: `w/${name}/0`, action: "echo", group: "w", submittedAtMs: 1_000 };
    return [`w/${name}`, { ...common, attempt: 1, endedAtMs: 1_010, ...more }];
  };
  const recovered = (undo: Partial<TaskOutcome>, marks: Partial<RunMarks> = {}): RunWorld => {
    const run = new RunWorld(workflow(STEPS, { onFailure: "fail_fast" }));
    const tasks = new Map([
      task("a/0", { state: "completed", output: packValue(1) }),
      task("b/0", { state: "failed" }),
      task("a/compensate", { endedAtMs: null, ...undo }),
    ]);
    const memory = { tasks, kept: new Map(), marks: { ...NO_MARKS, ...marks } };
    return run.take(run.core.recover(memory, [], 2_000));
  };

  it("after a cancellation by force has what undoes its steps in the queue stopped", () => {
    const run = recovered({ state: "running" }, { cancel: { reason: "enough", force: true, atMs: 1_500 } });
    expect(run.cancelled.map(({ steps }) => steps)).toEqual([["a/compensate"]]);
    expect([run.core.state, run.step("a").compensation]).toEqual(["cancelling", "running"]);
  });

  it("takes the failure of what undid a step for no failure of a step, though the clock had been set back", () => {
    const run = recovered({ state: "failed", endedAtMs: 900 });
    expect(run.states).toBe("none:completed a:completed b:failed");
    expect(run.core.status()).toMatchObject({ state: "failed", error: { code: "COMPENSATION_FAILED" } });
  });
});
