import { IndexedHeap } from "../order/index.ts";
import type { QuotaBook, QuotaUse } from "./quota-book.ts";
import type { Share } from "./shares.ts";
import { runsBefore, type Place, type Task, type Terms } from "./task.ts";

/**
 * Tasks that could run now and that the same workers and quotas decide about: within a lane only the order counts, so
 * that a claim compares the heads of the lanes, and a saturated kind of work costs nothing however long its line is.
 */
export class Lane {
  readonly action: string;
  /** Changes as handlers come and go. */
  place: Place;
  readonly requires: readonly string[];
  readonly quotas: readonly QuotaUse[];
  readonly share: Share;
  readonly ready = new IndexedHeap<Task>(runsBefore);

  constructor({ action, requires }: Terms, place: Place, quotas: readonly QuotaUse[], share: Share) {
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
  #placeOf: (action: string) => Place = () => "elsewhere";
  readonly #lanes = new Map<string, Lane>();
  /** The key of a lane takes longer to make than a look-up by the terms themselves. */
  #ofTerms = new WeakMap<Terms, Lane>();
  #latestTerms: Terms | null = null;
  #latestLane: Lane | null = null;
  /** Those that are not empty. */
  readonly #open = new Set<Lane>();

  constructor(book: QuotaBook) {
    this.#book = book;
  }

  /** All tasks are where their handlers are from now on, and those that come later too. */
  place(placeOf: (action: string) => Place): void {
    this.#placeOf = placeOf;
    for (const lane of this.#lanes.values()) lane.place = placeOf(lane.action);
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
    const share = this.#book.shares.of(terms.tags);
    const { action, requires } = terms;
    const key = JSON.stringify([
      action,
      requires,
      quotas.map(({ quota }) => [quota.scope, quota.name]),
      share.tag,
    ]);
    const lane = this.#lanes.get(key) ?? new Lane(terms, this.#placeOf(action), quotas, share);
    this.#lanes.set(key, lane);
    this.#ofTerms.set(terms, lane);
    return lane;
  }

  insert(task: Task): void {
    const lane = this.of(task.terms);
    if (lane.ready.size === 0) {
      this.#open.add(lane);
      lane.share.openLanes += 1;
    }
    lane.ready.insert(task);
  }

  remove(task: Task): boolean {
    const lane = this.of(task.terms);
    if (!lane.ready.remove(task)) return false;
    if (lane.ready.size === 0) {
      this.#open.delete(lane);
      lane.share.openLanes -= 1;
    }
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

  /** Charges a start to the lane's quotas and share. Returns what takes that back, latest first; null for nothing. */
  charge({ quotas, share }: Lane, nowMs: number): (() => void) | null {
    const turn = this.#book.shares.charge(share);
    if (quotas.length === 0) return turn;
    const refunds = quotas.map((use) => use.spend(nowMs));
    return () => {
      for (const refund of refunds) refund?.();
      turn?.();
    };
  }

  /** The quotas have changed: every lane is made anew as its first task comes. The caller takes all tasks out before. */
  reset(): void {
    this.#lanes.clear();
    this.#open.clear();
    this.#ofTerms = new WeakMap();
    this.#latestTerms = null;
    this.#latestLane = null;
  }
}

function isNext(lane: Lane, task: Task, best: { lane: Lane; task: Task }): boolean {
  const [mine, theirs] = [lane.share, best.lane.share];
  if (mine !== theirs && mine.pass !== theirs.pass) return mine.pass < theirs.pass;
  return runsBefore(task, best.task);
}
