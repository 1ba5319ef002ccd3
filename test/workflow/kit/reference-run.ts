import type {
  CompensationState,
  StepDefinition,
  StepState,
  WorkflowDefinition,
} from "../../../src/workflow/workflow.protocol.ts";
import { OUTPUT_LIST, type Fate } from "./definitions.ts";

/** Something that happened to a run, in the order in which it happened; tasks by what a test calls them. */
export type Happening =
  | { readonly what: "cancel" | "force" | "expire" | "pause" | "resume" }
  | { readonly what: "submit" | "hit" | "miss" | "true" | "false" | Fate; readonly name: string };

export interface ReferenceRun {
  readonly state: "running" | "paused" | "cancelling" | "completed" | "failed" | "cancelled";
  readonly states: Readonly<Record<string, StepState>>;
  readonly undone: Readonly<Record<string, CompensationState | null>>;
  /** Tasks that may be asked for, and have not been. */
  readonly inLine: readonly string[];
  /** Tasks for which the cache has been asked. */
  readonly lookedUp: readonly string[];
}

type Stopped = "no" | "failure" | "cancel" | "expire";

/** A step as simply as it can be told: what is said of it, and of each of its tasks. */
interface Told {
  readonly step: StepDefinition;
  state: StepState;
  /** Its condition is true, or it has none. */
  mayRun: boolean;
  /** It is skipped because a condition is false. */
  refused: boolean;
  /** What has become of each of its items; a plain step has one. */
  readonly ends: Map<number, "completed" | "failed" | "gone">;
  /** Items that have been asked for. */
  asked: number;
  /** Items whose output was there already. */
  hits: number;
  undone: CompensationState | null;
  /** It has been asked to be undone. */
  undoAsked: boolean;
}

/**
 * A run told as simply as possible: after each happening every rule is tried on every step until none applies. No
 * graph, no counters, no table; slow and obvious.
 */
export function referenceRun(definition: WorkflowDefinition): {
  happen(happening: Happening): void;
  view(): ReferenceRun;
} {
  const { onFailure } = definition;
  const told = new Map<string, Told>(
    definition.steps.map((step) => [
      step.stepId,
      {
        step,
        state: "pending",
        mayRun: step.when === undefined,
        refused: false,
        ends: new Map(),
        asked: 0,
        hits: 0,
        undone: null,
        undoAsked: false,
      },
    ]),
  );
  const all = [...told.values()];
  const submitted = new Set<string>();
  const inLine = new Set<string>();
  const inCache = new Set<string>();
  const lookedUp = new Set<string>();
  let isPaused = false;
  let isForced = false;
  let isUndoing = false;
  let stopped = "no" as Stopped;

  const of = (name: string): Told => told.get(name.replace(/[[/].*/, "")) as Told;
  const itemOf = (name: string): number => Number(/\[(\d+)\]/.exec(name)?.[1] ?? 0);
  const isFan = ({ step }: Told): boolean => step.forEach !== undefined;
  const sizeOf = ({ step: { forEach } }: Told): number => {
    if (forEach === undefined) return 1;
    return (typeof forEach.items === "string" ? OUTPUT_LIST : (forEach.items as unknown[])).length;
  };
  const nameOf = (each: Told, item: number): string =>
    isFan(each) ? `${each.step.stepId}[${item}]` : each.step.stepId;
  const isUndo = (name: string): boolean => name.endsWith("/compensate");
  const hasEnded = ({ state }: Told): boolean => !["pending", "ready", "running"].includes(state);
  const endedBadly = ({ state }: Told): boolean => state === "failed" || state === "cancelled";
  const isDone = (each: Told): boolean =>
    each.state === "completed" || (onFailure === "ignore" && endedBadly(each));
  const before = ({ step }: Told): Told[] => step.dependsOn.map(of);
  /** All that wait for it, directly or not. */
  const behind = (each: Told): Told[] => {
    const found = new Set([each]);
    while (
      all.some(
        (other) => !found.has(other) && before(other).some((one) => found.has(one)) && found.add(other),
      )
    );
    return [...found].filter((other) => other !== each);
  };
  const countOf = (each: Told, end: string): number =>
    [...each.ends.values()].filter((one) => one === end).length;
  const canRead = (inputs: StepDefinition["inputs"]): boolean => {
    const text = JSON.stringify(inputs);
    return all.every(({ step, state }) => state === "completed" || !text.includes(`steps.${step.stepId}.`));
  };

  /** One item, or the whole of a plain step, has ended. */
  const endItem = (each: Told, item: number, end: Fate): void => {
    if (!isFan(each)) {
      each.state = end;
      if (end !== "completed" && stopped === "no" && onFailure === "fail_fast") stop("failure");
      return;
    }
    const counts =
      end === "completed" ? "completed" : end === "failed" || stopped === "no" ? "failed" : "gone";
    each.ends.set(item, counts);
    if (counts === "failed" && stopped === "no" && onFailure === "fail_fast") stop("failure");
  };

  const drop = (name: string): void => {
    const each = of(name);
    if (isUndo(name)) each.undone = "skipped";
    else if (name.endsWith("/when") || !isFan(each)) each.state = "cancelled";
    else each.ends.set(itemOf(name), "gone");
  };

  function stop(why: Stopped): void {
    // What is being stopped because of a failure can still be cancelled.
    if (stopped === "no" || why === "cancel") stopped = why;
    if (why === "cancel") isPaused = false;
    for (const name of [...inLine, ...inCache]) {
      if (isUndo(name) && !isForced) continue;
      drop(name);
      inLine.delete(name);
    }
    inCache.clear();
    for (const each of all) if (each.state === "pending") each.state = "cancelled";
  }

  const askFor = (each: Told, item: number): void => {
    const name = nameOf(each, item);
    if (!canRead(each.step.inputs)) return endItem(each, item, "failed");
    if (each.step.cacheTtlMs === undefined) inLine.add(name);
    else {
      inCache.add(name);
      lookedUp.add(name);
    }
  };

  const goOn = (each: Told): boolean => {
    if (each.asked === 0 && stopped === "no" && !canRead({ items: each.step.forEach?.items ?? [] })) {
      each.state = "failed";
      return true;
    }
    const most = each.step.forEach?.maxConcurrent ?? Infinity;
    const size = sizeOf(each);
    const open = each.asked - each.ends.size;
    if (each.asked < size && (isFan(each) ? open < most : true) && stopped === "no") {
      askFor(each, each.asked++);
      return true;
    }
    if (!isFan(each) || open > 0) return false;
    if (countOf(each, "failed") > 0 && onFailure !== "ignore") each.state = "failed";
    else if (countOf(each, "completed") + countOf(each, "failed") < size) each.state = "cancelled";
    else each.state = "completed";
    return true;
  };

  const applyRule = (each: Told): boolean => {
    if (each.state === "pending" && stopped === "no") {
      if (before(each).some(({ refused }) => refused)) each.refused = true;
      const isDoomed = before(each).some((other) => endedBadly(other) || other.state === "skipped");
      if (each.refused || (onFailure === "skip_dependents" && isDoomed)) each.state = "skipped";
      else if (!before(each).every(isDone)) return false;
      else {
        each.state = "ready";
        if (!each.mayRun) inLine.add(`${each.step.stepId}/when`);
      }
      return true;
    }
    if (hasEnded(each) || each.state === "pending" || !each.mayRun) return false;
    return goOn(each);
  };

  /** Everything has ended: what was done in vain is undone, the last first. */
  const applyUndo = (each: Told): boolean => {
    if (each.undone !== "pending" || each.undoAsked) return false;
    if (behind(each).some(({ undone }) => undone === "pending")) return false;
    each.undoAsked = true;
    if (!canRead(each.step.compensate?.inputs ?? {})) each.undone = "failed";
    else if (isForced) each.undone = "skipped";
    else inLine.add(`${each.step.stepId}/compensate`);
    return true;
  };

  const beginUndoing = (): void => {
    if (isUndoing || !all.every(hasEnded) || outcome() === "completed") return;
    isUndoing = true;
    for (const each of all) {
      const { state, step, hits } = each;
      const wasThere = hits > 0 && hits === (isFan(each) ? each.ends.size : 1);
      if (state === "completed" && step.compensate && !wasThere) each.undone = "pending";
    }
  };

  const applyRules = (): void => {
    while (all.some(applyRule));
    beginUndoing();
    while (all.some(applyUndo));
  };

  const happen = (happening: Happening): void => {
    if (!("name" in happening)) {
      if (happening.what === "force") isForced = true;
      if (happening.what === "cancel" || happening.what === "force") return stop("cancel");
      if (happening.what === "expire") return stop("expire");
      isPaused = happening.what === "pause";
      if (!isPaused) return;
      // The queue has started nothing, so it gives everything back.
      for (const name of submitted) {
        if (stopped === "no" || isUndo(name)) inLine.add(name);
        else drop(name);
      }
      return submitted.clear();
    }
    const { what, name } = happening;
    const each = of(name);
    if (what === "submit") {
      if (isPaused || !inLine.delete(name)) throw new Error(`${name} is not to be submitted`);
      return void submitted.add(name);
    }
    inCache.delete(name);
    if (what === "miss") return void inLine.add(name);
    submitted.delete(name);
    if (isUndo(name)) return void (each.undone = what === "completed" ? "completed" : "failed");
    if (what === "hit") each.hits += 1;
    if (what === "hit") return endItem(each, itemOf(name), "completed");
    if (what !== "true" && what !== "false") {
      if (!name.endsWith("/when")) return endItem(each, itemOf(name), what);
      each.state = what;
      if (stopped === "no" && onFailure === "fail_fast") stop("failure");
      return;
    }
    if (stopped !== "no") each.state = "cancelled";
    else if (what === "true") each.mayRun = true;
    else {
      each.state = "skipped";
      each.refused = true;
    }
  };

  const stateOfRun = (): ReferenceRun["state"] => {
    if (all.every(hasEnded) && all.every(({ undone }) => undone !== "pending")) return outcome();
    return stopped === "cancel" ? "cancelling" : isPaused ? "paused" : "running";
  };
  const outcome = (): "completed" | "failed" | "cancelled" => {
    const failed = onFailure !== "ignore" && all.some(endedBadly);
    return stopped === "cancel" ? "cancelled" : failed || stopped === "expire" ? "failed" : "completed";
  };
  const shown = ({ state, ends }: Told): StepState =>
    state === "ready" && [...ends.values()].some((one) => one !== "gone") ? "running" : state;

  applyRules();
  return {
    happen: (happening) => {
      happen(happening);
      applyRules();
    },
    view: () => ({
      state: stateOfRun(),
      states: Object.fromEntries(all.map((each) => [each.step.stepId, shown(each)])),
      undone: Object.fromEntries(all.map(({ step, undone }) => [step.stepId, undone])),
      inLine: isPaused ? [] : [...inLine],
      lookedUp: [...lookedUp],
    }),
  };
}
