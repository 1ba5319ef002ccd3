import { REFERENCE_MARK, addressesIn, packValue, unpackValue } from "../codec/index.ts";
import { markedRows, type LookPlace, type Statements, type Store } from "../store/index.ts";
import { PEER_WORKER } from "../queue/queue.protocol.ts";
import type { RememberedHandlers } from "./run-handlers.ts";
import { stepCountOf } from "./ended-runs.ts";
import type { KeptHistory } from "./run-history.ts";
import { NO_MARKS, type KeptOutput, type KeptOutputs, type RunMarks } from "./run-memory.ts";
import { NAMING } from "./run-schema.ts";
import type { WorkerFilter } from "./run-workers.ts";
import {
  LOCAL_PEER,
  type RunState,
  type RunStatus,
  type RunSummary,
  type StepStatus,
  type WorkflowDefinition,
} from "./workflow.protocol.ts";

export { RUN_MIGRATIONS } from "./run-schema.ts";

export interface RunRow {
  readonly workflowId: string;
  /** Hash of the definition: tells a repeated submit from another workflow under the same id. */
  readonly fingerprint: string;
  readonly submittedAtMs: number;
  readonly definition: WorkflowDefinition;
  /** Hash of the definition without its id: tells a repeated idempotency key from one that is used for other work. */
  readonly work: string;
  readonly handlers: RememberedHandlers;
  /** The run that this one is a rerun of. */
  readonly origin: string | null;
  /** What its submitter said of the trace that it is part of; null = nothing. */
  readonly traceparent: string | null;
}

export interface UnfinishedRun extends Omit<RunRow, "work"> {
  readonly marks: RunMarks;
  /** As they were when the last of them joined the others. */
  readonly workerIds: readonly string[];
}

/** A run with what `packValue` made of its parts; null = it has not ended. */
export interface FiledRun {
  readonly workflowId: string;
  readonly state: RunState;
  readonly submittedAtMs: number;
  readonly definition: Uint8Array;
  readonly summary: Uint8Array | null;
  readonly steps: Uint8Array | null;
}

export interface RunFilter extends WorkerFilter {
  readonly offset: number;
  readonly limit: number;
  readonly states?: readonly RunState[];
  readonly tags?: readonly string[];
}

interface Columns {
  workflow_id: string;
  fingerprint: string;
  definition: Uint8Array;
  state: RunState;
  submitted_at_ms: number;
  cancel: Uint8Array | null;
  marks: Uint8Array | null;
  handlers: Uint8Array | null;
  work: string | null;
  origin: string | null;
  history: Uint8Array | null;
  summary: Uint8Array | null;
  steps: Uint8Array | null;
  workers: string | null;
  traceparent: string | null;
}

/**
 * What the scheduler keeps: definitions, decisions and ends, and the outputs that came from the result cache. The
 * outputs of tasks stay in the queue's file.
 */
export class RunRows {
  readonly #store: Store;

  constructor(store: Store) {
    this.#store = store;
  }

  /** Resolves when the run is on disk, and with it the outputs that it takes over from an earlier one. */
  insert(run: RunRow, kept: KeptOutputs): Promise<void> {
    const { workflowId, fingerprint, definition, submittedAtMs, work, handlers, origin, traceparent } = run;
    const { dependencies = [], idempotencyKey: key = null } = definition;
    const state: RunState = dependencies.length > 0 ? "submitted" : "running";
    const values = [
      ...[workflowId, fingerprint, packValue(definition), state, JSON.stringify(definition.tags)],
      ...[submittedAtMs, packValue(handlers), key, key === null ? null : work, origin, traceparent],
    ];
    return this.#store.write((db) => {
      db.prepare(
        `INSERT INTO runs (workflow_id, fingerprint, definition, state, tags, submitted_at_ms, handlers,
           idempotency_key, work, origin, traceparent)
         VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
      ).run(...values);
      for (const [stepId, items] of kept)
        for (const [item, output] of items) keep(db, workflowId, stepId, item, output);
    });
  }

  /** Of a run that has not ended: what was decided about it, and the state that follows from that. */
  mark(workflowId: string, state: RunState, marks: RunMarks, undo?: () => void): Promise<void> {
    const bytes = packValue(marks);
    const sql =
      "UPDATE runs SET state = ?, marks = ?, cancel = NULL WHERE workflow_id = ? AND summary IS NULL";
    return this.#store.write((db) => void db.prepare(sql).run(state, bytes, workflowId), undo);
  }

  /** Of a run that has not ended: who had it, which the queue's tasks may not tell when they are tried again. */
  keepWorkers(workflowId: string, workerIds: readonly string[]): Promise<void> {
    const sql = "UPDATE runs SET workers = ? WHERE workflow_id = ? AND summary IS NULL";
    return this.#store.write((db) => void db.prepare(sql).run(JSON.stringify(workerIds), workflowId));
  }

  /** @param item place of the item; `WHOLE` for the step as a whole */
  keepOutput(workflowId: string, stepId: string, item: number, output: KeptOutput): Promise<void> {
    return this.#store.write((db) => keep(db, workflowId, stepId, item, output));
  }

  end({ steps, ...summary }: RunStatus, history: KeptHistory): Promise<void> {
    const [head, tail, told] = [packValue(summary), packValue(steps), packValue(history)];
    const { state, endedAtMs, workflowId } = summary;
    const workers = JSON.stringify(summary.workerIds);
    const stepCount = stepCountOf({ steps });
    return this.#store.write((db) => {
      db.prepare(
        `UPDATE runs SET state = ?, summary = ?, steps = ?, history = ?, ended_at_ms = ?, step_count = ?,
           workers = ?
         WHERE workflow_id = ?`,
      ).run(state, head, tail, told, endedAtMs, stepCount, workers, workflowId);
    });
  }

  fingerprint(workflowId: string): string | undefined {
    const sql = "SELECT fingerprint FROM runs WHERE workflow_id = ?";
    return this.#store.read((db) => db.prepare<Columns>(sql).get(workflowId)?.fingerprint);
  }

  /** The run that was submitted with this key, and the hash of its work. */
  ofKey(key: string): { workflowId: string; work: string } | undefined {
    const sql = "SELECT workflow_id, work FROM runs WHERE idempotency_key = ?";
    const row = this.#store.read((db) => db.prepare<Columns>(sql).get(key));
    return row && { workflowId: row.workflow_id, work: row.work ?? "" };
  }

  /** How a run ended; undefined when it has not, or does not exist. */
  ended(workflowId: string): RunStatus | undefined {
    const sql = "SELECT summary, steps FROM runs WHERE workflow_id = ?";
    return this.#store.read((db) => {
      const row = db.prepare<Columns>(sql).get(workflowId);
      if (!row?.summary || !row.steps) return undefined;
      return { ...summaryFrom(row.summary), steps: stepsFrom(row.steps) };
    });
  }

  /** Undefined when there is no such run, or none of this version. */
  history(workflowId: string): KeptHistory | undefined {
    const sql = "SELECT history FROM runs WHERE workflow_id = ?";
    return this.#store.read((db) => {
      const bytes = db.prepare<Columns>(sql).get(workflowId)?.history;
      return bytes ? (unpackValue(bytes) as KeptHistory) : undefined;
    });
  }

  /** What a run was made of, whether it has ended or not. */
  definition(workflowId: string): Pick<RunRow, "definition" | "origin" | "traceparent"> | undefined {
    const sql = "SELECT definition, origin, traceparent FROM runs WHERE workflow_id = ?";
    return this.#store.read((db) => {
      const row = db.prepare<Columns>(sql).get(workflowId);
      if (row === undefined) return undefined;
      const { origin, traceparent } = row;
      return { definition: unpackValue(row.definition) as WorkflowDefinition, origin, traceparent };
    });
  }

  unfinished(): UnfinishedRun[] {
    const sql = "SELECT * FROM runs WHERE summary IS NULL ORDER BY sequence";
    return this.#store.read((db) => db.prepare<Columns>(sql).all().map(unfinishedFrom));
  }

  /** Every run in submission order, as its row has it; none is held in memory but the one that is given. */
  *every(): Generator<FiledRun> {
    const next = "SELECT * FROM runs WHERE sequence > ? ORDER BY sequence LIMIT 1";
    for (let sequence = 0; ;) {
      const after = sequence;
      const row = this.#store.read((db) => db.prepare<Columns & { sequence: number }>(next).get(after));
      if (row === undefined) return;
      sequence = row.sequence;
      const {
        workflow_id: workflowId,
        state,
        submitted_at_ms: submittedAtMs,
        definition,
        summary,
        steps,
      } = row;
      yield { workflowId, state, submittedAtMs, definition, summary, steps };
    }
  }

  /** Outputs for which the queue has no task. */
  keptOutputs(workflowId: string): KeptOutputs {
    const sql = "SELECT step_id, item, reused, output, at_ms FROM kept_outputs WHERE workflow_id = ?";
    type Row = { step_id: string; item: number; reused: number; output: Uint8Array; at_ms: number };
    const kept = new Map<string, Map<number, KeptOutput>>();
    for (const row of this.#store.read((db) => db.prepare<Row>(sql).all(workflowId))) {
      const output = { output: row.output, atMs: row.at_ms, reused: row.reused === 1 };
      const items = kept.get(row.step_id);
      if (items) items.set(row.item, output);
      else kept.set(row.step_id, new Map([[row.item, output]]));
    }
    return kept;
  }

  /**
   * A page in submission order; the summary of a run that has not ended is null.
   *
   * @param live ids of the unfinished runs that those had whom the filter names, since rows do not tell that of them;
   *   null = it names nobody
   */
  page(
    { offset, limit, states, tags, ...by }: RunFilter,
    live: readonly string[] | null,
  ): {
    rows: { workflowId: string; state: RunState; summary: RunSummary | null }[];
    total: number;
  } {
    const values = [
      ...[JSON.stringify(states ?? null), JSON.stringify(tags ?? [])],
      ...[live && JSON.stringify(live), JSON.stringify(workersIn(by)), by.peer === LOCAL_PEER ? 1 : 0],
    ];
    const where = `(json_type(?1) = 'null' OR state IN (SELECT value FROM json_each(?1)))
      AND NOT EXISTS (
        SELECT 1 FROM json_each(?2) AS wanted
        WHERE wanted.value NOT IN (SELECT value FROM json_each(runs.tags)))
      AND (?3 IS NULL OR ${HAD})`;
    const list = `SELECT workflow_id, state, summary FROM runs WHERE ${where} ORDER BY sequence LIMIT ?6 OFFSET ?7`;
    return this.#store.read((db) => ({
      rows: db
        .prepare<Columns>(list)
        .all(...values, limit, offset)
        .map(({ workflow_id, state, summary }) => ({
          workflowId: workflow_id,
          state,
          summary: summary && summaryFrom(summary),
        })),
      total:
        db.prepare<{ n: number }>(`SELECT count(*) AS n FROM runs WHERE ${where}`).get(...values)?.n ?? 0,
    }));
  }

  /** How long one attempt at each action takes, as far as that is known. */
  durations(): { action: string; meanMs: number; count: number }[] {
    const sql = "SELECT action, mean_ms AS meanMs, count FROM durations";
    type Row = { action: string; meanMs: number; count: number };
    return this.#store.read((db) => db.prepare<Row>(sql).all()).map((row) => ({ ...row }));
  }

  keepDurations(durations: readonly { action: string; meanMs: number; count: number }[]): Promise<void> {
    return this.#store.write((db) => {
      for (const { action, meanMs, count } of durations)
        db.prepare("INSERT OR REPLACE INTO durations VALUES (?, ?, ?)").run(action, meanMs, count);
    });
  }

  /** Addresses of the large values that a part of the rows names, and where the next part begins. */
  async references(from: LookPlace): Promise<{ addresses: string[]; next: LookPlace | null }> {
    // What is told gone must not come back when the power fails.
    await this.#store.flush();
    const { found, next } = this.#store.read((db) => markedRows(db, NAMING, REFERENCE_MARK, from));
    return { addresses: found.flatMap(addressesIn), next };
  }

  /** @see Store.backup */
  backup(path: string): Promise<{ sizeBytes: number }> {
    return this.#store.backup(path);
  }
}

function keep(
  db: Statements,
  workflowId: string,
  stepId: string,
  item: number,
  { output, atMs, reused }: KeptOutput,
): void {
  db.prepare(
    `INSERT OR REPLACE INTO kept_outputs (workflow_id, step_id, item, reused, output, at_ms)
     VALUES (?, ?, ?, ?, ?, ?)`,
  ).run(workflowId, stepId, item, reused ? 1 : 0, output, atMs);
}

/** Those who must all have had it. */
const workersIn = ({ worker, peer }: WorkerFilter): string[] => [
  ...(worker === undefined ? [] : [worker]),
  ...(peer === undefined || peer === LOCAL_PEER ? [] : [`${PEER_WORKER}${peer}`]),
];

/** Runs of earlier versions name nobody. */
const WORKERS = "SELECT value FROM json_each(coalesce(runs.workers, '[]'))";
/** ?3 live runs, ?4 workers that must all have had it, ?5 whether a worker that is no peer must have, or nobody. */
const HAD = `iif(summary IS NULL, workflow_id IN (SELECT value FROM json_each(?3)),
  NOT EXISTS (SELECT 1 FROM json_each(?4) AS wanted WHERE wanted.value NOT IN (${WORKERS}))
  AND (?5 = 0 OR NOT EXISTS (${WORKERS})
    OR EXISTS (${WORKERS} WHERE substr(value, 1, ${PEER_WORKER.length}) <> '${PEER_WORKER}')))`;

/** What earlier versions did not write. */
const UNWRITTEN = {
  deadlineMs: null,
  waitsFor: [],
  workerIds: [],
  handlersChanged: [],
  origin: null,
} satisfies Partial<RunSummary>;
const UNWRITTEN_OF_STEP = {
  reused: false,
  items: null,
  compensation: null,
  workerId: null,
} satisfies Partial<StepStatus>;

const stepsFrom = (bytes: Uint8Array): StepStatus[] =>
  (unpackValue(bytes) as StepStatus[]).map((step) => ({ ...UNWRITTEN_OF_STEP, ...step }));

const summaryFrom = (bytes: Uint8Array): RunSummary => ({
  ...UNWRITTEN,
  ...(unpackValue(bytes) as RunSummary),
});

const unfinishedFrom = (row: Columns): UnfinishedRun => ({
  workflowId: row.workflow_id,
  fingerprint: row.fingerprint,
  submittedAtMs: row.submitted_at_ms,
  definition: unpackValue(row.definition) as WorkflowDefinition,
  origin: row.origin,
  traceparent: row.traceparent,
  marks: marksFrom(row),
  workerIds: row.workers === null ? [] : (JSON.parse(row.workers) as string[]),
  handlers: row.handlers === null ? {} : (unpackValue(row.handlers) as RememberedHandlers),
});

function marksFrom({ marks, cancel }: Columns): RunMarks {
  if (marks !== null) return { ...NO_MARKS, ...(unpackValue(marks) as RunMarks) };
  // Version 2 kept the cancellation alone.
  return cancel === null ? NO_MARKS : { ...NO_MARKS, cancel: unpackValue(cancel) as RunMarks["cancel"] };
}
