import { REFERENCE_MARK, addressesIn, packValue, unpackValue } from "../codec/index.ts";
import { LIMITS, assert, fault, isFault, sentenceOf, type WireError } from "../errors/index.ts";
import { canonicalJson } from "../schema/index.ts";
import {
  markedRows,
  type LookPlace,
  type LookedThrough,
  type Queries,
  type SqlValue,
  type Statements,
  type Store,
} from "../store/index.ts";
import { addAttempt, addLog, attemptsOf, logOf, type LogPage } from "./log-rows.ts";
import type { Kept, Marks, Pause } from "./queue.core.ts";
import type { AttemptRecord, Quota, TaskLogLine, WorkerSpec } from "./queue.protocol.ts";
import type { Content, RowChange } from "./row-change.ts";
import { fingerprintOf } from "./task-spec.ts";
import { TaskReader, dependsOnOf, headOf, lifeOf } from "./task-rows.ts";
import type { Task, Terms } from "./task.ts";

export { MIGRATIONS } from "./queue-schema.ts";

const INSERT = `
  INSERT INTO task (sequence, head, life, fingerprint, metadata, input, output, error)
  VALUES (?, ?, ?, ?, ?, ?, ?, ?)`;
const INSERT_INPUT = "INSERT INTO large_input (sequence, input) VALUES (?, ?)";
const MOVE = "UPDATE task SET life = ? WHERE sequence = ?";
const MOVE_WITH_RESULT = "UPDATE task SET life = ?, output = ?, error = ? WHERE sequence = ?";
// As long as it was, so that SQLite overwrites the one character in place, however large the outputs are.
const RELEASE = "UPDATE task SET head = substr(head, 1, length(head) - 1) || '0' WHERE sequence = ?";
const REMOVE = ["task", "attempt", "log", "further_key", "large_input"].map(
  (table) => `DELETE FROM ${table} WHERE sequence IN (SELECT value FROM json_each(?))`,
);
const ADD_KEY = `
  INSERT INTO further_key (sequence, number, key)
  VALUES (?1, (SELECT count(*) FROM further_key WHERE sequence = ?1), ?2)`;
const KEYS = "SELECT sequence, key FROM further_key ORDER BY sequence, number";
const LAST_DEPARTED = "SELECT max(last) AS last FROM departed";
const DEPART = "INSERT INTO departed (last, ids) VALUES (?, ?)";
const DROP_DEPARTED = "DELETE FROM departed WHERE last <= ?";
const DEPARTED = "SELECT ids FROM departed ORDER BY last";
const MARK =
  "INSERT INTO mark (name, value) VALUES (?, ?) ON CONFLICT (name) DO UPDATE SET value = excluded.value";
const MARKS = "SELECT name, value FROM mark";
const SET = "INSERT OR REPLACE INTO setting (name, value) VALUES (?, ?)";
const UNSET = "DELETE FROM setting WHERE name = ?";
const SETTING = "SELECT value FROM setting WHERE name = ?";
const ADD_TERMS = "INSERT INTO terms (body) VALUES (?)";
const DROP_TERMS = "DELETE FROM terms WHERE id IN (SELECT value FROM json_each(?))";
const KEEP_TERMS = "DELETE FROM terms WHERE id NOT IN (SELECT value FROM json_each(?))";
const TERMS = "SELECT id, body FROM terms";
const SAVE_WORKER = "INSERT OR REPLACE INTO worker (id, spec, registered_at_ms) VALUES (?, ?, ?)";
const REMOVE_WORKER = "DELETE FROM worker WHERE id = ?";
const WORKERS = "SELECT spec, registered_at_ms FROM worker ORDER BY registered_at_ms, id";
const SAVE_QUOTA = "INSERT OR REPLACE INTO quota (scope, name, quota) VALUES (?, ?, ?)";
const REMOVE_QUOTA = "DELETE FROM quota WHERE scope = ? AND name = ?";
const QUOTAS = "SELECT quota FROM quota ORDER BY scope, name";
const INPUT = "SELECT input FROM task WHERE sequence = ?";
const LARGE_INPUT = "SELECT input FROM large_input WHERE sequence = ?";
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

/** A larger input has a row of its own: with it, that of its task would need pages beyond the one it shares. */
const INPUT_BYTES = 3_072;
const NO_BYTES = new Uint8Array();

/** Where rows name large values. */
const NAMING: readonly LookedThrough[] = [
  { table: "task", key: "sequence", columns: ["metadata", "input", "output"] },
  { table: "large_input", key: "sequence", columns: ["input"] },
];

/** Terms that are added before those that no task has are dropped, which looks at every task. */
const TERMS_TIDY = 10_000;

const PAUSE = "pause";
/** What version 1 kept: base64url of the hash instead of its 32 bytes. */
const FINGERPRINT_1_CHARS = 43;

export interface SavedWorker {
  readonly worker: WorkerSpec;
  readonly registeredAtMs: number;
}

export interface Loaded extends Kept {
  readonly tasks: Task[];
  readonly departed: string[];
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
  #termsAdded = 0;

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
        // Faults, and what SQLite itself says of the file, are put right by the store; all else is about what the rows hold.
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
      furtherKeys: furtherKeysIn(db),
      departed: db
        .prepare<{ ids: string }>(DEPARTED)
        .all()
        .flatMap(({ ids }) => JSON.parse(ids) as string[]),
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
   * @param committed as for `Store.write`
   * @throws STORE_FULL, STORE_FAILED
   */
  write(changes: readonly RowChange[], undo: () => void, committed?: () => void): Promise<void> {
    // By the time it is written a task may have been released, in a unit that may fail alone.
    const heldOnes = changes.some(isNewAndHeld) ? new Set(changes.filter(isNewAndHeld)) : NONE;
    const numbered: Terms[] = [];
    return this.#store.write(
      (db) => {
        for (const change of changes) {
          const { task, before, after, attempt, log, key } = change;
          if (before === null) {
            if (task.terms.id === 0) {
              numbered.push(addTerms(db, task.terms));
              this.#termsAdded += 1;
            }
            insert(db, change, heldOnes.has(change));
          } else if (before !== after) update(db, change);
          if (attempt !== undefined && before !== null) addAttempt(db, task.sequence, before, attempt);
          if (log !== undefined && log.length > 0) addLog(db, task.sequence, log);
          if (key !== undefined) changeOne(db, ADD_KEY, task.sequence, key);
        }
      },
      () => {
        // Their rows are gone with the transaction; whoever needs them next inserts them anew.
        for (const terms of numbered) terms.id = 0;
        undo();
      },
      committed,
    );
  }

  release(tasks: readonly Task[], undo: () => void): Promise<void> {
    return this.#store.write((db) => {
      for (const { sequence } of tasks) changeOne(db, RELEASE, sequence);
    }, undo);
  }

  /**
   * With all that belongs to them; their ids are remembered a while. The marks are those of the core, which outlive the
   * rows that bore them.
   */
  remove(tasks: readonly Task[], marks: Marks): Promise<void> {
    return this.#store.write((db) => {
      removeAll(db, tasks, marks);
      remember(
        db,
        tasks.map(({ taskId }) => taskId),
      );
    });
  }

  /**
   * Drops the terms that no task has any more, when many have been added since they were dropped last: tasks whose tags
   * are all different would fill the file with them.
   *
   * @param used asked when all that was to be written before has been
   */
  tidyTerms(used: () => readonly number[]): void {
    if (this.#termsAdded < TERMS_TIDY) return;
    this.#termsAdded = 0;
    // They only take room: if this fails they are dropped another time, or at the next start.
    this.#store.write((db) => void db.prepare(KEEP_TERMS).run(JSON.stringify(used()))).catch(() => {});
  }

  /** As if they had never been there. Else `undo` has run when it rejects. */
  withdraw(tasks: readonly Task[], marks: Marks, undo: () => void): Promise<void> {
    return this.#store.write((db) => removeAll(db, tasks, marks), undo);
  }

  // --- contents of a task whose submit has been committed -----------------------------------------------------------

  input(task: Task): Uint8Array {
    const { input } = this.#row<{ input: Uint8Array }>(INPUT, task);
    if (input.byteLength > 0) return input;
    const { sequence } = task;
    const large = this.#store.read((db) => db.prepare<{ input: Uint8Array }>(LARGE_INPUT).get(sequence));
    return large?.input ?? input;
  }

  /** Hash of action and input: tells a repeated submit from another task under the same id. */
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

  /** Addresses of the large values that a part of the rows names, and where the next part begins. */
  references(from: LookPlace): { addresses: string[]; next: LookPlace | null } {
    const { found, next } = this.#store.read((db) => markedRows(db, NAMING, REFERENCE_MARK, from));
    return { addresses: found.flatMap(addressesIn), next };
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

function removeAll(db: Statements, tasks: readonly Task[], marks: Marks): void {
  const sequences = JSON.stringify(tasks.map(({ sequence }) => sequence));
  for (const sql of REMOVE) db.prepare(sql).run(sequences);
  db.prepare(MARK).run("sequence", marks.sequence);
  db.prepare(MARK).run("token", marks.token);
}

function insert(db: Statements, { task, after, content, output, error }: RowChange, held: boolean): void {
  assert(content, "a new task has its content");
  const { input, metadata, dependsOn } = content;
  const isLarge = input.byteLength > INPUT_BYTES;
  if (isLarge) changeOne(db, INSERT_INPUT, task.sequence, input);
  changeOne(
    db,
    INSERT,
    task.sequence,
    headOf(task, after, dependsOn, held),
    lifeOf(task, after, true),
    fingerprintOf({ action: task.terms.action, input }),
    metadata === null ? null : packValue(metadata),
    isLarge ? NO_BYTES : input,
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

function furtherKeysIn(db: Queries): Map<number, string[]> {
  const keys = new Map<number, string[]>();
  for (const { sequence, key } of db.prepare<{ sequence: number; key: string }>(KEYS).all()) {
    const known = keys.get(sequence);
    if (known) known.push(key);
    else keys.set(sequence, [key]);
  }
  return keys;
}

/** That they were there. The oldest rows go that are not needed for the latest ids. */
function remember(db: Statements, taskIds: readonly string[]): void {
  const { last } = db.prepare<{ last: number | null }>(LAST_DEPARTED).get() ?? { last: null };
  const count = (last ?? 0) + taskIds.length;
  db.prepare(DEPART).run(count, JSON.stringify(taskIds));
  db.prepare(DROP_DEPARTED).run(count - LIMITS.queue.departedIds);
}

function changeOne(db: Statements, sql: string, ...values: SqlValue[]): void {
  const { changes } = db.prepare(sql).run(...values);
  // Put into words only when it is needed: this runs for every row.
  if (changes !== 1) assert(false, `one row is changed, not ${changes}`);
}

function addTerms(db: Statements, terms: Terms): Terms {
  const { id: _, ...body } = terms;
  terms.id = Number(db.prepare(ADD_TERMS).run(canonicalJson(body)).lastInsertRowid);
  return terms;
}

function termsFrom(id: number, body: string): Terms {
  const { action, timeoutMs, attempts, backoff, onDependencyFailure, tags, requires } = JSON.parse(
    body,
  ) as Terms;
  const lists: readonly unknown[] = [tags, requires];
  assert(typeof action === "string" && lists.every(Array.isArray), "terms are those of a task");
  return { id, action, timeoutMs, attempts, backoff, onDependencyFailure, tags, requires };
}
