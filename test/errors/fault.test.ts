import { pathToFileURL } from "node:url";
import { runInNewContext } from "node:vm";
import { describe, expect, it } from "vitest";
import { FAULTS, Fault, assert, fault, isCancellation, isFault, sentenceOf } from "../../src/errors/index.ts";
import type * as ours from "../../src/errors/index.ts";
import { HOSTILE } from "./hostile.ts";
import { CODES, SAMPLES, sampleOf } from "./sample-details.ts";

/** How a detail appears in a sentence: a span of time in seconds, a list item by item. */
function wordsOf(key: string, detail: unknown): string[] {
  if (Array.isArray(detail)) return detail.map(String);
  return [key.endsWith("Ms") ? `${Number(detail) / 1_000} s` : String(detail)];
}

/** Another copy of the same room, as a second version of the package in one process would load it. */
async function otherCopy(): Promise<Pick<typeof ours, "fault" | "isFault">> {
  const { href } = pathToFileURL(`${import.meta.dirname}/../../src/errors/fault.ts`);
  return (await import(`${href}?copy`)) as typeof ours;
}

describe("the table of faults", () => {
  it.each(CODES)("has a sentence for %s that names its details, and a meaning", (code) => {
    const { message } = sampleOf(code);
    for (const [key, detail] of Object.entries(SAMPLES[code])) {
      // The run that failed is the thing that was asked about; the sentence is about the step in it.
      if (code === "WORKFLOW_FAILED" && key === "workflowId") continue;
      for (const words of wordsOf(key, detail)) expect(message).toContain(words);
    }
    expect(message).not.toMatch(/undefined|null|NaN|\[object/);
    expect(message.endsWith(".")).toBe(false);
    expect(FAULTS[code].means).toMatch(/^[A-Z].*\.$/);
  });

  it("has sentences that read well without the details that may be missing", () => {
    expect(fault("CANCELLED", { what: "the export" }).message).toBe("the export was cancelled");
    expect(fault("STORE_OWNED", { path: "/q.db" }).message).toBe("/q.db is in use by another process");
    expect(fault("DEFECT", { name: "Error", text: "boom" }).message).toBe("boom");
  });
});

describe("a fault", () => {
  it("is an error with a code, its details, its cause and what it collects", () => {
    const cause = new Error("below");
    const several = fault("SEVERAL", { count: 2 }, { cause, errors: [cause, "text"] });
    expect(several).toBeInstanceOf(Error);
    expect(several).toMatchObject({ name: "Fault", code: "SEVERAL", details: { count: 2 }, cause });
    expect(several.errors).toEqual([cause, "text"]);
    expect(fault("SEVERAL", { count: 0 }).errors).toEqual([]);
    expect("cause" in fault("SEVERAL", { count: 0 })).toBe(false);
  });

  it("is worth sending again exactly when its row says so", () => {
    for (const code of CODES) expect(sampleOf(code).retryable).toBe(FAULTS[code].retryable);
    expect(fault("MAILBOX_FULL", SAMPLES.MAILBOX_FULL).retryable).toBe(true);
    expect(fault("CANCELLED", SAMPLES.CANCELLED).retryable).toBe(false);
  });

  it("keeps a sentence that was made elsewhere", () => {
    const details = SAMPLES.ACTOR_STOPPED;
    expect(new Fault("ACTOR_STOPPED", details, { message: "queue is gone" }).message).toBe("queue is gone");
  });

  it("is recognised, with or without a code, and nothing else is", () => {
    const stopped = fault("ACTOR_STOPPED", { actor: "queue" });
    expect([isFault(stopped), isFault(stopped, "ACTOR_STOPPED"), isFault(stopped, "CANCELLED")]).toEqual([
      true,
      true,
      false,
    ]);
    const others = [
      undefined,
      null,
      "ACTOR_STOPPED",
      7,
      {},
      { code: "ACTOR_STOPPED" },
      new Error("x"),
      Fault,
      structuredClone(stopped),
    ];
    for (const other of others) expect(isFault(other)).toBe(false);
    for (const { thrown } of HOSTILE) expect(isFault(thrown)).toBeTypeOf("boolean");
  });

  it("is recognised when another copy of this package made it", async () => {
    const copy = await otherCopy();
    const theirs = copy.fault("CANCELLED", { what: "the export" });
    expect(theirs).not.toBeInstanceOf(Fault);
    expect([isFault(theirs), isFault(theirs, "CANCELLED"), isCancellation(theirs)]).toEqual([
      true,
      true,
      true,
    ]);
    expect(copy.isFault(fault("SEVERAL", { count: 1 }))).toBe(true);
  });
});

describe("a cancellation", () => {
  const cancelled = fault("CANCELLED", { what: "the export" });
  const late = fault("DEADLINE_EXCEEDED", { what: "the export", timeoutMs: 5 });
  const abortError = (cause?: unknown): Error =>
    Object.assign(new Error("The operation was aborted", cause === undefined ? {} : { cause }), {
      name: "AbortError",
    });

  it.each<[string, unknown, boolean]>([
    ["a fault of code CANCELLED", cancelled, true],
    ["a fault of any other code", late, false],
    ["a defect whose cause is a cancellation", new Error("x", { cause: cancelled }), false],
    ["an AbortError without a cause", abortError(), true],
    ["the reason of a plain abort", AbortSignal.abort().reason, true],
    ["Node's echo of a cancellation", abortError(cancelled), true],
    ["Node's echo of a deadline", abortError(late), false],
    ["Node's echo of an abort for a reason that is no fault", abortError(new Error("enough")), true],
    ["Node's echo of an abort for a reason that is a text", abortError("enough"), true],
    ["the reason of a timeout signal", new DOMException("late", "TimeoutError"), false],
    ["an object that is only named like one", { name: "AbortError" }, false],
    ["an ordinary error", new Error("x"), false],
    ["nothing", undefined, false],
    ["a text", "AbortError", false],
  ])("is told from a failure: %s", (_, error, expected) => {
    expect(isCancellation(error)).toBe(expected);
  });

  it("is told from a failure without being tripped by whatever was thrown", () => {
    for (const { thrown } of HOSTILE) expect(isCancellation(thrown)).toBe(false);
  });
});

describe("an assertion", () => {
  it("passes what is true and names what it claimed otherwise, as a defect and no fault", () => {
    expect(() => assert(1, "one is true")).not.toThrow();
    for (const wrong of [false, 0, "", null, undefined, NaN]) {
      expect(() => assert(wrong, "the ring has room")).toThrow(new TypeError("defect: the ring has room"));
    }
  });
});

describe("the sentence of what was thrown", () => {
  it.each<[string, unknown, string]>([
    ["an error's message", new TypeError("no such key"), "no such key"],
    ["its name where it has no message", new RangeError(""), "RangeError"],
    ["a fault's sentence", fault("ACTOR_STOPPED", { actor: "queue" }), "queue has been stopped"],
    ["a text", "broken", "broken"],
    ["nothing", undefined, "undefined"],
    ["an error of another realm", runInNewContext("new Error('far away')"), "Error: far away"],
  ])("is %s", (_, thrown, sentence) => {
    expect(sentenceOf(thrown)).toBe(sentence);
  });

  it("exists for everything that can be thrown", () => {
    for (const { thrown } of HOSTILE) expect(sentenceOf(thrown)).toBeTypeOf("string");
  });
});
