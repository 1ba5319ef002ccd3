import type { TaskStatus, WorkerStatus } from "../../queue/queue.protocol.ts";
import { z } from "../../schema/zod-schema.ts";
import { defineTool } from "../tool.ts";
import { answer, isoTime } from "../workflow/shapes.ts";
import { READS, ofQueue, taskAnswer, taskShape, workerId } from "./shapes.ts";

export const workerShape = z.looseObject({
  worker_id: z.string(),
  status: z.string(),
  capabilities: z.array(z.string()),
  running_tasks: z.int(),
  completed_tasks: z.int(),
  failed_tasks: z.int(),
});

export function workerAnswer(worker: WorkerStatus): z.output<typeof workerShape> {
  return {
    worker_id: worker.workerId,
    status: worker.state,
    capabilities: [...worker.capabilities],
    running_tasks: worker.running.length,
    completed_tasks: worker.completed,
    failed_tasks: worker.failed,
  };
}

export const workerStatus = defineTool({
  name: "worker_status",
  title: "Status of a worker",
  description:
    "Tells whether a worker is active (has work and room), idle, busy (has no room), draining or offline (silent for " +
    "too long), and what it has done. The queue's own pool is the worker local.",
  input: z.strictObject({
    worker_id: workerId,
    include_tasks: z.boolean().default(false).describe("Add the tasks it has now"),
    include_metrics: z.boolean().default(false).describe("Add its load and rate of success"),
  }),
  output: z.looseObject({
    ...answer,
    ...workerShape.partial().shape,
    tasks: z.array(taskShape).nullable().optional(),
    metrics: z.looseObject({}).nullable().optional(),
  }),
  hints: READS,
  metadata: ofQueue("p2p_worker_mgmt", 7, 10),
  echo: ["worker_id"],
  async run({ worker_id, include_tasks, include_metrics }, { system }) {
    const worker = await system.tasks.workers.status(worker_id);
    const states = ["running", "cancelling"] as const;
    const tasks: readonly TaskStatus[] = include_tasks
      ? (await system.tasks.list({ workerId: worker_id, states, limit: 1_000 })).tasks
      : [];
    return {
      ...workerAnswer(worker),
      tasks: include_tasks ? tasks.map(taskAnswer) : null,
      metrics: include_metrics ? metricsOf(worker) : null,
    };
  },
});

function metricsOf(worker: WorkerStatus): Record<string, unknown> {
  const ended = worker.completed + worker.failed;
  return {
    max_concurrent_tasks: worker.maxConcurrent,
    load: worker.maxConcurrent === 0 ? null : worker.running.length / worker.maxConcurrent,
    success_rate: ended === 0 ? null : worker.completed / ended,
    registered_at: isoTime(worker.registeredAtMs),
    last_seen: isoTime(worker.lastSeenMs),
    resource_limits: worker.resourceLimits,
    metadata: worker.metadata,
  };
}
