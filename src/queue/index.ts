export { Queue, type TaskOutcome } from "./queue.protocol.ts";
export { queueBehaviour } from "./queue.behaviour.ts";
