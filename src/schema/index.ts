// The light door: nothing here loads zod. `zod-schema.ts` is the second door, for whoever checks what comes from outside.
export {
  checkFunction,
  checkInteger,
  checkKeys,
  checkName,
  checkNumber,
  checkObject,
  checkPage,
  checkSignal,
  checkText,
  checkTexts,
  checkWords,
  invalidArgument,
  isName,
  nameRule,
} from "./argument.ts";
export { canonicalJson } from "./canonical-json.ts";
export { nearestFirst, nearestName } from "./nearest-name.ts";
export { ownMember } from "./own-member.ts";
export {
  validate,
  type Checked,
  type StandardInput,
  type StandardIssue,
  type StandardOutput,
  type StandardResult,
  type StandardSchema,
} from "./standard-schema.ts";
export { placeOf } from "./text-place.ts";
export { cutText, isPlainObject, shortText } from "./value-text.ts";
export { assertWire, findNonWire, type IsWire, type Wire, type Wireable } from "./wire-value.ts";
