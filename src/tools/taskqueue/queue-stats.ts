import type { DurationFigures, QueueStats } from "../../queue/queue.protocol.ts";
import { z } from "../../schema/zod-schema.ts";
import { defineTool } from "../tool.ts";
import { answer, isoTime } from "../workflow/shapes.ts";
import { READS, count, numberOrNull, ofQueue, text, textOrNull } from "./shapes.ts";
import { workerAnswer, workerShape } from "./worker-status.ts";

export const queueStats = defineTool({
  name: "queue_stats",
  title: "Figures of the queue",
  description:
    "Counts tasks by state, and gives average times in seconds and tasks per minute, measured since the queue was " +
    "opened; what has not been measured yet is null.",
  input: z.strictObject({
    include_worker_stats: z.boolean().default(false).describe("Add each worker"),
    include_historical: z
      .boolean()
      .default(false)
      .describe("Add the distribution of times, and counts of retries, commits and other events"),
  }),
  output: z.looseObject({
    ...answer,
    queued_count: count,
    running_count: count,
    completed_count: count,
    failed_count: count,
    cancelled_count: count,
    cancelling_count: count,
    delayed_count: count,
    blocked_count: count,
    dead_letter_count: count,
    average_wait_time: numberOrNull,
    average_execution_time: numberOrNull,
    throughput: numberOrNull,
    oldest_queued_time: textOrNull,
    status: text,
    paused_at: textOrNull,
    pause_reason: textOrNull,
    order: text,
    durability: text,
    worker_stats: z.array(workerShape).nullable().optional(),
    historical: z.looseObject({}).nullable().optional(),
  }),
  hints: READS,
  metadata: ofQueue("p2p_queue_mgmt", 7, 10),
  echo: [],
  async run({ include_worker_stats, include_historical }, { system }) {
    const stats = await system.tasks.stats();
    return {
      queued_count: stats.queued,
      running_count: stats.running,
      completed_count: stats.completed,
      failed_count: stats.failed,
      cancelled_count: stats.cancelled,
      cancelling_count: stats.cancelling,
      delayed_count: stats.delayed,
      blocked_count: stats.blocked,
      dead_letter_count: stats.deadLetters,
      average_wait_time: stats.wait.mean,
      average_execution_time: stats.run.mean,
      throughput: stats.throughputPerMinute,
      oldest_queued_time: isoTime(stats.oldestQueuedMs === null ? null : Date.now() - stats.oldestQueuedMs),
      status: stats.paused ? "paused" : "active",
      paused_at: isoTime(stats.paused?.sinceMs ?? null),
      pause_reason: stats.paused?.reason ?? null,
      order: stats.order.by,
      durability: stats.durability,
      worker_stats: include_worker_stats ? (await system.tasks.workers.list()).map(workerAnswer) : null,
      historical: include_historical ? historyOf(stats) : null,
    };
  },
});

function historyOf(stats: QueueStats): Record<string, unknown> {
  return {
    wait_time: figuresOf(stats.wait),
    execution_time: figuresOf(stats.run),
    total_time: figuresOf(stats.total),
    queued_by_priority: stats.queuedByPriority.map(({ priority, queued }) => ({
      priority,
      queued_count: queued,
    })),
    deadline_misses: stats.deadlineMisses,
    inherited_boosts: stats.boosts,
    fenced_completions: stats.fenced,
    retries: stats.retries,
    interruptions: stats.interruptions,
    commits: stats.commits,
    commits_per_second: stats.commitsPerSecond,
    average_batch: stats.meanBatch,
    rows: stats.rows,
    threads: stats.threads,
  };
}

/** Seconds. */
const figuresOf = ({
  count: observed,
  mean,
  p50,
  p95,
  p99,
  max,
}: DurationFigures): Record<string, unknown> => ({
  count: observed,
  mean,
  p50,
  p95,
  p99,
  max,
});
