import { IndexedHeap } from "../order/index.ts";
import type { QuotaBook, QuotaUse, Share } from "./quota-book.ts";
import { runsBefore, type Place, type Task, type Terms } from "./task.ts";

/**
 * Tasks that could run now and that the same workers and quotas decide about: within a lane only the order counts, so
 * that a claim compares the heads of the lanes, and a saturated kind of work costs nothing however long its line is.
 */
export class Lane {
  readonly action: string;
  readonly place: Place;
  readonly requires: readonly string[];
  readonly quotas: readonly QuotaUse[];
  readonly share: Share;
  readonly ready = new IndexedHeap<Task>(runsBefore);

  constructor({ action, place, requires }: Terms, quotas: readonly QuotaUse[], share: Share) {
    this.action = action;
    this.place = place;
    this.requires = requires;
    this.quotas = quotas;
    this.share = share;
  }

  /** When quotas next allow a start; Infinity while all that may run at once do. */
  allowedAtMs(nowMs: number): number {
    let atMs = nowMs;
    for (const use of this.quotas) {
      if (!use.isFree) return Infinity;
      atMs = Math.max(atMs, use.allowedAtMs(nowMs));
    }
    return atMs;
  }
}

/** Which of the lanes is next is a question of shares first: the one that is furthest behind; then of the order. */
export class Lanes {
  readonly #book: QuotaBook;
  readonly #lanes = new Map<string, Lane>();
  /** The key of a lane takes longer to make than a look-up by the terms themselves. */
  #ofTerms = new WeakMap<Terms, Lane>();
  #latestTerms: Terms | null = null;
  #latestLane: Lane | null = null;
  /** Those that are not empty. */
  readonly #open = new Set<Lane>();
  /** The pass of the share that was served last: one that comes back from being empty does not catch up. */
  #pass = 0;

  constructor(book: QuotaBook) {
    this.#book = book;
  }

  get open(): ReadonlySet<Lane> {
    return this.#open;
  }

  of(terms: Terms): Lane {
    // Neighbours tend to have the same.
    if (terms === this.#latestTerms && this.#latestLane !== null) return this.#latestLane;
    const lane = this.#ofTerms.get(terms) ?? this.#make(terms);
    this.#latestTerms = terms;
    this.#latestLane = lane;
    return lane;
  }

  #make(terms: Terms): Lane {
    const quotas = this.#book.of(terms);
    const share = this.#book.shareOf(terms);
    const { action, place, requires } = terms;
    const key = JSON.stringify([
      action,
      place,
      requires,
      quotas.map(({ quota }) => [quota.scope, quota.name]),
      share.tag,
    ]);
    const lane = this.#lanes.get(key) ?? new Lane(terms, quotas, share);
    this.#lanes.set(key, lane);
    this.#ofTerms.set(terms, lane);
    return lane;
  }

  insert(task: Task): void {
    const lane = this.of(task.terms);
    if (lane.ready.size === 0) {
      if (!this.#isServed(lane.share)) lane.share.pass = Math.max(lane.share.pass, this.#pass);
      this.#open.add(lane);
    }
    lane.ready.insert(task);
  }

  remove(task: Task): boolean {
    const lane = this.of(task.terms);
    if (!lane.ready.remove(task)) return false;
    if (lane.ready.size === 0) this.#open.delete(lane);
    return true;
  }

  /** The next task among the lanes that `takes` accepts and whose quotas allow a start now. It stays where it is. */
  next(nowMs: number, takes: (lane: Lane) => boolean): { lane: Lane; task: Task } | undefined {
    let best: { lane: Lane; task: Task } | undefined;
    for (const lane of this.#open) {
      if (!takes(lane) || lane.allowedAtMs(nowMs) > nowMs) continue;
      const task = lane.ready.peek();
      if (task && (best === undefined || isNext(lane, task, best))) best = { lane, task };
    }
    return best;
  }

  /** How many ready tasks run before this one, in whatever lane, counted up to `most`. */
  countBefore(task: Task, most: number): number {
    let ahead = 0;
    for (const { ready } of this.#open) {
      ahead += ready.countBefore(task, most - ahead);
      if (ahead >= most) break;
    }
    return ahead;
  }

  /** Charges a start to the lane's quotas and share. */
  charge(lane: Lane, nowMs: number): void {
    for (const use of lane.quotas) use.spend(nowMs);
    this.#pass = lane.share.pass;
    lane.share.advance();
  }

  /** Takes back what a start was charged, since it did not happen. */
  refund({ quotas, share }: Lane): void {
    for (const use of quotas) use.refund();
    share.retreat();
  }

  /** The quotas have changed: every lane is made anew as its first task comes. The caller takes all tasks out before. */
  reset(): void {
    this.#lanes.clear();
    this.#open.clear();
    this.#ofTerms = new WeakMap();
    this.#latestTerms = null;
    this.#latestLane = null;
  }

  #isServed(share: Share): boolean {
    for (const lane of this.#open) if (lane.share === share) return true;
    return false;
  }
}

function isNext(lane: Lane, task: Task, best: { lane: Lane; task: Task }): boolean {
  const [mine, theirs] = [lane.share, best.lane.share];
  if (mine !== theirs && mine.pass !== theirs.pass) return mine.pass < theirs.pass;
  return runsBefore(task, best.task);
}
