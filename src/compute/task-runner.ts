import { parentPort, threadId, workerData } from "node:worker_threads";
import { assert } from "../errors/index.ts";
import { systemClock } from "../scope/index.ts";
import { openHandlerThread } from "./handler-thread.ts";
import type { Printer } from "./printed-text.ts";
import type { AttemptRequest, DescribeRequest, ThreadReply, ThreadSetup } from "./thread-message.ts";

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

export const run = (request: AttemptRequest | DescribeRequest): Promise<ThreadReply> => runner.run(request);
