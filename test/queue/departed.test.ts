import { describe, expect, it } from "vitest";
import { Departed } from "../../src/queue/departed.ts";

function departed(most: number, ...taskIds: string[]): (taskId: string) => boolean {
  const ids = new Departed(most);
  for (const taskId of taskIds) ids.add(taskId);
  return (taskId) => ids.has(taskId);
}

describe("the ids of tasks that have left", () => {
  it("are known until as many others have left since as are kept", () => {
    const isKnown = departed(3, "a", "b", "c", "d", "e");
    expect(["a", "b", "c", "d", "e", "f"].filter(isKnown)).toEqual(["c", "d", "e"]);
  });

  it("count from when they left last", () => {
    const isKnown = departed(3, "a", "b", "a", "c", "d");
    expect(["a", "b", "c", "d"].filter(isKnown)).toEqual(["a", "c", "d"]);
    expect(departed(2, "a", "a", "b")("a")).toBe(true);
    expect(departed(2, "a", "a", "b", "c")("a")).toBe(false);
  });
});
