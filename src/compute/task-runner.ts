import { parentPort, threadId, workerData, type MessagePort } from "node:worker_threads";
import { assert } from "../errors/index.ts";
import { systemClock } from "../scope/index.ts";
import { openHandlerThread } from "./handler-thread.ts";
import type { Printer } from "./printed-text.ts";
import type {
  AttemptRequest,
  DescribeRequest,
  ShareRequest,
  ThreadReply,
  ThreadSetup,
} from "./thread-message.ts";

/** What the thread pool loads on each of its threads; `run` is called once per attempt. */

assert(parentPort !== null, "the task runner is the entry of a worker thread");
const port = parentPort;

const runner = openHandlerThread(workerData as ThreadSetup, {
  threadId,
  clock: systemClock,
  post: (message) => port.postMessage(message),
  stdout: process.stdout as Printer,
  stderr: process.stderr as Printer,
  onEnd: (note) => process.on("exit", note),
});

/** A port comes with it when the thread is to be shared. */
export type RunnerTask = AttemptRequest | DescribeRequest | (ShareRequest & { readonly port: MessagePort });

export const run = (task: RunnerTask): Promise<ThreadReply> =>
  task.kind === "share" ? runner.share(task, task.port) : runner.run(task);
