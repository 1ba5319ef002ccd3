import { LIMITS, assert } from "../errors/index.ts";
import type { Clock } from "../scope/index.ts";
import { checkLoad, type CheckReport } from "./check.ts";
import { openHostCost, type HostCost } from "./host-cost.ts";
import { Ledger } from "./ledger.ts";
import { runOpenLoop, type Progress } from "./open-loop.ts";
import type { Figures } from "./recorder.ts";
import { Schedule } from "./schedule.ts";
import { KneeSearch, judgeStep, type Knee, type SweepStep } from "./sweep.ts";
import type { Figure, Target, TargetConditions } from "./target.ts";

/** What is to be done. */
export interface LoadPlan {
  /** Of a sweep: the first rate. */
  readonly ratePerSecond: number;
  readonly durationMs: number;
  readonly warmupMs: number;
  readonly outstandingMax: number;
  /** Null: one rate and no search. */
  readonly sweep: { readonly p99Ms: number } | null;
}

export interface Sweep {
  readonly p99Ms: number;
  readonly steps: readonly SweepStep[];
  readonly knee: Knee;
}

/** What came of it. */
export interface LoadOutcome {
  readonly conditions: TargetConditions;
  /** Of a sweep: of the step at the knee, or of the slowest one when none was sustained. */
  readonly figures: Figures;
  /** The rate of those figures. */
  readonly ratePerSecond: number;
  readonly sweep: Sweep | null;
  /** Over all steps. */
  readonly check: CheckReport;
  readonly targetFigures: readonly Figure[];
  readonly cost: HostCost;
  /** It was stopped before its time. */
  readonly interrupted: boolean;
}

export interface LoadServices {
  readonly clock: Clock;
  /** Stops the arrivals; everything else is carried out. */
  readonly signal: AbortSignal;
  readonly onProgress: (progress: Progress) => void;
  readonly onStep: (step: SweepStep) => void;
}

/** The first arrival is planned so far ahead, so that setting up is not charged to it. */
const LEAD_MS = 10;

/** Puts the load on the target, waits for its end, checks what has become of it, and closes the target. */
export async function runLoad(plan: LoadPlan, target: Target, services: LoadServices): Promise<LoadOutcome> {
  const { clock, signal } = services;
  try {
    const conditions = await target.open();
    const ledger = new Ledger();
    const runAt = (ratePerSecond: number): Promise<Figures> => {
      const { durationMs, warmupMs, outstandingMax } = plan;
      const schedule = new Schedule({ ratePerSecond, durationMs, warmupMs, startMs: clock.now() + LEAD_MS });
      const { drainMs } = LIMITS.load;
      return runOpenLoop({ ...services, schedule, target, ledger, outstandingMax, drainMs });
    };
    const cost = openHostCost();
    const measured = plan.sweep
      ? await sweep(plan, plan.sweep.p99Ms, runAt, services)
      : { figures: await runAt(plan.ratePerSecond), ratePerSecond: plan.ratePerSecond, sweep: null };
    const spent = cost.spent();
    const targetFigures = await target.figures();
    const check = await checkLoad(ledger, target);
    return { conditions, ...measured, check, targetFigures, cost: spent, interrupted: signal.aborted };
  } finally {
    await target.close();
  }
}

async function sweep(
  plan: LoadPlan,
  p99Ms: number,
  runAt: (ratePerSecond: number) => Promise<Figures>,
  { signal, onStep }: LoadServices,
): Promise<Pick<LoadOutcome, "figures" | "ratePerSecond" | "sweep">> {
  const { sweepSteps: stepsMax, ratePerSecond: rateMax, requests } = LIMITS.load;
  const search = new KneeSearch({ firstRate: plan.ratePerSecond, rateMax, stepsMax });
  const steps: SweepStep[] = [];
  let shown: { figures: Figures; step: SweepStep } | undefined;
  let planned = 0;
  for (let rate = search.next(); rate !== null; rate = search.next()) {
    planned += (rate * (plan.warmupMs + plan.durationMs)) / 1_000;
    if (planned > requests) break;
    const figures = await runAt(rate);
    const step = judgeStep(figures, { ratePerSecond: rate, p99Ms });
    // A step that was cut short says nothing about its rate.
    if (!signal.aborted || !shown) shown = better(shown, { figures, step });
    if (signal.aborted) break;
    search.tell(rate, step.sustained);
    steps.push(step);
    onStep(step);
  }
  assert(shown, "the plan was checked to have room for one step");
  const { figures, step } = shown;
  return { figures, ratePerSecond: step.ratePerSecond, sweep: { p99Ms, steps, knee: search.knee } };
}

type Shown = { readonly figures: Figures; readonly step: SweepStep };

/** The fastest of those that were sustained; before there is one, the slowest. */
function better(one: Shown | undefined, other: Shown): Shown {
  if (!one) return other;
  if (one.step.sustained !== other.step.sustained) return one.step.sustained ? one : other;
  const otherIsFaster = other.step.ratePerSecond > one.step.ratePerSecond;
  return otherIsFaster === one.step.sustained ? other : one;
}
