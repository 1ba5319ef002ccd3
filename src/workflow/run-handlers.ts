import { LIMITS } from "../errors/index.ts";
import type { ActionInfo } from "../queue/queue.protocol.ts";

/** What a run remembers of the handler of an action from when it was submitted. */
export interface RememberedHandler {
  /** Of its module's file; null for a built-in one; undefined when it was not known. */
  readonly sha256?: string | null;
  /** How long one attempt was expected to take. */
  readonly expectedMs: number;
}

/** By the name of the action. */
export type RememberedHandlers = Readonly<Record<string, RememberedHandler>>;

/** The handlers that the queue has now, by action; undefined = not known. */
export type KnownHandlers = ReadonlyMap<string, ActionInfo> | undefined;

/** Of an action that never ran. */
export const UNKNOWN_MS = 1_000;

/** The handlers of a run: as they were when it was submitted, and as they are now. */
export class RunHandlers {
  readonly #remembered: RememberedHandlers;
  #known: KnownHandlers;
  #changed: readonly string[] = [];

  constructor(remembered: RememberedHandlers, known: KnownHandlers) {
    this.#remembered = remembered;
    this.know(known);
  }

  /** Actions whose module is another than when the run was submitted, by name. */
  get changed(): readonly string[] {
    return this.#changed;
  }

  know(known: KnownHandlers): void {
    this.#known = known;
    if (known === undefined) return;
    this.#changed = Object.keys(this.#remembered)
      .filter((action) => {
        const before = this.#remembered[action]?.sha256;
        const now = known.get(action);
        return before !== undefined && now !== undefined && now.moduleSha256 !== before;
      })
      .toSorted();
  }

  expectedMs(action: string): number {
    return this.#remembered[action]?.expectedMs ?? UNKNOWN_MS;
  }

  /** How long one attempt may run that does not say so itself. */
  timeoutMs(action: string): number {
    return this.#known?.get(action)?.timeoutMs ?? LIMITS.queue.defaultTimeoutMs;
  }

  /** Of the module that would run it now; undefined when that is not known. */
  sha256(action: string): string | null | undefined {
    return this.#known?.get(action)?.moduleSha256;
  }
}
