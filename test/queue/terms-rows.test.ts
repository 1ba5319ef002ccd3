import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { describe, expect, it } from "vitest";
import { fakeMessage } from "../kit/actor-context.ts";
import { openKit, temporaryDirectory } from "./queue-kit.ts";

const message = fakeMessage();

const termsIn = (directory: string): number => {
  const db = new DatabaseSync(join(directory, "queue.sqlite"));
  try {
    return Number(db.prepare("SELECT count(*) AS n FROM terms").get()?.["n"]);
  } finally {
    db.close();
  }
};

describe("terms", () => {
  it("of tasks that have left are dropped when many have come since, and come back with the next task", async () => {
    const directory = temporaryDirectory();
    const kit = await openKit({ directory });
    await kit.answer(kit.queue.pause({ reason: "" }, message));
    const clear = (states: "cancelled"[]) => kit.answer(kit.queue.clear({ states }, message));
    await kit.submitAlone({ taskId: "stays", tags: ["user 3"] });
    for (let round = 0; round < 2; round++) {
      const taskIds = Array.from({ length: 10_000 }, (_, at) => `t${round * 10_000 + at}`);
      await kit.submitAlone(...taskIds.map((taskId) => ({ taskId, tags: [taskId.replace("t", "user ")] })));
      await kit.answer(kit.queue.cancel({ taskIds, reason: "", force: false }, message));
      await clear(["cancelled"]);
      // One that was dropped comes back.
      await kit.submitAlone({ taskId: `again ${round}`, tags: ["user 7"] });
    }
    await kit.stop();
    expect(termsIn(directory)).toBeLessThan(10_100);

    const next = await openKit({ directory });
    const { tasks } = await next.answer(next.queue.list({ filter: {}, offset: 0, limit: 10 }, message));
    expect(tasks.map(({ taskId, tags }) => [taskId, tags])).toEqual([
      ["stays", ["user 3"]],
      ["again 0", ["user 7"]],
      ["again 1", ["user 7"]],
    ]);
    await next.turns();
    await next.stop();
    expect(termsIn(directory)).toBeLessThan(10);
  });
});
