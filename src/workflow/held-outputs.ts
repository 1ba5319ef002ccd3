import { unpackValue } from "../codec/index.ts";
import { sentenceOf } from "../errors/index.ts";
import { findReferences, type Output } from "./reference.ts";
import type { Dag } from "./dag.ts";
import type { StepDefinition } from "./workflow.protocol.ts";

interface Held {
  readonly bytes: Uint8Array;
  unpacked: Output | undefined;
}

/**
 * Outputs of completed steps, each held only until the last step that refers to it has taken its inputs: their home
 * is the queue's file.
 */
export class HeldOutputs {
  readonly #dag: Dag;
  /** By step: the steps whose outputs its inputs refer to. */
  readonly #reads: readonly (readonly number[])[];
  /** By step: how many that refer to it have not taken their inputs yet. */
  readonly #readers: Uint32Array;
  readonly #held = new Map<number, Held>();

  constructor(steps: readonly StepDefinition[], dag: Dag) {
    this.#dag = dag;
    this.#reads = steps.map(({ inputs }) => {
      const ids = new Set(findReferences(inputs).references.map(({ reference }) => reference.stepId));
      return [...ids].flatMap((id) => dag.indexOf(id) ?? []);
    });
    this.#readers = new Uint32Array(steps.length);
    for (const targets of this.#reads) for (const at of targets) this.#readers[at] = this.#readersOf(at) + 1;
  }

  put(at: number, bytes: Uint8Array): void {
    if (this.#readersOf(at) > 0) this.#held.set(at, { bytes, unpacked: undefined });
  }

  /** @param whyMissing says why the step gave nothing */
  get(stepId: string, whyMissing: (at: number) => string): Output {
    const at = this.#dag.indexOf(stepId);
    if (at === undefined) return { missing: "there is no such step" };
    const held = this.#held.get(at);
    if (held === undefined) return { missing: whyMissing(at) };
    held.unpacked ??= unpack(held.bytes);
    return held.unpacked;
  }

  /** The step has taken its inputs, or never will. To be called once per step. */
  release(step: number): void {
    for (const at of this.#reads[step] ?? []) {
      const left = this.#readersOf(at) - 1;
      this.#readers[at] = left;
      if (left === 0) this.#held.delete(at);
    }
  }

  #readersOf(at: number): number {
    return this.#readers[at] ?? 0;
  }
}

/** One broken output is the failure of the steps that read it, not of the scheduler. */
function unpack(bytes: Uint8Array): Output {
  try {
    return { value: unpackValue(bytes) };
  } catch (error) {
    return { missing: `its output cannot be read: ${sentenceOf(error)}` };
  }
}
