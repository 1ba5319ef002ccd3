import type { LookedThrough } from "../store/index.ts";

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
  // For retention, to which runs of version 1 ended when they were upgraded and had one step each; and so that cached
  // outputs can be gone through by a number.
  `ALTER TABLE runs ADD COLUMN ended_at_ms REAL;
   ALTER TABLE runs ADD COLUMN step_count INTEGER NOT NULL DEFAULT 1;
   UPDATE runs SET ended_at_ms = unixepoch('subsec') * 1000 WHERE summary IS NOT NULL;
   CREATE INDEX ended_runs ON runs (ended_at_ms, step_count) WHERE ended_at_ms IS NOT NULL;
   CREATE TABLE leaving_runs (workflow_id TEXT PRIMARY KEY) STRICT, WITHOUT ROWID;
   ALTER TABLE cached_outputs RENAME TO cached_outputs_1;
   CREATE TABLE cached_outputs (
     id INTEGER PRIMARY KEY,
     workflow_id TEXT NOT NULL,
     step_id TEXT NOT NULL,
     output BLOB NOT NULL,
     at_ms REAL NOT NULL,
     UNIQUE (workflow_id, step_id)
   ) STRICT;
   INSERT INTO cached_outputs (workflow_id, step_id, output, at_ms)
     SELECT workflow_id, step_id, output, at_ms FROM cached_outputs_1;
   DROP TABLE cached_outputs_1;`,
  // Version 2 knew no decision about a run but its cancellation, and kept nothing about handlers.
  `ALTER TABLE runs ADD COLUMN marks BLOB;
   ALTER TABLE runs ADD COLUMN handlers BLOB;
   ALTER TABLE runs ADD COLUMN idempotency_key TEXT;
   ALTER TABLE runs ADD COLUMN work TEXT;
   CREATE UNIQUE INDEX run_keys ON runs (idempotency_key) WHERE idempotency_key IS NOT NULL;
   ALTER TABLE runs ADD COLUMN origin TEXT;
   ALTER TABLE runs ADD COLUMN history BLOB;
   CREATE TABLE durations (
     action TEXT PRIMARY KEY,
     mean_ms REAL NOT NULL,
     count INTEGER NOT NULL
   ) STRICT, WITHOUT ROWID;
   CREATE TABLE kept_outputs (
     id INTEGER PRIMARY KEY,
     workflow_id TEXT NOT NULL,
     step_id TEXT NOT NULL,
     item INTEGER NOT NULL,
     reused INTEGER NOT NULL,
     output BLOB NOT NULL,
     at_ms REAL NOT NULL,
     UNIQUE (workflow_id, step_id, item)
   ) STRICT;
   INSERT INTO kept_outputs SELECT id, workflow_id, step_id, -1, 0, output, at_ms FROM cached_outputs;
   DROP TABLE cached_outputs;`,
  // Of a run that has not ended, `workers` is what the queue's tasks may not tell any more.
  `ALTER TABLE runs ADD COLUMN workers TEXT;
   ALTER TABLE runs ADD COLUMN traceparent TEXT;`,
];

/** Where rows name large values. */
export const NAMING: readonly LookedThrough[] = [
  { table: "runs", key: "sequence", columns: ["definition"] },
  { table: "kept_outputs", key: "id", columns: ["output"] },
];
