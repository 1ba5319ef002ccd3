export { Queue, type TaskOutcome } from "./queue.protocol.ts";
export { queueBehaviour } from "./queue.behaviour.ts";
export { QueueFile, type FiledTask } from "./queue-file.ts";
export { MIGRATIONS as QUEUE_MIGRATIONS } from "./queue-schema.ts";
