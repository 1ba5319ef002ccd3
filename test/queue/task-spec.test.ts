import { describe, expect, it } from "vitest";
import { LIMITS } from "../../src/errors/index.ts";
import type { Backoff, Quota, TaskOrder, TaskSpec, WorkerSpec } from "../../src/queue/queue.protocol.ts";
import {
  checkCancel,
  checkLease,
  checkQuota,
  checkReason,
  checkSpecs,
  checkWorker,
  fingerprintOf,
} from "../../src/queue/task-spec.ts";
import { checkOrder } from "../../src/queue/task-order.ts";
import { bytes, spec } from "./core-kit.ts";

const invalid = (argument: string): unknown =>
  expect.objectContaining({
    code: "INVALID_ARGUMENT",
    details: expect.objectContaining({ argument }) as unknown,
  });
const names = (count: number): string[] => Array.from({ length: count }, (_, index) => `n${index}`);
const YEAR_MS = 31_622_400_000;

describe("a submit", () => {
  it.each<[string, string, Partial<Record<keyof TaskSpec, unknown>>]>([
    ["an empty id", "taskId", { taskId: "" }],
    ["an id of 513 characters", "taskId", { taskId: "x".repeat(513) }],
    ["an id with a NUL", "taskId", { taskId: "a\0b" }],
    ["an id with half a surrogate pair", "taskId", { taskId: "a\ud800" }],
    ["an id that is no text", "taskId", { taskId: 7 }],
    ["an empty action", "action", { action: "" }],
    ["an empty group", "group", { group: "" }],
    ["an empty idempotency key", "idempotencyKey", { idempotencyKey: "" }],
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
    ["a deadline before 1970", "deadlineMs", { deadlineMs: -1 }],
    ["a deadline that no date has", "deadlineMs", { deadlineMs: 8.64e15 + 2 }],
    ["a delay into the past", "delayMs", { delayMs: -1 }],
    ["a delay of half a millisecond", "delayMs", { delayMs: 0.5 }],
    ["a delay of more than 366 days", "delayMs", { delayMs: YEAR_MS + 1 }],
    ["dependencies that are no list", "dependsOn", { dependsOn: "a" }],
    ["257 dependencies", "dependsOn", { dependsOn: names(257) }],
    ["an empty dependency", "dependsOn[1]", { dependsOn: ["a", ""] }],
    ["a wish for failures that nobody knows", "onDependencyFailure", { onDependencyFailure: "ignore" }],
    ["33 tags", "tags", { tags: names(33) }],
    ["a tag of 129 characters", "tags[0]", { tags: ["x".repeat(129)] }],
    ["33 required capabilities", "requires", { requires: names(33) }],
    ["an empty capability", "requires[0]", { requires: [""] }],
    ["metadata that cannot cross threads", "metadata", { metadata: { act: () => 1 } }],
    ["metadata of more than 64 KiB", "metadata", { metadata: { text: "x".repeat(65_536) } }],
    ["an input that is no bytes", "input", { input: "x" }],
    ["an input of one byte more than 1 MiB", "input", { input: new Uint8Array(1_048_577) }],
  ])("with %s is refused, and the argument is named", (_, argument, wrong) => {
    const bad = { ...spec("a"), ...wrong } as TaskSpec;
    expect(() => checkSpecs([bad])).toThrow(invalid(argument));
    expect(() => checkSpecs([spec("b"), bad])).toThrow(invalid(`tasks[1].${argument}`));
  });

  it.each<[string, string, Partial<Record<keyof Backoff, unknown>>]>([
    ["an unknown shape", "shape", { shape: "wavy" }],
    ["a negative delay", "delayMs", { delayMs: -1 }],
    ["a cap of more than 366 days", "maxDelayMs", { maxDelayMs: YEAR_MS + 1 }],
    ["a factor that shortens", "factor", { factor: 0.9 }],
    ["a factor above 100", "factor", { factor: 100.5 }],
    ["more jitter than there is delay", "jitter", { jitter: 1.1 }],
    ["jitter that is no number", "jitter", { jitter: Number.NaN }],
  ])("with a backoff of %s is refused", (_, argument, wrong) => {
    expect(() => checkSpecs([spec("a", { backoff: wrong as Partial<Backoff> })])).toThrow(
      invalid(`backoff.${argument}`),
    );
  });

  it("is accepted exactly at the limits", () => {
    checkSpecs([
      spec("x".repeat(512), {
        priority: 1_000_000,
        attempts: 100,
        timeoutMs: 604_800_000,
        idempotencyKey: "k".repeat(512),
      }),
      spec("y", { priority: -1_000_000, input: new Uint8Array(1_048_576), group: "g".repeat(512) }),
      spec("z", {
        deadlineMs: 8.64e15,
        delayMs: YEAR_MS,
        dependsOn: names(256),
        tags: names(31).concat("x".repeat(128)),
        requires: names(32),
      }),
      spec("w", {
        backoff: { shape: "linear", delayMs: 0, factor: 100, maxDelayMs: YEAR_MS, jitter: 1 },
        delayMs: 0,
      }),
      spec("v", {
        backoff: {},
        metadata: { text: "x".repeat(65_000) },
        tags: [],
        requires: [],
        dependsOn: [],
      }),
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
    expect(() => checkReason(7 as unknown as string)).toThrow(invalid("reason"));
  });
});

describe("an order", () => {
  it("is one of four, with its own options within their bounds", () => {
    checkOrder({ by: "fifo" });
    checkOrder({ by: "deadline" });
    checkOrder({ by: "priority", ageingMs: 1 });
    checkOrder({ by: "priority_deadline", weightMs: 0, horizonMs: YEAR_MS });
    for (const [order, argument] of [
      [{ by: "lifo" }, "order.by"],
      [{ by: "toString" }, "order.by"],
      [{ by: "fifo", ageingMs: 1 }, "order.ageingMs"],
      [{ by: "priority", weightMs: 1 }, "order.weightMs"],
      [{ by: "priority", constructor: 1 }, "order.constructor"],
      [{ by: "priority_deadline", horizonMs: "1" }, "order.horizonMs"],
      [{ by: "priority", ageingMs: 0 }, "order.ageingMs"],
      [{ by: "priority", ageingMs: Number.NaN }, "order.ageingMs"],
      [{ by: "priority_deadline", weightMs: -1 }, "order.weightMs"],
      [{ by: "priority_deadline", horizonMs: YEAR_MS + 1 }, "order.horizonMs"],
    ] as const) {
      expect(() => checkOrder(order as TaskOrder)).toThrow(invalid(argument));
    }
  });
});

describe("a quota", () => {
  it("is accepted at its limits and refused beyond them, and the argument is named", () => {
    checkQuota({
      scope: "action",
      name: "a".repeat(512),
      concurrency: 0,
      perSecond: 1e-6,
      burst: 1,
      queued: 0,
    });
    checkQuota({
      scope: "tag",
      name: "t".repeat(128),
      concurrency: 1_000_000,
      perSecond: 1e6,
      burst: 1_000_000,
      weight: 1e-3,
    });
    for (const [wrong, argument] of [
      [{ scope: "user" }, "quota.scope"],
      [{ name: "" }, "quota.name"],
      [{ name: "t".repeat(129) }, "quota.name"],
      [{ concurrency: -1 }, "quota.concurrency"],
      [{ concurrency: 0.5 }, "quota.concurrency"],
      [{ perSecond: 0 }, "quota.perSecond"],
      [{ burst: 0 }, "quota.burst"],
      [{ queued: -1 }, "quota.queued"],
      [{ weight: 0 }, "quota.weight"],
      [{ scope: "action", weight: 1 }, "quota.weight"],
    ] as const) {
      expect(() => checkQuota({ scope: "tag", name: "t", ...wrong } as Quota)).toThrow(invalid(argument));
    }
  });
});

describe("a worker outside", () => {
  it("is accepted at its limits and refused beyond them, and the argument is named", () => {
    const worker = (more: Partial<WorkerSpec>): WorkerSpec => ({ workerId: "w", capabilities: [], ...more });
    checkWorker(worker({ workerId: "w".repeat(512), capabilities: names(1_000), maxConcurrent: 1_000 }));
    for (const [wrong, argument] of [
      [{ workerId: "" }, "workerId"],
      [{ capabilities: names(1_001) }, "capabilities"],
      [{ capabilities: ["a", ""] }, "capabilities[1]"],
      [{ maxConcurrent: 0 }, "maxConcurrent"],
      [{ maxConcurrent: 1_001 }, "maxConcurrent"],
      [{ metadata: { text: "x".repeat(65_536) } }, "metadata"],
      [{ resourceLimits: { act: () => 1 } as never }, "resourceLimits"],
    ] as const) {
      expect(() => checkWorker(worker(wrong))).toThrow(invalid(argument));
    }
  });

  it("has leases of 100 ms to one day", () => {
    for (const leaseMs of [100, 86_400_000]) checkLease(leaseMs);
    for (const leaseMs of [99, 86_400_001, 100.5])
      expect(() => checkLease(leaseMs)).toThrow(invalid("leaseMs"));
  });
});

describe("the fingerprint", () => {
  it("tells every other action or input apart, and nothing else", () => {
    const original = fingerprintOf(spec("a"));
    expect(original.byteLength).toBe(32);
    expect(fingerprintOf(spec("b", { priority: 3, group: "g" }))).toEqual(original);
    expect(fingerprintOf(spec("a", { action: "sleep" }))).not.toEqual(original);
    expect(fingerprintOf(spec("a", { input: bytes(1, 1) }))).not.toEqual(original);
    // One character moved from the action to the input.
    expect(fingerprintOf(spec("a", { action: "ech", input: bytes(111, 1) }))).not.toEqual(original);
  });
});
