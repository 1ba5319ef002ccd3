interface Entry {
  readonly key: string;
  readonly sizeBytes: number;
  readonly expiresAtMs: number;
  readonly order: number;
}

/** What the cache promises, said in the plainest way: one list, least recently used first, searched from end to end. */
export class NaiveCache {
  #entries: Entry[] = [];
  #order = 0;
  readonly #entriesMax: number;
  readonly #sizeBytesMax: number;
  readonly #counters = { hits: 0, misses: 0, evictions: 0, expired: 0, broken: 0 };

  constructor(entriesMax: number, sizeBytesMax: number) {
    this.#entriesMax = entriesMax;
    this.#sizeBytesMax = sizeBytesMax;
  }

  /** False when it is refused. */
  put(key: string, sizeBytes: number, ttlMs: number, nowMs: number): boolean {
    if (sizeBytes > this.#sizeBytesMax) return false;
    this.remove(key, nowMs);
    if (ttlMs === 0) return true;
    while (this.#entries.length + 1 > this.#entriesMax || this.#sizeBytes + sizeBytes > this.#sizeBytesMax) {
      if (this.expire(nowMs, 1) > 0) continue;
      this.#entries.shift();
      this.#counters.evictions += 1;
    }
    this.#entries.push({ key, sizeBytes, expiresAtMs: nowMs + ttlMs, order: this.#order++ });
    return true;
  }

  /** The size of what was found; a broken one leaves. */
  find(key: string, nowMs: number, broken: boolean): number | undefined {
    const found = this.#entries.find((entry) => entry.key === key && entry.expiresAtMs > nowMs);
    if (found !== undefined) {
      this.#entries = this.#entries.filter((entry) => entry !== found);
      if (broken) this.#counters.broken += 1;
      else this.#entries.push(found);
    }
    if (found === undefined || broken) this.#counters.misses += 1;
    else this.#counters.hits += 1;
    return found?.sizeBytes;
  }

  remove(key: string, nowMs: number): void {
    this.#leave((entry) => entry.key === key, nowMs);
  }

  clear(nowMs: number): void {
    this.#leave(() => true, nowMs);
  }

  expire(nowMs: number, limit: number): number {
    const leaving = this.#entries
      .filter((entry) => entry.expiresAtMs <= nowMs)
      .sort((a, b) => a.expiresAtMs - b.expiresAtMs || a.order - b.order)
      .slice(0, limit);
    this.#entries = this.#entries.filter((entry) => !leaving.includes(entry));
    this.#counters.expired += leaving.length;
    return leaving.length;
  }

  get nextExpiryMs(): number {
    return Math.min(...this.#entries.map((entry) => entry.expiresAtMs));
  }

  get counts(): Record<string, number> {
    return { entries: this.#entries.length, sizeBytes: this.#sizeBytes, ...this.#counters };
  }

  get #sizeBytes(): number {
    return this.#entries.reduce((total, entry) => total + entry.sizeBytes, 0);
  }

  #leave(leaves: (entry: Entry) => boolean, nowMs: number): void {
    const leaving = this.#entries.filter(leaves);
    this.#counters.expired += leaving.filter((entry) => entry.expiresAtMs <= nowMs).length;
    this.#entries = this.#entries.filter((entry) => !leaving.includes(entry));
  }
}
