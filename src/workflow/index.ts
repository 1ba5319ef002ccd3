// The light door: nothing here loads zod. `template.ts` is the second door, for whoever reads workflows from outside.
export { dagPicture, type DagPictureOptions } from "./picture.ts";
