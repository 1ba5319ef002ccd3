/** What stands between the keys in the name of a list of them. */
export const BETWEEN_KEYS = "\0";

/** Lists that differ have names that differ, unless a key has `BETWEEN_KEYS` in it. */
export const idOf = (keys: readonly string[]): string =>
  `${keys.length}${BETWEEN_KEYS}${keys.join(BETWEEN_KEYS)}`;

/** Lists of keys that are remembered: those of all protocols are about a hundred. */
const REMEMBERED_MAX = 1_024;

/**
 * Something that depends on a list of keys alone, such as the code that reads or writes objects of them: made once for
 * all links of a thread, so that a link that is opened anew need not make it again. What comes when it is full is made
 * for each who asks.
 */
export class PerKeys<T> {
  readonly #make: (keys: readonly string[]) => T;
  readonly #made = new Map<string, T>();

  constructor(make: (keys: readonly string[]) => T) {
    this.#make = make;
  }

  /** @param keys have no `BETWEEN_KEYS` in them */
  get(keys: readonly string[]): T {
    const id = idOf(keys);
    const known = this.#made.get(id);
    if (known !== undefined) return known;
    const made = this.#make(keys);
    if (this.#made.size < REMEMBERED_MAX) this.#made.set(id, made);
    return made;
  }
}
