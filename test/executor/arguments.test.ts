import { describe, expect, it } from "vitest";
import { LIMITS } from "../../src/errors/index.ts";
import { createExecutor, type ExecutorOptions } from "../../src/executor/index.ts";
import { withScope } from "../../src/scope/index.ts";
import { Slots } from "../../src/executor/slots.ts";
import { failOnLeaks } from "../kit/leak-check.ts";

failOnLeaks();

/** As a program without types would call it. */
const made = (options: unknown): unknown => createExecutor(options as ExecutorOptions);

const OPTIONS: readonly (readonly [options: unknown, sentence: string])[] = [
  [
    { maxConcurent: 3 },
    "options.maxConcurent is no option; allowed is one of maxConcurrent, timeoutMs, metrics, clock",
  ],
  [null, "options is null; allowed is an object"],
  [{ maxConcurrent: 0 }, "maxConcurrent is 0; allowed is an integer from 1 to 10000"],
  [{ maxConcurrent: 10_001 }, "maxConcurrent is 10001; allowed is an integer from 1 to 10000"],
  [{ maxConcurrent: 1.5 }, "maxConcurrent is 1.5; allowed is an integer from 1 to 10000"],
  [{ timeoutMs: 0 }, "timeoutMs is 0; allowed is a number from 1 to 604800000"],
  [{ timeoutMs: Infinity }, "timeoutMs is Infinity; allowed is a number from 1 to 604800000"],
  [{ timeoutMs: "30" }, 'timeoutMs is "30"; allowed is a number from 1 to 604800000'],
  [{ metrics: 1 }, "metrics is 1; allowed is true or false"],
  [{ clock: { now: 1 } }, "clock is an object; allowed is a clock"],
];

type Call = (work: () => void, other: never) => Promise<unknown>;
const executor = createExecutor();

const CALLS: readonly (readonly [call: Call, other: unknown, sentence: string])[] = [
  [(_, other) => executor.runOne(other), 3, "fn is 3; allowed is a function"],
  [(_, other) => executor.runBatch(other, [1]), undefined, "fn is missing; allowed is a function"],
  [(work, other) => executor.runParallel([work, other]), "a", 'functions[1] is "a"; allowed is a function'],
  [
    (_, other) => executor.runParallel(other),
    new Set(),
    "functions is an instance of Set; allowed is an array",
  ],
  [(work, other) => executor.runBatch(work, other), "ab", 'argsList is "ab"; allowed is an array'],
  [
    (work, other) => executor.runBatch(work, other),
    Array.from({ length: LIMITS.executor.executions + 1 }),
    "the length of argsList is 1000001; allowed is an integer from 0 to 1000000",
  ],
  [
    (work, other) => executor.runOne(work, other),
    { timeout: 3 },
    "options.timeout is no option; allowed is one of signal, parent, timeoutMs, name",
  ],
  [
    (work, other) => executor.runParallel([work], other),
    { timeoutMs: -1 },
    "timeoutMs is -1; allowed is a number",
  ],
  [(work, other) => executor.runBatch(work, [1], other), { name: 7 }, "name is 7; allowed is a text"],
  [
    (work, other) => executor.runBatch(work, [1], other),
    { signal: {} },
    "signal is an object; allowed is an Abort",
  ],
];

describe("what is wrong", () => {
  it("with an option or an argument is told in a sentence, before anything starts", async () => {
    for (const [options, sentence] of OPTIONS) {
      expect(() => made(options)).toThrow(sentence);
    }
    let started = false;
    for (const [call, other, sentence] of CALLS) {
      const refused = call(() => void (started = true), other as never);
      await expect(refused).rejects.toThrow(sentence);
      await expect(refused).rejects.toMatchObject({ code: "INVALID_ARGUMENT" });
    }
    expect(started).toBe(false);
  });

  it("is not what is just allowed", () => {
    expect(made({ maxConcurrent: 1, timeoutMs: 1 })).toBeDefined();
    expect(made({ maxConcurrent: 10_000, timeoutMs: 604_800_000, metrics: undefined })).toBeDefined();
  });
});

describe("the bound on what waits", () => {
  it("takes exactly as many as it says, refuses one more, and has room again when they are gone", async () => {
    const limit = LIMITS.executor.executions;
    const slots = new Slots(1);
    let started = 0;
    const start = (): Promise<void> => {
      started += 1;
      return Promise.resolve();
    };
    await withScope(async (holder) => {
      const gate = Promise.withResolvers<void>();
      await slots.startEach(holder, [() => gate.promise]);
      const many = Array.from({ length: limit }, () => start);
      const user = new AbortController();
      const waiting = withScope({ signal: user.signal }, (scope) => slots.startEach(scope, many));
      await expect(slots.startEach(holder, [start])).rejects.toMatchObject({
        code: "EXECUTOR_FULL",
        message: "the executor is full: at most 1000000 functions may wait for a slot",
      });
      user.abort();
      await expect(waiting).rejects.toMatchObject({ code: "CANCELLED" });
      expect(started).toBe(0);
      const last = slots.startEach(holder, [start]);
      gate.resolve();
      await last;
      expect(started).toBe(1);
    });
  });
});
