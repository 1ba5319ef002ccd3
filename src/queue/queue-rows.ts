import { packValue, unpackValue } from "../codec/index.ts";
import { assert, fault, isFault, sentenceOf, type WireError } from "../errors/index.ts";
import { canonicalJson } from "../schema/index.ts";
import type { Queries, SqlValue, Statements, Store } from "../store/index.ts";
import { addAttempt, addLog, attemptsOf, logOf, type LogPage } from "./log-rows.ts";
import type { Marks, Pause } from "./queue.core.ts";
import type { AttemptRecord, Quota, TaskLogLine, WorkerSpec } from "./queue.protocol.ts";
import type { Content, RowChange } from "./row-change.ts";
import { TaskReader, dependsOnOf, headOf, lifeOf } from "./task-rows.ts";
import type { Task, Terms } from "./task.ts";

export { MIGRATIONS } from "./queue-schema.ts";

const INSERT = `
  INSERT INTO task (sequence, head, life, fingerprint, metadata, input, output, error)
  VALUES (?, ?, ?, ?, ?, ?, ?, ?)`;
const MOVE = "UPDATE task SET life = ? WHERE sequence = ?";
const MOVE_WITH_RESULT = "UPDATE task SET life = ?, output = ?, error = ? WHERE sequence = ?";
// As long as it was, so that SQLite overwrites the one character in place, however large the outputs are.
const RELEASE = "UPDATE task SET head = substr(head, 1, length(head) - 1) || '0' WHERE sequence = ?";
const REMOVE = ["task", "attempt", "log"].map(
  (table) => `DELETE FROM ${table} WHERE sequence IN (SELECT value FROM json_each(?))`,
);
const MARK =
  "INSERT INTO mark (name, value) VALUES (?, ?) ON CONFLICT (name) DO UPDATE SET value = excluded.value";
const MARKS = "SELECT name, value FROM mark";
const SET = "INSERT OR REPLACE INTO setting (name, value) VALUES (?, ?)";
const UNSET = "DELETE FROM setting WHERE name = ?";
const SETTING = "SELECT value FROM setting WHERE name = ?";
const ADD_TERMS = "INSERT INTO terms (body) VALUES (?)";
const DROP_TERMS = "DELETE FROM terms WHERE id IN (SELECT value FROM json_each(?))";
const TERMS = "SELECT id, body FROM terms";
const SAVE_WORKER = "INSERT OR REPLACE INTO worker (id, spec, registered_at_ms) VALUES (?, ?, ?)";
const REMOVE_WORKER = "DELETE FROM worker WHERE id = ?";
const WORKERS = "SELECT spec, registered_at_ms FROM worker ORDER BY registered_at_ms, id";
const SAVE_QUOTA = "INSERT OR REPLACE INTO quota (scope, name, quota) VALUES (?, ?, ?)";
const REMOVE_QUOTA = "DELETE FROM quota WHERE scope = ? AND name = ?";
const QUOTAS = "SELECT quota FROM quota ORDER BY scope, name";
const INPUT = "SELECT input FROM task WHERE sequence = ?";
const FINGERPRINT = "SELECT fingerprint FROM task WHERE sequence = ?";
const METADATA = "SELECT metadata FROM task WHERE sequence = ?";
const HEAD = "SELECT head FROM task WHERE sequence = ?";
const RESULT = "SELECT output, error FROM task WHERE sequence = ?";
const NEXT = "SELECT min(sequence) AS sequence FROM task WHERE sequence > ?";
// SQLite goes through a range of row ids in their order, so both texts are in it too; `TaskReader` relies on that,
// and `load` checks it.
const BLOCK = `
  SELECT group_concat(head) FILTER (WHERE life IS NULL) AS fresh,
    group_concat(head || ',' || life) FILTER (WHERE life IS NOT NULL) AS changed
  FROM task WHERE sequence BETWEEN ? AND ?`;
/** Sequences that are read at a time: joined to one text, which both SQLite and V8 bound. */
const BLOCK_SEQUENCES = 2_048;

const PAUSE = "pause";
/** What version 1 kept: base64url of the hash instead of its 32 bytes. */
const FINGERPRINT_1_CHARS = 43;

export interface SavedWorker {
  readonly worker: WorkerSpec;
  readonly registeredAtMs: number;
}

export interface Loaded {
  /** In submission order, untied. */
  readonly tasks: Task[];
  /** By sequence: what those tasks were submitted to wait for that were to wait at all, ended ones too. */
  readonly dependsOn: ReadonlyMap<number, readonly string[]>;
  /** Those that some task has. */
  readonly terms: Terms[];
  readonly marks: Marks;
  readonly workers: SavedWorker[];
  readonly quotas: Quota[];
  readonly pause: Pause | null;
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

  /**
   * All that the core keeps in memory. Terms that no task has any more are dropped with the next commit.
   *
   * @throws STORE_CORRUPT when a row is not what was written
   */
  load(): Loaded {
    return this.#store.read((db) => {
      try {
        return this.#load(db);
      } catch (error) {
        // What SQLite itself says of the file is put right by the store; all else is about what the rows hold.
        if (isFault(error) || (error instanceof Error && "errcode" in error)) throw error;
        throw fault("STORE_CORRUPT", { path: this.#store.path, why: sentenceOf(error) }, { cause: error });
      }
    });
  }

  #load(db: Queries): Loaded {
    const terms = new Map(
      db
        .prepare<{ id: number; body: string }>(TERMS)
        .all()
        .map((row) => [row.id, termsFrom(row.id, row.body)]),
    );
    const reader = new TaskReader(terms);
    readTasks(db, reader);
    const { tasks, dependsOn, usedTerms, highestToken } = reader;
    this.#dropTerms([...terms.values()].filter((each) => !usedTerms.has(each)));
    const kept = new Map(
      db
        .prepare<{ name: string; value: number }>(MARKS)
        .all()
        .map(({ name, value }) => [name, value]),
    );
    const pause = db.prepare<{ value: Uint8Array }>(SETTING).get(PAUSE);
    return {
      tasks,
      dependsOn,
      terms: [...usedTerms],
      marks: {
        sequence: Math.max(kept.get("sequence") ?? 0, tasks.at(-1)?.sequence ?? 0),
        token: Math.max(kept.get("token") ?? 0, highestToken),
      },
      workers: db
        .prepare<{ spec: Uint8Array; registered_at_ms: number }>(WORKERS)
        .all()
        .map((row) => ({
          worker: unpackValue(row.spec) as WorkerSpec,
          registeredAtMs: row.registered_at_ms,
        })),
      quotas: db
        .prepare<{ quota: Uint8Array }>(QUOTAS)
        .all()
        .map((row) => unpackValue(row.quota) as Quota),
      pause: pause === undefined ? null : (unpackValue(pause.value) as Pause),
    };
  }

  #dropTerms(unused: readonly Terms[]): void {
    if (unused.length === 0) return;
    const ids = JSON.stringify(unused.map(({ id }) => id));
    // They only take room: if this fails they are dropped at the next start.
    this.#store.write((db) => void db.prepare(DROP_TERMS).run(ids)).catch(() => {});
  }

  /**
   * Resolves when the changes are durable; else `undo` has run when it rejects. Changes of one task are written in
   * their order, each as its task was then.
   *
   * @throws STORE_FULL, STORE_FAILED
   */
  write(changes: readonly RowChange[], undo: () => void): Promise<void> {
    // By the time it is written a task may have been released, in a unit that may fail alone.
    const heldOnes = changes.some(isNewAndHeld) ? new Set(changes.filter(isNewAndHeld)) : NONE;
    const numbered: Terms[] = [];
    return this.#store.write(
      (db) => {
        for (const change of changes) {
          const { task, before, attempt, log } = change;
          if (before === null) {
            if (task.terms.id === 0) numbered.push(addTerms(db, task.terms));
            insert(db, change, heldOnes.has(change));
          } else update(db, change);
          if (attempt !== undefined && before !== null) addAttempt(db, task.sequence, before, attempt);
          if (log !== undefined && log.length > 0) addLog(db, task.sequence, log);
        }
      },
      () => {
        // Their rows are gone with the transaction; whoever needs them next inserts them anew.
        for (const terms of numbered) terms.id = 0;
        undo();
      },
    );
  }

  release(tasks: readonly Task[], undo: () => void): Promise<void> {
    return this.#store.write((db) => {
      for (const { sequence } of tasks) changeOne(db, RELEASE, sequence);
    }, undo);
  }

  /** With their attempts and logs. The marks are those of the core, which outlive the rows that bore them. */
  remove(tasks: readonly Task[], marks: Marks): Promise<void> {
    const sequences = JSON.stringify(tasks.map(({ sequence }) => sequence));
    return this.#store.write((db) => {
      for (const sql of REMOVE) db.prepare(sql).run(sequences);
      db.prepare(MARK).run("sequence", marks.sequence);
      db.prepare(MARK).run("token", marks.token);
    });
  }

  // --- contents of a task whose submit has been committed -----------------------------------------------------------

  input(task: Task): Uint8Array {
    return this.#row<{ input: Uint8Array }>(INPUT, task).input;
  }

  fingerprint(task: Task): Uint8Array {
    const { fingerprint } = this.#row<{ fingerprint: Uint8Array }>(FINGERPRINT, task);
    if (fingerprint.byteLength !== FINGERPRINT_1_CHARS) return fingerprint;
    return new Uint8Array(Buffer.from(Buffer.from(fingerprint).toString("latin1"), "base64url"));
  }

  metadata(task: Task): Content["metadata"] {
    const { metadata } = this.#row<{ metadata: Uint8Array | null }>(METADATA, task);
    return metadata && (unpackValue(metadata) as Content["metadata"]);
  }

  /** All that it was submitted with: what a retry takes over. */
  content(task: Task): Content {
    return {
      input: this.input(task),
      fingerprint: this.fingerprint(task),
      metadata: this.metadata(task),
      dependsOn: dependsOnOf(this.#row<{ head: string }>(HEAD, task).head),
    };
  }

  /** Of a task whose end has been committed, with what it weighs in a message. */
  result(task: Task): Result {
    const { output, error } = this.#row<{ output: Uint8Array | null; error: Uint8Array | null }>(
      RESULT,
      task,
    );
    return {
      output,
      error: error && (unpackValue(error) as WireError),
      sizeBytes: (output?.byteLength ?? 0) + (error?.byteLength ?? 0),
    };
  }

  /** Those that did not complete it, oldest first. */
  attempts({ sequence }: Task): AttemptRecord[] {
    return this.#store.read((db) => attemptsOf(db, sequence));
  }

  /** Oldest first; `offset` counts from the oldest that is kept. */
  logs({ sequence }: Task, offset: number, limit: number): LogPage {
    return this.#store.read((db) => logOf(db, sequence, offset, limit));
  }

  addLog({ sequence }: Task, lines: readonly TaskLogLine[]): Promise<void> {
    return this.#store.write((db) => addLog(db, sequence, lines));
  }

  // --- workers, quotas, the pause -----------------------------------------------------------------------------------

  /** One that is there already is replaced. */
  saveWorker(worker: WorkerSpec, registeredAtMs: number, undo?: () => void): Promise<void> {
    return this.#run(undo, SAVE_WORKER, worker.workerId, packValue(worker), registeredAtMs);
  }

  removeWorker(workerId: string, undo?: () => void): Promise<void> {
    return this.#run(undo, REMOVE_WORKER, workerId);
  }

  /** One of the same scope and name is replaced. */
  saveQuota(quota: Quota, undo?: () => void): Promise<void> {
    return this.#run(undo, SAVE_QUOTA, quota.scope, quota.name, packValue(quota));
  }

  removeQuota({ scope, name }: Pick<Quota, "scope" | "name">, undo?: () => void): Promise<void> {
    return this.#run(undo, REMOVE_QUOTA, scope, name);
  }

  /** Null: the queue runs. */
  setPause(pause: Pause | null, undo?: () => void): Promise<void> {
    return pause === null
      ? this.#run(undo, UNSET, PAUSE)
      : this.#run(undo, SET, PAUSE, packValue({ sinceMs: pause.sinceMs, reason: pause.reason }));
  }

  // --- the file -----------------------------------------------------------------------------------------------------

  get figures(): { commits: number; units: number; rows: number; meanBatch: number | null } {
    const { commits, units, rows, meanBatch } = this.#store.stats();
    return { commits, units, rows, meanBatch };
  }

  /** @see Store.backup */
  backup(path: string): Promise<{ sizeBytes: number }> {
    return this.#store.backup(path);
  }

  close(): Promise<void> {
    return this.#store.close();
  }

  #row<R>(sql: string, { sequence, taskId }: Task): R {
    const row = this.#store.read((db) => db.prepare<R>(sql).get(sequence));
    assert(row, `task ${taskId} has a row`);
    return row;
  }

  #run(undo: (() => void) | undefined, sql: string, ...values: SqlValue[]): Promise<void> {
    return this.#store.write((db) => void db.prepare(sql).run(...values), undo);
  }
}

const NONE: ReadonlySet<RowChange> = new Set();

const isNewAndHeld = ({ task, before }: RowChange): boolean => before === null && task.held;

function readTasks(db: Queries, reader: TaskReader): void {
  const next = db.prepare<{ sequence: number | null }>(NEXT);
  const block = db.prepare<{ fresh: string | null; changed: string | null }>(BLOCK);
  let done = 0;
  for (;;) {
    // Rows that were removed leave gaps, which are skipped however wide they are.
    const first = next.get(done)?.sequence ?? null;
    if (first === null) return;
    const from = reader.tasks.length;
    done = first + BLOCK_SEQUENCES - 1;
    const row = block.get(first, done);
    if (row) reader.add(row.fresh, row.changed);
    assertAscending(reader.tasks, from);
  }
}

function assertAscending(tasks: readonly Task[], from: number): void {
  let previous = tasks[from - 1]?.sequence ?? 0;
  for (let index = from; index < tasks.length; index++) {
    const sequence = tasks[index]?.sequence ?? 0;
    if (!(sequence > previous)) throw new Error(`row ${String(sequence)} comes after row ${previous}`);
    previous = sequence;
  }
}

function insert(db: Statements, { task, after, content, output, error }: RowChange, held: boolean): void {
  assert(content, `new task ${task.taskId} has its content`);
  const { input, fingerprint, metadata, dependsOn } = content;
  changeOne(
    db,
    INSERT,
    task.sequence,
    headOf(task, after, dependsOn, held),
    lifeOf(task, after, true),
    fingerprint,
    metadata && packValue(metadata),
    input,
    output ?? null,
    error === undefined ? null : packValue(error),
  );
}

function update(db: Statements, { task, after, output, error }: RowChange): void {
  const life = lifeOf(task, after, false);
  if (output === undefined && error === undefined) return changeOne(db, MOVE, life, task.sequence);
  changeOne(
    db,
    MOVE_WITH_RESULT,
    life,
    output ?? null,
    error === undefined ? null : packValue(error),
    task.sequence,
  );
}

function changeOne(db: Statements, sql: string, ...values: SqlValue[]): void {
  const { changes } = db.prepare(sql).run(...values);
  assert(changes === 1, `one row is changed, not ${changes}`);
}

function addTerms(db: Statements, terms: Terms): Terms {
  const { id: _, ...body } = terms;
  terms.id = Number(db.prepare(ADD_TERMS).run(canonicalJson(body)).lastInsertRowid);
  return terms;
}

function termsFrom(id: number, body: string): Terms {
  const { action, timeoutMs, attempts, backoff, onDependencyFailure, tags, requires, place } = JSON.parse(
    body,
  ) as Terms;
  return { id, action, timeoutMs, attempts, backoff, onDependencyFailure, tags, requires, place };
}
