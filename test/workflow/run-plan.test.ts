import { describe, expect, it } from "vitest";
import { describeRun, whatIfRun } from "../../src/workflow/run-plan.ts";
import type { StepStatus } from "../../src/workflow/workflow.protocol.ts";

const step = (stepId: string, dependsOn: readonly string[], more: Partial<StepStatus> = {}): StepStatus => ({
  stepId,
  action: "echo",
  dependsOn,
  state: "pending",
  cached: false,
  reused: false,
  items: null,
  compensation: null,
  workerId: null,
  progress: 0,
  attempt: 0,
  startedAtMs: null,
  endedAtMs: null,
  error: null,
  ...more,
});
const took = (ms: number): Partial<StepStatus> => ({
  state: "completed",
  startedAtMs: 1_000,
  endedAtMs: 1_000 + ms,
});

const RUN = {
  workflowId: "w",
  steps: [
    step("fetch", [], took(400)),
    step("parse", ["fetch"], took(900)),
    step("check", ["fetch"], took(100)),
    step("known", [], { state: "completed", cached: true, endedAtMs: 1_000 }),
    step("save", ["parse", "check"], { action: "save" }),
    step("tell", ["save"]),
  ],
};

describe("the graph of a run", () => {
  it("has the times that its steps took, nothing for what did not run, and a guess for what has not ended", () => {
    const { nodes, estimated, criticalPath, criticalPathMs } = describeRun(RUN);
    const mean = (400 + 900 + 100) / 3;
    const durations = Object.fromEntries(nodes.map(({ id, durationMs }) => [id, durationMs]));
    expect(durations).toEqual({
      fetch: 400,
      parse: 900,
      check: 100,
      known: 0,
      save: 1_000,
      tell: expect.closeTo(mean, 2) as number,
    });
    expect(estimated).toEqual(["save", "tell"]);
    expect(criticalPath).toEqual(["fetch", "parse", "save", "tell"]);
    expect(criticalPathMs).toBeCloseTo(400 + 900 + 1_000 + mean, 2);
  });

  it("says what each step does, how it stands, and how late it could have started", () => {
    const check = describeRun(RUN).nodes.find(({ id }) => id === "check");
    expect(check).toMatchObject({ action: "echo", state: "completed", totalSlackMs: 800, critical: false });
  });
});

describe("what if a run were otherwise", () => {
  const { steps } = RUN;
  const ended = { workflowId: "w", steps: steps.slice(0, 3) };

  it("is its plan played through twice, with what is saved", () => {
    const { before, after, savedMs, estimated } = whatIfRun(ended, 1, { workers: 2 });
    expect([before.makespanMs, after.makespanMs, savedMs, estimated]).toEqual([1_400, 1_300, 100, []]);
  });

  it("takes a factor of the time that a step takes otherwise, after what it is said to take", () => {
    const faster = whatIfRun(ended, 2, { factors: [["parse", 0.5]] });
    expect(faster.after.makespanMs).toBe(850);
    const said = whatIfRun(ended, 2, { durationsMs: [["parse", 200]], factors: [["parse", 2]] });
    expect(said.after.makespanMs).toBe(800);
  });

  it("refuses a step that there is not", () => {
    const change = { factors: [["nobody", 2]] } as const;
    expect(() => whatIfRun(ended, 1, change)).toThrow(
      'factors is "nobody"; allowed is ids of the graph\'s steps',
    );
  });
});
