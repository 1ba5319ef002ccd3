import { LIMITS } from "../errors/index.ts";
import { briefError } from "./brief-error.ts";
import type { HistoryEntry, RunEvent, RunHistoryPage, RunStatus } from "./workflow.protocol.ts";

/** All that a run remembers of what happened in it, with the number of entries that are remembered no more. */
export interface KeptHistory {
  readonly entries: readonly HistoryEntry[];
  readonly dropped: number;
}

/**
 * What happened in a run, the latest of it: when there is too much, what only told of progress goes first, the oldest
 * first.
 */
export class RunHistory {
  readonly #max: number;
  #changes: HistoryEntry[] = [];
  #progress: HistoryEntry[] = [];
  /** Of each list: entries at its front that are gone. */
  #goneChanges = 0;
  #goneProgress = 0;
  #dropped = 0;

  constructor(max: number = LIMITS.workflow.events) {
    this.#max = max;
  }

  add(event: RunEvent, isProgress: boolean): void {
    (isProgress ? this.#progress : this.#changes).push(entryOf(event));
    if (this.#size <= this.#max) return;
    this.#dropped += 1;
    if (this.#progress.length > this.#goneProgress) this.#goneProgress += 1;
    else this.#goneChanges += 1;
    this.#tidy();
  }

  /** After a restart: what the state of the steps tells of what happened before. */
  restore(status: RunStatus): void {
    const { entries } = historyOf(status);
    this.#dropped = Math.max(0, entries.length - this.#max);
    this.#changes = entries.slice(this.#dropped);
  }

  page(offset: number, limit: number): RunHistoryPage {
    return pageOf(this.#kept(), offset, limit);
  }

  /** As it is when the last event has been told. */
  with(last: RunEvent): KeptHistory {
    const { entries, dropped } = this.#kept();
    const all = [...entries, entryOf(last)];
    const surplus = Math.max(0, all.length - this.#max);
    return { entries: all.slice(surplus), dropped: dropped + surplus };
  }

  get #size(): number {
    return this.#changes.length - this.#goneChanges + this.#progress.length - this.#goneProgress;
  }

  #kept(): KeptHistory {
    const changes = this.#changes.slice(this.#goneChanges);
    const progress = this.#progress.slice(this.#goneProgress);
    // What was told before a restart has no number, and comes first.
    const entries =
      progress.length === 0 ? changes : [...changes, ...progress].toSorted((a, b) => a.sequence - b.sequence);
    return { entries, dropped: this.#dropped };
  }

  /** Each entry is moved once at most for each that has gone. */
  #tidy(): void {
    if (this.#goneChanges > this.#max) this.#changes = this.#changes.slice(this.#goneChanges);
    if (this.#goneChanges > this.#max) this.#goneChanges = 0;
    if (this.#goneProgress > this.#max) this.#progress = this.#progress.slice(this.#goneProgress);
    if (this.#goneProgress > this.#max) this.#goneProgress = 0;
  }
}

export function pageOf({ entries, dropped }: KeptHistory, offset: number, limit: number): RunHistoryPage {
  return { events: entries.slice(offset, offset + limit), total: entries.length, dropped };
}

/** What the state of a run tells of what happened before. */
export function historyOf({ steps, submittedAtMs }: RunStatus): KeptHistory {
  const told: HistoryEntry[] = [];
  for (const { stepId, state, attempt, startedAtMs, endedAtMs, error } of steps) {
    const common = { sequence: 0, state: "running", progress: null, stepId, attempt, message: null } as const;
    if (startedAtMs !== null) told.push({ ...common, atMs: startedAtMs, stepState: "running", error: null });
    if (endedAtMs !== null)
      told.push({ ...common, atMs: endedAtMs, stepState: state, error: error && briefError(error) });
  }
  told.sort((a, b) => a.atMs - b.atMs);
  const step = { stepId: null, stepState: null, attempt: null, message: null, error: null };
  const submitted = { sequence: 0, atMs: submittedAtMs, state: "submitted", progress: 0, ...step } as const;
  return { entries: [submitted, ...told], dropped: 0 };
}

function entryOf({ sequence, atMs, state, progress, step, message }: RunEvent): HistoryEntry {
  return {
    sequence,
    atMs,
    state,
    progress,
    stepId: step?.stepId ?? null,
    stepState: step?.state ?? null,
    attempt: step?.attempt ?? null,
    message,
    error: step?.error ? briefError(step.error) : null,
  };
}
