import { assert, fault, sentenceOf, type Fault, type LIMITS } from "../errors/index.ts";
import type { Clock, Scheduler, Timer } from "../scope/index.ts";
import { METRICS, type Log, type MetricsBlock } from "../telemetry/index.ts";
import { copyDatabase } from "./backup.ts";
import type { Driver, Query } from "./driver.ts";
import type { LogSpace } from "./log-space.ts";
import { StatementCache, type Queries, type Statements } from "./statements.ts";
import { isSqliteError, readFault, writeFault } from "./store-fault.ts";

/**
 * When a write is acknowledged.
 *
 * - `flushed`: after fsync. It survives the loss of power.
 * - `committed`: after the system call. It survives the death of the process, not of the machine.
 * - `memory`: at once. It survives nothing; there is no file.
 */
export type Durability = "flushed" | "committed" | "memory";

/** As `LIMITS.store` says; a store may have others. */
export type StoreLimits = typeof LIMITS.store;

/**
 * One database file with one owner. Writes are queued and committed together, once per turn, so that one fsync
 * serves everyone who waits.
 *
 * It is made for a core that keeps its state in memory and runs ahead of the disk: the core decides at once, hands
 * its effects to `write` with the way to take them back, and answers its caller when the promise resolves.
 */
export interface Store extends AsyncDisposable {
  readonly path: string;
  readonly durability: Durability;

  /**
   * Queues a unit of work. Units run in the order they were queued, and all those of one batch are committed or none.
   * Resolves when the batch is as durable as the store's level says, never sooner.
   *
   * When anything in the batch fails, it is rolled back whole, and so is everything queued behind it, since that was
   * decided on a state that no longer holds: each `undo` runs, in reverse order of queueing, then each promise
   * rejects. The store goes on.
   *
   * @param run synchronous; runs later, and once. What it throws fails the batch, and is what its own caller gets
   * @param undo takes back what the caller did to its memory. A throw from it is a defect: it ends the thread's turn
   * @param committed called when the batch is committed and perhaps not flushed yet: for what may begin while the disk
   *   is waited for, because nobody outside this process learns of it sooner. It does not throw
   * @throws STORE_FULL, STORE_FAILED, STORE_CORRUPT; STORE_FAILED at once, undone, when the store is closed
   */
  write(run: (db: Statements) => void, undo?: () => void, committed?: () => void): Promise<void>;

  /**
   * Reads what is committed, at once; queued units are not seen. Keep it short: it blocks the thread.
   *
   * @throws STORE_CORRUPT, FILE_UNREADABLE; STORE_FAILED when the store is closed
   */
  read<T>(run: (db: Queries) => T): T;

  /** Commits what is queued, now. Rejects with the failure of the first batch that failed. */
  flush(): Promise<void>;

  /**
   * A consistent copy of all that is committed at some moment before it resolves; writes go on meanwhile. It can be
   * opened as a store. When it resolves the copy is on disk; until then it is called `path` and ".part".
   *
   * @throws ALREADY_EXISTS when there is a file of that name, or one is being made; STORE_FULL, STORE_FAILED
   */
  backup(path: string): Promise<{ sizeBytes: number }>;

  /** Commits what is queued, moves the log into the file, gives up ownership. Further calls wait for the first. */
  close(): Promise<void>;
  /**
   * What the death of the owner's thread does to it: the connection is closed at once, and what was queued and not
   * committed is neither written nor answered. For an inline actor that is killed; everyone else closes.
   */
  abandon(): void;

  stats(): StoreStats;
}

export interface StoreStats {
  readonly durability: Durability;
  /** Transactions committed, units and rows in them, since the store was opened. */
  readonly commits: number;
  readonly units: number;
  readonly rows: number;
  /** Transactions rolled back. */
  readonly rollbacks: number;
  /** Units per transaction; null before the first. */
  readonly meanBatch: number | null;
  readonly fileBytes: number;
  /** Bytes of the log that are in use; the log's file keeps the largest size it had. */
  readonly walBytes: number;
}

interface Unit {
  readonly run: (db: Statements) => void;
  readonly undo: (() => void) | undefined;
  readonly committed: (() => void) | undefined;
  readonly resolve: () => void;
  readonly reject: (error: unknown) => void;
}

export interface OwnedStoreOptions {
  readonly path: string;
  readonly durability: Durability;
  readonly driver: Driver;
  readonly limits: StoreLimits;
  readonly clock: Clock;
  readonly scheduler: Scheduler;
  readonly metrics: MetricsBlock | undefined;
  readonly log: Log | undefined;
  readonly onClose: () => void;
  /** Throws STORE_FAILED when the file has lost its name. Null where there is no file. */
  readonly mustBeInPlace: (() => void) | null;
  /** Absent where there is no file, or nobody waits for it. */
  readonly logSpace: LogSpace | null;
  /** Makes durable what has been committed; null where a commit does that itself, or nobody waits for it. */
  readonly flush: (() => void) | null;
}

/** @see https://www.sqlite.org/fileformat.html#the_write_ahead_log (sizes of the log's and its frames' headers) */
const WAL_HEADER_BYTES = 32;
const WAL_FRAME_HEADER_BYTES = 24;

export class OwnedStore implements Store {
  readonly path: string;
  readonly durability: Durability;
  readonly #options: OwnedStoreOptions;
  readonly #driver: Driver;
  readonly #statements: StatementCache;
  /** Both answer from memory, in about a microsecond. SQLite before 3.51 has no NOOP and checkpoints instead: slower, not wrong. */
  readonly #walState: Query<{ log: number; checkpointed: number }>;
  readonly #totalChanges: Query<{ rows: number }>;
  readonly #pageBytes: number;

  #queue: Unit[] = [];
  /** The batch that is committed and not flushed; there is none where a commit is all that is asked for. */
  #unflushed: readonly Unit[] = [];
  #turnScheduled = false;
  #idleTimer: Timer | undefined;
  #lastCommitMs = 0;
  /** Rows written until the latest commit; undefined when a batch has been rolled back since: its rows count too. */
  #changes: number | undefined;
  #walBytes = 0;
  #closed: Promise<void> | undefined;
  /** Copies being made, by their paths: another thread reads the connection for them, so it is not closed under them. */
  readonly #copies = new Map<string, Promise<{ sizeBytes: number }>>();
  readonly #counts = { commits: 0, units: 0, rows: 0, rollbacks: 0 };

  constructor(options: OwnedStoreOptions) {
    this.path = options.path;
    this.durability = options.durability;
    this.#options = options;
    this.#driver = options.driver;
    this.#statements = new StatementCache(options.driver, options.limits.statements);
    this.#walState = this.#statements.prepare("PRAGMA wal_checkpoint(NOOP)");
    this.#totalChanges = this.#statements.prepare("SELECT total_changes() AS rows");
    this.#pageBytes = this.#pragma("page_size");
  }

  write(run: (db: Statements) => void, undo?: () => void, committed?: () => void): Promise<void> {
    if (this.#closed !== undefined) {
      undo?.();
      return Promise.reject(this.#closedFault());
    }
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    this.#queue.push({ run, undo, committed, resolve, reject });
    this.#scheduleTurn();
    return promise;
  }

  read<T>(run: (db: Queries) => T): T {
    if (this.#closed !== undefined) throw this.#closedFault();
    try {
      return run(this.#statements);
    } catch (error) {
      throw readFault(this.path, error);
    }
  }

  async flush(): Promise<void> {
    const failure = this.#drain();
    if (failure !== undefined) throw failure;
  }

  close(): Promise<void> {
    this.#closed ??= Promise.resolve().then(async () => {
      try {
        this.#drain();
      } finally {
        this.#idleTimer?.cancel();
        if (this.#copies.size > 0) await Promise.allSettled(this.#copies.values());
        this.#giveUp();
      }
    });
    return this.#closed;
  }

  async backup(path: string): Promise<{ sizeBytes: number }> {
    if (this.#closed !== undefined) throw this.#closedFault();
    if (this.#copies.has(path)) throw fault("ALREADY_EXISTS", { kind: "file", name: path });
    const copy = copyDatabase(this.#driver, path).finally(() => this.#copies.delete(path));
    this.#copies.set(path, copy);
    return copy;
  }

  abandon(): void {
    if (this.#closed !== undefined) return;
    this.#closed = Promise.resolve();
    this.#queue = [];
    this.#unflushed = [];
    this.#idleTimer?.cancel();
    if (this.#copies.size === 0) this.#giveUp();
    else void Promise.allSettled(this.#copies.values()).then(() => this.#giveUp());
  }

  /** SQLite moves the log into the file when its last connection closes. */
  #giveUp(): void {
    try {
      this.#options.logSpace?.close();
      this.#options.onClose();
    } finally {
      this.#driver.close();
    }
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  stats(): StoreStats {
    const { commits, units } = this.#counts;
    return {
      durability: this.durability,
      ...this.#counts,
      meanBatch: commits === 0 ? null : units / commits,
      fileBytes: this.durability === "memory" ? 0 : this.#pragma("page_count") * this.#pageBytes,
      walBytes: this.#walBytes,
    };
  }

  // --- committing ------------------------------------------------------------------------------------------------

  #scheduleTurn(): void {
    if (this.#turnScheduled) return;
    this.#turnScheduled = true;
    this.#options.scheduler.schedule(() => {
      this.#turnScheduled = false;
      // One batch at a time: whoever waits for it is answered before the next one is made.
      if (this.#unflushed.length > 0) this.#flushBatch();
      else this.#commitBatch();
      if (this.#unflushed.length + this.#queue.length > 0) this.#scheduleTurn();
    });
  }

  /** All that is queued, batch by batch; the first failure, which ends it, since it also takes what is queued behind. */
  #drain(): Fault | undefined {
    let failure: Fault | undefined;
    this.#flushBatch();
    while (failure === undefined && this.#queue.length > 0) {
      failure = this.#commitBatch();
      this.#flushBatch();
    }
    return failure;
  }

  #commitBatch(): Fault | undefined {
    const { clock, limits } = this.#options;
    const batch = this.#queue.splice(0, limits.batchUnits);
    if (batch.length === 0) return undefined;
    // Before a batch and not after it: the callers of the last one have their answers by now.
    if (this.#walBytes >= limits.walBytes) this.#checkpoint();
    let current: Unit | undefined;
    let rowsBefore = 0;
    let commitStartMs = 0;
    try {
      this.#options.mustBeInPlace?.();
      rowsBefore = this.#changes ?? this.#changesSoFar();
      this.#changes = undefined;
      this.#driver.exec("BEGIN IMMEDIATE");
      for (current of batch) current.run(this.#statements);
      current = undefined;
      commitStartMs = clock.now();
      this.#driver.exec("COMMIT");
    } catch (error) {
      return this.#rollBack([...batch, ...this.#queue.splice(0)], current, error);
    }
    this.#lastCommitMs = clock.now();
    this.#changes = this.#changesSoFar();
    this.#account(batch.length, this.#changes - rowsBefore, this.#lastCommitMs - commitStartMs);
    for (const unit of batch) unit.committed?.();
    if (this.#options.flush === null) for (const unit of batch) unit.resolve();
    else this.#unflushed = batch;
    return undefined;
  }

  /** In a turn of its own: what the commit has started is on its way by then, and goes on while the disk works. */
  #flushBatch(): void {
    const { clock, metrics, log, flush } = this.#options;
    const batch = this.#unflushed;
    if (flush === null || batch.length === 0) return;
    this.#unflushed = [];
    const startMs = clock.now();
    try {
      flush();
    } catch (error) {
      // What is on disk now nobody knows, and asking again would be told that all is well: only a new life, which
      // reads the file anew, can go on.
      const failure = writeFault(this.path, error);
      log?.error("the log could not be flushed, and the store is given up", { path: this.path, error });
      const units = [...batch, ...this.#queue];
      this.abandon();
      for (const unit of units) unit.reject(failure);
      throw new Error("defect: what a flush has left behind is unknown", { cause: error });
    }
    metrics?.observe(METRICS.fsyncSeconds, (clock.now() - startMs) / 1_000);
    for (const unit of batch) unit.resolve();
  }

  #rollBack(units: readonly Unit[], culprit: Unit | undefined, error: unknown): Fault {
    try {
      if (this.#driver.isTransaction) this.#driver.exec("ROLLBACK");
    } catch (stuck) {
      // The next BEGIN fails then, and brings us here again: nothing can be committed to a half-done transaction.
      this.#options.log?.error("a transaction could not be rolled back", { path: this.path, error: stuck });
    }
    const failure = writeFault(this.path, error);
    this.#counts.rollbacks += 1;
    this.#options.metrics?.count(METRICS.storeRollbacks);
    this.#options.log?.warn("a batch was rolled back", {
      path: this.path,
      units: units.length,
      error: failure,
    });

    const defects: unknown[] = [];
    for (const unit of units.toReversed()) {
      try {
        unit.undo?.();
      } catch (defect) {
        defects.push(defect);
      }
    }
    // What a unit itself threw is its own caller's; to all others the store has failed.
    for (const unit of units) unit.reject(unit === culprit && !isSqliteError(error) ? error : failure);
    // The core's memory no longer agrees with the disk; only a restart, which reads it anew, can help.
    if (defects.length > 0)
      throw new AggregateError(defects, `defect: undo failed: ${sentenceOf(defects[0])}`);
    return failure;
  }

  #account(units: number, rows: number, commitMs: number): void {
    this.#counts.commits += 1;
    this.#counts.units += units;
    this.#counts.rows += rows;
    this.#readWalState();
    const { metrics } = this.#options;
    metrics?.count(METRICS.storeCommits);
    metrics?.count(METRICS.storeRows, rows);
    if (this.#options.flush === null) metrics?.observe(METRICS.fsyncSeconds, commitMs / 1_000);
    if (this.#walBytes > 0) this.#armIdleTimer();
    this.#options.logSpace?.keepAhead(this.#walBytes);
  }

  // --- the log ---------------------------------------------------------------------------------------------------

  /**
   * One timer for any number of commits: it looks, when it fires, how long the store has really been idle.
   */
  #armIdleTimer(): void {
    if (this.#idleTimer !== undefined) return;
    const { clock, limits } = this.#options;
    this.#idleTimer = clock.at(this.#lastCommitMs + limits.idleMs, () => {
      this.#idleTimer = undefined;
      if (clock.now() < this.#lastCommitMs + limits.idleMs) this.#armIdleTimer();
      else this.#checkpoint();
    });
  }

  /** Moves the log into the file, after which the next commit starts the log anew. */
  #checkpoint(): void {
    try {
      this.#driver.exec("PRAGMA wal_checkpoint(PASSIVE)");
      this.#readWalState();
    } catch (error) {
      // Nothing is lost: the log still holds everything, and the next batch above the bound tries again.
      this.#options.log?.warn("the log could not be moved into the file", { path: this.path, error });
    }
  }

  #readWalState(): void {
    const { log, checkpointed } = this.#walState.get() ?? { log: 0, checkpointed: 0 };
    const used = log > 0 && log !== checkpointed;
    this.#walBytes = used ? WAL_HEADER_BYTES + log * (this.#pageBytes + WAL_FRAME_HEADER_BYTES) : 0;
    this.#options.metrics?.set(METRICS.storeWalBytes, this.#walBytes);
  }

  // --- asking the database ---------------------------------------------------------------------------------------

  #changesSoFar(): number {
    return this.#totalChanges.get()?.rows ?? 0;
  }

  #pragma(name: "page_size" | "page_count"): number {
    const row = this.#driver.prepare(`PRAGMA ${name}`).get();
    const value = row?.[name];
    assert(typeof value === "number", `SQLite answers PRAGMA ${name} with a number`);
    return value;
  }

  #closedFault(): Fault {
    return fault("STORE_FAILED", { path: this.path, why: "the store is closed" });
  }
}
