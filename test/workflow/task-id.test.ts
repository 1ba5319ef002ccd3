import * as fc from "fast-check";
import { describe, expect, it } from "vitest";

import { formatTaskId, longestTaskId, parseTaskId, type StepTask } from "../../src/workflow/task-id.ts";

const name = fc.string({ unit: "grapheme", minLength: 1, maxLength: 40 });
const number = fc.nat(999_999_999);
const tuple: fc.Arbitrary<StepTask> = fc
  .record({
    workflowId: name,
    stepId: name,
    part: fc.constantFrom("run", "when", "compensate"),
    index: number,
    generation: number,
  })
  .map((task) => (task.part === "run" ? task : { ...task, index: 0 }));

describe("a step's task id", () => {
  it("leads back to its tuple", () => {
    fc.assert(
      fc.property(tuple, (task) => {
        expect(parseTaskId(formatTaskId(task))).toEqual(task);
      }),
    );
  });

  it("is not shared by two tuples", () => {
    fc.assert(
      fc.property(tuple, tuple, (one, other) => {
        fc.pre(JSON.stringify(one) !== JSON.stringify(other));
        expect(formatTaskId(one)).not.toBe(formatTaskId(other));
      }),
    );
    const task = { workflowId: "a/b", stepId: "c", index: 3, generation: 1 };
    expect(formatTaskId({ ...task, part: "run" })).toBe("a%2Fb/c/3/1");
    expect(formatTaskId({ ...task, part: "when" })).toBe("a%2Fb/c/when/1");
  });

  it("is never longer than the longest of its step", () => {
    fc.assert(
      fc.property(tuple, (task) => {
        const longest = longestTaskId(task.workflowId, task.stepId).length;
        expect(formatTaskId(task).length).toBeLessThanOrEqual(longest);
      }),
    );
  });

  it.each([
    "",
    "a",
    "a/b",
    "a/b/0",
    "a/b/0/0/0",
    "a/b/00/0",
    "a/b/-1/0",
    "a/b/0/x",
    "/b/0/0",
    "%61/b/0/0",
    "%/b/0/0",
  ])("is not read out of %j, which it cannot have made", (taskId) =>
    expect(parseTaskId(taskId)).toBeUndefined(),
  );
});
