import { z } from "../../schema/zod-schema.ts";
import { moveOnAfter } from "../../scope/index.ts";
import { CHANGES, count, reason, text } from "../taskqueue/shapes.ts";
import { defineTool } from "../tool.ts";
import { waitSeconds, waitsMs } from "../waiting.ts";
import { answer } from "../workflow/shapes.ts";
import { ADMIN } from "./quota-shapes.ts";

const LOOK_MS = 100;
const WHY = "the queue is being drained";

export const queueDrain = defineTool({
  name: "queue_drain",
  title: "Drain the queue",
  description:
    "Pauses the queue and waits until nothing runs any more, so that the process can be stopped without cutting off a " +
    "handler. What waits stays on disk. With drained: false something still runs; ask again. queue_resume ends it.",
  input: z.strictObject({
    reason: reason.describe("Shown in the figures"),
    wait_seconds: waitSeconds.default(30),
  }),
  output: z.looseObject({
    ...answer,
    status: text,
    drained: z.boolean().optional(),
    queued_tasks: count,
    running_tasks: count,
  }),
  hints: { ...CHANGES, idempotentHint: true },
  metadata: { ...ADMIN, timeoutMs: 60_000 },
  echo: [],
  waitsMs,
  async run(args, { system, signal }) {
    await system.tasks.pause({ reason: args.reason ?? WHY });
    let { queued, running, cancelling } = await system.queueStats();
    const look = async (scope: { sleep(ms: number): Promise<void> }): Promise<void> => {
      while (running + cancelling > 0) {
        await scope.sleep(LOOK_MS);
        ({ queued, running, cancelling } = await system.queueStats());
      }
    };
    await moveOnAfter(waitsMs(args), look, { signal });
    const left = running + cancelling;
    return { status: "paused", drained: left === 0, queued_tasks: queued, running_tasks: left };
  },
});
