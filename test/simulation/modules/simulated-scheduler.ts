import { actor, type Behaviour } from "../../../src/actor/index.ts";
import { Scheduler } from "../../../src/workflow/workflow.protocol.ts";

type SchedulerBehaviour = Behaviour<typeof Scheduler.members>;

/** As for the queue. */
export const behaviours = new Map<string, SchedulerBehaviour>();

const simulatedScheduler: SchedulerBehaviour = actor(Scheduler, (context, init) => {
  const behaviour = behaviours.get(init.directory ?? "");
  if (!behaviour) throw new Error(`there is no simulated world ${init.directory}`);
  return behaviour.setup(context, init);
});
export default simulatedScheduler;
