// The light door: nothing here loads zod. `template.ts` is the second door, for whoever reads workflows from outside.
export {
  buildDag,
  type Dag,
  type DagEdge,
  type DagOptions,
  type DagResult,
  type DagStep,
  type StepNumbers,
} from "./dag.ts";
export { describeDag, dotOf, mermaidOf } from "./dag-description.ts";
export type { DagArrow, DagDescription, DagNode, DagNote, DescribeOptions } from "./dag-description.ts";
export { simulateDag, whatIf } from "./dag-simulation.ts";
export type { DagChange, DagComparison, DagPlan, DagSimulation } from "./dag-simulation.ts";
export { criticalPath, type CriticalPath } from "./dag-timing.ts";
export { dagPicture, type DagPictureOptions } from "./picture.ts";
export type { PictureStep } from "./picture-step.ts";
export { describeRun, whatIfRun, type RunChange, type RunDescription } from "./run-plan.ts";
export { parseTaskId } from "./task-id.ts";
export type { RunStatus } from "./workflow.protocol.ts";
export { RUN_MIGRATIONS, RunRows, type FiledRun } from "./run.rows.ts";
