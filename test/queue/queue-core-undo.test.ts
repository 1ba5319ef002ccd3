import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import { testSeed } from "../kit/seeded-random.ts";
import { CoreDriver, ORDERS, SMALL, anyCommand, drain, rowCommand, viewOf } from "./core-kit.ts";

const anyOrder = fc.constantFrom(...ORDERS);
const anyHistory = fc.array(anyCommand, { maxLength: 40, size: "max" });
const anyBatches = fc.array(rowCommand, { maxLength: 12, size: "max" });

describe("taking commands back", () => {
  it("leaves the queue as if they had never been, whatever they were", () => {
    const seed = testSeed();
    fc.assert(
      fc.property(anyOrder, anyHistory, anyBatches, fc.nat(20), (order, kept, undone, laterMs) => {
        const never = new CoreDriver({ ...SMALL, order });
        const core = new CoreDriver({ ...SMALL, order });
        for (const each of kept) never.apply(each);
        for (const each of kept) core.apply(each);
        const batches = undone.map((each) => core.apply(each));
        for (const rows of batches.toReversed()) core.core.undo(rows);
        expect(viewOf(core)).toEqual(viewOf(never));
        never.nowMs += laterMs;
        core.nowMs += laterMs;
        expect(drain(core)).toEqual(drain(never));
        expect(viewOf(core)).toEqual(viewOf(never));
      }),
      { seed, numRuns: 600 },
    );
  }, 60_000);
});
