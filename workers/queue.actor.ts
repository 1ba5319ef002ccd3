export { queueBehaviour as default } from "../src/queue/queue.behaviour.ts";
