import { LIMITS } from "../errors/index.ts";
import { KNOWN, type Known, type Ledger } from "./ledger.ts";
import type { AuditRecord, Target, TargetCounts } from "./target.ts";

/** Requests of one kind: how many, and the first few of them. */
export interface Finding {
  readonly count: number;
  readonly examples: readonly number[];
}

/** What came of holding the caller's ledger against the target's own list. */
export interface CheckReport {
  /** No finding of the first five kinds, and the target's counts agree. */
  readonly passed: boolean;
  readonly acknowledged: number;
  /** Acknowledged, and the target does not know it. */
  readonly lost: Finding;
  /** Acknowledged, and it has not ended. */
  readonly unended: Finding;
  /** Ended more than once, as listed or as told. */
  readonly twice: Finding;
  /** The caller was told another end than the target lists. */
  readonly contradicted: Finding;
  /** The output was not that of this request. */
  readonly wrongOutput: Finding;
  /** Not acknowledged, and there all the same: an answer can be lost on its way. */
  readonly unacknowledged: Finding;
  readonly retried: Finding;
  readonly interrupted: Finding;
  /** Known to have ended, and older than what the target remembers. */
  readonly forgotten: number;
  /** Attempts of these requests, those that were cut off included. */
  readonly executions: number;
  /** The target's counts beside what the list adds up to; null when the target was not empty before. */
  readonly counts: {
    readonly agree: boolean;
    readonly target: TargetCounts;
    readonly listed: TargetCounts;
  } | null;
}

class Finder {
  #count = 0;
  readonly #examples: number[] = [];

  add(request: number): void {
    this.#count += 1;
    if (this.#examples.length < LIMITS.load.examples) this.#examples.push(request);
  }

  finding(): Finding {
    return { count: this.#count, examples: this.#examples };
  }
}

const END_OF: Partial<Record<Known, AuditRecord["end"]>> = {
  [KNOWN.completed]: "completed",
  [KNOWN.failed]: "failed",
  [KNOWN.cancelled]: "cancelled",
};

const wasAcknowledged = (known: Known): boolean => known >= KNOWN.acknowledged;

/**
 * Holds what callers were told against what the target lists: every acknowledged request is there, and has ended exactly
 * once, as its caller was told.
 */
export async function checkLoad(ledger: Ledger, target: Target): Promise<CheckReport> {
  const found = {
    lost: new Finder(),
    unended: new Finder(),
    twice: new Finder(),
    contradicted: new Finder(),
    wrongOutput: new Finder(),
    unacknowledged: new Finder(),
    retried: new Finder(),
    interrupted: new Finder(),
  };
  const listed = { completed: 0, failed: 0, cancelled: 0, unended: 0 };
  const isListed = new Uint8Array(ledger.length);
  let executions = 0;
  for await (const { request, end, attempts, interruptions } of target.audit()) {
    listed[end ?? "unended"] += 1;
    executions += attempts + interruptions;
    if (isListed[request] === 1) found.twice.add(request);
    isListed[request] = 1;
    if (attempts > 1) found.retried.add(request);
    if (interruptions > 0) found.interrupted.add(request);
    const known = ledger.of(request);
    if (!wasAcknowledged(known)) found.unacknowledged.add(request);
    else if (end === null) found.unended.add(request);
    else if ((END_OF[known] ?? end) !== end) found.contradicted.add(request);
  }
  for (const request of ledger.wrongOutputs) found.wrongOutput.add(request);

  let acknowledged = 0;
  let forgotten = 0;
  for (let request = 0; request < ledger.length; request++) {
    const known = ledger.of(request);
    if (!wasAcknowledged(known)) continue;
    acknowledged += 1;
    if (isListed[request] === 1) continue;
    // Retention takes what ended first; whoever waited for it was told.
    if (known !== KNOWN.acknowledged && ledger.length > target.remembers) forgotten += 1;
    else found.lost.add(request);
  }

  const counted = await target.counts();
  // With some of them gone, neither the list nor the counts are complete.
  const counts =
    counted === null || forgotten > 0 ? null : { agree: areEqual(counted, listed), target: counted, listed };
  const twice = found.twice.finding();
  const report = {
    acknowledged,
    lost: found.lost.finding(),
    unended: found.unended.finding(),
    twice: { ...twice, count: twice.count + ledger.endedAgain },
    contradicted: found.contradicted.finding(),
    wrongOutput: found.wrongOutput.finding(),
    unacknowledged: found.unacknowledged.finding(),
    retried: found.retried.finding(),
    interrupted: found.interrupted.finding(),
    forgotten,
    executions,
    counts,
  };
  const { lost, unended, contradicted, wrongOutput } = report;
  const failures = [lost, unended, report.twice, contradicted, wrongOutput];
  const passed = failures.every(({ count }) => count === 0) && counts?.agree !== false;
  return { passed, ...report };
}

const areEqual = (one: TargetCounts, other: TargetCounts): boolean =>
  one.completed === other.completed &&
  one.failed === other.failed &&
  one.cancelled === other.cancelled &&
  one.unended === other.unended;
