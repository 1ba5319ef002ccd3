import type { EvictionPolicy } from "../../src/cache/eviction.ts";

interface Entry {
  readonly key: string;
  readonly sizeBytes: number;
  readonly expiresAtMs: number;
  readonly leavesAtMs: number;
  readonly tags: readonly string[];
  readonly negative: boolean;
  /** When it was put. */
  readonly order: number;
  usedAt: number;
  rank: number;
}

export interface NaiveOptions {
  readonly tags: readonly string[];
  readonly staleMs: number;
  readonly negative: boolean;
}

type Cause = "crowded" | "outweighed" | "expired" | "broken" | "replaced" | "invalidated";

/** Who makes room first, said as what is compared, most important first. */
const ORDER: Readonly<Record<EvictionPolicy, (entry: Entry) => readonly number[]>> = {
  lru: ({ usedAt }) => [usedAt],
  fifo: ({ order }) => [order],
  lfu: ({ rank, usedAt }) => [rank, usedAt],
  ttl: ({ expiresAtMs, order }) => [expiresAtMs, order],
};

const least = (entries: readonly Entry[], by: (entry: Entry) => readonly number[]): Entry | undefined =>
  entries.toSorted((a, b) => {
    const other = by(b);
    return by(a).reduce((found, each, index) => found || each - (other[index] ?? 0), 0);
  })[0];

/** What the cache promises, said in the plainest way: one list, searched from end to end. */
export class NaiveCache {
  #entries: Entry[] = [];
  #time = 0;
  /** Rank of the last victim. */
  #age = 0;
  readonly #policy: EvictionPolicy;
  readonly #entriesMax: number;
  readonly #sizeBytesMax: number;
  readonly #found = { hits: 0, staleHits: 0, negativeHits: 0, misses: 0 };
  readonly #left = { crowded: 0, outweighed: 0, expired: 0, broken: 0, replaced: 0, invalidated: 0 };

  constructor(bounds: { policy: EvictionPolicy; entriesMax: number; sizeBytesMax: number }) {
    this.#policy = bounds.policy;
    this.#entriesMax = bounds.entriesMax;
    this.#sizeBytesMax = bounds.sizeBytesMax;
  }

  /** False when it is refused. */
  put(key: string, sizeBytes: number, ttlMs: number, nowMs: number, options: NaiveOptions): boolean {
    if (sizeBytes > this.#sizeBytesMax) return false;
    this.#leave((entry) => entry.key === key, nowMs, "replaced");
    if (ttlMs === 0) return true;
    for (;;) {
      const isCrowded = this.#entries.length + 1 > this.#entriesMax;
      if (!isCrowded && this.#sizeBytes + sizeBytes <= this.#sizeBytesMax) break;
      if (this.expire(nowMs, 1) > 0) continue;
      const victim = least(this.#entries, ORDER[this.#policy]);
      if (victim === undefined) throw new Error("nothing is left to make room");
      this.#age = victim.rank;
      this.#entries = this.#entries.filter((entry) => entry !== victim);
      this.#left[isCrowded ? "crowded" : "outweighed"] += 1;
    }
    const { tags, negative, staleMs } = options;
    const time = ++this.#time;
    const expiresAtMs = nowMs + ttlMs;
    const leavesAtMs = expiresAtMs + staleMs;
    const ranked = { rank: this.#age + 1, usedAt: time, order: time };
    this.#entries.push({ key, sizeBytes, expiresAtMs, leavesAtMs, tags, negative, ...ranked });
    return true;
  }

  /** The size of what was found; a broken one leaves. */
  find(
    key: string,
    nowMs: number,
    accepted: { stale: boolean; negative: boolean },
    broken: boolean,
  ): number | undefined {
    const found = this.#entries.find(
      (entry) =>
        entry.key === key &&
        nowMs < (accepted.stale ? entry.leavesAtMs : entry.expiresAtMs) &&
        (accepted.negative || !entry.negative),
    );
    if (found === undefined || broken) this.#found.misses += 1;
    if (found === undefined) return undefined;
    if (broken) {
      this.#left.broken += 1;
      this.#entries = this.#entries.filter((entry) => entry !== found);
      return found.sizeBytes;
    }
    this.#found.hits += 1;
    if (nowMs >= found.expiresAtMs) this.#found.staleHits += 1;
    if (found.negative) this.#found.negativeHits += 1;
    found.usedAt = ++this.#time;
    found.rank += 1;
    return found.sizeBytes;
  }

  remove(keys: readonly string[], nowMs: number): void {
    this.#leave(({ key }) => keys.includes(key), nowMs, "invalidated");
  }

  keysTagged(wanted: readonly string[]): string[] {
    return this.#entries.filter(({ tags }) => tags.some((tag) => wanted.includes(tag))).map(({ key }) => key);
  }

  clear(nowMs: number): void {
    this.#leave(() => true, nowMs, "invalidated");
  }

  expire(nowMs: number, limit: number): number {
    const leaving = this.#entries
      .filter((entry) => entry.leavesAtMs <= nowMs)
      .sort((a, b) => a.leavesAtMs - b.leavesAtMs || a.order - b.order)
      .slice(0, limit);
    this.#entries = this.#entries.filter((entry) => !leaving.includes(entry));
    this.#left.expired += leaving.length;
    return leaving.length;
  }

  get nextExpiryMs(): number {
    return Math.min(...this.#entries.map((entry) => entry.leavesAtMs));
  }

  get counts(): Record<string, number> {
    return { entries: this.#entries.length, sizeBytes: this.#sizeBytes, ...this.#found, ...this.#left };
  }

  get #sizeBytes(): number {
    return this.#entries.reduce((total, entry) => total + entry.sizeBytes, 0);
  }

  #leave(leaves: (entry: Entry) => boolean, nowMs: number, why: Cause): void {
    const leaving = this.#entries.filter(leaves);
    for (const { expiresAtMs } of leaving) this.#left[expiresAtMs <= nowMs ? "expired" : why] += 1;
    this.#entries = this.#entries.filter((entry) => !leaving.includes(entry));
  }
}
