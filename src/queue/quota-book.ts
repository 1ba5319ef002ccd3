import { fault } from "../errors/index.ts";
import type { Quota, QuotaStatus } from "./queue.protocol.ts";
import { Shares, type SharesBefore } from "./shares.ts";
import type { Terms } from "./task.ts";

/** Sums of parts fall short of the whole by so much at most, and a start is not put off a millisecond for that. */
const ROUNDING = 1e-6;

/** One quota and how much of it is in use. */
export class QuotaUse {
  readonly quota: Quota;
  running = 0;
  waiting = 0;
  readonly #burst: number;
  #tokens: number;
  #filledAtMs: number;

  /** @param tokens starts that are left at once; as many as the burst has room for, at most and by default */
  constructor(quota: Quota, nowMs: number, tokens = Infinity) {
    this.quota = quota;
    this.#burst = quota.burst ?? Math.max(1, quota.perSecond ?? 1);
    this.#tokens = Math.min(this.#burst, tokens);
    this.#filledAtMs = nowMs;
  }

  /** The same after a change of its quota: no start comes back by it. Nobody is counted yet. */
  changed(quota: Quota, nowMs: number): QuotaUse {
    const { perSecond } = this.quota;
    // Without a rate no start was counted.
    if (perSecond === undefined) return new QuotaUse(quota, nowMs);
    this.#fill(nowMs, perSecond);
    return new QuotaUse(quota, nowMs, this.#tokens);
  }

  /** Is there room for one more attempt, as far as those that run are concerned? */
  get isFree(): boolean {
    return this.running < (this.quota.concurrency ?? Infinity);
  }

  /**
   * When the rate next allows a start; not later than now = it does.
   *
   * @see https://www.rfc-editor.org/rfc/rfc2697 (a token bucket: committed rate and burst)
   */
  allowedAtMs(nowMs: number): number {
    const { perSecond } = this.quota;
    if (perSecond === undefined) return nowMs;
    this.#fill(nowMs, perSecond);
    const missing = 1 - this.#tokens;
    return missing <= ROUNDING
      ? nowMs
      : nowMs + Math.max(1, Math.ceil((missing / perSecond) * 1_000 - ROUNDING));
  }

  /** @throws QUOTA_EXCEEDED when there is no room for so many more queued tasks */
  admit(more: number): void {
    const { scope, name, queued: limit = Infinity } = this.quota;
    if (this.waiting + more > limit) throw fault("QUOTA_EXCEEDED", { scope, name, limit });
  }

  /** One attempt starts. Returns what takes that back, latest first; null when starts are not counted. */
  spend(nowMs: number): (() => void) | null {
    const { perSecond } = this.quota;
    if (perSecond === undefined) return null;
    const [tokens, filledAtMs] = [this.#tokens, this.#filledAtMs];
    this.#fill(nowMs, perSecond);
    this.#tokens -= 1;
    return () => {
      this.#tokens = tokens;
      this.#filledAtMs = filledAtMs;
    };
  }

  get status(): QuotaStatus {
    return { ...this.quota, running: this.running, waiting: this.waiting };
  }

  /** A clock that was set back fills nothing, and takes nothing away. */
  #fill(nowMs: number, perSecond: number): void {
    const passedMs = Math.max(0, nowMs - this.#filledAtMs);
    this.#tokens = Math.min(this.#burst, this.#tokens + (passedMs / 1_000) * perSecond);
    this.#filledAtMs = nowMs;
  }
}

/** All quotas as they stood before one of them changed. Only its maker looks inside. */
export interface QuotasBefore {
  readonly uses: ReadonlyMap<string, QuotaUse>;
  readonly shares: SharesBefore;
}

/** All quotas, by what they are for. While one changes, no task stands in any lane. */
export class QuotaBook {
  readonly shares = new Shares();
  /** Replaced as a whole, so that a change is taken back by putting the old ones back. */
  #uses: ReadonlyMap<string, QuotaUse>;

  /** @param quotas of one scope and name the last holds */
  constructor(quotas: readonly Quota[], nowMs: number) {
    this.#uses = new Map(quotas.map((quota) => [keyOf(quota), new QuotaUse(quota, nowMs)]));
    for (const { quota } of this.#uses.values()) this.#share(quota);
  }

  /** One of the same scope and name goes on under the new bounds: with the starts it has left, and its turn. */
  set(quota: Quota, nowMs: number): void {
    const key = keyOf(quota);
    const use = this.#uses.get(key)?.changed(quota, nowMs) ?? new QuotaUse(quota, nowMs);
    this.#uses = new Map(this.#uses).set(key, use);
    this.#share(quota);
  }

  remove(quota: Pick<Quota, "scope" | "name">): void {
    const { scope, name } = quota;
    const uses = new Map(this.#uses);
    uses.delete(keyOf(quota));
    this.#uses = uses;
    this.#share({ scope, name });
  }

  get before(): QuotasBefore {
    return { uses: this.#uses, shares: this.shares.before };
  }

  restore({ uses, shares }: QuotasBefore): void {
    this.#uses = uses;
    this.shares.restore(shares);
  }

  has(quota: Pick<Quota, "scope" | "name">): boolean {
    return this.#uses.has(keyOf(quota));
  }

  /** Those that bound tasks of these terms. */
  of({ action, tags }: Pick<Terms, "action" | "tags">): QuotaUse[] {
    if (this.#uses.size === 0) return [];
    return [
      { scope: "action", name: action } as const,
      ...tags.map((name) => ({ scope: "tag", name }) as const),
    ]
      .map((quota) => this.#uses.get(keyOf(quota)))
      .filter((use) => use !== undefined);
  }

  all(): QuotaUse[] {
    return [...this.#uses.values()];
  }

  #share({ scope, name, weight }: Quota): void {
    if (scope === "tag") this.shares.set(name, weight);
  }
}

const keyOf = ({ scope, name }: Pick<Quota, "scope" | "name">): string => `${scope}\0${name}`;
