import { LIMITS } from "../../errors/index.ts";
import { z } from "../../schema/zod-schema.ts";
import { defineTool } from "../tool.ts";
import { answer, isoTime } from "../workflow/shapes.ts";
import { CHANGES, actionName, ofQueue, text, textOrNull, workerId } from "./shapes.ts";

export const workerRegister = defineTool({
  name: "worker_register",
  title: "Register a worker",
  description:
    "Makes a worker outside the queue's own pool known, with the task types it does and whatever else tasks may " +
    "require. One that registers again has its new capabilities and keeps what it has.",
  input: z.strictObject({
    worker_id: workerId,
    capabilities: z.array(actionName).min(1).describe("Task types it does, and what else tasks may require"),
    max_concurrent_tasks: z.int().min(1).max(LIMITS.queue.workerTasks).default(5),
    resource_limits: z
      .record(z.string(), z.unknown())
      .default({})
      .describe("For people, such as cpu_cores and memory_gb: the queue does not look at them"),
    metadata: z.record(z.string(), z.unknown()).default({}).describe("Kept with the worker, not looked at"),
  }),
  output: z.looseObject({
    ...answer,
    worker_id: text,
    status: text,
    registered_at: textOrNull,
    assigned_peers: z.array(z.string()).optional(),
  }),
  hints: CHANGES,
  metadata: ofQueue("p2p_worker_mgmt", 9, 20),
  echo: ["worker_id"],
  async run({ worker_id, capabilities, max_concurrent_tasks, resource_limits, metadata }, { system }) {
    const { registeredAtMs } = await system.tasks.workers.register({
      workerId: worker_id,
      capabilities,
      maxConcurrent: max_concurrent_tasks,
      // It came as JSON, which is all wire values.
      resourceLimits: resource_limits as Record<string, never>,
      metadata: metadata as Record<string, never>,
    });
    return { worker_id, status: "active", registered_at: isoTime(registeredAtMs), assigned_peers: [] };
  },
});
