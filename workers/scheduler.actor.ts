export { schedulerBehaviour as default } from "../src/workflow/scheduler.behaviour.ts";
