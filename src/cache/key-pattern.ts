import { LIMITS } from "../errors/index.ts";
import { checkName } from "../schema/index.ts";

/**
 * A pattern over whole keys: `*` stands for any run of characters, `?` for one, and a backslash takes the special
 * meaning from the character after it. No regular expressions: this takes at most the length of the key times that of
 * the pattern, whatever a user writes.
 */
export interface KeyPattern {
  matches(key: string): boolean;
}

/** Any one character. */
const ANY_ONE = Symbol("?");
/** Any run of characters. */
const ANY_RUN = Symbol("*");
type Part = string | typeof ANY_ONE | typeof ANY_RUN;

/** @throws INVALID_ARGUMENT unless it has 1 to 512 characters */
export function keyPattern(pattern: string): KeyPattern {
  checkName("pattern", pattern, LIMITS.cache.patternChars);
  const parts = partsOf(pattern);
  return { matches: (key) => matches(parts, key) };
}

function partsOf(pattern: string): Part[] {
  const parts: Part[] = [];
  for (let at = 0; at < pattern.length; at++) {
    const char = pattern.charAt(at);
    if (char === "*") {
      if (parts.at(-1) !== ANY_RUN) parts.push(ANY_RUN);
    } else if (char === "?") parts.push(ANY_ONE);
    else if (char === "\\" && at + 1 < pattern.length) parts.push(pattern.charAt(++at));
    else parts.push(char);
  }
  return parts;
}

/**
 * Greedy, with one way back: after a mismatch only the last run has to take one character more, since whatever an
 * earlier run could take instead, the last one can take too.
 */
function matches(parts: readonly Part[], key: string): boolean {
  let part = 0;
  let at = 0;
  let run = -1;
  let runAt = 0;
  while (at < key.length) {
    const wanted = parts[part];
    if (wanted === ANY_RUN) {
      run = part++;
      runAt = at;
    } else if (wanted === ANY_ONE || wanted === key.charAt(at)) {
      part += 1;
      at += 1;
    } else if (run >= 0) {
      part = run + 1;
      at = ++runAt;
    } else return false;
  }
  while (parts[part] === ANY_RUN) part += 1;
  return part === parts.length;
}
