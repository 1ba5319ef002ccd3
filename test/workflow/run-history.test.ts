import { describe, expect, it } from "vitest";

import { fault, toWireError } from "../../src/errors/index.ts";
import { RunHistory, historyOf } from "../../src/workflow/run-history.ts";
import type { RunEvent, RunStatus, StepStatus } from "../../src/workflow/workflow.protocol.ts";
import { step, workflow } from "./kit/definitions.ts";
import { RunWorld } from "./kit/run-world.ts";

let sequence = 0;
const event = (message: string): RunEvent => ({
  workflowId: "w",
  sequence: ++sequence,
  atMs: sequence,
  state: "running",
  progress: 0,
  step: null,
  message,
});
const textsOf = (history: RunHistory): (string | null)[] =>
  history.page(0, 1_000).events.map(({ message }) => message);

describe("what is kept of a run's events", () => {
  it("is all of them, in order, as long as there is room", () => {
    const history = new RunHistory(4);
    history.add(event("a"), false);
    history.add(event("p"), true);
    history.add(event("b"), false);
    expect(textsOf(history)).toEqual(["a", "p", "b"]);
    expect(history.page(1, 1)).toMatchObject({ events: [{ message: "p" }], total: 3, dropped: 0 });
  });

  it("loses the oldest progress first, and changes only when no progress is left", () => {
    const history = new RunHistory(3);
    for (const [text, isProgress] of [
      ["a", false],
      ["p", true],
      ["q", true],
      ["b", false],
    ] as const)
      history.add(event(text), isProgress);
    expect(textsOf(history)).toEqual(["a", "q", "b"]);
    history.add(event("c"), false);
    history.add(event("d"), false);
    expect([textsOf(history), history.page(0, 1).dropped]).toEqual([["b", "c", "d"], 3]);
  });

  it("stays within its bound however much happens", () => {
    const history = new RunHistory(10);
    for (let n = 0; n < 5_000; n++) history.add(event(`e${n}`), n % 3 === 0);
    expect(history.page(0, 1_000)).toMatchObject({ total: 10, dropped: 4_990 });
    expect(textsOf(history).at(-1)).toBe("e4999");
  });

  it("has the end as its last, within the bound", () => {
    const history = new RunHistory(2);
    history.add(event("a"), false);
    history.add(event("b"), false);
    const { entries, dropped } = history.with(event("end"));
    expect([entries.map(({ message }) => message), dropped]).toEqual([["b", "end"], 1]);
  });

  it("says of a step what has become of it, and of an error no more than a sentence", () => {
    const run = new RunWorld(workflow([step("a")]));
    const history = new RunHistory();
    for (const effect of run.start().started("a").fail("a", "x".repeat(900)).effects) {
      if (effect.type === "changed") history.add(effect.event, effect.isProgress);
    }
    const last = history.page(0, 9).events.at(-1);
    expect(last).toMatchObject({
      stepId: "a",
      stepState: "failed",
      attempt: 1,
      error: { code: "HANDLER_FAILED" },
    });
    expect(last?.error?.message.length).toBeLessThan(310);
  });
});

describe("after a restart", () => {
  it("starts and ends of steps are told in the order of their times, as read and not heard", () => {
    const run = new RunWorld(workflow([step("a"), step("b"), step("c", ["a"])])).start();
    run.started("b").complete("a").fail("b");
    const history = new RunHistory();
    history.restore(run.core.status());
    history.add(event("resumed"), false);
    const told = history.page(0, 100).events.map((each) => [each.sequence > 0, each.stepId, each.stepState]);
    expect(told).toEqual([
      [false, null, null],
      [false, "a", "running"],
      [false, "a", "completed"],
      [false, "b", "running"],
      [false, "b", "failed"],
      [true, null, null],
    ]);
  });

  it("keeps the latest of them when there are too many", () => {
    const steps = Array.from({ length: 50 }, (_, at): StepStatus => ({
      ...new RunWorld(workflow([step("a")])).step("a"),
      stepId: `s${at}`,
      state: "failed",
      startedAtMs: at,
      endedAtMs: 100 + at,
      error: toWireError(fault("CANCELLED", { what: "x" })),
    }));
    const status: RunStatus = { ...new RunWorld(workflow([step("a")])).core.status(), steps };
    const history = new RunHistory(10);
    history.restore(status);
    expect(history.page(0, 100)).toMatchObject({ total: 10, dropped: 91 });
    expect(historyOf(status).entries.length).toBe(101);
  });
});
