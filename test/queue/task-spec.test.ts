import { describe, expect, it } from "vitest";
import { LIMITS } from "../../src/errors/index.ts";
import type { TaskSpec } from "../../src/queue/queue.protocol.ts";
import { checkCancel, checkSpecs, fingerprintOf } from "../../src/queue/task-spec.ts";

const spec = (taskId: string, more: Partial<TaskSpec> = {}): TaskSpec => ({
  taskId,
  action: "echo",
  input: Uint8Array.of(1),
  ...more,
});
const invalid = (argument: string): unknown =>
  expect.objectContaining({
    code: "INVALID_ARGUMENT",
    details: expect.objectContaining({ argument }) as unknown,
  });

describe("a submit", () => {
  it.each<[string, string, Partial<Record<keyof TaskSpec, unknown>>]>([
    ["an empty id", "taskId", { taskId: "" }],
    ["an id of 513 characters", "taskId", { taskId: "x".repeat(513) }],
    ["an id with a NUL", "taskId", { taskId: "a\0b" }],
    ["an id with half a surrogate pair", "taskId", { taskId: "a\ud800" }],
    ["an id that is no text", "taskId", { taskId: 7 }],
    ["an empty action", "action", { action: "" }],
    ["an empty group", "group", { group: "" }],
    ["a priority above a million", "priority", { priority: 1_000_000.5 }],
    ["a priority below minus a million", "priority", { priority: -1_000_001 }],
    ["a priority that is no number", "priority", { priority: Number.NaN }],
    ["an infinite priority", "priority", { priority: Number.POSITIVE_INFINITY }],
    ["a priority that is text", "priority", { priority: "9" }],
    ["no attempts", "attempts", { attempts: 0 }],
    ["101 attempts", "attempts", { attempts: 101 }],
    ["half an attempt", "attempts", { attempts: 1.5 }],
    ["no time", "timeoutMs", { timeoutMs: 0 }],
    ["a timeout of more than seven days", "timeoutMs", { timeoutMs: 604_800_001 }],
    ["an input that is no bytes", "input", { input: "x" }],
    ["an input of one byte more than 1 MiB", "input", { input: new Uint8Array(1_048_577) }],
  ])("with %s is refused, and the argument is named", (_, argument, wrong) => {
    const bad = { ...spec("a"), ...wrong } as TaskSpec;
    expect(() => checkSpecs([bad])).toThrow(invalid(argument));
    expect(() => checkSpecs([spec("b"), bad])).toThrow(invalid(`tasks[1].${argument}`));
  });

  it("is accepted exactly at the limits", () => {
    checkSpecs([
      spec("x".repeat(512), { priority: 1_000_000, attempts: 100, timeoutMs: 604_800_000 }),
      spec("y", { priority: -1_000_000, input: new Uint8Array(1_048_576), group: "g".repeat(512) }),
    ]);
    checkSpecs(Array.from({ length: LIMITS.queue.batchTasks }, (_, index) => spec(`t${index}`)));
    checkSpecs([]);
  });

  it("of one task more than a batch holds is refused", () => {
    const specs = Array.from({ length: LIMITS.queue.batchTasks + 1 }, (_, index) => spec(`t${index}`));
    expect(() => checkSpecs(specs)).toThrow(invalid("tasks"));
  });
});

describe("a cancel", () => {
  it("is accepted at its limits and refused above them", () => {
    const ids = Array.from({ length: LIMITS.queue.batchTasks }, (_, index) => `t${index}`);
    checkCancel(ids, "r".repeat(LIMITS.queue.reasonChars));
    expect(() => checkCancel([...ids, "one more"], "")).toThrow(invalid("taskIds"));
    expect(() => checkCancel([], "r".repeat(LIMITS.queue.reasonChars + 1))).toThrow(invalid("reason"));
  });
});

describe("the fingerprint", () => {
  it("tells every other action or input apart, and nothing else", () => {
    const original = fingerprintOf(spec("a"));
    expect(fingerprintOf(spec("b", { priority: 3, group: "g" }))).toBe(original);
    expect(fingerprintOf(spec("a", { action: "sleep" }))).not.toBe(original);
    expect(fingerprintOf(spec("a", { input: Uint8Array.of(1, 1) }))).not.toBe(original);
    // One character moved from the action to the input.
    expect(fingerprintOf(spec("a", { action: "ech", input: Uint8Array.of(111, 1) }))).not.toBe(original);
  });
});
