import { unpackValue } from "../codec/index.ts";
import { sentenceOf } from "../errors/index.ts";
import type { Wire } from "../schema/index.ts";
import { findReferences, type Output } from "./reference.ts";
import type { Dag } from "./dag.ts";
import type { StepDefinition } from "./workflow.protocol.ts";

interface Held {
  /** Packed: one output, or those of the items of a step. */
  readonly packed: Uint8Array | readonly (Uint8Array | null)[];
  unpacked: Output | undefined;
}

/**
 * Outputs of completed steps, each held only until the last step that refers to it has taken its inputs, or for as
 * long as one that refers to it may have to be undone: their home is the queue's file.
 */
export class HeldOutputs {
  readonly #dag: Dag;
  /** By step: the steps whose outputs its inputs refer to. */
  readonly #reads: readonly (readonly number[])[];
  /** By step: how many that refer to it have not taken their inputs yet. */
  readonly #readers: Uint32Array;
  /** By step: the steps whose outputs are needed to undo it. */
  readonly #undoReads: readonly (readonly number[])[];
  readonly #held = new Map<number, Held>();
  /** By step: it has taken its inputs, or never will. */
  readonly #released: Uint8Array;

  constructor(steps: readonly StepDefinition[], dag: Dag) {
    this.#dag = dag;
    this.#reads = steps.map((step, at) => readsOf(step, at, dag));
    this.#readers = new Uint32Array(steps.length);
    this.#released = new Uint8Array(steps.length);
    this.#undoReads = steps.map(({ compensate }) =>
      compensate ? readIn([compensate.inputs], dag) : NOTHING,
    );
    for (const targets of [...this.#reads, ...this.#undoReads])
      for (const at of targets) this.#readers[at] = this.#readersOf(at) + 1;
  }

  /** Does anybody refer to it who has not taken its inputs yet? */
  isWanted(at: number): boolean {
    return this.#readersOf(at) > 0;
  }

  put(at: number, packed: Uint8Array): void {
    if (this.isWanted(at)) this.#held.set(at, { packed, unpacked: undefined });
  }

  /** The output is the list of these; null stands for itself. */
  putList(at: number, packed: readonly (Uint8Array | null)[]): void {
    if (this.isWanted(at)) this.#held.set(at, { packed, unpacked: undefined });
  }

  /** @param whyMissing says why the step gave nothing */
  get(stepId: string, whyMissing: (at: number) => string): Output {
    const at = this.#dag.indexOf(stepId);
    if (at === undefined) return { missing: "there is no such step" };
    const held = this.#held.get(at);
    if (held === undefined) return { missing: whyMissing(at) };
    held.unpacked ??= unpack(held.packed);
    return held.unpacked;
  }

  /** The step has taken its inputs, or never will; to say so again changes nothing. */
  release(step: number): void {
    if (this.#released[step] === 1) return;
    this.#released[step] = 1;
    this.#forget(this.#reads[step] ?? NOTHING);
  }

  /** To be called once, of a step that will never be undone. */
  releaseUndo(step: number): void {
    this.#forget(this.#undoReads[step] ?? NOTHING);
  }

  #forget(targets: readonly number[]): void {
    for (const at of targets) {
      const left = this.#readersOf(at) - 1;
      this.#readers[at] = left;
      if (left === 0) this.#held.delete(at);
    }
  }

  #readersOf(at: number): number {
    return this.#readers[at] ?? 0;
  }
}

/** Steps that its inputs and items refer to, and all that its condition may look at. */
function readsOf({ inputs, forEach, when }: StepDefinition, at: number, dag: Dag): number[] {
  const reads = new Set(readIn([inputs, forEach?.items ?? null], dag));
  if (when !== undefined) for (const before of dag.dependencies(at)) reads.add(before);
  return [...reads];
}

/** Steps to which references lead, each once. */
function readIn(values: readonly Wire[], dag: Dag): number[] {
  const references = values.flatMap((value) => findReferences(value).references);
  return [...new Set(references.flatMap(({ reference }) => dag.indexOf(reference.stepId) ?? []))];
}

const NOTHING: readonly number[] = [];

/** One broken output is the failure of the steps that read it, not of the scheduler. */
function unpack(packed: Held["packed"]): Output {
  try {
    if (packed instanceof Uint8Array) return { value: unpackValue(packed) };
    return { value: packed.map((each) => each && unpackValue(each)) };
  } catch (error) {
    return { missing: `its output cannot be read: ${sentenceOf(error)}` };
  }
}
