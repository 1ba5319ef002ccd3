import { statSync } from "node:fs";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { describe, expect, it } from "vitest";
import { packValue, unpackValue } from "../../src/codec/index.ts";
import { QueueFile } from "../../src/queue/index.ts";
import { MIGRATIONS } from "../../src/queue/queue-rows.ts";
import { systemClock, systemScheduler } from "../../src/scope/index.ts";
import { openStore } from "../../src/store/index.ts";
import { fakeMessage } from "../kit/actor-context.ts";
import { failedWith, openKit, temporaryDirectory, type QueueKit } from "./queue-kit.ts";

const message = fakeMessage();
const inputOf = (size: number): Uint8Array => packValue("x".repeat(size));

/** Looks into the file of a queue that has been stopped, or does something to it. */
function inFile<T>(directory: string, act: (db: DatabaseSync) => T): T {
  const db = new DatabaseSync(join(directory, "queue.sqlite"));
  try {
    return act(db);
  } finally {
    db.close();
  }
}
const rowsIn = (directory: string, table: string): number =>
  inFile(directory, (db) => Number(db.prepare(`SELECT count(*) AS n FROM ${table}`).get()?.["n"]));

/** Pages of 4 KiB that something adds to the log. */
async function pagesOf(directory: string, act: () => Promise<unknown>): Promise<number> {
  const size = (): number => statSync(join(directory, "queue.sqlite-wal")).size;
  const before = size();
  await act();
  return (size() - before) / (4_096 + 24);
}

const startedInput = (kit: QueueKit, taskId: string): Uint8Array | undefined =>
  kit.pool.started.findLast((request) => request.taskId === taskId)?.input;

describe("a large input", () => {
  it("is written once: each change of its task's life writes as little as with a small one", async () => {
    const pages: number[][] = [];
    for (const size of [100, 60_000]) {
      const directory = temporaryDirectory();
      const kit = await openKit({ directory });
      await kit.answer(kit.queue.pause({ reason: "" }, message));
      await kit.submitAlone({ taskId: "warm", input: inputOf(size) });
      const submit = await pagesOf(directory, () =>
        kit.submitAlone({ taskId: "a", input: inputOf(size), priority: 9 }),
      );
      const reprioritize = await pagesOf(directory, () =>
        kit.answer(kit.queue.reprioritize({ taskId: "a", to: { priority: 10 } }, message)),
      );
      const claim = await pagesOf(directory, () => kit.answer(kit.queue.resume(undefined, message)));
      const end = await pagesOf(directory, () => kit.end("a"));
      pages.push([submit, reprioritize, claim, end]);
      await kit.stop();
    }
    const [small = [], large = []] = pages;
    expect(large[0]).toBeGreaterThan(15);
    expect(large.slice(1)).toEqual(small.slice(1));
  });

  it.each([0, 1, 3_000, 3_069, 3_070, 60_000, 1_000_000])(
    "of %i characters is what its handler gets, in this life and the next, and its retry too",
    async (size) => {
      const directory = temporaryDirectory();
      const input = size === 0 ? new Uint8Array() : inputOf(size);
      const first = await openKit({ directory });
      await first.submitAlone({ taskId: "now", input });
      expect(startedInput(first, "now")).toEqual(input);
      await first.submitAlone({ taskId: "later", input });
      await first.end("now", failedWith("no"));
      await first.stop();

      const next = await openKit({ directory });
      expect(startedInput(next, "later")).toEqual(input);
      await next.end("later", failedWith("no"));
      await next.answer(next.queue.retry({ taskId: "now" }, message));
      expect(startedInput(next, "now-retry-1")).toEqual(input);
      // The same work under the same id is the same task.
      const again = { taskId: "later", action: "echo", input };
      const { tasks } = await next.answer(next.queue.submit({ tasks: [again] }, message));
      expect(tasks).toMatchObject([{ replayed: true }]);
      await next.stop();
    },
  );

  it("is in an export, and leaves with its task", async () => {
    const directory = temporaryDirectory();
    const kit = await openKit({ directory });
    await kit.submitAlone({ taskId: "a", input: inputOf(60_000) }, { taskId: "b", input: inputOf(60_000) });
    await kit.end("a");
    await kit.stop();
    {
      await using store = openStore({
        path: join(directory, "queue.sqlite"),
        migrations: MIGRATIONS,
        clock: systemClock,
        scheduler: systemScheduler,
      });
      const filed = [...new QueueFile(store, 0).tasks()];
      expect(filed.map(({ input }) => (unpackValue(input) as string).length)).toEqual([60_000, 60_000]);
    }
    expect(rowsIn(directory, "large_input")).toBe(2);
    const next = await openKit({ directory, init: { keptTasks: 0 } });
    await next.turns();
    await next.stop();
    expect([rowsIn(directory, "task"), rowsIn(directory, "large_input")]).toEqual([1, 1]);
  });

  it("in a file of version 3, where it stands with its task, is read there as before", async () => {
    const directory = temporaryDirectory();
    const first = await openKit({ directory });
    await first.answer(first.queue.pause({ reason: "" }, message));
    await first.submitAlone({ taskId: "old", input: inputOf(10) });
    await first.stop();
    const input = inputOf(100_000);
    inFile(directory, (db) => {
      db.prepare("UPDATE task SET input = ?").run(input);
      db.exec("DROP TABLE large_input; PRAGMA user_version = 3");
    });
    const next = await openKit({ directory });
    await next.submitAlone({ taskId: "new", input });
    await next.answer(next.queue.resume(undefined, message));
    expect(startedInput(next, "old")).toEqual(input);
    await next.end("old");
    expect(startedInput(next, "new")).toEqual(input);
    await next.end("new");
    await next.stop();
    expect(rowsIn(directory, "large_input")).toBe(1);
  });

  it("that cannot be read interrupts its task, and not the queue", async () => {
    const directory = temporaryDirectory();
    const first = await openKit({ directory });
    await first.answer(first.queue.pause({ reason: "" }, message));
    await first.submitAlone({ taskId: "a", input: inputOf(60_000) });
    await first.stop();
    const next = await openKit({ directory });
    next.disk.readable = false;
    await next.answer(next.queue.resume(undefined, message));
    const { state, error } = await next.answer(next.queue.outcome({ taskId: "a" }, message));
    expect([state, error?.code]).toEqual(["failed", "TASK_INTERRUPTED"]);
    next.disk.readable = true;
    await next.submitAlone({ taskId: "b" });
    await next.end("b");
    await next.stop();
  });
});
