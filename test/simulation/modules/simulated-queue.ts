import { actor, type Behaviour } from "../../../src/actor/index.ts";
import { Queue } from "../../../src/queue/queue.protocol.ts";

type QueueBehaviour = Behaviour<typeof Queue.members>;

/** A supervisor knows a behaviour by its module only; which world's queue is meant, the directory says. */
export const behaviours = new Map<string, QueueBehaviour>();

const simulatedQueue: QueueBehaviour = actor(Queue, (context, init) => {
  const behaviour = behaviours.get(init.directory ?? "");
  if (!behaviour) throw new Error(`there is no simulated world ${init.directory}`);
  return behaviour.setup(context, init);
});
export default simulatedQueue;
