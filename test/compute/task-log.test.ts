import { describe, expect, it } from "vitest";
import { LIMITS } from "../../src/errors/index.ts";
import { shortText, TaskLog } from "../../src/compute/task-log.ts";
import type { ThreadMessage } from "../../src/compute/thread-message.ts";

const BY = { taskId: "t1", token: 9, attempt: 3 };

/** Posts as a thread does: what cannot be cloned is refused. */
function taskLog(): { log: TaskLog; posted: ThreadMessage[] } {
  const posted: ThreadMessage[] = [];
  return { log: new TaskLog(BY, (message) => void posted.push(structuredClone(message))), posted };
}

describe("the log of a task", () => {
  it("posts what is written with its attempt, level and fields", () => {
    const { log, posted } = taskLog();
    log.write("error", "broken", { at: 3 });
    log.end();
    expect(posted).toEqual([
      { kind: "mcplusplus.log", by: BY, level: "error", message: "broken", fields: { at: 3 } },
    ]);
  });

  it("names fields that cannot cross instead of throwing", () => {
    const { log, posted } = taskLog();
    log.write("info", "odd", { callback: () => {} });
    expect(posted).toMatchObject([{ message: "odd", fields: { fieldsLeftOut: ["callback"] } }]);
  });

  it(`keeps ${LIMITS.compute.logRecords} records and counts the rest in one more`, () => {
    const { log, posted } = taskLog();
    for (let index = 0; index < LIMITS.compute.logRecords; index++) log.write("info", "line");
    log.end();
    expect(posted).toHaveLength(LIMITS.compute.logRecords);
    log.write("info", "one too many");
    log.write("info", "two too many");
    log.end();
    expect(posted).toHaveLength(LIMITS.compute.logRecords + 1);
    expect(posted.at(-1)).toMatchObject({ level: "error", fields: { recordsLeftOut: 2 } });
  });

  it(`cuts texts after ${LIMITS.compute.logChars} characters`, () => {
    const { log, posted } = taskLog();
    log.write("info", "x".repeat(LIMITS.compute.logChars));
    log.write("info", "x".repeat(LIMITS.compute.logChars + 1));
    expect(posted).toMatchObject([
      { message: "x".repeat(LIMITS.compute.logChars) },
      { message: `${"x".repeat(LIMITS.compute.logChars)}…` },
    ]);
  });

  it("takes anything for a text", () => {
    expect(shortText({ a: 1 }, 100)).toBe("{ a: 1 }");
    expect(shortText(Symbol("s"), 100)).toBe("Symbol(s)");
  });
});
