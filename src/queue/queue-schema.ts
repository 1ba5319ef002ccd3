/**
 * The tables of a queue's file, version by version: only ever append.
 *
 * Version 2 keeps of each task two texts beside its contents, because SQLite can join such texts of a block of rows
 * into one that `JSON.parse` takes apart in one go. A million waiting tasks are read so in a third of the time that
 * one column for each property takes, and a change of life binds one value instead of ten:
 *
 * ```
 *  head  what is fixed when the task is made; only the last character, `held`, ever changes
 *        sequence, id, terms, submittedAtMs, priority,
 *          0 or [group, deadlineMs, notBeforeMs, idempotencyKey, origin, dependsOn, traceparent], held
 *  life  null until its first change
 *        state, priority, attempt, interruptions, token, startedAtMs since submittedAtMs, endedAtMs since that, worker,
 *          0 or [leaseUntilMs, notBeforeMs, cancelReason, successor]
 * ```
 * Both are JSON arrays without their brackets; a time of -1 and a list of 0 are not there, a time in
 * quotes is since 1970, worker 1 is `local`; what is part of no trace has no `traceparent`. So
 * `SELECT json_extract('[' || head || ']', '$[1]') FROM task` is the way to a task's id from a shell.
 *
 * A task's id has no unique index: the core holds all ids and is the file's only writer, and a random index costs
 * five sixths of the write speed at a million rows. Groups, tags and keys are found in memory for the same reason.
 *
 * Version 3 adds the idempotency keys that later submits gave to a task (`further_key`), and the ids of the latest tasks
 * that have left (`departed`): those that left together are one JSON list, counted by how many had left with the last.
 *
 * Version 4 keeps an input above 3 KiB in a row of its own (`large_input`), and then `input` is empty, which no packed
 * value is: SQLite writes a row anew as a whole at each change of its life, and what is larger than that fills pages of
 * its own. Those of earlier versions stay where they are.
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
  // Version 1 knew neither backoff nor shared threads, and kept the reason of a cancellation inside a packed error.
  `
  ALTER TABLE task RENAME TO task_1;
  CREATE TABLE terms (id INTEGER PRIMARY KEY, body TEXT NOT NULL) STRICT;
  CREATE TABLE task (
    sequence INTEGER PRIMARY KEY,
    head TEXT NOT NULL,
    life TEXT,
    fingerprint BLOB NOT NULL,
    metadata BLOB,
    input BLOB NOT NULL,
    output BLOB,
    error BLOB
  ) STRICT;
  CREATE TABLE attempt (
    sequence INTEGER NOT NULL,
    number INTEGER NOT NULL,
    attempt INTEGER NOT NULL,
    kind TEXT NOT NULL,
    started_at_ms REAL NOT NULL,
    ended_at_ms REAL NOT NULL,
    worker TEXT NOT NULL,
    error BLOB,
    PRIMARY KEY (sequence, number)
  ) STRICT, WITHOUT ROWID;
  CREATE TABLE log (
    sequence INTEGER NOT NULL,
    first INTEGER NOT NULL,
    count INTEGER NOT NULL,
    lines BLOB NOT NULL,
    PRIMARY KEY (sequence, first)
  ) STRICT, WITHOUT ROWID;
  CREATE TABLE worker (
    id TEXT PRIMARY KEY,
    spec BLOB NOT NULL,
    registered_at_ms REAL NOT NULL
  ) STRICT, WITHOUT ROWID;
  CREATE TABLE quota (
    scope TEXT NOT NULL,
    name TEXT NOT NULL,
    quota BLOB NOT NULL,
    PRIMARY KEY (scope, name)
  ) STRICT, WITHOUT ROWID;
  CREATE TABLE setting (name TEXT PRIMARY KEY, value BLOB NOT NULL) STRICT, WITHOUT ROWID;

  CREATE TEMP TABLE old_terms AS
    SELECT row_number() OVER () AS id, action, timeout_ms, attempts
    FROM (SELECT DISTINCT action, timeout_ms, attempts FROM task_1);
  INSERT INTO terms SELECT id, json_object(
      'action', action, 'attempts', attempts,
      'backoff', json('{"delayMs":0,"factor":2,"jitter":0,"maxDelayMs":300000,"shape":"none"}'),
      'onDependencyFailure', 'cancel', 'place', 'thread', 'requires', json('[]'), 'tags', json('[]'),
      'timeoutMs', timeout_ms)
    FROM old_terms;
  INSERT INTO task
    SELECT sequence,
      sequence || ',' || json_quote(task_1.id) || ',' || old_terms.id || ',' || submitted_at_ms || ',' || priority
        || ',' || iif(task_group IS NULL, '0', json_array(task_group, NULL, NULL, NULL, NULL, json('[]')))
        || ',' || held,
      iif(state = 'queued' AND token = 0, NULL,
        CASE state WHEN 'queued' THEN 0 WHEN 'running' THEN 1 WHEN 'cancelling' THEN 2 WHEN 'completed' THEN 3
          WHEN 'failed' THEN 4 WHEN 'cancelled' THEN 5 END
        || ',' || priority || ',' || attempt || ',' || interruptions || ',' || token
        || ',' || coalesce('"' || started_at_ms || '"', -1) || ',' || coalesce('"' || ended_at_ms || '"', -1) || ',' || iif(token = 0, 0, 1)
        || ',' || iif(state = 'cancelling', '[null,null,"cancelled under an earlier version",null]', '0')),
      CAST(fingerprint AS BLOB), NULL, input, output, error
    FROM task_1 JOIN old_terms USING (action, attempts)
    WHERE task_1.timeout_ms IS old_terms.timeout_ms
    ORDER BY sequence;
  DROP TABLE old_terms;
  DROP TABLE task_1;
  `,
  `
  CREATE TABLE further_key (
    sequence INTEGER NOT NULL,
    number INTEGER NOT NULL,
    key TEXT NOT NULL,
    PRIMARY KEY (sequence, number)
  ) STRICT, WITHOUT ROWID;
  CREATE TABLE departed (last INTEGER PRIMARY KEY, ids TEXT NOT NULL) STRICT;
  `,
  `
  CREATE TABLE large_input (sequence INTEGER PRIMARY KEY, input BLOB NOT NULL) STRICT;
  `,
];
