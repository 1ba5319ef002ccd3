import { LIMITS } from "../../errors/index.ts";
import { z } from "../../schema/zod-schema.ts";
import { defineTool } from "../tool.ts";
import { answer } from "../workflow/shapes.ts";
import { DESTROYS, count, ofQueue, text, workerId } from "./shapes.ts";

export const workerUnregister = defineTool({
  name: "worker_unregister",
  title: "Unregister a worker",
  description:
    "Gives a worker no more tasks and removes it when those it has have ended, or when the timeout is over; what it " +
    "still has then (without graceful: at once) is queued again, and its late results are refused.",
  input: z.strictObject({
    worker_id: workerId,
    graceful: z.boolean().default(true).describe("Let what it has end"),
    timeout: z
      .int()
      .min(0)
      .max(LIMITS.queue.leaseMs / 1_000)
      .default(300)
      .describe("Seconds to wait for that"),
  }),
  output: z.looseObject({
    ...answer,
    worker_id: text,
    status: text,
    unregistered_at: text,
    completed_tasks: count,
    abandoned_tasks: count,
  }),
  hints: DESTROYS,
  metadata: ofQueue("p2p_worker_mgmt", 9, 15),
  echo: ["worker_id"],
  waitsMs: ({ graceful, timeout }) => (graceful ? timeout * 1_000 : 0),
  async run({ worker_id, graceful, timeout }, { system }) {
    const { completed, abandoned } = await system.tasks.workers.unregister(worker_id, {
      graceful,
      timeoutMs: timeout * 1_000,
    });
    return {
      worker_id,
      status: "unregistered",
      unregistered_at: new Date().toISOString(),
      completed_tasks: completed,
      abandoned_tasks: abandoned,
    };
  },
});
