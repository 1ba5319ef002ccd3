import type { Clock } from "../../scope/index.ts";
import type { PeerHint } from "../network.protocol.ts";

const KEPT_MAX = 256;
/** What mDNS says holds for so long (RFC 6762 10). */
const KEPT_MS = 120_000;

/**
 * Who was seen lately, for whoever begins to listen: neighbours answer the first question of a node before anybody hears
 * its events, and are asked again only after a while.
 */
export class Sightings {
  readonly #clock: Clock;
  readonly #tell: (hint: PeerHint) => void;
  /** The latest last. */
  readonly #kept = new Map<string, { readonly hint: PeerHint; readonly atMs: number }>();

  constructor(clock: Clock, tell: (hint: PeerHint) => void) {
    this.#clock = clock;
    this.#tell = tell;
  }

  add(hint: PeerHint): void {
    const key = `${hint.source} ${hint.peerId}`;
    this.#kept.delete(key);
    this.#kept.set(key, { hint, atMs: this.#clock.now() });
    const [oldest] = this.#kept.keys();
    if (this.#kept.size > KEPT_MAX && oldest !== undefined) this.#kept.delete(oldest);
    this.#tell(hint);
  }

  latest(): PeerHint[] {
    const sinceMs = this.#clock.now() - KEPT_MS;
    return [...this.#kept.values()].filter(({ atMs }) => atMs >= sinceMs).map(({ hint }) => hint);
  }
}
