import { describe, expect, it } from "vitest";
import { QueueLedger, type TaskLine } from "./queue-ledger.ts";

const ledgerOf = (...lines: TaskLine[]): QueueLedger => {
  const ledger = new QueueLedger();
  for (const line of lines) ledger.take(line);
  return ledger;
};
const accepted: TaskLine = { say: "accepted", taskIds: ["a"] };
const completed: TaskLine = { say: "ended", taskId: "a", state: "completed", output: 1 };

describe("the ledger of the crash test", () => {
  it("finds nothing wrong with a task that is there, open or as it ended", () => {
    const ledger = ledgerOf(
      accepted,
      { say: "found", taskId: "a", state: "queued", output: null },
      completed,
      { say: "found", taskId: "a", state: "completed", output: 1 },
    );
    expect([ledger.acknowledged, ledger.lost, ledger.doubleCompleted]).toEqual([1, [], []]);
  });

  it("calls an accepted task that is not there lost", () => {
    expect(ledgerOf(accepted, { say: "found", taskId: "a", state: null, output: null }).lost).toEqual(["a"]);
  });

  it("calls an acknowledged end that is gone lost", () => {
    const ledger = ledgerOf(accepted, completed, {
      say: "found",
      taskId: "a",
      state: "running",
      output: null,
    });
    expect(ledger.lost).toEqual(["a"]);
  });

  it("calls a completed task that is started again, or whose end has changed, completed twice", () => {
    const again = ledgerOf(accepted, completed, { say: "started", taskId: "a" });
    expect(again.doubleCompleted).toEqual(["a"]);
    const other = ledgerOf(accepted, completed, { say: "found", taskId: "a", state: "completed", output: 2 });
    expect(other.doubleCompleted).toEqual(["a"]);
  });

  it("counts a queue that cannot be opened, and a file that is not sound", () => {
    const ledger = ledgerOf(
      { say: "failed to open", code: "STORE_CORRUPT", message: "" },
      { say: "sound", isSound: false },
      { say: "sound", isSound: true },
    );
    expect(ledger.unreadable).toEqual(["STORE_CORRUPT ", "the file is damaged"]);
  });

  it("asks for what is open, however old, and for the latest", () => {
    const ledger = ledgerOf(
      { say: "accepted", taskIds: ["open", "ended", "last"] },
      { say: "ended", taskId: "ended", state: "failed", output: null },
      { say: "ended", taskId: "last", state: "failed", output: null },
    );
    expect(ledger.toAsk(1)).toEqual(["last", "open"]);
  });
});
