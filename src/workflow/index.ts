// The light door: nothing here loads zod. `template.ts` is the second door, for whoever reads workflows from outside.
export { dagPicture, type DagPictureOptions } from "./picture.ts";
export { RUN_MIGRATIONS, RunRows, type FiledRun } from "./run.rows.ts";
