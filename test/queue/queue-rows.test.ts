import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { describe, expect, it } from "vitest";
import { LIMITS, fault, toWireError } from "../../src/errors/index.ts";
import { NO_BACKOFF } from "../../src/queue/backoff.ts";
import { MIGRATIONS, QueueRows } from "../../src/queue/queue-rows.ts";
import type { TaskLogLine } from "../../src/queue/queue.protocol.ts";
import type { Content, RowChange } from "../../src/queue/row-change.ts";
import { fingerprintOf } from "../../src/queue/task-spec.ts";
import { Task, freshLife, type NewTask, type TaskLife, type Terms } from "../../src/queue/task.ts";
import type { Statements, StoreOptions } from "../../src/store/index.ts";
import { openKit, sqliteError, temporaryDirectory, watchedDriver } from "../store/store-kit.ts";

const CONTENT: Content = {
  input: Uint8Array.of(1, 2, 3),
  metadata: null,
  dependsOn: [],
};
const ERROR = toWireError(fault("TASK_NOT_FOUND", { taskId: "x" }));
const MARKS = { sequence: 0, token: 0 };

const termsOf = (patch: Partial<Terms> = {}): Terms => ({
  id: 0,
  action: "echo",
  timeoutMs: null,
  attempts: 1,
  backoff: NO_BACKOFF,
  onDependencyFailure: "cancel",
  tags: [],
  requires: [],
  ...patch,
});

const PLAIN = termsOf();

const taskOf = (sequence: number, patch: Partial<NewTask> = {}): Task =>
  new Task({
    sequence,
    taskId: `t${sequence}`,
    terms: termsOf(),
    group: null,
    submittedAtMs: 1_790_000_000_000 + sequence,
    deadlineMs: null,
    idempotencyKey: null,
    origin: null,
    held: false,
    traceparent: null,
    life: freshLife(1, null),
    ...patch,
  });

const submitted = (task: Task, content: Partial<Content> = {}): RowChange => ({
  task,
  before: null,
  after: task.life,
  content: { ...CONTENT, ...content },
});

/** Changes the task, as the core does, and tells of it. */
function changed(task: Task, patch: Partial<TaskLife>, with_: Partial<RowChange> = {}): RowChange {
  const before = task.life;
  task.life = { ...before, ...patch };
  return { task, before, after: task.life, ...with_ };
}

const RUNNING: Partial<TaskLife> = {
  state: "running",
  attempt: 1,
  token: 9,
  workerId: "local",
  startedAtMs: 1_790_000_000_500,
};

function openRows(options: Partial<StoreOptions> = {}) {
  const kit = openKit({ migrations: MIGRATIONS, ...options });
  const rows = new QueueRows(kit.store);
  const settle = async (...writes: Promise<void>[]): Promise<void> => {
    const settled = Promise.all(writes);
    settled.catch(() => {});
    await kit.turns.runAll();
    await settled;
  };
  return {
    ...kit,
    rows,
    settle,
    write: (...changes: RowChange[]) => settle(rows.write(changes, () => {})),
    /** What another process would find. */
    read: () => new QueueRows(kit.store).load(),
    count: (table: string): unknown =>
      kit.store.read((db) => db.prepare(`SELECT count(*) AS n FROM ${table}`).get()?.["n"]),
  };
}

/** Of a disk that fills up at the next commit, on demand. */
function fillableDisk() {
  let full = false;
  const driver = watchedDriver((sql) => {
    if (sql !== "COMMIT" || !full) return;
    full = false;
    throw sqliteError(13, "database or disk is full");
  });
  return { driver, path: join(temporaryDirectory(), "queue.db"), fill: () => void (full = true) };
}

describe("a task that was written", () => {
  it("is read back with every property it was submitted with", async () => {
    const { write, read, rows } = openRows();
    const terms = termsOf({
      action: 'résumé\u{1f600}"\\',
      timeoutMs: 1_500,
      attempts: 3,
      backoff: { shape: "linear", delayMs: 10, factor: 1.5, maxDelayMs: 100, jitter: 0.25 },
      onDependencyFailure: "run",
      tags: ["b", "a"],
      requires: ["gpu"],
    });
    const task = taskOf(1, {
      taskId: 'an "id", with ,commas\n\\ and \u{1f600}',
      terms,
      group: "g,1",
      submittedAtMs: 1_790_000_000_000.125,
      deadlineMs: 1_800_000_000_000.5,
      idempotencyKey: "key",
      origin: "older",
      traceparent: "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
      held: true,
      life: freshLife(-2.5, 1_790_000_000_900),
    });
    const metadata = { note: "mine", n: 1 };
    await write(submitted(task, { dependsOn: ["a", "b"], metadata }));
    const { tasks, dependsOn } = read();
    expect(tasks).toEqual([task]);
    expect(tasks[0]?.terms).toEqual(terms);
    expect(dependsOn).toEqual(new Map([[1, ["a", "b"]]]));
    expect(rows.content(task)).toEqual({ ...CONTENT, metadata, dependsOn: ["a", "b"] });
    expect(rows.input(task)).toEqual(CONTENT.input);
    expect(rows.fingerprint(task)).toEqual(
      Uint8Array.from(fingerprintOf({ action: terms.action, input: CONTENT.input })),
    );
    expect(rows.metadata(task)).toEqual(metadata);
  });

  it("is read back with every property of its life, in any state", async () => {
    const { write, read } = openRows();
    const lives: Partial<TaskLife>[] = [
      { state: "queued", attempt: 1, interruptions: 2, token: 4, notBeforeMs: 5.5, startedAtMs: 3 },
      { ...RUNNING, workerId: 'w "1"', leaseUntilMs: 1_790_000_009_999 },
      { ...RUNNING, state: "cancelling", cancelReason: 'no "need", any more' },
      { ...RUNNING, state: "completed", endedAtMs: 1_790_000_000_777 },
      { ...RUNNING, state: "completed", startedAtMs: 1_790_000_000_500.1, endedAtMs: 1_790_000_000_777.7 },
      { ...RUNNING, state: "completed", endedAtMs: 1_790_000_000_499 },
      { ...RUNNING, state: "failed", endedAtMs: 1_790_000_000_777, successor: "t1-retry-1" },
      { state: "cancelled", endedAtMs: 0 },
      { state: "queued", priority: 77 },
    ];
    const tasks = lives.map((_, index) => taskOf(index + 1));
    await write(...tasks.map((task) => submitted(task)));
    await write(...tasks.map((task, index) => changed(task, lives[index] ?? {})));
    expect(read().tasks).toEqual(tasks);
  });

  it("that ended at once, before it was ever written, is read back as ended", async () => {
    const { rows, settle, read } = openRows();
    const task = taskOf(1);
    const first = submitted(task);
    const last = changed(task, { state: "cancelled", endedAtMs: 5 }, { error: ERROR });
    await settle(
      rows.write([first], () => {}),
      rows.write([last], () => {}),
    );
    expect(read().tasks).toEqual([task]);
    expect(rows.result(task)).toMatchObject({ output: null, error: ERROR });
  });

  it("has the output and error of its latest end, and says what they weigh", async () => {
    const { write, rows } = openRows();
    const task = taskOf(1);
    const output = new Uint8Array(100);
    await write(submitted(task), changed(task, RUNNING));
    expect(rows.result(task)).toEqual({ output: null, error: null, sizeBytes: 0 });
    await write(changed(task, { state: "cancelling", cancelReason: "no" }, { error: ERROR }));
    expect(rows.result(task).error).toEqual(ERROR);
    await write(changed(task, { state: "completed", endedAtMs: 5 }, { output }));
    expect(rows.result(task)).toEqual({ output, error: null, sizeBytes: 100 });
  });
});

describe("several changes of one task in one batch", () => {
  it("are written in their order, each as the task was then", async () => {
    const { rows, settle, read } = openRows();
    const task = taskOf(1);
    const changes = [
      submitted(task),
      changed(task, RUNNING),
      changed(task, { state: "queued", attempt: 0, interruptions: 1 }),
      changed(task, { ...RUNNING, token: 10 }),
      changed(task, { state: "completed", endedAtMs: 5 }, { output: Uint8Array.of(4) }),
    ];
    await settle(...changes.map((change) => rows.write([change], () => {})));
    expect(rows.figures).toMatchObject({ commits: 1, units: 5 });
    expect(read().tasks).toEqual([task]);
    expect(read().tasks[0]?.life).toMatchObject({ state: "completed", token: 10, interruptions: 1 });
  });

  it("write what each change says, not what memory has come to meanwhile", async () => {
    const { rows, turns, read } = openRows({ limits: { batchUnits: 1 } });
    const task = taskOf(1, { held: true });
    const first = rows.write([submitted(task)], () => {});
    const second = rows.write([changed(task, RUNNING)], () => {});
    task.held = false;
    const third = rows.release([task], () => {});
    await turns.step(); // the commit
    await turns.step(); // its flush
    await first;
    expect(read().tasks[0]).toMatchObject({ held: true, life: { state: "queued" } });
    await turns.runAll();
    await Promise.all([second, third]);
    expect(read().tasks).toEqual([task]);
  });
});

describe("a batch that fails", () => {
  it("runs undo and leaves the terms without a row, so that the next task brings them again", async () => {
    const { driver, path, fill } = fillableDisk();
    const { rows, turns, write, read, count } = openRows({ driver, path });
    const [first, second] = [taskOf(1, { terms: PLAIN }), taskOf(2, { terms: PLAIN })];
    let undone = 0;
    fill();
    const failed = rows.write([submitted(first)], () => void (undone += 1));
    const behind = rows.write([submitted(second)], () => void (undone += 1));
    failed.catch(() => {});
    behind.catch(() => {});
    await turns.runAll();
    await expect(failed).rejects.toMatchObject({ code: "STORE_FULL" });
    await expect(behind).rejects.toMatchObject({ code: "STORE_FULL" });
    expect(undone).toBe(2);
    expect(PLAIN.id).toBe(0);
    await write(submitted(second));
    expect(PLAIN.id).toBe(1);
    expect(count("terms")).toBe(1);
    expect(read().tasks).toEqual([second]);
  });

  it("leaves terms alone that an earlier batch has brought", async () => {
    const { driver, path, fill } = fillableDisk();
    const terms = termsOf();
    const { rows, turns, write } = openRows({ driver, path });
    await write(submitted(taskOf(1, { terms })));
    fill();
    const failed = rows.write([submitted(taskOf(2, { terms }))], () => {});
    failed.catch(() => {});
    await turns.runAll();
    await expect(failed).rejects.toMatchObject({ code: "STORE_FULL" });
    expect(terms.id).toBe(1);
  });
});

describe("terms", () => {
  it("have one row and, read back, one object, however many tasks share them", async () => {
    const { write, read, count } = openRows();
    const [one, other] = [termsOf(), termsOf({ attempts: 2 })];
    await write(...[one, other, one, one].map((terms, index) => submitted(taskOf(index + 1, { terms }))));
    expect(count("terms")).toBe(2);
    const { tasks, terms } = read();
    expect(terms).toEqual([one, other]);
    expect(new Set(tasks.map((task) => task.terms)).size).toBe(2);
  });

  it("that no task has any more are dropped when the rows are loaded", async () => {
    const { rows, write, settle, read, count, turns } = openRows();
    const task = taskOf(1);
    await write(submitted(task), submitted(taskOf(2, { terms: termsOf({ attempts: 5 }) })));
    await settle(rows.remove([task], MARKS));
    expect(read().terms).toMatchObject([{ attempts: 5 }]);
    await turns.runAll();
    expect(count("terms")).toBe(1);
  });
});

describe("loading", () => {
  it("gives tasks in submission order, fresh ones and others, across wide gaps", async () => {
    const { rows, write, settle, read } = openRows();
    const sequences = [1, 2, 3, 2_048, 2_049, 2_050, 5_000, 1_000_000, 9_000_000_000];
    const tasks = sequences.map((sequence) => taskOf(sequence));
    await write(...tasks.map((task) => submitted(task)));
    await write(...tasks.filter((_, index) => index % 2 === 0).map((task) => changed(task, RUNNING)));
    await settle(rows.remove(tasks.splice(3, 1), MARKS));
    expect(read().tasks).toEqual(tasks);
  });

  it("gives waiting tasks of one priority one life, and neighbours of one group one name", async () => {
    const { write, read } = openRows();
    const lives = [1, 2, 1, 2].map((priority) => freshLife(priority, null));
    await write(...lives.map((life, index) => submitted(taskOf(index + 1, { life }))));
    const [a, b, c, d] = read().tasks;
    expect(a?.life).toBe(c?.life);
    expect(b?.life).toBe(d?.life);
    expect(a?.life).not.toBe(b?.life);
    expect(Object.isFrozen(a?.life)).toBe(true);
  });

  it("gives the highest sequence and token ever given, also of rows that are gone", async () => {
    const { rows, write, settle, read } = openRows();
    const [one, two] = [taskOf(1), taskOf(2)];
    await write(submitted(one), submitted(two), changed(two, RUNNING));
    expect(read().marks).toEqual({ sequence: 2, token: 9 });
    await settle(rows.remove([two], { sequence: 2, token: 12 }));
    expect(read()).toMatchObject({ marks: { sequence: 2, token: 12 }, tasks: [one] });
  });

  it("of an empty file gives nothing", () => {
    expect(openRows().read()).toEqual({
      tasks: [],
      dependsOn: new Map(),
      furtherKeys: new Map(),
      departed: [],
      terms: [],
      marks: MARKS,
      workers: [],
      quotas: [],
      pause: null,
    });
  });

  it.each([
    ["a head that is no JSON", "UPDATE task SET head = '1,nonsense'"],
    ["a value too few", "UPDATE task SET head = '1,\"t1\",1,5,1,0'"],
    ["terms that are not there", "DELETE FROM terms"],
    ["a life in no known state", "UPDATE task SET life = '17,1,0,0,0,-1,-1,0,0'"],
    [
      "another sequence than the row's",
      "UPDATE task SET head = replace(head, '2,', '1,') WHERE sequence = 2",
    ],
  ])("a row with %s is refused as damage", async (_, sql) => {
    const { write, store, settle, read, path } = openRows();
    await write(submitted(taskOf(1)), submitted(taskOf(2)));
    await settle(store.write((db: Statements) => void db.prepare(sql).run()));
    expect(read).toThrow(
      expect.objectContaining({
        code: "STORE_CORRUPT",
        details: { path, why: expect.any(String) as string },
      }),
    );
  });
});

describe("releasing and removing", () => {
  it("releases a task without touching anything else of it", async () => {
    const { rows, write, settle, read } = openRows();
    const [one, two] = [taskOf(1, { group: "g", held: true }), taskOf(2, { group: "g", held: true })];
    await write(submitted(one, { dependsOn: ["a"] }), submitted(two), changed(one, RUNNING));
    one.held = false;
    await settle(rows.release([one], () => {}));
    const { tasks, dependsOn } = read();
    expect(tasks).toEqual([one, two]);
    expect(dependsOn.get(1)).toEqual(["a"]);
  });

  it("removes a task with its attempts and its log, and no other", async () => {
    const { rows, write, settle, count, read } = openRows();
    const tasks = [taskOf(1), taskOf(2)];
    const attempt = {
      attempt: 1,
      kind: "failed",
      startedAtMs: 1,
      endedAtMs: 2,
      workerId: "local",
      error: ERROR,
    } as const;
    for (const task of tasks) {
      await write(submitted(task), changed(task, RUNNING));
      await write(
        changed(task, { state: "failed", endedAtMs: 2 }, { error: ERROR, attempt, log: [line(1)] }),
      );
    }
    const [gone, kept] = tasks as [Task, Task];
    await settle(rows.remove([gone], MARKS));
    expect(read().tasks).toEqual([kept]);
    expect([count("attempt"), count("log")]).toEqual([1, 1]);
    expect(rows.attempts(kept)).toEqual([attempt]);
    expect(rows.attempts(gone)).toEqual([]);
    expect(rows.logs(gone, 0, 10)).toEqual({ lines: [], total: 0, dropped: 0 });
  });
});

describe("what has left", () => {
  const named = (count: number, name: string): Task[] =>
    Array.from({ length: count }, (_, index) => taskOf(index + 1, { taskId: `${name}${index}` }));

  it("is remembered by its ids, the latest last", async () => {
    const { rows, write, settle, read } = openRows();
    const [a, b, c] = [taskOf(1), taskOf(2, { taskId: '"b",' }), taskOf(3)];
    await write(submitted(a), submitted(b), submitted(c));
    await settle(rows.remove([c, a], MARKS));
    await settle(rows.remove([b], MARKS));
    expect(read().departed).toEqual(["t3", "t1", '"b",']);
  });

  it("is forgotten when all that is bounded has left after it", async () => {
    const { rows, settle, read, count } = openRows();
    const most = LIMITS.queue.departedIds;
    await settle(rows.remove(named(2, "a"), MARKS), rows.remove(named(most - 1, "b"), MARKS));
    expect(read().departed.slice(0, 3)).toEqual(["a0", "a1", "b0"]);
    await settle(rows.remove(named(1, "c"), MARKS));
    expect([...read().departed].slice(0, 1)).toEqual(["b0"]);
    expect([...read().departed]).toHaveLength(most);
    expect(count("departed")).toBe(2);
  });

  it("is not remembered when its removal does not reach the disk", async () => {
    const { driver, path, fill } = fillableDisk();
    const { rows, write, settle, read } = openRows({ driver, path });
    await write(submitted(taskOf(1)));
    fill();
    await expect(settle(rows.remove([taskOf(1)], MARKS))).rejects.toMatchObject({ code: "STORE_FULL" });
    expect(read()).toMatchObject({ tasks: [{ taskId: "t1" }], departed: [] });
  });
});

describe("a further key", () => {
  const given = (task: Task, key: string): RowChange => ({ task, before: task.life, after: task.life, key });

  it("is read back with its task, in the order in which they were given, and changes nothing else", async () => {
    const { rows, write, settle, read, count } = openRows();
    const [a, b, c] = [taskOf(1), taskOf(2, { idempotencyKey: "own" }), taskOf(3)];
    await write(submitted(a), given(a, "z"), submitted(b), submitted(c));
    await write(given(b, "y"), given(a, "k"));
    const { tasks, furtherKeys } = read();
    expect(tasks).toEqual([a, b, c]);
    expect(Object.isFrozen(tasks[0]?.life)).toBe(true);
    expect(furtherKeys).toEqual(
      new Map([
        [1, ["z", "k"]],
        [2, ["y"]],
      ]),
    );
    await settle(rows.remove([a], MARKS));
    expect(read().furtherKeys).toEqual(new Map([[2, ["y"]]]));
    expect(count("further_key")).toBe(1);
  });
});

describe("attempts", () => {
  it("are listed oldest first, interrupted ones between failed ones of the same number", async () => {
    const { rows, write } = openRows();
    const task = taskOf(1);
    await write(submitted(task));
    const ends = [
      ["interrupted", { attempt: 0, interruptions: 1 }, null],
      ["failed", { attempt: 1 }, ERROR],
      ["interrupted", { attempt: 1, interruptions: 2 }, ERROR],
      ["failed", { attempt: 2 }, ERROR],
    ] as const;
    const expected = [];
    for (const [index, [kind, patch, error]] of ends.entries()) {
      await write(changed(task, { state: "running", attempt: task.life.attempt + 1 }));
      const attempt = {
        attempt: task.life.attempt,
        kind,
        startedAtMs: index,
        endedAtMs: index + 1,
        workerId: "w",
        error,
      };
      expected.push(attempt);
      await write(changed(task, { state: "queued", ...patch }, { attempt }));
    }
    expect(rows.attempts(task)).toEqual(expected);
    expect(expected.map(({ attempt }) => attempt)).toEqual([1, 1, 2, 2]);
  });
});

const line = (atMs: number): TaskLogLine => ({
  atMs,
  attempt: 1,
  level: "info",
  message: `at ${atMs}`,
  fields: { atMs },
});
const linesUpTo = (from: number, to: number): TaskLogLine[] =>
  Array.from({ length: to - from }, (_, index) => line(from + index));

describe("a task's log", () => {
  const LIMIT = LIMITS.queue.logLines;

  it("is read page by page across the rows that brought it", async () => {
    const { rows, write } = openRows();
    const task = taskOf(1);
    await write(submitted(task));
    for (let from = 0; from < 30; from += 10)
      await write(changed(task, {}, { log: linesUpTo(from, from + 10) }));
    for (const [offset, limit] of [
      [0, 30],
      [0, 5],
      [5, 10],
      [9, 2],
      [10, 10],
      [25, 100],
      [30, 5],
    ] as const) {
      expect(rows.logs(task, offset, limit)).toEqual({
        lines: linesUpTo(0, 30).slice(offset, offset + limit),
        total: 30,
        dropped: 0,
      });
    }
  });

  it("of exactly as many lines as are kept loses none", async () => {
    const { rows, write } = openRows();
    const task = taskOf(1);
    await write(submitted(task), changed(task, {}, { log: linesUpTo(0, LIMIT - 1) }));
    await write(changed(task, {}, { log: linesUpTo(LIMIT - 1, LIMIT) }));
    expect(rows.logs(task, 0, 1)).toEqual({ lines: [line(0)], total: LIMIT, dropped: 0 });
  });

  it("keeps its latest lines, and says how many it lost", async () => {
    const { rows, write } = openRows();
    const task = taskOf(1);
    await write(submitted(task));
    for (let from = 0; from < LIMIT + 300; from += 100) {
      await write(changed(task, {}, { log: linesUpTo(from, from + 100) }));
    }
    expect(rows.logs(task, 0, 2)).toEqual({ lines: [line(300), line(301)], total: LIMIT, dropped: 300 });
  });

  it("is cut when more come at once than are kept", async () => {
    const { rows, write } = openRows();
    const task = taskOf(1);
    await write(submitted(task), changed(task, {}, { log: linesUpTo(0, 5) }));
    await write(changed(task, {}, { log: linesUpTo(5, LIMIT + 12) }));
    expect(rows.logs(task, 0, 1)).toEqual({ lines: [line(12)], total: LIMIT, dropped: 12 });
  });
});

describe("workers, quotas and the pause", () => {
  it("are read back as they were saved last, and not when they were removed", async () => {
    const { rows, settle, read } = openRows();
    const worker = { workerId: "w1", capabilities: ["a"], maxConcurrent: 2, metadata: { rack: 4 } };
    const quota = { scope: "tag", name: "t", concurrency: 3, perSecond: 0.5 } as const;
    const pause = { sinceMs: 1_790_000_000_000.5, reason: "lunch" };
    await settle(
      rows.saveWorker({ workerId: "w1", capabilities: [] }, 1),
      rows.saveWorker(worker, 7),
      rows.saveQuota({ ...quota, concurrency: 1 }),
      rows.saveQuota(quota),
      rows.saveQuota({ scope: "action", name: "t", queued: 9 }),
      rows.setPause(pause),
    );
    expect(read()).toMatchObject({
      workers: [{ worker, registeredAtMs: 7 }],
      quotas: [{ scope: "action", name: "t", queued: 9 }, quota],
      pause,
    });
    await settle(rows.removeWorker("w1"), rows.removeQuota(quota), rows.setPause(null));
    expect(read()).toMatchObject({ workers: [], quotas: [{ scope: "action" }], pause: null });
  });

  it("are undone when they do not reach the disk", async () => {
    const { driver, path, fill } = fillableDisk();
    const { rows, turns, read } = openRows({ driver, path });
    let undone = false;
    fill();
    const failed = rows.setPause({ sinceMs: 1, reason: "" }, () => void (undone = true));
    failed.catch(() => {});
    await turns.runAll();
    await expect(failed).rejects.toMatchObject({ code: "STORE_FULL" });
    expect(undone).toBe(true);
    expect(read().pause).toBeNull();
  });
});

describe("a file of the first layout", () => {
  it("is read as what it says, in the same order", () => {
    const path = join(temporaryDirectory(), "queue.db");
    const old = new DatabaseSync(path);
    old.exec(`PRAGMA application_id = 0x6d63702b; ${MIGRATIONS[0] ?? ""} PRAGMA user_version = 1`);
    const fingerprint = new Uint8Array(32).fill(200);
    const insert = old.prepare(
      `INSERT INTO task VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
    );
    const text = Buffer.from(fingerprint).toString("base64url");
    const input = Uint8Array.of(1);
    const fixed = [text, input] as const;
    insert.run(
      1,
      'a "1"',
      "echo",
      null,
      0,
      "queued",
      1,
      null,
      1,
      0,
      0,
      0,
      1_790_000_000_000,
      null,
      null,
      ...fixed,
      null,
      null,
    );
    insert.run(
      2,
      "b",
      "echo",
      "g",
      1,
      "completed",
      2.5,
      50,
      3,
      1,
      0,
      4,
      2,
      3,
      4,
      ...fixed,
      Uint8Array.of(8),
      null,
    );
    insert.run(5, "c", "echo", null, 0, "cancelling", 1, null, 1, 1, 2, 7, 2, 3, null, ...fixed, null, null);
    insert.run(6, "d", "sum", null, 0, "queued", 1, null, 1, 1, 1, 6, 2, 3, null, ...fixed, null, null);
    old.exec("INSERT INTO mark VALUES ('sequence', 40), ('token', 3)");
    old.close();

    const { rows, store } = openRows({ path });
    const { tasks, marks, terms } = rows.load();
    const [a, b, c, d] = tasks as [Task, Task, Task, Task];
    expect(terms).toHaveLength(3);
    const wanted = taskOf(1, { taskId: 'a "1"', submittedAtMs: 1_790_000_000_000 });
    expect(a).toEqual(Object.assign(wanted, { terms: a.terms }));
    expect(a.terms).toEqual({ ...termsOf(), id: a.terms.id });
    expect(c.terms).toBe(a.terms);
    expect(b).toMatchObject({ taskId: "b", group: "g", held: true, terms: { timeoutMs: 50, attempts: 3 } });
    expect(b.life).toMatchObject({
      state: "completed",
      priority: 2.5,
      token: 4,
      endedAtMs: 4,
      workerId: "local",
    });
    expect(c.life).toMatchObject({ state: "cancelling", interruptions: 2, startedAtMs: 3, endedAtMs: null });
    expect(c.life.cancelReason).toBe("cancelled under an earlier version");
    expect(d.life).toMatchObject({
      state: "queued",
      attempt: 1,
      interruptions: 1,
      token: 6,
      workerId: "local",
    });
    expect(marks).toEqual({ sequence: 40, token: 7 });
    expect(rows.fingerprint(a)).toEqual(fingerprint);
    expect(rows.content(b)).toMatchObject({ input, dependsOn: [], metadata: null });
    expect(rows.result(b).output).toEqual(Uint8Array.of(8));
    expect(
      store.read((db) =>
        db.prepare("SELECT name FROM sqlite_schema WHERE name LIKE '%\\_1%' ESCAPE '\\'").all(),
      ),
    ).toEqual([]);
  });
});
