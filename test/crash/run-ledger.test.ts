import { describe, expect, it } from "vitest";
import { planRun, type ExpectedEnd } from "./planned-run.ts";
import { RunLedger, type RunLine, type SeenRun } from "./run-ledger.ts";

const END: ExpectedEnd = { state: "completed", steps: { a: "completed" }, undone: { a: null } };

const run = (more: Partial<SeenRun> = {}): SeenRun => ({
  runId: "r",
  state: "completed",
  steps: { a: "completed" },
  undone: { a: null },
  isWornOut: false,
  ...more,
});
const running = run({ state: "running", steps: { a: "running" } });
const seen = (one: SeenRun): RunLine => ({ say: "seen", run: one });
const found = (one: SeenRun | null): RunLine => ({ say: "found", runId: "r", run: one });
const accepted: RunLine = { say: "accepted", runId: "r" };

/** What a ledger finds wrong, given what each life said. */
function figuresOf(...lives: readonly (readonly RunLine[])[]): Readonly<Record<string, number>> {
  return ledgerOf(...lives).figures;
}

function ledgerOf(...lives: readonly (readonly RunLine[])[]): RunLedger {
  const ledger = new RunLedger(() => END);
  for (const [index, lines] of lives.entries()) {
    ledger.begin(index + 1);
    for (const line of lines) ledger.take(line);
  }
  return ledger;
}

const WELL = { lost: 0, run_again: 0, wrong_ends: 0, unreadable: 0 };

describe("the ledger of runs", () => {
  it("finds nothing wrong with a run that is there, and ends as it must", () => {
    expect(figuresOf([accepted], [found(running), seen(run())], [found(run())])).toEqual(WELL);
  });

  it("calls an accepted run that is not there lost", () => {
    expect(figuresOf([accepted], [found(null)])).toEqual({ ...WELL, lost: 1 });
  });

  it.each([
    ["its state", run({ state: "failed" })],
    ["a step", run({ steps: { a: "skipped" } })],
    ["what was undone", run({ undone: { a: "completed" } })],
  ])("calls an end wrong that differs from what must be in %s", (_what, end) => {
    expect(figuresOf([accepted, seen(end)])).toEqual({ ...WELL, wrong_ends: 1 });
  });

  it("calls an end that has changed wrong", () => {
    expect(figuresOf([accepted, seen(run())], [found(running)])).toEqual({ ...WELL, wrong_ends: 1 });
  });

  it("counts an end apart that no plan foresees, because one of its attempts was cut off too often", () => {
    const ledger = ledgerOf([accepted, seen(run({ state: "failed", isWornOut: true }))]);
    expect(ledger.figures).toEqual(WELL);
    expect(ledger.remarks).toEqual({ ended: 1, worn_out: 1 });
  });

  it("calls a finished step that is given to a handler in a later life run again, and none other", () => {
    const started = (taskId: string, life: number): RunLine => ({ say: "started", taskId, life });
    const done = run({ state: "running", undone: { a: "pending" } });
    const lives = [[accepted], [seen(done)]];
    expect(figuresOf(...lives, [started("r/a/0/0", 2), started("r/b/0/0", 3)])).toEqual(WELL);
    expect(figuresOf(...lives, [started("r/a/compensate/0", 3)])).toEqual(WELL);
    expect(figuresOf(...lives, [started("r/a/0/0", 3)])).toEqual({ ...WELL, run_again: 1 });
  });

  it("calls what undid a step and is given to a handler again run again", () => {
    const undone = run({ state: "running", undone: { a: "completed" } });
    const again: RunLine = { say: "started", taskId: "r/a/compensate/0", life: 2 };
    expect(figuresOf([accepted, seen(undone)], [again])).toEqual({ ...WELL, run_again: 1 });
  });
});

describe("a planned run", () => {
  it("is the same each time, and plans have all that runs may have", () => {
    const plans = Array.from({ length: 300 }, (_, index) => planRun(`${index}-1`, "/journal"));
    expect(planRun("7-1", "/journal")).toEqual(plans[7]);
    const steps = plans.flatMap(({ workflow }) => workflow.steps);
    for (const part of ["forEach", "when", "compensate"] as const) {
      expect(steps.some((step) => step[part] !== undefined)).toBe(true);
    }
    expect(new Set(plans.map(({ end }) => end.state))).toEqual(new Set(["completed", "failed"]));
    const undone = plans.flatMap(({ end }) => Object.values(end.undone ?? {}));
    expect(new Set(undone)).toEqual(new Set([null, "completed", "failed"]));
  });
});
