import { fault } from "../errors/index.ts";

/**
 * What the kernel measures, and where the figures live: one block of shared memory per thread, written by that
 * thread alone and readable from every other without a message, also while the thread is blocked.
 *
 * ```
 *  METRICS.messagesSent.slot ─┐                METRICS.taskRunSeconds.slot ─┐
 *  ┌─────┬─────┬─────┬─────┬──▼──┬──── … ─┬─────┬─────┬─────┬─────────────▼─┬─────┬────────┬──── … ──┐
 *  │        one cell per counter and gauge      │   one run of cells per histogram: sum, max, buckets │
 *  └────────────────────────────────────────────┴──────────────────────────────────────────────────────┘
 * ```
 *
 * Cells are plain doubles, not atomics. There is one writer, so no update is lost; and an aligned double is loaded
 * and stored by one instruction on every 64-bit machine Node runs on, so a reader sees the old or the new figure.
 */

// --- histogram geometry ----------------------------------------------------------------------------------------

/** Linear steps within each power of two; the middle of a bucket is then at most 1/32 (3.1 %) off. */
const STEPS = 16;
/** Values below 2^-20 (for seconds: 0.95 µs) share one bucket and read as 0. */
const EXPONENT_MIN = -20;
/** Values from 2^14 (for seconds: 4.5 hours) share one bucket and read as the largest one seen. */
const EXPONENT_MAX = 14;
const BUCKETS = 2 + (EXPONENT_MAX - EXPONENT_MIN) * STEPS;
const SUM = 0;
const MAX = 1;
const FIRST_BUCKET = 2;
const HISTOGRAM_CELLS = FIRST_BUCKET + BUCKETS;

// --- the catalogue -----------------------------------------------------------------------------------------------

export type Unit = "1" | "bytes" | "seconds";

interface Metric<Kind extends string> {
  readonly kind: Kind;
  /** As a Prometheus exporter writes it: base units, `_total` for counters. */
  readonly name: string;
  readonly unit: Unit;
  readonly means: string;
  /** First cell in a block. */
  readonly slot: number;
}

/** Only rises. */
export type Counter = Metric<"counter">;
/** Rises and falls; over several threads the figures are added. */
export type Gauge = Metric<"gauge">;
/** How values are spread. */
export type Histogram = Metric<"histogram">;

let cellsTaken = 0;

const take = <Kind extends string>(
  kind: Kind,
  cells: number,
  name: string,
  unit: Unit,
  means: string,
): Metric<Kind> => {
  const slot = cellsTaken;
  cellsTaken += cells;
  return Object.freeze({ kind, name: `mcplusplus_${name}`, unit, means, slot });
};
const counter = (name: string, unit: Unit, means: string): Counter =>
  take("counter", 1, `${name}_total`, unit, means);
const gauge = (name: string, unit: Unit, means: string): Gauge => take("gauge", 1, name, unit, means);
const seconds = (name: string, means: string): Histogram =>
  take("histogram", HISTOGRAM_CELLS, `${name}_seconds`, "seconds", means);

/**
 * The closed catalogue. A row is also the handle: `metrics.count(METRICS.messagesSent)` is one addition to one
 * array cell, with no look-up by name.
 *
 * @see https://prometheus.io/docs/practices/naming/
 */
export const METRICS = Object.freeze({
  messagesSent: counter("messages_sent", "1", "Messages put into the mailboxes of other threads."),
  messagesReceived: counter("messages_received", "1", "Messages taken out of this thread's mailboxes."),
  messagesRefused: counter("messages_refused", "1", "Messages not sent, because the mailbox was full."),
  bytesSent: counter("sent_bytes", "bytes", "Bytes written to rings."),
  bytesReceived: counter("received_bytes", "bytes", "Bytes read from rings."),
  batches: counter("batches", "1", "Times the cursor of a ring was published, for one message or many."),
  ringFull: counter("ring_full", "1", "Times a writer found no room in a ring."),
  parks: counter("parks", "1", "Times a reader went to sleep."),
  wakes: counter("wakes", "1", "Times a writer woke a sleeping reader."),
  spinsHit: counter("spins_hit", "1", "Spin windows in which a message arrived."),
  spinsMissed: counter("spins_missed", "1", "Spin windows that passed in vain."),
  callsStarted: counter("calls_started", "1", "Calls sent to actors."),
  callsFailed: counter(
    "calls_failed",
    "1",
    "Calls that ended with an error, deadlines and cancellations apart.",
  ),
  callsDeadlineExceeded: counter(
    "calls_deadline_exceeded",
    "1",
    "Calls whose deadline passed before the reply came.",
  ),
  castsFailed: counter("casts_failed", "1", "Casts whose handler failed, of which no caller hears."),
  eventsLost: counter("events_lost", "1", "Events dropped, because a subscriber read too slowly."),
  guestsRefused: counter(
    "guests_refused",
    "1",
    "Processes that asked to attach to this one and were told why they cannot.",
  ),
  guestsCutOff: counter(
    "guests_cut_off",
    "1",
    "Connections to this owner that were ended, because what came over them was wrong or nobody read.",
  ),
  restarts: counter("restarts", "1", "Actors started again after a crash."),
  storeCommits: counter("store_commits", "1", "Transactions committed, each a batch of units of work."),
  storeRollbacks: counter(
    "store_rollbacks",
    "1",
    "Transactions rolled back, because a statement or the commit failed.",
  ),
  storeRows: counter("store_rows", "1", "Rows inserted, changed or deleted by committed transactions."),
  storeWalBytes: gauge(
    "store_wal_bytes",
    "bytes",
    "Bytes in the write-ahead log since it was last started anew.",
  ),
  fsyncSeconds: seconds("store_commit", "How long the commit of a batch took, its fsync included."),
  tasksSubmitted: counter("tasks_submitted", "1", "Tasks accepted into the queue."),
  tasksStarted: counter("tasks_started", "1", "Attempts started."),
  tasksCompleted: counter("tasks_completed", "1", "Tasks that ended with a result."),
  tasksFailed: counter("tasks_failed", "1", "Tasks that ended without a result, their attempts used up."),
  tasksCancelled: counter("tasks_cancelled", "1", "Tasks withdrawn before they ended."),
  tasksInterrupted: counter(
    "tasks_interrupted",
    "1",
    "Attempts cut off by the death of the process or thread under them.",
  ),
  tasksRetried: counter("tasks_retried", "1", "Attempts that failed and left another attempt."),
  tasksFenced: counter("tasks_fenced", "1", "Ends of attempts refused, because their lease was lost."),
  deadlinesMissed: counter("deadlines_missed", "1", "Tasks that ended after their deadline."),
  tasksBoosted: gauge("tasks_boosted", "1", "Times a task became as urgent as one that waits for it."),
  tasksQueued: gauge("tasks_queued", "1", "Tasks waiting to be started."),
  tasksRunning: gauge("tasks_running", "1", "Tasks being carried out."),
  taskWaitSeconds: seconds("task_wait", "From the moment a task could start to its start."),
  taskRunSeconds: seconds("task_run", "From the start of an attempt to its end."),
  taskTotalSeconds: seconds("task_total", "From the submission of a task to its end."),
  cacheHits: counter("cache_hits", "1", "Results found in the cache."),
  cacheMisses: counter("cache_misses", "1", "Results not found in the cache."),
  cacheEvictions: counter("cache_evictions", "1", "Results dropped to make room."),
  cacheEntries: gauge("cache_entries", "1", "Results in the cache."),
  cacheBytes: gauge("cache_bytes", "bytes", "Bytes of the results in the cache."),
  stepsReused: counter("steps_reused", "1", "Workflow steps answered from the cache instead of being run."),
  logRecordsDropped: counter(
    "log_records_dropped",
    "1",
    "Log records lost, because their sink refused them.",
  ),
});

type Catalogue = typeof METRICS;
type KeysOfKind<Kind> = {
  [Key in keyof Catalogue]: Catalogue[Key] extends { readonly kind: Kind } ? Key : never;
}[keyof Catalogue];

const BLOCK_BYTES = cellsTaken * Float64Array.BYTES_PER_ELEMENT;

// --- one thread's block ------------------------------------------------------------------------------------------

/** The figures of one thread. Exactly one thread writes to a block; its `buffer` may be read from any. */
export class MetricsBlock {
  /** Hand it to another thread, and there to `readMetrics`. */
  readonly buffer: SharedArrayBuffer;
  readonly #cells: Float64Array;

  constructor(buffer: SharedArrayBuffer) {
    this.buffer = buffer;
    this.#cells = new Float64Array(buffer);
  }

  count(metric: Counter, by = 1): void {
    const cells = this.#cells;
    cells[metric.slot] = (cells[metric.slot] ?? 0) + by;
  }

  set(metric: Gauge, value: number): void {
    this.#cells[metric.slot] = value;
  }

  /** Records one value. Below zero counts as zero; what is not finite is not recorded, since it would poison the sum. */
  observe(metric: Histogram, value: number): void {
    if (!Number.isFinite(value)) return;
    const cells = this.#cells;
    const { slot } = metric;
    const kept = Math.max(0, value);
    const bucket = slot + FIRST_BUCKET + bucketOf(kept);
    cells[bucket] = (cells[bucket] ?? 0) + 1;
    cells[slot + SUM] = (cells[slot + SUM] ?? 0) + kept;
    if (kept > (cells[slot + MAX] ?? 0)) cells[slot + MAX] = kept;
  }
}

/** A block whose figures are all zero. */
export function createMetricsBlock(): MetricsBlock {
  return new MetricsBlock(new SharedArrayBuffer(BLOCK_BYTES));
}

/**
 * The writing end of a block that another thread made. The caller vouches that no other thread writes to it.
 *
 * @throws PROTOCOL_MISMATCH when the block was made by another version of the catalogue
 */
export function attachMetrics(buffer: SharedArrayBuffer): MetricsBlock {
  assertGeometry(buffer);
  return new MetricsBlock(buffer);
}

function assertGeometry(buffer: SharedArrayBuffer): void {
  if (buffer.byteLength === BLOCK_BYTES) return;
  throw fault("PROTOCOL_MISMATCH", {
    actor: "the metrics block",
    ours: `${BLOCK_BYTES} bytes`,
    theirs: `${buffer.byteLength} bytes`,
  });
}

// --- reading -----------------------------------------------------------------------------------------------------

export interface HistogramSnapshot {
  readonly count: number;
  readonly sum: number;
  /** Quantiles are at most 3.1 % off within the range; null, like `max`, when nothing was recorded. */
  readonly p50: number | null;
  readonly p95: number | null;
  readonly p99: number | null;
  /** Exact. */
  readonly max: number | null;
}

export interface MetricsSnapshot {
  readonly counters: Readonly<Record<KeysOfKind<"counter">, number>>;
  readonly gauges: Readonly<Record<KeysOfKind<"gauge">, number>>;
  readonly histograms: Readonly<Record<KeysOfKind<"histogram">, HistogramSnapshot>>;
}

/**
 * Adds up the blocks of any number of threads. The threads go on counting meanwhile, so figures of one snapshot may
 * be some operations apart.
 *
 * @throws PROTOCOL_MISMATCH when a block was made by another version of the catalogue
 */
export function readMetrics(buffers: Iterable<SharedArrayBuffer>): MetricsSnapshot {
  const sums = new Float64Array(cellsTaken);
  const histogramMetrics = Object.values(METRICS).filter((metric) => metric.kind === "histogram");
  for (const buffer of buffers) {
    assertGeometry(buffer);
    const cells = new Float64Array(buffer);
    const largest = histogramMetrics.map(({ slot }) =>
      Math.max(sums[slot + MAX] ?? 0, cells[slot + MAX] ?? 0),
    );
    for (let cell = 0; cell < cellsTaken; cell++) sums[cell] = (sums[cell] ?? 0) + (cells[cell] ?? 0);
    histogramMetrics.forEach(({ slot }, index) => (sums[slot + MAX] = largest[index] ?? 0));
  }
  const pick = <T>(kind: string, read: (slot: number) => T): Record<string, T> =>
    Object.fromEntries(
      Object.entries(METRICS)
        .filter(([, metric]) => metric.kind === kind)
        .map(([key, { slot }]) => [key, read(slot)]),
    );
  // The keys of each group are those of the catalogue's rows of that kind; the compiler cannot follow fromEntries.
  return {
    counters: pick("counter", (slot) => sums[slot] ?? 0),
    gauges: pick("gauge", (slot) => sums[slot] ?? 0),
    histograms: pick("histogram", (slot) => histogramFrom(sums.subarray(slot, slot + HISTOGRAM_CELLS))),
  } as MetricsSnapshot;
}

function histogramFrom(cells: Float64Array): HistogramSnapshot {
  const buckets = cells.subarray(FIRST_BUCKET);
  const count = buckets.reduce((total, each) => total + each, 0);
  const sum = cells[SUM] ?? 0;
  if (count === 0) return { count, sum, p50: null, p95: null, p99: null, max: null };
  const max = cells[MAX] ?? 0;
  const quantile = (share: number): number => {
    let left = Math.ceil(share * count);
    const bucket = buckets.findIndex((each) => (left -= each) <= 0);
    // The middle of the bucket of the largest value may lie above that value.
    return Math.min(max, middleOf(bucket, max));
  };
  return { count, sum, p50: quantile(0.5), p95: quantile(0.95), p99: quantile(0.99), max };
}

// --- buckets -----------------------------------------------------------------------------------------------------

const scratch = new Float64Array(1);
const scratchWords = new Uint32Array(scratch.buffer);
/** Where the exponent of a double lies depends on the machine's byte order. */
const HIGH_WORD = new Uint8Array(new Uint16Array([1]).buffer)[0] === 1 ? 1 : 0;
/** The upper 16 bits of a double: sign, 11 bits of exponent (biased by 1023), the first 4 bits of the fraction. */
const LOWEST_BITS = (1023 + EXPONENT_MIN) * STEPS;

/**
 * The bucket of a value that is not negative. The exponent and the first bits of the fraction of a double, read as
 * one integer, already count the steps of a log-linear scale.
 *
 * @see http://hdrhistogram.org (log-linear buckets)
 * @see https://opentelemetry.io/docs/specs/otel/metrics/data-model/#exponentialhistogram (indexing by the bits of a double)
 */
function bucketOf(value: number): number {
  scratch[0] = value;
  const step = ((scratchWords[HIGH_WORD] ?? 0) >>> 16) - LOWEST_BITS;
  return step < 0 ? 0 : Math.min(step + 1, BUCKETS - 1);
}

function middleOf(bucket: number, max: number): number {
  if (bucket === 0) return 0;
  if (bucket === BUCKETS - 1) return max;
  const step = bucket - 1;
  const octave = 2 ** (EXPONENT_MIN + Math.floor(step / STEPS));
  return octave * (1 + ((step % STEPS) + 0.5) / STEPS);
}
