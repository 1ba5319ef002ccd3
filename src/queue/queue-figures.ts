import { readMetrics, type HistogramSnapshot, type MetricsBlock } from "../telemetry/index.ts";
import type { QueueInit } from "./queue-context.ts";
import type { QueueEngine } from "./queue-engine.ts";
import type { DurationFigures, QueueStats } from "./queue.protocol.ts";

/** Priorities that are listed one by one. */
const PRIORITIES_MAX = 100;

/** The figures of one queue. The oldest task is searched for among all: for questions at human rates. */
export function statsOf(
  engine: QueueEngine,
  init: QueueInit,
  metrics: MetricsBlock,
  openedAtMs: number,
): QueueStats {
  const { core, rows } = engine;
  const nowMs = engine.nowMs();
  const { counters, histograms } = readMetrics([metrics.buffer]);
  const { commits, rows: rowCount, meanBatch } = rows.figures;
  const oldestAtMs = core.oldestQueuedAtMs();
  return {
    durability: init.durability,
    order: core.order,
    paused: core.pause,
    ...core.counts,
    delayed: core.seats.delayed,
    blocked: core.seats.blocked,
    deadLetters: core.seats.deadLetters,
    queuedByPriority: byPriority(core.seats.queuedByPriority),
    oldestQueuedMs: oldestAtMs === null ? null : Math.max(0, nowMs - oldestAtMs),
    wait: figuresOf(histograms.taskWaitSeconds),
    run: figuresOf(histograms.taskRunSeconds),
    total: figuresOf(histograms.taskTotalSeconds),
    throughputPerMinute: engine.news.endsPerMinute(nowMs),
    deadlineMisses: counters.deadlinesMissed,
    boosts: core.boosts,
    fenced: counters.tasksFenced,
    retries: counters.tasksRetried,
    interruptions: counters.tasksInterrupted,
    commits,
    commitsPerSecond: nowMs > openedAtMs ? commits / ((nowMs - openedAtMs) / 1_000) : 0,
    meanBatch,
    rows: rowCount,
    threads: init.threads,
  };
}

function figuresOf({ count, sum, p50, p95, p99, max }: HistogramSnapshot): DurationFigures {
  return { count, mean: count === 0 ? null : sum / count, p50, p95, p99, max };
}

function byPriority(queued: ReadonlyMap<number, number>): QueueStats["queuedByPriority"] {
  const all = [...queued]
    .toSorted(([a], [b]) => b - a)
    .map(([priority, count]) => ({ priority, queued: count }));
  if (all.length <= PRIORITIES_MAX) return all;
  const rest = all.splice(PRIORITIES_MAX - 1);
  const lowest = rest.at(-1)?.priority ?? 0;
  return [...all, { priority: lowest, queued: rest.reduce((sum, each) => sum + each.queued, 0) }];
}
