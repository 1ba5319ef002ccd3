import { parentPort } from "node:worker_threads";

/** The baseline: the same work over `postMessage`. An array is a batch of messages; "count" asks how many came. */
let count = 0;
parentPort?.on("message", (message: unknown) => {
  if (message === "count") {
    parentPort?.postMessage(count);
    count = 0;
  } else if (Array.isArray(message)) {
    count += message.length;
  } else if ((message as { echo?: true }).echo) {
    parentPort?.postMessage(message);
  } else {
    count++;
  }
});
