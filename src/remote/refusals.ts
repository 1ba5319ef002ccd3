import { LIMITS } from "../errors/index.ts";

/** Why something that a peer asked for was refused. */
export type RefusalKind =
  /** Its message is not what the protocol says. */
  | "malformed"
  /** Its token is none that this node has signed. */
  | "token_invalid"
  /** Its token is another peer's. */
  | "token_audience"
  /** Its token is that of a grant that was replaced, or has left. */
  | "grant_unknown"
  | "no_grant"
  | "no_token"
  | "expired"
  | "revoked"
  | "action"
  | "tool"
  | "concurrency"
  /** All peers together have as much as may run here. */
  | "served"
  | "rate"
  | "bytes"
  /** A large value that no task of it names. */
  | "value"
  /** Something that is asked of whoever has given us work, and it has given none. */
  | "stranger";

export interface RefusalRecord {
  readonly atMs: number;
  readonly peerId: string;
  readonly why: string;
}

/** What was refused in this life: the latest, and how many of each kind. */
export class Refusals {
  readonly #latest: RefusalRecord[] = [];
  readonly #counts = new Map<RefusalKind, number>();
  /** The time of what is happening now. */
  nowMs = 0;

  add(peerId: string, kind: RefusalKind, why: string): void {
    this.#counts.set(kind, (this.#counts.get(kind) ?? 0) + 1);
    this.#latest.push({ atMs: this.nowMs, peerId, why });
    // Cut when twice as many are there: a flood of refusals costs nothing per refusal.
    const { refusals } = LIMITS.remote;
    if (this.#latest.length >= 2 * refusals) this.#latest.splice(0, this.#latest.length - refusals);
  }

  /** Newest first. */
  latest(limit: number): RefusalRecord[] {
    return this.#latest.slice(-Math.min(limit, LIMITS.remote.refusals)).toReversed();
  }

  get counts(): Record<string, number> {
    return Object.fromEntries(this.#counts);
  }
}
