/** A key that had to be put this far from where it belongs is a sign of keys that were made to collide. */
const PROBES_MAX = 256;
const ABSENT = -1;

/**
 * Numbers for ids: each id's place in a list. Made for lists of a million: the keys stand in arrays of numbers, and many
 * names are looked up in three passes (hash, find, compare), each of which waits for memory far less than one pass that
 * does all three.
 *
 * The hash has no secret. Where ids collide more than chance explains, a `Map`, whose hash has one, takes over: no list of
 * ids makes this slower than that.
 */
export class StepIndex {
  readonly #ids: string[] = [];
  /** Pairs of a hash and the number of its id; linear probing, at most half full. */
  readonly #slots: Int32Array;
  readonly #mask: number;
  #map: Map<string, number> | null = null;

  /** @param size how many ids will be added at most */
  constructor(size: number) {
    const capacity = 2 ** Math.ceil(Math.log2(Math.max(1, size) * 2));
    this.#mask = capacity - 1;
    this.#slots = new Int32Array(capacity * 2).fill(ABSENT);
  }

  /** Gives an id the next number, also when it has one. Returns the number that stands for it: its first. */
  add(id: string): number {
    const at = this.#ids.length;
    this.#ids.push(id);
    if (this.#map !== null) return this.#addToMap(this.#map, id, at);
    const hash = hashOf(id);
    let slot = hash & this.#mask;
    for (let probe = 0; probe < PROBES_MAX; probe++) {
      const other = this.#slots[2 * slot + 1] ?? ABSENT;
      if (other === ABSENT) {
        this.#slots[2 * slot] = hash;
        this.#slots[2 * slot + 1] = at;
        return at;
      }
      if (this.#slots[2 * slot] === hash && this.#ids[other] === id) return other;
      slot = (slot + 1) & this.#mask;
    }
    this.#map = new Map();
    for (const [number, known] of this.#ids.entries()) this.#addToMap(this.#map, known, number);
    return this.#map.get(id) ?? at;
  }

  /** Undefined when it was not added. */
  find(id: string): number | undefined {
    if (this.#map !== null) return this.#map.get(id);
    const at = this.#probe(id, hashOf(id));
    return at === ABSENT ? undefined : at;
  }

  /**
   * The numbers of all names of all lists, in their order; -1 = no such id.
   *
   * @param count of all names together
   */
  findAll(lists: readonly (readonly string[])[], count: number): Int32Array {
    const found = new Int32Array(count);
    let edge = 0;
    if (this.#map !== null) {
      for (const names of lists) for (const name of names) found[edge++] = this.#map.get(name) ?? ABSENT;
      return found;
    }
    for (const names of lists) for (const name of names) found[edge++] = hashOf(name);
    for (edge = 0; edge < count; edge++) found[edge] = this.#candidate(found[edge] ?? 0);
    edge = 0;
    for (const names of lists) {
      for (const name of names) {
        const at = found[edge] ?? ABSENT;
        // Two ids of one hash are rare, so nearly every candidate is the one.
        if (at !== ABSENT && this.#ids[at] !== name) found[edge] = this.#probe(name, hashOf(name));
        edge++;
      }
    }
    return found;
  }

  #addToMap(map: Map<string, number>, id: string, at: number): number {
    const known = map.get(id);
    if (known === undefined) map.set(id, at);
    return known ?? at;
  }

  /** The first id with this hash, which may be another than the one looked for. */
  #candidate(hash: number): number {
    let slot = hash & this.#mask;
    for (let probe = 0; probe < PROBES_MAX; probe++) {
      const at = this.#slots[2 * slot + 1] ?? ABSENT;
      if (at === ABSENT || this.#slots[2 * slot] === hash) return at;
      slot = (slot + 1) & this.#mask;
    }
    return ABSENT;
  }

  #probe(id: string, hash: number): number {
    let slot = hash & this.#mask;
    for (let probe = 0; probe < PROBES_MAX; probe++) {
      const at = this.#slots[2 * slot + 1] ?? ABSENT;
      if (at === ABSENT || (this.#slots[2 * slot] === hash && this.#ids[at] === id)) return at;
      slot = (slot + 1) & this.#mask;
    }
    return ABSENT;
  }
}

/** FNV-1a over UTF-16 units, then mixed, because the table uses the low bits. @see http://www.isthe.com/chongo/tech/comp/fnv/ */
export function hashOf(text: string): number {
  let hash = 0x811c9dc5;
  for (let at = 0; at < text.length; at++) hash = Math.imul(hash ^ text.charCodeAt(at), 0x01000193);
  hash ^= hash >>> 15;
  hash = Math.imul(hash, 0x85ebca6b);
  return hash ^ (hash >>> 13);
}
