import { answer } from "../kit/child.ts";
import { completions, openWorker, type BullMq, type BullWorker, type WorkOrder } from "./bullmq.ts";
import { load } from "./rival.ts";

/** The worker of BullMQ in a process of its own: works through as many jobs as it is told, and says when. */
const [, , socket = ""] = process.argv;
const bullmq = await load<BullMq>("bullmq");
let worker: BullWorker | undefined;
let completed: Promise<void> | undefined;

answer({
  async begin({ count, concurrency }: WorkOrder) {
    worker = await openWorker(bullmq, socket, concurrency);
    completed = completions(worker, count);
    completed.catch(() => undefined); // whoever asks for it is told
  },
  completed: () => completed,
  end: () => worker?.close(),
});
