import { LIMITS } from "../errors/index.ts";
import type { RunStep } from "./run-step.ts";

/**
 * The outputs of a run's completed steps, for as long as they are small all together: then they travel with its end, and
 * whoever waits for that need not ask the queue, which is their home.
 */
export class SmallOutputs {
  /** By place of the step, packed; null: it was too much. */
  #outputs: Map<number, Uint8Array> | null = new Map();
  #sizeBytes = 0;

  put(at: number, packed: Uint8Array): void {
    if (this.#outputs === null) return;
    this.#sizeBytes += packed.byteLength;
    if (this.#sizeBytes <= LIMITS.workflow.endBytes) this.#outputs.set(at, packed);
    else this.#outputs = null;
  }

  /** By step id; null when that of any completed step is missing, or there are too many steps. */
  of(steps: readonly RunStep[]): Readonly<Record<string, Uint8Array>> | null {
    if (steps.length > LIMITS.workflow.endSteps) return null;
    const found: [string, Uint8Array][] = [];
    for (const { at, state, definition } of steps) {
      if (state !== "completed") continue;
      const output = this.#outputs?.get(at);
      if (output === undefined) return null;
      found.push([definition.stepId, output]);
    }
    return Object.fromEntries(found);
  }
}
