import { describe, expect, it } from "vitest";

import { packValue } from "../../src/codec/index.ts";
import { HeldOutputs } from "../../src/workflow/held-outputs.ts";
import { dagOf, step, workflow } from "./kit/definitions.ts";

const reads = { inputs: { x: "${{ steps.a.output }} and ${{ steps.a.output }}" } };
const definition = workflow([step("a"), step("b", ["a"], reads), step("c", ["a"], reads), step("d", ["a"])]);
const open = (): HeldOutputs => new HeldOutputs(definition.steps, dagOf(definition));
const gone = { missing: "step 0 has none" };
const whyMissing = (at: number): string => `step ${at} has none`;

describe("an output", () => {
  it("is held until the last step that refers to it has taken its inputs", () => {
    const outputs = open();
    outputs.put(0, packValue([1]));
    outputs.release(1);
    outputs.release(3);
    expect(outputs.get("a", whyMissing)).toEqual({ value: [1] });
    outputs.release(2);
    expect(outputs.get("a", whyMissing)).toEqual(gone);
  });

  it("that nobody refers to any more is not held at all", () => {
    const outputs = open();
    outputs.release(1);
    outputs.release(2);
    outputs.put(0, packValue(1));
    expect(outputs.get("a", whyMissing)).toEqual(gone);
    outputs.put(1, packValue(1));
    expect(outputs.get("b", whyMissing)).toEqual({ missing: "step 1 has none" });
  });

  it("is held for as long as it may be needed to undo a step", () => {
    const undone = { compensate: { action: "echo", inputs: { x: "${{ steps.a.output }}" } } };
    const steps = [step("a", [], undone), step("b", ["a"], undone)];
    const outputs = new HeldOutputs(steps, dagOf(workflow(steps)));
    outputs.put(0, packValue([1]));
    outputs.release(0);
    outputs.release(1);
    outputs.releaseUndo(1);
    expect(outputs.get("a", whyMissing)).toEqual({ value: [1] });
    outputs.releaseUndo(0);
    expect(outputs.get("a", whyMissing)).toEqual(gone);
  });

  it("is decoded once for all who read it", () => {
    const outputs = open();
    outputs.put(0, packValue({ big: "value" }));
    expect(outputs.get("a", whyMissing)).toBe(outputs.get("a", whyMissing));
  });

  it("of no step is missing", () => {
    expect(open().get("nowhere", whyMissing)).toEqual({ missing: "there is no such step" });
  });
});
