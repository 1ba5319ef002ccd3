// The light door: nothing here loads zod. `template.ts` is the second door, for whoever reads workflows from outside.
export { buildDag, type Dag, type DagResult, type DagStep } from "./dag.ts";
export { checkDefinition, type CheckedDefinition } from "./definition.ts";
export { dagPicture, type DagPictureOptions } from "./picture.ts";
export { formatTaskId, parseTaskId, type StepTask } from "./task-id.ts";
