import { packValue, unpackValue } from "../codec/index.ts";
import { assert, type WireError } from "../errors/index.ts";
import { NOWHERE } from "../order/index.ts";
import type { SqlValue, Statements, Store } from "../store/index.ts";
import type { RowChange } from "./queue.core.ts";
import type { TaskState } from "./queue.protocol.ts";
import type { Task } from "./task.ts";

/**
 * A task's id has no unique index: the core holds all ids and is the file's only writer, and a random index costs
 * five sixths of the write speed at a million rows. Groups are found in memory for the same reason.
 *
 * `mark` keeps the highest sequence and token ever given, for when the rows that bore them have been deleted.
 */
export const MIGRATIONS: readonly string[] = [
  `
  CREATE TABLE task (
    sequence INTEGER PRIMARY KEY,
    id TEXT NOT NULL,
    action TEXT NOT NULL,
    task_group TEXT,
    held INTEGER NOT NULL,
    state TEXT NOT NULL,
    priority REAL NOT NULL,
    timeout_ms INTEGER,
    attempts INTEGER NOT NULL,
    attempt INTEGER NOT NULL,
    interruptions INTEGER NOT NULL,
    token INTEGER NOT NULL,
    submitted_at_ms REAL NOT NULL,
    started_at_ms REAL,
    ended_at_ms REAL,
    fingerprint TEXT NOT NULL,
    input BLOB NOT NULL,
    output BLOB,
    error BLOB
  ) STRICT;
  CREATE TABLE mark (name TEXT PRIMARY KEY, value INTEGER NOT NULL) STRICT, WITHOUT ROWID;
  `,
];

const INSERT = `
  INSERT INTO task (sequence, id, action, task_group, held, state, priority, timeout_ms, attempts, attempt,
    interruptions, token, submitted_at_ms, started_at_ms, ended_at_ms, fingerprint, input)
  VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`;
const MOVE = `
  UPDATE task SET state = ?, attempt = ?, interruptions = ?, token = ?, started_at_ms = ?
  WHERE sequence = ?`;
const MOVE_WITH_RESULT = `
  UPDATE task SET state = ?, attempt = ?, interruptions = ?, token = ?, started_at_ms = ?, ended_at_ms = ?,
    output = ?, error = ?
  WHERE sequence = ?`;
const RELEASE = "UPDATE task SET held = 0 WHERE sequence = ?";
const REMOVE = "DELETE FROM task WHERE sequence = ?";
const MARK =
  "INSERT INTO mark (name, value) VALUES (?, ?) ON CONFLICT (name) DO UPDATE SET value = excluded.value";
const INPUT = "SELECT input FROM task WHERE sequence = ?";
const RESULT = "SELECT output, error FROM task WHERE sequence = ?";
const MARKS = "SELECT name, value FROM mark";
// A task that is being cancelled has its cancellation as its error already; of the others neither is needed here.
const LOAD = `
  SELECT sequence, id, action, task_group, held, state, priority, timeout_ms, attempts, attempt, interruptions, token,
    submitted_at_ms, started_at_ms, ended_at_ms, fingerprint, iif(state = 'cancelling', error, NULL) AS cancellation
  FROM task ORDER BY sequence`;

interface TaskRow {
  sequence: number;
  id: string;
  action: string;
  task_group: string | null;
  held: number;
  state: TaskState;
  priority: number;
  timeout_ms: number | null;
  attempts: number;
  attempt: number;
  interruptions: number;
  token: number;
  submitted_at_ms: number;
  started_at_ms: number | null;
  ended_at_ms: number | null;
  fingerprint: string;
  cancellation: Uint8Array | null;
}

/** The highest sequence and token that were ever given. */
export interface Marks {
  readonly sequence: number;
  readonly token: number;
}

export interface Result {
  readonly output: Uint8Array | null;
  readonly error: WireError | null;
  readonly sizeBytes: number;
}

/** The queue's tables: what the core changes, as statements. */
export class QueueRows {
  readonly #store: Store;

  constructor(store: Store) {
    this.#store = store;
  }

  /** All tasks in submission order, without input and output. */
  load(): { tasks: Task[]; marks: Marks } {
    return this.#store.read((db) => {
      const tasks = Array.from(db.prepare<TaskRow>(LOAD).iterate(), taskOf);
      const kept = db.prepare<{ name: string; value: number }>(MARKS).all();
      const above = (name: keyof Marks, given: (task: Task) => number): number =>
        tasks.reduce(
          (most, task) => Math.max(most, given(task)),
          kept.find((row) => row.name === name)?.value ?? 0,
        );
      return {
        tasks,
        marks: {
          sequence: above("sequence", (task) => task.sequence),
          token: above("token", (task) => task.life.token),
        },
      };
    });
  }

  /** Resolves when the changes are durable; else `undo` has run when it rejects. @throws STORE_FULL, STORE_FAILED */
  write(changes: readonly RowChange[], undo: () => void): Promise<void> {
    return this.#store.write((db) => {
      for (const change of changes) {
        if (change.before === null) insert(db, change);
        else update(db, change);
      }
    }, undo);
  }

  release(tasks: readonly Task[], undo: () => void): Promise<void> {
    return this.#store.write((db) => {
      for (const { sequence } of tasks) change(db, RELEASE, sequence);
    }, undo);
  }

  remove(tasks: readonly Task[], marks: Marks): Promise<void> {
    return this.#store.write((db) => {
      for (const { sequence } of tasks) change(db, REMOVE, sequence);
      db.prepare(MARK).run("sequence", marks.sequence);
      db.prepare(MARK).run("token", marks.token);
    });
  }

  /** Of a task whose submit has been committed. */
  input({ sequence, taskId }: Task): Uint8Array {
    const row = this.#store.read((db) => db.prepare<{ input: Uint8Array }>(INPUT).get(sequence));
    assert(row, `task ${taskId} has a row`);
    return row.input;
  }

  /** Of a task whose end has been committed, with what it weighs in a message. */
  result({ sequence, taskId }: Task): Result {
    const row = this.#store.read((db) =>
      db.prepare<{ output: Uint8Array | null; error: Uint8Array | null }>(RESULT).get(sequence),
    );
    assert(row, `task ${taskId} has a row`);
    const { output, error } = row;
    return {
      output,
      error: error && (unpackValue(error) as WireError),
      sizeBytes: (output?.byteLength ?? 0) + (error?.byteLength ?? 0),
    };
  }

  get figures(): { commits: number; rows: number } {
    const { commits, rows } = this.#store.stats();
    return { commits, rows };
  }

  close(): Promise<void> {
    return this.#store.close();
  }
}

function insert(db: Statements, { task, after, input }: RowChange): void {
  assert(input, `new task ${task.taskId} has an input`);
  change(
    db,
    INSERT,
    task.sequence,
    task.taskId,
    task.action,
    task.group,
    task.held ? 1 : 0,
    after.state,
    task.priority,
    task.timeoutMs,
    task.attempts,
    after.attempt,
    after.interruptions,
    after.token,
    task.submittedAtMs,
    after.startedAtMs,
    after.endedAtMs,
    task.fingerprint,
    input,
  );
}

function update(db: Statements, { task, after, output, error }: RowChange): void {
  const life = [after.state, after.attempt, after.interruptions, after.token, after.startedAtMs];
  if (output === undefined && error === undefined) return change(db, MOVE, ...life, task.sequence);
  const result = [output ?? null, error === undefined ? null : packValue(error)];
  change(db, MOVE_WITH_RESULT, ...life, after.endedAtMs, ...result, task.sequence);
}

function change(db: Statements, sql: string, ...values: SqlValue[]): void {
  const { changes } = db.prepare(sql).run(...values);
  assert(changes === 1, `one row is changed, not ${changes}`);
}

function taskOf(row: TaskRow): Task {
  const cancellation = row.cancellation === null ? null : (unpackValue(row.cancellation) as WireError);
  const reason = cancellation?.details["reason"];
  return {
    slot: NOWHERE,
    sequence: row.sequence,
    taskId: row.id,
    action: row.action,
    group: row.task_group,
    priority: row.priority,
    timeoutMs: row.timeout_ms,
    attempts: row.attempts,
    submittedAtMs: row.submitted_at_ms,
    fingerprint: row.fingerprint,
    held: row.held === 1,
    progress: 0,
    life: {
      state: row.state,
      attempt: row.attempt,
      interruptions: row.interruptions,
      token: row.token,
      startedAtMs: row.started_at_ms,
      endedAtMs: row.ended_at_ms,
      cancelReason: typeof reason === "string" ? reason : null,
    },
  };
}
