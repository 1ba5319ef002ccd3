import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import { RunWorkers, WORKERS_KEPT, isOfWorkers } from "../../src/workflow/run-workers.ts";

/** After these attempts, each a worker and when it began. */
function after(attempts: readonly (readonly [workerId: string, startedAtMs: number])[]): readonly string[] {
  const workers = new RunWorkers();
  for (const [workerId, startedAtMs] of attempts) workers.note(workerId, startedAtMs);
  return workers.ids;
}

describe("the workers of a run", () => {
  it("are named once each, the one that started last at the end", () => {
    const attempts = [
      ["local", 1],
      ["peer:P", 2],
      ["local", 3],
      ["peer:Q", 4],
      ["peer:P", 5],
    ] as const;
    expect(after(attempts)).toEqual(["local", "peer:Q", "peer:P"]);
  });

  it("are the same in whatever order, and however often, their attempts are heard of", () => {
    const worker = fc.constantFrom("local", "peer:P", "peer:Q", "other");
    const attempts = fc.uniqueArray(fc.tuple(worker, fc.nat(1_000)), { selector: ([, atMs]) => atMs });
    const told = attempts.chain((all) =>
      fc.tuple(
        fc.constant(all.toSorted(([, a], [, b]) => a - b)),
        fc.shuffledSubarray([...all, ...all], { minLength: 2 * all.length }),
      ),
    );
    fc.assert(
      fc.property(told, ([inOrder, shuffled]) => {
        expect(after(shuffled)).toEqual(after(inOrder));
      }),
    );
  });

  it("are the last 16 of more", () => {
    const all = Array.from({ length: WORKERS_KEPT + 4 }, (_, at) => [`peer:${at}`, at] as const);
    expect(WORKERS_KEPT).toBe(16);
    expect(after(all.slice(0, 16))).toEqual(all.slice(0, 16).map(([id]) => id));
    expect(after(all)).toEqual(all.slice(4).map(([id]) => id));
    expect(after([...all, ["peer:0", 50]])).toEqual([...all.slice(5).map(([id]) => id), "peer:0"]);
  });

  it("say when one is named that was not before", () => {
    const workers = new RunWorkers(["peer:P"]);
    expect(workers.note("local", 5)).toBe(true);
    expect([workers.note("local", 5), workers.note("local", 6), workers.note("peer:P", 7)]).toEqual([
      false,
      false,
      false,
    ]);
    expect(workers.ids).toEqual(["local", "peer:P"]);
  });

  it("of an earlier life come before all that is known of their attempts", () => {
    const workers = new RunWorkers(["peer:P", "local"]);
    expect(workers.ids).toEqual(["peer:P", "local"]);
    workers.note("peer:Q", 3);
    workers.note("peer:P", 2);
    expect(workers.ids).toEqual(["local", "peer:P", "peer:Q"]);
  });
});

describe("a filter by workers", () => {
  it.each([
    [["local"], { worker: "local" }, true],
    [["local", "peer:P"], { worker: "peer:P" }, true],
    [["peer:PQ"], { worker: "peer:P" }, false],
    [[], { worker: "local" }, false],
    [["peer:P"], { peer: "P" }, true],
    [["P"], { peer: "P" }, false],
    [["peer:P"], { peer: "local" }, false],
    [["peer:P", "gpu"], { peer: "local" }, true],
    [[], { peer: "local" }, true],
    [["peer:P", "gpu"], { peer: "P", worker: "gpu" }, true],
    [["peer:P", "gpu"], { peer: "P", worker: "local" }, false],
  ] as const)("of the workers %j lets %j through: %s", (workerIds, filter, isOf) =>
    expect(isOfWorkers(workerIds, filter)).toBe(isOf),
  );
});
