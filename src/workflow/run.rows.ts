import { packValue, unpackValue } from "../codec/index.ts";
import type { Queries, Store } from "../store/index.ts";
import type { CachedOutput, CancelRequest } from "./run-effect.ts";
import type { RunState, RunStatus, RunSummary, StepStatus, WorkflowDefinition } from "./workflow.protocol.ts";

/** Only ever append. Values without a column of their own are MessagePack. */
export const RUN_MIGRATIONS: readonly string[] = [
  `CREATE TABLE runs (
     sequence INTEGER PRIMARY KEY,
     workflow_id TEXT NOT NULL UNIQUE,
     fingerprint TEXT NOT NULL,
     definition BLOB NOT NULL,
     state TEXT NOT NULL,
     tags TEXT NOT NULL,
     submitted_at_ms REAL NOT NULL,
     cancel BLOB,
     summary BLOB,
     steps BLOB
   ) STRICT;
   CREATE INDEX unfinished_runs ON runs (sequence) WHERE summary IS NULL;
   CREATE TABLE cached_outputs (
     workflow_id TEXT NOT NULL,
     step_id TEXT NOT NULL,
     output BLOB NOT NULL,
     at_ms REAL NOT NULL,
     PRIMARY KEY (workflow_id, step_id)
   ) STRICT, WITHOUT ROWID;`,
];

export interface RunRow {
  readonly workflowId: string;
  /** Hash of the definition: tells a repeated submit from another workflow under the same id. */
  readonly fingerprint: string;
  readonly submittedAtMs: number;
  readonly definition: WorkflowDefinition;
}

export interface UnfinishedRun extends RunRow {
  readonly cancel: CancelMark | null;
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

/** A cancellation, and when it was asked for (wall clock). */
export type CancelMark = CancelRequest & { readonly atMs: number };

export interface RunFilter {
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
  summary: Uint8Array | null;
  steps: Uint8Array | null;
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

  /** Resolves when the run is on disk. */
  insert({ workflowId, fingerprint, definition, submittedAtMs }: RunRow): Promise<void> {
    const bytes = packValue(definition);
    const tags = JSON.stringify(definition.tags);
    return this.#store.write((db) => {
      db.prepare(
        `INSERT INTO runs (workflow_id, fingerprint, definition, state, tags, submitted_at_ms)
         VALUES (?, ?, ?, 'running', ?, ?)`,
      ).run(workflowId, fingerprint, bytes, tags, submittedAtMs);
    });
  }

  cancel(workflowId: string, mark: CancelMark): Promise<void> {
    const bytes = packValue(mark);
    return this.#store.write((db) => {
      db.prepare(
        "UPDATE runs SET state = 'cancelling', cancel = ? WHERE workflow_id = ? AND summary IS NULL",
      ).run(bytes, workflowId);
    });
  }

  keepCached(workflowId: string, stepId: string, { output, atMs }: CachedOutput): Promise<void> {
    return this.#store.write((db) => {
      db.prepare("INSERT OR REPLACE INTO cached_outputs VALUES (?, ?, ?, ?)").run(
        workflowId,
        stepId,
        output,
        atMs,
      );
    });
  }

  end({ steps, ...summary }: RunStatus): Promise<void> {
    const [head, tail] = [packValue(summary), packValue(steps)];
    return this.#store.write((db) => {
      db.prepare("UPDATE runs SET state = ?, summary = ?, steps = ? WHERE workflow_id = ?").run(
        summary.state,
        head,
        tail,
        summary.workflowId,
      );
    });
  }

  fingerprint(workflowId: string): string | undefined {
    const sql = "SELECT fingerprint FROM runs WHERE workflow_id = ?";
    return this.#store.read((db) => db.prepare<Columns>(sql).get(workflowId)?.fingerprint);
  }

  /** How a run ended; undefined when it has not, or does not exist. */
  ended(workflowId: string): RunStatus | undefined {
    const sql = "SELECT summary, steps FROM runs WHERE workflow_id = ?";
    const row = this.#store.read((db) => db.prepare<Columns>(sql).get(workflowId));
    if (!row?.summary || !row.steps) return undefined;
    return { ...(unpackValue(row.summary) as RunSummary), steps: unpackValue(row.steps) as StepStatus[] };
  }

  unfinished(): UnfinishedRun[] {
    const sql = "SELECT * FROM runs WHERE summary IS NULL ORDER BY sequence";
    return this.#store
      .read((db) => db.prepare<Columns>(sql).all())
      .map((row) => ({
        workflowId: row.workflow_id,
        fingerprint: row.fingerprint,
        submittedAtMs: row.submitted_at_ms,
        definition: unpackValue(row.definition) as WorkflowDefinition,
        cancel: row.cancel && (unpackValue(row.cancel) as CancelMark),
      }));
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

  /** By step id. */
  cachedOutputs(workflowId: string): Map<string, CachedOutput> {
    const sql = "SELECT step_id, output, at_ms FROM cached_outputs WHERE workflow_id = ?";
    const rows = this.#store.read((db) =>
      db.prepare<{ step_id: string; output: Uint8Array; at_ms: number }>(sql).all(workflowId),
    );
    return new Map(rows.map(({ step_id, output, at_ms }) => [step_id, { output, atMs: at_ms }]));
  }

  /** A page in submission order; the summary of a run that has not ended is null. */
  page({ offset, limit, states, tags }: RunFilter): {
    rows: { workflowId: string; state: RunState; summary: RunSummary | null }[];
    total: number;
  } {
    const values = [JSON.stringify(states ?? null), JSON.stringify(tags ?? [])];
    const where = `(json_type(?1) = 'null' OR state IN (SELECT value FROM json_each(?1)))
      AND NOT EXISTS (
        SELECT 1 FROM json_each(?2) AS wanted
        WHERE wanted.value NOT IN (SELECT value FROM json_each(runs.tags)))`;
    const list = `SELECT workflow_id, state, summary FROM runs WHERE ${where} ORDER BY sequence LIMIT ?3 OFFSET ?4`;
    const read = (db: Queries): { rows: Columns[]; total: number } => ({
      rows: db.prepare<Columns>(list).all(...values, limit, offset),
      total:
        db.prepare<{ n: number }>(`SELECT count(*) AS n FROM runs WHERE ${where}`).get(...values)?.n ?? 0,
    });
    const { rows, total } = this.#store.read(read);
    return {
      rows: rows.map(({ workflow_id, state, summary }) => ({
        workflowId: workflow_id,
        state,
        summary: summary && (unpackValue(summary) as RunSummary),
      })),
      total,
    };
  }

  /** @see Store.backup */
  backup(path: string): Promise<{ sizeBytes: number }> {
    return this.#store.backup(path);
  }
}
