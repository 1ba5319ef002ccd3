import { describe, expect, it } from "vitest";
import { nearestFirst, nearestName } from "../../src/schema/nearest-name.ts";

describe("the nearest name", () => {
  it.each([
    ["a letter too few", "priorty", "priority"],
    ["a letter too many", "prioriity", "priority"],
    ["a wrong letter", "pryority", "priority"],
    ["two letters swapped", "prioirty", "priority"],
    ["other capitals", "PRIORITY", "priority"],
    ["the nearer of two", "task_idd", "task_id"],
  ])("survives %s", (_, name, nearest) => {
    expect(nearestName(name, ["task_ids_x", "task_id", "priority"])).toBe(nearest);
  });

  it("is undefined when nothing is near", () => {
    expect(nearestName("zzz", ["priority", "abc"])).toBeUndefined();
    expect(nearestName("x".repeat(1_000_000), ["priority"])).toBeUndefined();
    expect(nearestName("", [])).toBeUndefined();
  });
});

describe("the known names of a refusal", () => {
  it("begin with the one that was meant, and keep their order otherwise", () => {
    const known = ["task_id", "priority", "action"];
    expect(nearestFirst("priorty", known)).toEqual(["priority (did you mean that?)", "task_id", "action"]);
    expect(nearestFirst("zzz", known)).toEqual(known);
  });
});
