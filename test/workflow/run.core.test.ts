import { describe, expect, it } from "vitest";

import { packValue, unpackValue } from "../../src/codec/index.ts";
import { WHOLE } from "../../src/workflow/run-memory.ts";
import { RunHandlers } from "../../src/workflow/run-handlers.ts";
import { RunCore } from "../../src/workflow/run.core.ts";
import type { FailurePolicy, StepDefinition } from "../../src/workflow/workflow.protocol.ts";
import { dagOf, step, workflow } from "./kit/definitions.ts";
import { RunWorld, handlerInfo } from "./kit/run-world.ts";

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
    const { input, ...task } = run.spec("a") ?? { input: packValue(null) };
    expect(task).toEqual({
      taskId: "w/a/0/0",
      action: "shout",
      priority: 7,
      timeoutMs: 50,
      attempts: 3,
      group: "w",
    });
    expect(unpackValue(input)).toEqual({ n: [1] });
    expect(Object.keys(run.spec("b") ?? {})).toEqual(["taskId", "action", "input", "priority", "group"]);
    expect(run.spec("b")?.priority).toBe(1);
  });

  it("hands the step's backoff and deadline on as they are", () => {
    const more = { backoff: { shape: "linear", delayMs: 7 }, deadlineMs: 9_000 } as const;
    const run = world([step("a", [], more)]).start();
    expect(run.spec("a")).toMatchObject(more);
  });

  it("has no task for a step that is not in the queue's hands", () => {
    const run = world(DIAMOND).start().complete("x");
    expect([run.spec("b"), run.spec("x"), run.spec("nowhere")]).toEqual([undefined, undefined, undefined]);
    expect(Array.from(run.core.tasks, ({ taskId, place }) => [taskId, place])).toEqual([
      ["w/a/0/0", "queue"],
    ]);
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
    run.progressed("a", 0.5, "half");
    expect(run.step("a")).toMatchObject({ state: "running", attempt: 1, progress: 0.5, startedAtMs: 1_000 });
    expect(run.events.at(-1)).toMatchObject({ message: "half", progress: 0.5 });
    run.started("a", 2);
    expect(run.step("a")).toMatchObject({ state: "running", attempt: 2, progress: 0 });
    run.interrupted("a");
    expect(run.step("a")).toMatchObject({ state: "ready", progress: 0 });
    run.started("a", 2).complete("a");
    expect(run.step("a")).toMatchObject({
      state: "completed",
      progress: 1,
      endedAtMs: 1_000,
      cached: false,
    });
  });

  it("says who has it, or had it last", () => {
    const run = world([step("a"), step("b")]).start();
    expect(run.step("a").workerId).toBeNull();
    run.started("a", 1, "peer:P");
    expect(run.step("a").workerId).toBe("peer:P");
    run.interrupted("a").started("a", 1, "local");
    expect(run.step("a").workerId).toBe("local");
    run.settle("a", { ...run.end("completed", "a"), workerId: "peer:Q" });
    expect(run.step("a")).toMatchObject({ state: "completed", workerId: "peer:Q" });
    expect(run.step("b").workerId).toBeNull();
  });

  it("names the workers that had any of its tasks, conditions included, the one that started last at the end", () => {
    const run = world([step("a", [], { when: "true" }), step("b"), step("c")]).start();
    expect(run.core.summary().workerIds).toEqual([]);
    run.started("a/when", 1, "local").complete("a/when", true);
    run.started("a", 1, "peer:P").started("b", 1, "local");
    expect(run.core.summary().workerIds).toEqual(["local", "peer:P"]);
    run.nowMs += 1;
    run.started("b", 2, "peer:Q").started("c", 1, "peer:Q");
    run.nowMs += 1;
    run.started("b", 3, "local");
    expect(run.core.status().workerIds).toEqual(["peer:P", "peer:Q", "local"]);
    run.started("b", 3, "local").settle("c", { ...run.end("completed", "c"), workerId: "peer:Q" });
    expect(run.core.workerIds.toSorted()).toEqual(["local", "peer:P", "peer:Q"]);
  });

  it("has it written down when a second worker joins, and not for one that has all", () => {
    const run = world([step("a"), step("b"), step("c")]).start();
    run.started("a", 1, "local").started("b", 1, "local").fail("a");
    expect(run.workersKept).toEqual([]);
    run.nowMs += 1;
    run.started("c", 1, "peer:P");
    run.nowMs += 1;
    run.started("b", 2, "local").started("c", 2, "peer:P");
    expect(run.workersKept).toEqual([["local", "peer:P"]]);
  });

  it("keeps progress within 0 and 1, and counts running steps by their share", () => {
    const run = world([step("a"), step("b")])
      .start()
      .started("a")
      .started("b")
      .complete("a");
    expect(run.progressed("b", -1).core.progress).toBe(0.5);
    expect(run.progressed("b", 0.5).core.progress).toBe(0.75);
    expect(run.progressed("b", 7).core.progress).toBe(1);
  });

  it("changes nothing when it is old, doubled, or of no step", () => {
    const run = world([step("a"), step("b", ["a"])])
      .start()
      .started("a");
    const before = run.events.length;
    run.started("a").started("b").started("nowhere");
    run.progressed("b", 0.5).interrupted("b");
    run.complete("b").complete("nowhere").answered("a", packValue(1));
    expect(run.events.length).toBe(before);
    run.complete("a");
    const after = run.events.length;
    run.started("a").complete("a").fail("a");
    run.progressed("a", 0.5).interrupted("a");
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
    expect(unpackValue(run.spec("b")?.input ?? packValue(0))).toEqual({ x: null });
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
      code: "DEPENDENCY_FAILED",
      message: 'step "d" cannot run: "b", on which it depends, is failed',
      cause: { code: "HANDLER_FAILED" },
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
    expect(run.step("b").error?.message).toContain('"a", on which it depends, is cancelled');
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

describe("at most so many tasks at a time", () => {
  const bounded = (steps: readonly StepDefinition[], maxConcurrency: number): RunWorld =>
    new RunWorld(workflow(steps, { maxConcurrency })).start();

  it("are in the queue; the others wait in line, in the order in which they entered it", () => {
    const run = bounded([step("a"), step("b"), step("c", ["b"]), step("d"), step("e")], 2);
    expect(run.submitted).toEqual(["a", "b"]);
    expect(run.states).toBe("a:ready b:ready c:pending d:ready e:ready");
    run.complete("b");
    expect(run.submitted).toEqual(["a", "b", "d"]);
    run.fail("a").complete("d");
    expect(run.submitted).toEqual(["a", "b", "d", "e", "c"]);
  });

  it("do not count what the cache is being asked for", () => {
    const cached = { cacheTtlMs: 5 };
    const run = bounded([step("a", [], cached), step("b", [], cached), step("c")], 1);
    expect([run.lookedUp, run.submitted]).toEqual([["a", "b"], ["c"]]);
    run.answered("a", null).answered("b", packValue(1));
    expect([run.submitted, run.states]).toEqual([["c"], "a:ready b:completed c:ready"]);
    expect(run.complete("c").submitted).toEqual(["c", "a"]);
  });

  it("let nobody in when the end of one stops the run", () => {
    const run = new RunWorld(
      workflow([step("a"), step("b")], { maxConcurrency: 1, onFailure: "fail_fast" }),
    ).start();
    expect(run.fail("a").submitted).toEqual(["a"]);
    expect([run.states, run.core.state]).toEqual(["a:failed b:cancelled", "failed"]);
  });

  it("leave nobody in line when the run is stopped", () => {
    const run = bounded([step("a"), step("b"), step("c")], 1).cancel();
    expect(run.states).toBe("a:ready b:cancelled c:cancelled");
    expect(run.stop("a").submitted).toEqual(["a"]);
    expect(run.core.state).toBe("cancelled");
  });
});

describe("a paused run", () => {
  it("asks nothing further of the queue, and takes back what has not started; what runs goes on", () => {
    const run = world([step("a"), step("b"), step("c", ["a"])])
      .start()
      .started("a")
      .pause();
    expect([run.core.state, run.withdrawn]).toEqual(["paused", [["b"]]]);
    run.giveBack("b").complete("a");
    expect([run.submitted, run.inQueue]).toEqual([["a", "b"], []]);
    expect(run.states).toBe("a:completed b:ready c:ready");
  });

  it("goes on where it stood, and asks under names that nobody has asked under before", () => {
    const run = world([step("a"), step("b", ["a"])])
      .start()
      .pause(1)
      .giveBack("a")
      .resume();
    expect(run.core.state).toBe("running");
    expect(run.spec("a")?.taskId).toBe("w/a/0/1");
    run.pause(2).giveBack("a").resume();
    expect(run.spec("a")?.taskId).toBe("w/a/0/2");
    run.complete("a");
    expect(run.spec("b")?.taskId).toBe("w/b/0/2");
    expect(run.complete("b").core.state).toBe("completed");
  });

  it("keeps what the queue would not give back", () => {
    const run = world([step("a")])
      .start()
      .pause()
      .started("a")
      .giveBack()
      .resume();
    expect([run.submitted, run.spec("a")?.taskId]).toEqual([["a"], "w/a/0/0"]);
    expect(run.complete("a").core.state).toBe("completed");
  });

  it("believes the queue that gave back what had been interrupted unnoticed", () => {
    const run = world([step("a")])
      .start()
      .pause()
      .started("a")
      .giveBack("a");
    expect([run.states, run.inQueue]).toEqual(["a:ready", []]);
    expect(run.resume().submitted).toEqual(["a", "a"]);
  });

  it("ends when its last step has ended, and fails when one of them has failed", () => {
    const run = world([step("a")])
      .start()
      .started("a")
      .pause();
    expect(run.complete("a").core.state).toBe("completed");
    expect(
      world([step("a")])
        .start()
        .started("a")
        .pause()
        .fail("a").core.state,
    ).toBe("failed");
  });

  it("can be cancelled, which ends the pause", () => {
    const run = world([step("a"), step("b", ["a"])])
      .start()
      .started("a")
      .pause()
      .cancel();
    expect([run.core.state, run.states]).toEqual(["cancelling", "a:running b:cancelled"]);
    expect(run.stop("a").core.state).toBe("cancelled");
  });

  it("that is cancelled while its tasks are on their way back has them cancelled", () => {
    const run = world([step("a")])
      .start()
      .pause()
      .cancel()
      .giveBack("a");
    expect([run.core.state, run.states]).toEqual(["cancelled", "a:cancelled"]);
  });

  it("that had not started goes back to waiting, or starts when nobody is left to wait for", () => {
    const open = (): RunWorld => new RunWorld(workflow([step("a")], { dependencies: ["u"] })).start().pause();
    const ended = { workflowId: "u", state: "completed", error: null } as const;
    expect([open().core.state, open().resume().core.state]).toEqual(["paused", "submitted"]);
    const run = open();
    run.take(run.core.dependencyEnded(ended, run.nowMs));
    expect([run.core.state, run.submitted]).toEqual(["paused", []]);
    run.resume();
    expect([run.core.state, run.submitted]).toEqual(["running", ["a"]]);
    const doomed = open();
    doomed.take(doomed.core.dependencyEnded({ ...ended, state: "failed" }, doomed.nowMs));
    expect(doomed.core.state).toBe("failed");
  });

  it("is paused once, and resumed once", () => {
    const run = world([step("a")])
      .start()
      .pause(1);
    const events = run.events.length;
    expect(run.pause(2).events.length).toBe(events);
    run.giveBack("a").resume();
    expect(run.resume().submitted).toEqual(["a", "a"]);
    expect(run.spec("a")?.taskId).toBe("w/a/0/1");
  });

  it("looks nothing up either", () => {
    const run = world([step("a"), step("b", ["a"], { cacheTtlMs: 5 })])
      .start()
      .started("a")
      .pause();
    run.complete("a").answered("b", null);
    expect([run.lookedUp, run.submitted]).toEqual([["b"], ["a"]]);
    expect(run.resume().submitted).toEqual(["a", "b"]);
  });
});

describe("a rerun", () => {
  const kept = (atMs = 1_000) =>
    new Map([["a", new Map([[WHOLE, { output: packValue({ z: 5 }), atMs, reused: true }]])]]);
  const STEPS = [
    step("a", [], { cacheTtlMs: 5 }),
    step("b", ["a"], { inputs: { y: "${{ steps.a.output.z }}" } }),
  ];

  it("takes over what it is given, asks nobody for it, and goes on from there", () => {
    const run = new RunWorld(workflow(STEPS));
    run.take(run.core.start(run.nowMs, kept()));
    expect([run.lookedUp, run.submitted]).toEqual([[], ["b"]]);
    expect(run.step("a")).toMatchObject({
      state: "completed",
      reused: true,
      cached: false,
      endedAtMs: 1_000,
    });
    expect(unpackValue(run.spec("b")?.input ?? packValue(0))).toEqual({ y: 5 });
  });

  it("takes it over also when it has to wait for others first", () => {
    const run = new RunWorld(workflow(STEPS, { dependencies: ["u"] }));
    run.take(run.core.start(run.nowMs, kept()));
    expect(run.states).toBe("a:pending b:pending");
    run.take(run.core.dependencyEnded({ workflowId: "u", state: "completed", error: null }, 2_000));
    expect([run.states, run.submitted]).toEqual(["a:completed b:ready", ["b"]]);
  });
});

describe("urgency", () => {
  const prioritiesOf = (run: RunWorld): Record<string, number | undefined> =>
    Object.fromEntries(run.inQueue.map((id) => [id, run.spec(id)?.priority]));

  it("is lent by steps to all that they wait for, directly or not", () => {
    const steps = [
      step("a", [], { deadlineMs: 9_000 }),
      step("b", ["a"]),
      step("c", ["b"], { priority: 7, deadlineMs: 5_000 }),
      step("d", ["a"], { priority: 3 }),
      step("x"),
    ];
    const run = world(steps).start();
    expect(prioritiesOf(run)).toEqual({ a: 7, x: 1 });
    expect([run.spec("a")?.deadlineMs, run.spec("x")?.deadlineMs]).toEqual([5_000, undefined]);
    expect(prioritiesOf(run.complete("a"))).toEqual({ x: 1, b: 7, d: 3 });
  });

  it("lets the most urgent of the line in first", () => {
    const steps = [
      step("a"),
      step("low"),
      step("mid", [], { priority: 2 }),
      step("heir"),
      step("top", ["heir"], { priority: 9 }),
      step("soon", [], { deadlineMs: 1 }),
    ];
    const run = new RunWorld(workflow(steps, { maxConcurrency: 1 })).start();
    const order: string[] = [];
    for (let [next] = run.inQueue; next !== undefined; [next] = run.inQueue) {
      order.push(next);
      run.complete(next);
    }
    expect(order).toEqual(["heir", "top", "mid", "soon", "a", "low"]);
  });

  it("is taken back when the step that lent it is skipped or cancelled, and the queue is told", () => {
    const steps = [
      step("a"),
      step("b"),
      step("c", ["a", "b"], { priority: 9 }),
      step("d", ["b"], { priority: 4 }),
    ];
    const run = world(steps).start();
    expect(prioritiesOf(run)).toEqual({ a: 9, b: 9 });
    run.fail("a");
    expect([run.states, run.reprioritized]).toEqual([
      "a:failed b:ready c:skipped d:pending",
      [{ step: "b", priority: 4 }],
    ]);
    expect(run.spec("b")?.priority).toBe(4);
  });

  it("is lent by runs that wait for this one, to every step, and taken back when they do not any more", () => {
    const run = world([step("a"), step("b", ["a"], { priority: 3 }), step("c", [], { priority: 8 })]).start();
    const lend = (priority: number, deadlineMs = Infinity): boolean => {
      const { hasChanged, effects } = run.core.lend({ priority, deadlineMs }, run.nowMs);
      run.take(effects);
      return hasChanged;
    };
    expect(lend(5)).toBe(true);
    expect(lend(5)).toBe(false);
    expect(run.reprioritized).toEqual([{ step: "a", priority: 5 }]);
    expect(run.core.urgency).toEqual({ priority: 8, deadlineMs: Infinity });
    expect(lend(-Infinity)).toBe(true);
    expect(run.reprioritized.slice(1)).toEqual([{ step: "a", priority: 3 }]);
    expect(lend(6, 7_000)).toBe(true);
    expect(run.complete("a").spec("b")).toMatchObject({ priority: 6, deadlineMs: 7_000 });
  });

  it("of what waits in line changes its place there", () => {
    const steps = [step("a"), step("b"), step("c"), step("d", ["c", "x"], { priority: 9 }), step("x")];
    const run = new RunWorld(workflow(steps, { maxConcurrency: 2 })).start();
    expect(run.inQueue).toEqual(["c", "x"]);
    const other = new RunWorld(
      workflow([step("a"), step("x"), step("b"), step("c"), step("d", ["c", "x"], { priority: 9 })], {
        maxConcurrency: 1,
        onFailure: "skip_dependents",
      }),
    ).start();
    expect(other.inQueue).toEqual(["x"]);
    expect(other.fail("x").inQueue).toEqual(["a"]);
    expect(other.complete("a").inQueue).toEqual(["b"]);
  });
});

describe("a run with a deadline", () => {
  const DUE = [step("a", [], { timeoutMs: 400 }), step("b"), step("c", ["a"])];
  const due = (more: { timeoutMs?: number; deadlineMs?: number }, steps = DUE): RunWorld =>
    new RunWorld(workflow(steps, more), {
      handlers: [handlerInfo("echo", { timeoutMs: 300 })],
    }).start();
  const expire = (run: RunWorld): RunWorld => {
    run.nowMs = run.core.deadlineMs;
    return run.take(run.core.expire(run.nowMs));
  };

  it("has the earlier one of its deadline and its timeout, and says so", () => {
    expect(due({ timeoutMs: 500 }).core.status().deadlineMs).toBe(1_500);
    expect(due({ timeoutMs: 500, deadlineMs: 1_200 }).core.deadlineMs).toBe(1_200);
    expect(due({}).core.status().deadlineMs).toBe(null);
    expect(due({}).core.deadlineMs).toBe(Infinity);
  });

  it("gives each task no more time than is left, and none that its handler would not have", () => {
    const run = due({ timeoutMs: 500 });
    expect([run.spec("a")?.timeoutMs, run.spec("b")?.timeoutMs]).toEqual([400, undefined]);
    run.nowMs = 1_150;
    expect([run.spec("a")?.timeoutMs, run.spec("b")?.timeoutMs]).toEqual([350, undefined]);
    run.nowMs = 1_299.5;
    expect([run.spec("a")?.timeoutMs, run.spec("b")?.timeoutMs]).toEqual([201, 201]);
    run.nowMs = 9_999;
    expect(run.spec("b")?.timeoutMs).toBe(1);
  });

  it("orders its tasks by the earlier one of its deadline and theirs", () => {
    const steps = [step("a", [], { deadlineMs: 1_100 }), step("b", [], { deadlineMs: 7_000 })];
    const run = due({ timeoutMs: 500 }, steps);
    expect([run.spec("a")?.deadlineMs, run.spec("b")?.deadlineMs]).toEqual([1_100, 1_500]);
  });

  it("is stopped when that has passed, and fails when nothing of it runs any more", () => {
    const run = expire(due({ timeoutMs: 500 }).started("a"));
    expect(run.states).toBe("a:running b:ready c:cancelled");
    expect(run.cancelled).toEqual([
      { steps: ["a", "b"], reason: "the time of the run is over", force: false },
    ]);
    run.stop("b").complete("a");
    expect(run.core.status()).toMatchObject({
      state: "failed",
      error: { code: "DEADLINE_EXCEEDED", message: 'workflow "w" did not end within 0.5 s' },
    });
  });

  it("names the step that had failed before as the cause, and none that fails after", () => {
    const failedBefore = expire(due({ timeoutMs: 500 }).fail("b")).stop("a");
    expect(failedBefore.core.status().error).toMatchObject({
      code: "DEADLINE_EXCEEDED",
      cause: { code: "WORKFLOW_FAILED", details: { step: "b" } },
    });
    const failedAfter = expire(due({ timeoutMs: 500 }))
      .fail("a")
      .fail("b");
    expect(failedAfter.core.status().error?.cause).toBeUndefined();
  });

  it("is not stopped twice, nor when it has ended", () => {
    const cancelled = expire(due({ timeoutMs: 500 }).cancel());
    expect(cancelled.cancelled.length).toBe(1);
    expect(cancelled.stop("a").stop("b").core.state).toBe("cancelled");
    const done = due({ timeoutMs: 500 }, [step("a")]).complete("a");
    expect(expire(done).core.state).toBe("completed");
  });

  it("can still be cancelled while it is being stopped", () => {
    const run = expire(due({ timeoutMs: 500 })).cancel();
    expect(run.stop("a").stop("b").core.state).toBe("cancelled");
  });
});

describe("a run that waits for others", () => {
  const waiting = (): RunWorld =>
    new RunWorld(workflow([step("a"), step("b", ["a"])], { dependencies: ["u", "v"] })).start();
  const ended = (run: RunWorld, workflowId: string, state: "completed" | "failed" | "cancelled"): RunWorld =>
    run.take(run.core.dependencyEnded({ workflowId, state, error: null }, ++run.nowMs));

  it("starts when all of them have completed", () => {
    const run = waiting();
    expect(run.core.status()).toMatchObject({
      state: "submitted",
      startedAtMs: null,
      waitsFor: ["u", "v"],
    });
    ended(ended(run, "v", "completed"), "v", "completed");
    expect([run.core.state, run.core.status().waitsFor, run.submitted]).toEqual(["submitted", ["u"], []]);
    ended(run, "u", "completed");
    expect(run.core.status()).toMatchObject({ state: "running", startedAtMs: 1_003, waitsFor: [] });
    expect(run.submitted).toEqual(["a"]);
  });

  it.each(["failed", "cancelled"] as const)(
    "fails when one of them has %s, and skips every step",
    (state) => {
      const run = ended(waiting(), "u", state);
      expect([run.core.state, run.states, run.ends]).toEqual(["failed", "a:skipped b:skipped", 1]);
      expect(run.core.status().error).toMatchObject({
        code: "DEPENDENCY_FAILED",
        message: `workflow "w" cannot run: "u", on which it depends, is ${state}`,
      });
      expect(run.step("b").error?.message).toBe(`step "b" cannot run: "u", on which it depends, is ${state}`);
      ended(run, "v", "completed");
      expect([run.core.state, run.ends]).toEqual(["failed", 1]);
    },
  );

  it("ends at once when it is cancelled, or its time is over", () => {
    expect(waiting().cancel().core.state).toBe("cancelled");
    const late = new RunWorld(workflow([step("a")], { dependencies: ["u"], timeoutMs: 5 })).start();
    late.nowMs = 1_005;
    late.take(late.core.expire(late.nowMs));
    expect(late.core.status()).toMatchObject({ state: "failed", error: { code: "DEADLINE_EXCEEDED" } });
  });
});

describe("the progress of a run", () => {
  const remembered = { quick: { sha256: null, expectedMs: 100 }, slow: { sha256: null, expectedMs: 900 } };
  const steps = [step("a", [], { action: "quick" }), step("b", [], { action: "slow" })];
  const open = (): RunWorld => new RunWorld(workflow(steps), { remembered }).start();

  it("weighs each step by how long it is expected to take", () => {
    expect(open().complete("a").core.progress).toBe(0.1);
    expect(open().started("b").progressed("b", 0.5).core.progress).toBe(0.45);
    expect(open().complete("b").core.progress).toBe(0.9);
  });

  it("never goes back, although a step does that is tried again", () => {
    const run = open().started("b").progressed("b", 0.5).started("b", 2);
    expect([run.step("b").progress, run.core.progress]).toEqual([0, 0.45]);
    expect(run.progressed("b", 0.4).core.progress).toBe(0.45);
    expect(run.progressed("b", 0.6).core.progress).toBe(0.54);
  });

  it("counts a step of an action that never ran as one second", () => {
    const odd = [step("a", [], { action: "slow" }), step("b", [], { action: "new" })];
    const run = new RunWorld(workflow(odd), { remembered }).start().complete("a");
    expect(run.core.progress).toBe(900 / 1_900);
  });
});

describe("the handlers of a run", () => {
  const old = { echo: { sha256: "ab", expectedMs: 1 }, shout: { sha256: null, expectedMs: 1 } };
  const known = (sha256: string | null): ReadonlyMap<string, ReturnType<typeof handlerInfo>> =>
    new Map(["echo", "shout"].map((name) => [name, handlerInfo(name, { moduleSha256: sha256 })]));

  it("are said to have changed when the modules that have them are others than at the submit", () => {
    const run = new RunWorld(workflow([step("a"), step("b", [], { action: "shout" })]), {
      remembered: old,
      handlers: [],
    }).start();
    expect(run.core.status().handlersChanged).toEqual([]);
    run.core.know(known("cd"));
    expect(run.core.status().handlersChanged).toEqual(["echo", "shout"]);
    run.core.know(new Map([["echo", handlerInfo("echo", { moduleSha256: "ab" })]]));
    expect(run.core.status().handlersChanged).toEqual([]);
  });

  it("make another key in the cache when their module is another", () => {
    const keyOf = (moduleSha256: string | null): string | undefined => {
      const run = new RunWorld(workflow([step("a", [], { cacheTtlMs: 5 })]), {
        handlers: [handlerInfo("echo", { moduleSha256 })],
      }).start();
      return run.effects.find((effect) => effect.type === "lookUpCache")?.key;
    };
    expect(keyOf("ab")).toBe(keyOf("ab"));
    expect(new Set([keyOf("ab"), keyOf("cd"), keyOf(null)]).size).toBe(3);
  });

  it("have nothing cached while their modules are not known, nor what another version has made", () => {
    const cachedStep = [step("a", [], { cacheTtlMs: 5 })];
    const unknown = new RunWorld(workflow(cachedStep), { handlers: [] }).start();
    expect([unknown.lookedUp, unknown.submitted]).toEqual([[], ["a"]]);
    const run = new RunWorld(workflow(cachedStep)).start().answered("a", null);
    run.core.know(known("cd"));
    expect(run.complete("a").stored).toEqual([]);
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
    run.nowMs = 1_007;
    run.answered("a", packValue({ z: 5 }));
    expect(run.step("a")).toMatchObject({
      state: "completed",
      cached: true,
      progress: 1,
      endedAtMs: 1_007,
      attempt: 0,
    });
    expect(unpackValue(run.spec("b")?.input ?? packValue(0))).toEqual({ y: 5 });
    expect(run.stored).toEqual([]);
  });

  it("is submitted on a miss, and its output is kept under the same key", () => {
    const run = world([step("a", [], cached)]).start();
    run.answered("a", null).complete("a", "made");
    const lookup = run.effects.find((effect) => effect.type === "lookUpCache");
    expect(run.stored).toEqual([
      { type: "storeInCache", key: lookup?.key, value: packValue("made"), ttlMs: 500 },
    ]);
  });

  it("does not keep the output of a failure", () => {
    const run = world([step("a", [], cached)]).start();
    run.answered("a", null).fail("a");
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

  it("is not looked up when it is not to be kept", () => {
    const run = world([step("a", [], { cacheTtlMs: 0 })]).start();
    expect([run.lookedUp, run.submitted]).toEqual([[], ["a"]]);
  });

  it("is cancelled at once while the cache is being asked, and a late answer changes nothing", () => {
    const run = world([step("a", [], cached)])
      .start()
      .cancel();
    expect([run.core.state, run.cancelled]).toEqual(["cancelled", []]);
    run.answered("a", packValue(1));
    expect(run.states).toBe("a:cancelled");
  });
});

it("a graph of another definition is a defect", () => {
  const parts = { definition: workflow(DIAMOND), dag: dagOf(workflow([step("a")])) };
  const handlers = new RunHandlers({}, undefined);
  expect(() => new RunCore({ ...parts, handlers, submittedAtMs: 0 })).toThrow("defect");
});
