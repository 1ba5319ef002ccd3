import { followActor, type RefOf } from "../actor/index.ts";
import { isFault } from "../errors/index.ts";
import type { PeerRegistry } from "../peers/peers.protocol.ts";
import type { Patience } from "../scope/index.ts";
import type { PeerView } from "./outlet.ts";

export interface PeerViewsOptions extends Patience {
  readonly registry: RefOf<typeof PeerRegistry>;
  /** Is anything to be known of this peer? */
  readonly isWanted: (peerId: string) => boolean;
  /** What it is known to be able to do has changed. */
  readonly onCapabilities: (peerId: string) => void;
}

/** One peer is asked about no more often. */
const FRESH_MS = 2_000;
/** Of one peer, so much goes well in between without being told. */
const JUDGE_MS = 10_000;

const UNKNOWN: PeerView = { latencyMs: null, reliability: null, capabilities: [] };

/** What the registry knows of the peers that tasks go to, kept here so that placing a task asks nobody. */
export class PeerViews {
  readonly #options: PeerViewsOptions;
  readonly #views = new Map<string, PeerView>();
  readonly #askedAtMs = new Map<string, number>();
  readonly #judgedAtMs = new Map<string, number>();

  constructor(options: PeerViewsOptions) {
    this.#options = options;
  }

  of(peerId: string): PeerView {
    return this.#views.get(peerId) ?? UNKNOWN;
  }

  /** How an exchange went. What goes well is told once in a while, what goes wrong always. */
  judge(peerId: string, ok: boolean, why: string): void {
    const { registry, clock } = this.#options;
    const nowMs = clock.now();
    if (ok && nowMs - (this.#judgedAtMs.get(peerId) ?? -Infinity) < JUDGE_MS) return;
    this.#judgedAtMs.set(peerId, nowMs);
    // The registry may be restarting, and then has other things to forget.
    registry.call.judged({ peerId, ok, why }).catch(ignoreFault);
  }

  forget(peerId: string): void {
    for (const known of [this.#views, this.#askedAtMs, this.#judgedAtMs]) known.delete(peerId);
  }

  /** Asks anew, unless it was asked only just now. */
  refresh(peerId: string): void {
    const { clock } = this.#options;
    const nowMs = clock.now();
    if (nowMs - (this.#askedAtMs.get(peerId) ?? -Infinity) < FRESH_MS) return;
    this.#askedAtMs.set(peerId, nowMs);
    void this.#ask(peerId);
  }

  async #ask(peerId: string): Promise<void> {
    const { registry, isWanted, onCapabilities } = this.#options;
    try {
      const { figures, capabilities } = await registry.call.peer({ peerId });
      if (!isWanted(peerId)) return;
      const before = this.of(peerId).capabilities;
      const { latencyMs, reliability } = figures;
      this.#views.set(peerId, { latencyMs, reliability, capabilities });
      if (before.join("\n") !== capabilities.join("\n")) onCapabilities(peerId);
    } catch (error) {
      ignoreFault(error);
    }
  }

  /** Follows the registry until the signal aborts, or it is stopped for good. */
  async listen(): Promise<void> {
    const { registry, isWanted } = this.#options;
    await followActor(
      registry,
      ({ hear }) => hear(registry.on.changed, ({ peerId }) => isWanted(peerId) && this.refresh(peerId)),
      this.#options,
    );
  }
}

function ignoreFault(error: unknown): void {
  if (!isFault(error)) throw error;
}
