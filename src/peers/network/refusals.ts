import type { Offence } from "./frame.ts";

/** What is refused, as it is counted. */
export type Refused =
  | Offence
  | "requests"
  | "method"
  | "streams"
  | "record"
  | "sample"
  /** A bug of ours that a peer has met; it costs that peer its stream, and nobody else anything. */
  | "defect";

/** How often what was refused, since the actor's life began. */
export class Refusals {
  readonly #counts = new Map<Refused, number>();

  count(why: Refused): void {
    this.#counts.set(why, (this.#counts.get(why) ?? 0) + 1);
  }

  figures(): Record<string, number> {
    return Object.fromEntries(this.#counts);
  }
}
