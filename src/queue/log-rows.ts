import { packValue, unpackValue } from "../codec/index.ts";
import { LIMITS, assert, type WireError } from "../errors/index.ts";
import type { Queries, Statements } from "../store/index.ts";
import type { AttemptRecord, TaskLogLine } from "./queue.protocol.ts";
import type { TaskLife } from "./task.ts";

const ADD_ATTEMPT = `
  INSERT INTO attempt (sequence, number, attempt, kind, started_at_ms, ended_at_ms, worker, error)
  VALUES (?, ?, ?, ?, ?, ?, ?, ?)`;
const ATTEMPTS = `
  SELECT attempt, kind, started_at_ms, ended_at_ms, worker, error FROM attempt WHERE sequence = ? ORDER BY number`;
const ADD_LOG = "INSERT INTO log (sequence, first, count, lines) VALUES (?, ?, ?, ?)";
const DROP_LOG = "DELETE FROM log WHERE sequence = ? AND first + count <= ?";
const LOG_BOUNDS = "SELECT min(first) AS first, max(first + count) AS next FROM log WHERE sequence = ?";
const LOG = `
  SELECT first, lines FROM log WHERE sequence = ? AND first + count > ? AND first < ? ORDER BY first`;

interface AttemptRow {
  attempt: number;
  kind: AttemptRecord["kind"];
  started_at_ms: number;
  ended_at_ms: number;
  worker: string;
  error: Uint8Array | null;
}

/** @param before the life that the attempt was part of */
export function addAttempt(db: Statements, sequence: number, before: TaskLife, record: AttemptRecord): void {
  // An interruption gives its attempt back, so attempts alone would repeat; with interruptions they count up.
  const number = before.attempt + before.interruptions;
  const { attempt, kind, startedAtMs, endedAtMs, workerId, error } = record;
  const packed = error === null ? null : packValue(error);
  db.prepare(ADD_ATTEMPT).run(sequence, number, attempt, kind, startedAtMs, endedAtMs, workerId, packed);
}

/** Oldest first. */
export function attemptsOf(db: Queries, sequence: number): AttemptRecord[] {
  return db
    .prepare<AttemptRow>(ATTEMPTS)
    .all(sequence)
    .map((row) => ({
      attempt: row.attempt,
      kind: row.kind,
      startedAtMs: row.started_at_ms,
      endedAtMs: row.ended_at_ms,
      workerId: row.worker,
      error: row.error && (unpackValue(row.error) as WireError),
    }));
}

/**
 * Lines of a task are counted from its first; a row keeps some that came together. When they are too many the oldest
 * rows go, so that a task keeps at least its latest `logLines` lines and not twice as many.
 */
export function addLog(db: Statements, sequence: number, given: readonly TaskLogLine[]): void {
  const most = LIMITS.queue.logLines;
  const lines = given.slice(-most);
  const { next } = boundsOf(db, sequence);
  const first = next + given.length - lines.length;
  db.prepare(ADD_LOG).run(sequence, first, lines.length, packValue(lines));
  const end = first + lines.length;
  if (end > most) db.prepare(DROP_LOG).run(sequence, end - most);
}

export interface LogPage {
  readonly lines: TaskLogLine[];
  /** Of those that are kept. */
  readonly total: number;
  /** Older ones, which are not. */
  readonly dropped: number;
}

/** Oldest first. */
export function logOf(db: Queries, sequence: number, offset: number, limit: number): LogPage {
  const { first: dropped, next } = boundsOf(db, sequence);
  const from = dropped + offset;
  const lines = db
    .prepare<{ first: number; lines: Uint8Array }>(LOG)
    .all(sequence, from, from + limit)
    .flatMap((row) => {
      const kept = unpackValue(row.lines) as TaskLogLine[];
      return kept.slice(Math.max(0, from - row.first), Math.max(0, from + limit - row.first));
    });
  return { lines, total: next - dropped, dropped };
}

function boundsOf(db: Queries, sequence: number): { first: number; next: number } {
  const row = db.prepare<{ first: number | null; next: number | null }>(LOG_BOUNDS).get(sequence);
  assert(row, "an aggregate has one row");
  return { first: row.first ?? 0, next: row.next ?? 0 };
}
