import { invalidArgument } from "../schema/index.ts";
import { checkKey, checkTags } from "./cache.core.ts";
import type { CacheSelection } from "./cache.protocol.ts";
import { keyPattern, type KeyPattern } from "./key-pattern.ts";

/** @throws INVALID_ARGUMENT unless it says exactly one thing */
export function checkedSelection(
  selection: CacheSelection,
):
  | { key: string; tags?: undefined; pattern?: undefined }
  | { key?: undefined; tags: readonly string[]; pattern?: undefined }
  | { key?: undefined; tags?: undefined; pattern: KeyPattern } {
  if (Object.keys(selection).length !== 1)
    throw invalidArgument("selection", Object.keys(selection).join(", "), "one of key, tags and pattern");
  if ("key" in selection) {
    checkKey(selection.key);
    return selection;
  }
  if ("tags" in selection) {
    checkTags(selection.tags);
    return selection;
  }
  return { pattern: keyPattern(selection.pattern) };
}
