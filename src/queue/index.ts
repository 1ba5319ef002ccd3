export {
  Queue,
  type ActionInfo,
  type QueueStats,
  type TaskOutcome,
  type TaskSpec,
  type TaskState,
  type TaskStatus,
} from "./queue.protocol.ts";
export { queueBehaviour, queueBehaviourOver, type QueueServices } from "./queue.behaviour.ts";
export { QUEUE_LIMITS } from "./task-spec.ts";
