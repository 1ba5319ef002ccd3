import { describe, expect, it } from "vitest";

import { Reference, packValue, unpackValue } from "../../src/codec/index.ts";
import { LIMITS, fault, toWireError } from "../../src/errors/index.ts";
import type { Wire } from "../../src/schema/index.ts";
import type {
  FailurePolicy,
  ForEach,
  StepDefinition,
  WorkflowDefinition,
} from "../../src/workflow/workflow.protocol.ts";
import { step, workflow } from "./kit/definitions.ts";
import { RunWorld } from "./kit/run-world.ts";

const inputOf = (run: RunWorld, name: string): unknown => {
  const spec = run.spec(name);
  return spec && unpackValue(spec.input);
};

describe("a condition", () => {
  const WHEN = [
    step("a"),
    step("b", ["a"], { when: "steps.a.output.n > 1" }),
    step("c", ["b"]),
    step("d", ["c", "a"]),
    step("x", ["a"]),
  ];
  const open = (more: Partial<WorkflowDefinition> = {}): RunWorld =>
    new RunWorld(workflow(WHEN, { metadata: { kind: "test" }, ...more })).start().complete("a", { n: 3 });

  it("is evaluated by a handler, over the ends of the steps that the step depends on", () => {
    const run = open();
    expect(run.submitted).toEqual(
      ["a", "x", "b/when"].toSorted((a, b) => run.submitted.indexOf(a) - run.submitted.indexOf(b)),
    );
    expect(run.spec("b/when")).toMatchObject({
      taskId: "w/b/when/0",
      action: "transform",
      timeoutMs: LIMITS.workflow.conditionMs,
    });
    expect(inputOf(run, "b/when")).toEqual({
      expression: "(steps.a.output.n > 1\n) ? true : false",
      input: { steps: { a: { state: "completed", output: { n: 3 } } }, metadata: { kind: "test" } },
    });
    expect(run.step("b")).toMatchObject({ state: "ready", startedAtMs: null });
  });

  it("that is true lets the step run, and no sooner", () => {
    const run = open().started("b/when");
    expect(run.step("b").state).toBe("ready");
    run.complete("b/when", true);
    expect(run.submitted).toContain("b");
    expect(run.complete("b").states).toBe("a:completed b:completed c:ready d:pending x:ready");
  });

  it.each([false, null, 0, "true", undefined])(
    "that gives %s skips it, and all that waits for it",
    (value) => {
      const run = open().complete("b/when", value);
      expect(run.states).toBe("a:completed b:skipped c:skipped d:skipped x:ready");
      expect(run.step("b").error).toMatchObject({
        code: "CONDITION_FALSE",
        message: 'step "b" is skipped: its condition is false',
      });
      expect(run.step("d").error).toMatchObject({
        code: "CONDITION_FALSE",
        message: 'step "d" is skipped: the condition of step "b", on which it depends, is false',
      });
      expect(run.core.progress).toBe(0.8);
      expect(run.complete("x").core.status()).toMatchObject({ state: "completed", progress: 1, error: null });
    },
  );

  it("that fails is the failure of its step", () => {
    const run = open().fail("b/when", "no such function");
    expect(run.states).toBe("a:completed b:failed c:skipped d:skipped x:ready");
    expect(run.complete("x").core.status()).toMatchObject({
      state: "failed",
      error: { details: { step: "b" }, cause: { code: "HANDLER_FAILED" } },
    });
  });

  it("sees the state of a step that failed and was ignored, and no output of it", () => {
    const steps = [step("a"), step("b", ["a"], { when: "steps.a.state = 'failed'" })];
    const run = new RunWorld(workflow(steps, { onFailure: "ignore" })).start().fail("a");
    expect(inputOf(run, "b/when")).toMatchObject({ input: { steps: { a: { state: "failed" } } } });
    expect(run.complete("b/when", true).submitted).toEqual(["a", "b/when", "b"]);
  });

  it("that is false is no failure where failures are ignored either: what waits for it is skipped", () => {
    const run = open({ onFailure: "ignore" }).complete("b/when", false).complete("x");
    expect([run.states, run.core.state]).toEqual([
      "a:completed b:skipped c:skipped d:skipped x:completed",
      "completed",
    ]);
  });

  it("is stopped with its run, and what it says then starts nothing", () => {
    const run = open().started("b/when").cancel();
    expect(run.states).toBe("a:completed b:ready c:cancelled d:cancelled x:ready");
    expect(run.complete("b/when", true).states).toContain("b:cancelled");
    const queued = open().cancel().stop("b/when");
    expect(queued.states).toContain("b:cancelled");
    const steps = [step("x"), step("b", [], { when: "true" })];
    const inLine = new RunWorld(workflow(steps, { maxConcurrency: 1 })).start();
    expect(inLine.inQueue).toEqual(["x"]);
    expect(inLine.cancel().states).toContain("b:cancelled");
  });

  it("comes before the cache is asked", () => {
    const run = new RunWorld(workflow([step("a", [], { when: "true", cacheTtlMs: 5 })])).start();
    expect([run.lookedUp, run.submitted]).toEqual([[], ["a/when"]]);
    run.complete("a/when", true);
    expect([run.lookedUp, run.submitted]).toEqual([["a"], ["a/when"]]);
  });

  it("whose handler died is in line again, and can be asked for anew after a pause", () => {
    const run = new RunWorld(workflow([step("a", [], { when: "true" })])).start().started("a/when");
    run.interrupted("a/when").pause().giveBack("a/when").resume();
    expect(run.submittedIds).toEqual(["w/a/when/0", "w/a/when/1"]);
    expect(run.complete("a/when", true).spec("a")?.taskId).toBe("w/a/0/1");
  });

  it("fails its step when it cannot be asked", () => {
    const steps = [step("__proto__"), step("b", ["__proto__"], { when: "true" })];
    const run = new RunWorld(workflow(steps)).start().complete("__proto__", 7);
    expect(run.step("b")).toMatchObject({ state: "failed", error: { code: "NOT_A_WIRE_VALUE" } });
  });
});

describe("a step that fans out", () => {
  const fan = (forEach: ForEach, more: Partial<StepDefinition> = {}): StepDefinition =>
    step("f", ["a"], { forEach, inputs: { x: "${{ item }}", at: "${{ index }}" }, ...more });
  const JOIN = step("j", ["f"], { inputs: { all: "${{ steps.f.output }}" } });
  const open = (
    items: Wire,
    {
      policy = "skip_dependents",
      ...more
    }: { policy?: FailurePolicy } & Partial<ForEach & StepDefinition> = {},
  ): RunWorld => {
    const { maxItems, maxConcurrent, ...rest } = more;
    const bounds = {
      ...(maxItems === undefined ? {} : { maxItems }),
      ...(maxConcurrent === undefined ? {} : { maxConcurrent }),
    };
    const steps = [step("a"), fan({ items, ...bounds }, rest), JOIN, step("x")];
    return new RunWorld(workflow(steps, { onFailure: policy })).start();
  };
  const ROWS = "${{ steps.a.output.rows }}";
  const rows = (run: RunWorld, ...list: unknown[]): RunWorld => run.complete("a", { rows: list });

  it("has a task for each item, whose inputs name the item and its place", () => {
    const run = rows(open(ROWS), { n: 1 }, "two");
    expect(run.submitted.slice(2)).toEqual(["f[0]", "f[1]"]);
    expect(run.submittedIds.slice(2)).toEqual(["w/f/0/0", "w/f/1/0"]);
    expect([inputOf(run, "f[0]"), inputOf(run, "f[1]")]).toEqual([
      { x: { n: 1 }, at: 0 },
      { x: "two", at: 1 },
    ]);
  });

  it("joins the outputs in the order of the items, whatever the order in which they ended", () => {
    const run = rows(open(ROWS), 1, 2, 3).complete("f[2]", "c").complete("f[0]", "a");
    expect(run.step("f")).toMatchObject({
      state: "running",
      progress: 2 / 3,
      items: { total: 3, running: 0, completed: 2, failed: 0 },
    });
    run.complete("f[1]", null);
    expect(run.step("f")).toMatchObject({ state: "completed", progress: 1 });
    expect(inputOf(run, "j")).toEqual({ all: ["a", null, "c"] });
  });

  it("takes a list that is written out, with references in it", () => {
    const run = open([1, "${{ steps.a.output.id }}", ["${{ steps.a.output }}"]]).complete("a", { id: "A" });
    expect([0, 1, 2].map((at) => inputOf(run, `f[${at}]`))).toMatchObject([
      { x: 1 },
      { x: "A" },
      { x: [{ id: "A" }] },
    ]);
  });

  it("completes at once with an empty list", () => {
    const run = rows(open(ROWS));
    expect(run.step("f")).toMatchObject({ state: "completed", items: { total: 0 }, cached: false });
    expect(inputOf(run, "j")).toEqual({ all: [] });
  });

  it.each([
    [{ rows: 7 }, "for_each.items is 7; a list is needed"],
    [{ rows: { length: 2 } }, "for_each.items is"],
    [{ rows: [1, 2, 3] }, "for_each.items has 3 items; at most 2 are allowed (max_items)"],
    [{}, "which does not exist"],
  ])("fails with a sentence for %j", (output, sentence) => {
    const run = open(ROWS, { maxItems: 2 }).complete("a", output);
    expect(run.states).toBe("a:completed f:failed j:skipped x:ready");
    expect(run.step("f").error?.message).toContain(sentence);
  });

  it("has at most so many items in the queue at a time, in their order", () => {
    const run = rows(open(ROWS, { maxConcurrent: 2 }), 1, 2, 3, 4);
    expect(run.inQueue).toEqual(["x", "f[0]", "f[1]"]);
    expect(run.complete("f[1]").inQueue).toEqual(["x", "f[0]", "f[2]"]);
    expect(run.complete("f[0]").complete("f[2]").inQueue).toEqual(["x", "f[3]"]);
    expect(run.complete("f[3]").step("f").state).toBe("completed");
  });

  it("is running from the first start of an item, tells how far all of them are, and goes back when none is left", () => {
    const run = rows(open(ROWS), 1, 2).started("f[1]").progressed("f[1]", 0.5, "half");
    expect(run.step("f")).toMatchObject({
      state: "running",
      progress: 0.25,
      items: { running: 1 },
      attempt: 1,
    });
    expect(run.events.at(-1)).toMatchObject({ message: "half" });
    expect(run.interrupted("f[1]").step("f")).toMatchObject({
      state: "ready",
      progress: 0,
      items: { running: 0 },
    });
    run.started("f[0]", 2).started("f[0]", 2).started("f[1]").complete("f[0]");
    expect(run.step("f")).toMatchObject({
      state: "running",
      attempt: 2,
      items: { running: 1, completed: 1 },
    });
    expect(run.interrupted("f[1]").step("f").state).toBe("running");
  });

  it("lets the other items run when one fails, and then fails itself, naming those that failed by their places", () => {
    const run = rows(open(ROWS), 1, 2, 3, 4).fail("f[2]").fail("f[0]", "no route").complete("f[1]");
    expect(run.states).toBe("a:completed f:running j:pending x:ready");
    run.complete("f[3]");
    expect(run.states).toBe("a:completed f:failed j:skipped x:ready");
    expect(run.step("f").error).toMatchObject({
      code: "ITEMS_FAILED",
      message: '2 of the 4 items of step "f" failed: 0, 2; the first: echo failed: no route',
      cause: { code: "HANDLER_FAILED" },
    });
    expect(run.step("f").items).toEqual({ total: 4, running: 0, completed: 2, failed: 2 });
  });

  it("names no more items than can be read", () => {
    const run = rows(open(ROWS), ...Array.from({ length: 50 }, (_, at) => at));
    for (let at = 0; at < 50; at++) run.fail(`f[${at}]`);
    expect(run.step("f").error?.message).toMatch(/^50 of the 50 items .* 18, 19, …; the first/);
  });

  it("counts an item as failed whose inputs lead nowhere, or whose task somebody cancelled", () => {
    const run = rows(open(ROWS, { inputs: { x: "${{ item.name }}" } }), { name: 1 }, {}, { name: 3 });
    expect(run.submitted.slice(2)).toEqual(["f[0]", "f[2]"]);
    run.stop("f[0]").complete("f[2]");
    expect(run.step("f").error?.message).toContain('2 of the 3 items of step "f" failed: 0, 1; the first:');
  });

  it("with fail_fast is stopped with the run at the first failure of an item", () => {
    const run = rows(open(ROWS, { policy: "fail_fast", maxConcurrent: 2 }), 1, 2, 3)
      .started("f[1]")
      .fail("f[0]");
    expect(run.cancelled).toEqual([
      { steps: ["x", "f[1]"], reason: 'item 0 of step "f" failed', force: false },
    ]);
    expect(run.states).toBe("a:completed f:running j:cancelled x:ready");
    run.stop("f[1]").stop("x");
    expect(run.submitted).not.toContain("f[2]");
    expect(run.core.status()).toMatchObject({
      state: "failed",
      error: {
        message: 'step "f" failed: 1 of the 3 items of step "f" failed: 0; the first: echo failed: boom',
      },
    });
  });

  it("with ignore has null in the place of an item that failed, and completes", () => {
    const run = rows(open(ROWS, { policy: "ignore" }), 1, 2)
      .fail("f[0]")
      .complete("f[1]", "b");
    expect(run.step("f")).toMatchObject({ state: "completed", error: null, items: { failed: 1 } });
    expect(inputOf(run, "j")).toEqual({ all: [null, "b"] });
  });

  it("looks each item up in the cache, and keeps each", () => {
    const run = rows(open(ROWS, { cacheTtlMs: 5, inputs: { x: "${{ item }}" } }), 1, 2, 1);
    expect([run.lookedUp, run.submitted.slice(2)]).toEqual([["f[0]", "f[1]", "f[2]"], []]);
    run.answered("f[0]", packValue("one")).answered("f[1]", null).answered("f[2]", packValue("one"));
    expect(run.step("f")).toMatchObject({ state: "running", items: { completed: 2 } });
    run.complete("f[1]", "two");
    expect(run.stored.map(({ value }) => unpackValue(value))).toEqual(["two"]);
    expect(run.step("f")).toMatchObject({ state: "completed", cached: false });
    expect(inputOf(run, "j")).toEqual({ all: ["one", "two", "one"] });
    const hits = rows(open(ROWS, { cacheTtlMs: 5 }), 1).answered("f[0]", packValue("one"));
    expect(hits.step("f")).toMatchObject({ state: "completed", cached: true });
  });

  it("is cancelled when not all of its items had ended, and ends as they did when all had", () => {
    const run = rows(open(ROWS, { maxConcurrent: 2 }), 1, 2, 3)
      .complete("f[0]")
      .started("f[1]")
      .cancel();
    expect(run.complete("f[1]").stop("f[2]").step("f")).toMatchObject({
      state: "cancelled",
      items: { total: 3, running: 0, completed: 2, failed: 0 },
    });
    const whole = rows(open(ROWS), 1, 2).complete("f[0]").started("f[1]").cancel().complete("f[1]");
    expect(whole.step("f").state).toBe("completed");
    const failed = rows(open(ROWS), 1, 2).fail("f[0]").cancel().stop("f[1]");
    expect(failed.step("f").state).toBe("failed");
    const cached = rows(open(ROWS, { cacheTtlMs: 5 }), 1, 2).cancel();
    expect(cached.step("f").state).toBe("cancelled");
  });

  it("gives items back at a pause, and asks for them anew", () => {
    const run = rows(open(ROWS), 1, 2).started("f[0]").pause();
    expect(run.withdrawn).toEqual([["x", "f[1]"]]);
    run.giveBack("x", "f[1]").complete("f[0]").resume();
    expect(run.submittedIds.slice(-2)).toEqual(["w/x/0/1", "w/f/1/1"]);
    const stopped = rows(open(ROWS), 1, 2).pause().cancel().giveBack("f[0]", "f[1]", "x");
    expect(stopped.core.state).toBe("cancelled");
  });

  it("runs 10,000 items without running out of stack, also when all end at once", () => {
    const list = Array.from({ length: LIMITS.workflow.items }, (_, at) => at);
    const run = rows(open(ROWS, { maxItems: LIMITS.workflow.items, maxConcurrent: 3 }), ...list);
    for (const at of list) run.complete(`f[${at}]`, at);
    expect(inputOf(run, "j")).toEqual({ all: list });
    const doomed = rows(
      open(ROWS, { maxItems: LIMITS.workflow.items, inputs: { x: "${{ item.no }}" } }),
      ...list,
    );
    expect(doomed.step("f").items).toMatchObject({ failed: LIMITS.workflow.items });
  });

  it("depends on its condition first, and then on its items", () => {
    const run = rows(open(ROWS, { when: "true" }), 1);
    expect(run.submitted.slice(2)).toEqual(["f/when"]);
    expect(run.complete("f/when", true).submitted.slice(3)).toEqual(["f[0]"]);
  });

  describe("over a list that is kept as a large value", () => {
    const large = (sizeBytes = 70_000): RunWorld =>
      open(ROWS).complete("a", new Reference("ab", sizeBytes, []));

    it("has it loaded, and goes on from there", () => {
      const run = large();
      expect([run.loading, run.step("f").state]).toEqual([["f"], "ready"]);
      expect(run.effects.find((effect) => effect.type === "loadItems")?.reference.path).toEqual(["rows"]);
      run.loaded("f", { value: ["p", "q"] });
      expect([inputOf(run, "f[0]"), inputOf(run, "f[1]")]).toMatchObject([{ x: "p" }, { x: "q" }]);
    });

    it("fails when it cannot be loaded, is no list, or too large", () => {
      const error = toWireError(fault("BLOB_MISSING", { sha256: "ab" }));
      expect(large().loaded("f", { error }).step("f").error?.code).toBe("BLOB_MISSING");
      expect(large().loaded("f", { value: "text" }).step("f").error?.code).toBe("INPUT_INVALID");
      const tooLarge = large(LIMITS.workflow.itemsBytes + 1);
      expect([tooLarge.loading, tooLarge.step("f").error?.message]).toEqual([
        [],
        expect.stringContaining("for_each.items has 16777217 bytes; at most 16777216 are allowed"),
      ]);
    });

    it("is cancelled at once, and a late answer changes nothing", () => {
      const run = large().cancel();
      expect(run.states).toContain("f:cancelled");
      expect(run.loaded("f", { value: [1] }).states).toContain("f:cancelled");
    });
  });
});
