import { describe, expect, it } from "vitest";
import { z } from "zod";
import { defineTasks, handler, type TaskContext } from "../../src/compute/index.ts";
import { isTasks } from "../../src/compute/define-tasks.ts";

describe("handler", () => {
  it("has its thread alone unless it says that it shares one, and there is nothing else", () => {
    const run = (): null => null;
    expect([handler({ run }).isolation, handler({ run, isolation: "shared" }).isolation]).toEqual([
      "thread",
      "shared",
    ]);
    expect(() => handler({ run, isolation: "process" as "thread" })).toThrow(
      expect.objectContaining({ code: "INVALID_ARGUMENT" }),
    );
  });

  it("types the input from what the schema gives, and the result from what the output schema takes", () => {
    handler({
      input: z.object({ rows: z.array(z.string()).default([]) }),
      output: z.object({ count: z.coerce.number<string>() }),
      run({ rows }) {
        const first: string | undefined = rows[0];
        return { count: first ?? "0" };
      },
    });
    handler({
      input: z.object({ rows: z.number() }),
      // @ts-expect-error -- rows is a number
      run: ({ rows }) => rows.length as unknown,
    });
    handler({
      output: z.object({ count: z.number() }),
      // @ts-expect-error -- count is no text
      run: () => ({ count: "1" }),
    });
    handler({
      run(input, context) {
        const unknown: unknown = input;
        const known: TaskContext = context;
        // @ts-expect-error -- without a schema nothing is known of the input
        void input.rows;
        return [unknown, known];
      },
    });
  });

  it("keeps `this` of its definition", async () => {
    const { run } = handler({
      description: "named",
      run() {
        return (this as { description?: string }).description;
      },
    });
    expect(await run(null, {} as TaskContext)).toBe("named");
  });

  it.each([0, -1, Number.NaN])("refuses %d as a time-out", (timeoutMs) => {
    expect(() => handler({ timeoutMs, run: () => null })).toThrow(
      expect.objectContaining({ code: "INVALID_ARGUMENT" }),
    );
  });
});

describe("defineTasks", () => {
  const nothing = handler({ run: () => null });

  it("makes a frozen value that can be told from every other", () => {
    const tasks = defineTasks({ nothing });
    expect(isTasks(tasks)).toBe(true);
    expect(Object.isFrozen(tasks) && Object.isFrozen(tasks.handlers)).toBe(true);
    expect([null, {}, "tasks", { handlers: {} }, nothing].map(isTasks)).not.toContain(true);
  });

  it.each(["a", "fetch_data", "A.b-c_9", `a${"b".repeat(63)}`])("accepts the name %s", (name) => {
    expect(defineTasks({ [name]: nothing }).handlers[name]).toBe(nothing);
  });

  it.each(["", "9a", "_a", "a b", "a/b", `a${"b".repeat(64)}`])("refuses the name %j", (name) => {
    expect(() => defineTasks({ [name]: nothing })).toThrow(
      expect.objectContaining({ code: "INVALID_ARGUMENT" }),
    );
  });

  it.each([null, () => null, { run: () => null }])("refuses %j, which handler did not make", (value) => {
    expect(() => defineTasks({ odd: value as never })).toThrow(/the handler "odd" is (null|function|object)/);
  });
});
