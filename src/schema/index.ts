// The light door: nothing here loads zod. `zod-schema.ts` is the second door, for whoever checks what comes from outside.
export {
  checkInteger,
  checkName,
  checkNumber,
  checkPage,
  invalidArgument,
  isName,
  nameRule,
} from "./argument.ts";
export { canonicalJson } from "./canonical-json.ts";
export { nearestName } from "./nearest-name.ts";
export {
  validate,
  type Checked,
  type StandardInput,
  type StandardIssue,
  type StandardOutput,
  type StandardResult,
  type StandardSchema,
} from "./standard-schema.ts";
export { assertWire, findNonWire, type IsWire, type Wire, type Wireable } from "./wire-value.ts";
