/** First and longest time that a peer is left alone after something went wrong with it. */
const HOLD_MS_MIN = 100;
const HOLD_MS_MAX = 60_000;

interface Held {
  untilMs: number;
  why: string;
  /** How often in a row; back to none when it goes well. */
  times: number;
}

/** Why a peer is left alone, as a whole or with some of its actions, and until when: longer each time. */
export class OutletHold {
  #whole: Held | null = null;
  readonly #actions = new Map<string, Held>();

  /** @param forMs at least so long, if the peer has said so */
  whole(why: string, nowMs: number, forMs = 0): void {
    this.#whole = longer(this.#whole, why, nowMs, forMs);
  }

  action(action: string, why: string, nowMs: number): void {
    this.#actions.set(action, longer(this.#actions.get(action) ?? null, why, nowMs, 0));
  }

  /** It went well: what went wrong before is forgiven. */
  release(action?: string): void {
    if (action === undefined) this.#whole = null;
    else this.#actions.delete(action);
  }

  /** Null: it may be asked. */
  why(nowMs: number): string | null {
    return this.#whole !== null && this.#whole.untilMs > nowMs ? this.#whole.why : null;
  }

  /** One sentence for each action that is not asked for; null: there is none. */
  whyActions(nowMs: number): string | null {
    const held = [...this.#actions].filter(([, { untilMs }]) => untilMs > nowMs);
    return held.length === 0 ? null : held.map(([action, { why }]) => `${action}: ${why}`).join("; ");
  }

  isActionHeld(action: string, nowMs: number): boolean {
    return (this.#actions.get(action)?.untilMs ?? 0) > nowMs;
  }

  /** When something of it ends next; Infinity = nothing is held. */
  nextEndMs(nowMs: number): number {
    let nextMs = Infinity;
    for (const held of [this.#whole, ...this.#actions.values()]) {
      if (held !== null && held.untilMs > nowMs) nextMs = Math.min(nextMs, held.untilMs);
    }
    return nextMs;
  }
}

function longer(before: Held | null, why: string, nowMs: number, forMs: number): Held {
  const times = (before?.times ?? 0) + 1;
  const holdMs = Math.min(HOLD_MS_MAX, HOLD_MS_MIN * 2 ** Math.min(times - 1, 20));
  return { why, times, untilMs: nowMs + Math.max(holdMs, forMs) };
}
