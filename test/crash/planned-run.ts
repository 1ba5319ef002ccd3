import type { Wire } from "../../src/schema/index.ts";
import type { WorkflowInput } from "../../src/system/index.ts";
import type {
  CompensationState,
  FailurePolicy,
  StepDefinition,
  StepState,
  WorkflowDefinition,
} from "../../src/workflow/workflow.protocol.ts";
import { seededRandom } from "../kit/seeded-random.ts";
import type { Fate } from "../workflow/kit/definitions.ts";
import { referenceRun } from "../workflow/kit/reference-run.ts";

const STEPS_MAX = 8;
const ITEMS_MAX = 4;
const WORK_MS_MAX = 40;
const POLICIES: readonly FailurePolicy[] = ["skip_dependents", "ignore", "fail_fast"];
/** Short, so that retries happen within a life. */
const BACKOFF = { shape: "fixed", delayMs: 5, jitter: 0 } as const;

/** What the handlers of the crash test are given; see `labour.tasks.ts`. */
export interface Labour {
  readonly [key: string]: Wire;
  /** A file that gets a line for each attempt. */
  readonly journal: string;
  /** What the journal calls it. */
  readonly name: string;
  /** Which item it is; 0 where the step has none. */
  readonly item: Wire;
  /** By item: attempts that fail before one succeeds. */
  readonly fails: readonly number[];
  readonly ms: number;
}

/** How a run must end, by its failure policy alone, whatever dies meanwhile. */
export interface ExpectedEnd {
  readonly state: "completed" | "failed";
  /** Null: it depends on what ran when the first step failed. */
  readonly steps: Readonly<Record<string, StepState>> | null;
  readonly undone: Readonly<Record<string, CompensationState | null>> | null;
}

export interface PlannedRun {
  readonly workflow: WorkflowInput;
  readonly end: ExpectedEnd;
}

/**
 * A random workflow with retries, conditions, fan-out and compensation, and how it must end. The same id gives the same
 * one, so that who submits it and who checks it need not talk.
 *
 * @param runId a number and whatever
 */
export function planRun(runId: string, journal: string): PlannedRun {
  const random = seededRandom(Number(runId.replaceAll(/\D/g, "")) % 2 ** 32);
  const chance = (share: number): boolean => random.next() < share;
  const below = (end: number): number => Math.floor(random.next() * end);
  const labour = (name: string, items: number): Labour => ({
    journal,
    name,
    item: 0,
    fails: Array.from({ length: items }, () => (chance(0.3) ? 1 + below(3) : 0)),
    ms: below(WORK_MS_MAX),
  });

  const steps: StepDefinition[] = [];
  const size = 1 + below(STEPS_MAX);
  for (let at = 0; at < size; at++) {
    const stepId = `s${at}`;
    const dependsOn = [...new Set([0, 1].flatMap(() => (at > 0 && chance(0.6) ? [`s${below(at)}`] : [])))];
    const items = chance(0.25) ? below(ITEMS_MAX + 1) : null;
    const inputs = labour(stepId, items ?? 1);
    steps.push({
      stepId,
      action: "labour",
      dependsOn,
      inputs: items === null ? inputs : { ...inputs, item: "${{ item }}" },
      attempts: 1 + below(3),
      backoff: BACKOFF,
      ...(items === null ? {} : { forEach: { items: Array.from({ length: items }, (_, item) => item) } }),
      ...(chance(0.15) ? { when: chance(0.5) ? "true" : "false" } : {}),
      ...(chance(0.4) ? { compensate: { action: "labour", inputs: labour(`${stepId}/compensate`, 1) } } : {}),
    });
  }
  const onFailure = POLICIES[below(POLICIES.length)] ?? "ignore";
  const workflow = { workflowId: runId, name: runId, steps, onFailure };
  return { workflow, end: endOf({ ...workflow, priority: 1, tags: [], metadata: {} }) };
}

/** One order of events is as good as any other, but for `fail_fast`. */
function endOf(definition: WorkflowDefinition): ExpectedEnd {
  const reference = referenceRun(definition);
  for (;;) {
    const { inLine, state, states, undone } = reference.view();
    const [name] = inLine;
    if (name === undefined) {
      if (state !== "completed" && state !== "failed") throw new Error(`the plan ends ${state}`);
      const isOpen = definition.onFailure === "fail_fast" && state === "failed";
      return { state, steps: isOpen ? null : states, undone: isOpen ? null : undone };
    }
    reference.happen({ what: "submit", name });
    reference.happen({ what: whatHappens(definition, name), name });
  }
}

function whatHappens({ steps }: WorkflowDefinition, name: string): "true" | "false" | Fate {
  const [stepId] = name.split(/[[/]/);
  const step = steps.find((each) => each.stepId === stepId);
  if (!step) throw new Error(`there is no step of ${name}`);
  if (name.endsWith("/when")) return step.when === "true" ? "true" : "false";
  const isUndo = name.endsWith("/compensate");
  const { fails } = (isUndo && step.compensate ? step.compensate.inputs : step.inputs) as Labour;
  const item = Number(/\[(\d+)\]/.exec(name)?.[1] ?? 0);
  return (fails[item] ?? 0) < (step.attempts ?? 1) ? "completed" : "failed";
}
