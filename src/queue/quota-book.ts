import type { Quota, QuotaStatus } from "./queue.protocol.ts";
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

  constructor(quota: Quota, nowMs: number) {
    this.quota = quota;
    this.#burst = quota.burst ?? Math.max(1, quota.perSecond ?? 1);
    this.#tokens = this.#burst;
    this.#filledAtMs = nowMs;
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

  /** One attempt starts. */
  spend(nowMs: number): void {
    if (this.quota.perSecond === undefined) return;
    this.#fill(nowMs, this.quota.perSecond);
    this.#tokens -= 1;
  }

  /** One attempt did not start after all. */
  refund(): void {
    this.#tokens = Math.min(this.#burst, this.#tokens + 1);
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

/** Tasks that stand together against others for a fair part of the workers. */
export class Share {
  /** The tag, or "" for all tasks that have no weighted one. */
  readonly tag: string;
  readonly #weight: number;
  /** Advances with each start by 1 / weight: the share that is furthest behind is next. */
  pass = 0;

  constructor(tag: string, weight: number) {
    this.tag = tag;
    this.#weight = weight;
  }

  advance(): void {
    this.pass += 1 / this.#weight;
  }

  retreat(): void {
    this.pass -= 1 / this.#weight;
  }
}

/** All quotas, by what they are for. */
export class QuotaBook {
  readonly #uses = new Map<string, QuotaUse>();
  readonly #shares = new Map<string, Share>([["", new Share("", 1)]]);

  set(quota: Quota, nowMs: number): void {
    this.#uses.set(keyOf(quota), new QuotaUse(quota, nowMs));
    if (quota.scope !== "tag") return;
    if (quota.weight === undefined) this.#shares.delete(quota.name);
    else this.#shares.set(quota.name, new Share(quota.name, quota.weight));
  }

  remove(quota: Pick<Quota, "scope" | "name">): boolean {
    if (quota.scope === "tag") this.#shares.delete(quota.name);
    return this.#uses.delete(keyOf(quota));
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

  shareOf({ tags }: Pick<Terms, "tags">): Share {
    for (const tag of tags) {
      const share = tag === "" ? undefined : this.#shares.get(tag);
      if (share) return share;
    }
    return this.#shares.get("") as Share;
  }

  all(): QuotaUse[] {
    return [...this.#uses.values()];
  }
}

const keyOf = ({ scope, name }: Pick<Quota, "scope" | "name">): string => `${scope}\0${name}`;
