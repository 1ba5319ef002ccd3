// The second door, for whoever handles values on a thread that runs no pool.
export { addressesOf, replaceReferences, touchValues } from "./references.ts";
export { storedOutput } from "./stored-output.ts";
