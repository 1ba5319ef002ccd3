/** A step's task in the queue: the run, the step, the index within a fan-out, and the generation of a rerun. */
export interface StepTask {
  readonly workflowId: string;
  readonly stepId: string;
  readonly index: number;
  readonly generation: number;
}

/**
 * One string for one task. No two tuples share a string, because an encoded name holds no slash.
 *
 * @throws URIError when a name holds half a surrogate pair; validation refuses such names before.
 */
export function formatTaskId({ workflowId, stepId, index, generation }: StepTask): string {
  return `${encodeURIComponent(workflowId)}/${encodeURIComponent(stepId)}/${index}/${generation}`;
}

const SHAPE = /^([^/]+)\/([^/]+)\/(0|[1-9]\d{0,8})\/(0|[1-9]\d{0,8})$/;

/** The way back; undefined for every string that `formatTaskId` cannot have made. */
export function parseTaskId(taskId: string): StepTask | undefined {
  const [, run, step, index, generation] = SHAPE.exec(taskId) ?? [];
  if (run === undefined || step === undefined) return undefined;
  try {
    const task = {
      workflowId: decodeURIComponent(run),
      stepId: decodeURIComponent(step),
      index: Number(index),
      generation: Number(generation),
    };
    // Anyone may name a task in the queue: "%61/b/0/0" decodes like "a/b/0/0" but is not ours.
    return formatTaskId(task) === taskId ? task : undefined;
  } catch {
    return undefined;
  }
}
