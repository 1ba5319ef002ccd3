/** What a task does for its step: its work, or one item of it; deciding its condition; undoing it. */
export type TaskPart = "run" | "when" | "compensate";

/** A step's task in the queue. */
export interface StepTask {
  readonly workflowId: string;
  readonly stepId: string;
  readonly part: TaskPart;
  /** Of a step that fans out: which item; else 0. */
  readonly index: number;
  /** Rises with each pause of the run, so that what was asked for before a pause is told apart from what comes after. */
  readonly generation: number;
}

/**
 * One string for one task: `run/step/3/0`, `run/step/when/0`. No two tuples share a string, because an encoded name holds
 * no slash.
 *
 * @throws URIError when a name holds half a surrogate pair; validation refuses such names before.
 */
export function formatTaskId({ generation, ...task }: StepTask): string {
  return `${formatTaskName(task)}/${generation}`;
}

/** What the ids of a task have in common in all generations. */
export function formatTaskName({ workflowId, stepId, part, index }: Omit<StepTask, "generation">): string {
  const place = part === "run" ? index : part;
  return `${encodeURIComponent(workflowId)}/${encodeURIComponent(stepId)}/${place}`;
}

const SHAPE = /^([^/]+)\/([^/]+)\/(0|[1-9]\d{0,8}|when|compensate)\/(0|[1-9]\d{0,8})$/;

/** The way back; undefined for every string that `formatTaskId` cannot have made. */
export function parseTaskId(taskId: string): StepTask | undefined {
  const [, run, step, place, generation] = SHAPE.exec(taskId) ?? [];
  if (run === undefined || step === undefined) return undefined;
  const part = place === "when" || place === "compensate" ? place : "run";
  try {
    const task = {
      workflowId: decodeURIComponent(run),
      stepId: decodeURIComponent(step),
      part,
      index: part === "run" ? Number(place) : 0,
      generation: Number(generation),
    } as const;
    // Anyone may name a task in the queue: "%61/b/0/0" decodes like "a/b/0/0" but is not ours.
    return formatTaskId(task) === taskId ? task : undefined;
  } catch {
    return undefined;
  }
}

/** As long as any id of a task of this step can be. */
export function longestTaskId(workflowId: string, stepId: string): string {
  return formatTaskId({ workflowId, stepId, part: "compensate", index: 0, generation: 999_999_999 });
}
