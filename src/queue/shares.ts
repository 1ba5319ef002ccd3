/** Tasks that stand together against others for a fair part of the workers. */
export class Share {
  /** The tag, or "" for all tasks that have no weighted one. */
  readonly tag: string;
  readonly weight: number;
  /** Advances with each start by 1 / weight: the share that is furthest behind is next. */
  pass: number;
  /** Lanes of it with tasks that could start. */
  openLanes = 0;

  constructor(tag: string, weight: number, pass: number) {
    this.tag = tag;
    this.weight = weight;
    this.pass = pass;
  }
}

/** All shares as they stood before one of them changed. Only its maker looks inside. */
export type SharesBefore = ReadonlyMap<string, Share>;

/**
 * Whose turn it is. Only a start changes that, and each says how to take back what it changed: starts that did not
 * happen, taken back latest first, leave no trace.
 *
 * @see https://doi.org/10.1109/32.879815 stride scheduling (Waldspurger and Weihl 1995)
 */
export class Shares {
  /** Of all tasks without a weighted tag; always there. */
  readonly #rest = new Share("", 1, 0);
  /** Replaced as a whole, so that a change of weights is taken back by putting the old ones back. */
  #shares: ReadonlyMap<string, Share> = new Map([["", this.#rest]]);
  /** The pass of the share that was served last. */
  #served = 0;

  /** A task with several weighted tags counts for the first. */
  of(tags: readonly string[]): Share {
    for (const tag of tags) {
      const share = this.#shares.get(tag);
      if (share) return share;
    }
    return this.#rest;
  }

  /**
   * A new share stands where the latest one was served. One whose weight changes stays as many starts ahead or behind
   * as it is. No lane may be open.
   *
   * @param weight undefined: the tag has no share of its own
   */
  set(tag: string, weight: number | undefined): void {
    const known = this.#shares.get(tag);
    if (known?.weight === weight) return;
    const shares = new Map(this.#shares);
    if (weight === undefined) shares.delete(tag);
    else if (known === undefined) shares.set(tag, new Share(tag, weight, this.#served));
    else {
      const pass = this.#served + ((known.pass - this.#served) * known.weight) / weight;
      shares.set(tag, new Share(tag, weight, pass));
    }
    this.#shares = shares;
  }

  get before(): SharesBefore {
    return this.#shares;
  }

  restore(before: SharesBefore): void {
    this.#shares = before;
  }

  /**
   * Charges a start. Shares that have nothing to do come along, so that they do not catch up afterwards.
   *
   * @returns what takes it back; null when there is nobody to share with
   */
  charge(share: Share): (() => void) | null {
    if (this.#shares.size === 1) return null;
    const served = this.#served;
    const { pass } = share;
    this.#served = pass;
    share.pass += 1 / share.weight;
    const raised: (readonly [Share, number])[] = [];
    for (const other of this.#shares.values()) {
      if (other.openLanes > 0 || other.pass >= pass) continue;
      raised.push([other, other.pass]);
      other.pass = pass;
    }
    return () => {
      for (const [other, before] of raised) other.pass = before;
      share.pass = pass;
      this.#served = served;
    };
  }
}
