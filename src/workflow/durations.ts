import { UNKNOWN_MS } from "./run-handlers.ts";

export interface Duration {
  readonly action: string;
  readonly meanMs: number;
  /** Attempts that the mean was made of, up to a bound. */
  readonly count: number;
}

/** So many attempts back the mean looks: older ones fade. */
const WINDOW = 50;
/** Actions of which the mean is kept. */
const ACTIONS_MAX = 10_000;
const MS_MIN = 0.1;

/** How long one attempt at an action takes: a running mean over the latest ones. */
export class Durations {
  readonly #byAction = new Map<string, Duration>();
  #changed = new Set<string>();

  constructor(known: Iterable<Duration>) {
    for (const duration of known) this.#byAction.set(duration.action, duration);
  }

  expectedMs(action: string): number {
    return this.#byAction.get(action)?.meanMs ?? UNKNOWN_MS;
  }

  observe(action: string, tookMs: number): void {
    const before = this.#byAction.get(action);
    if (!before && this.#byAction.size >= ACTIONS_MAX) return;
    const count = Math.min(WINDOW, (before?.count ?? 0) + 1);
    const mean = before?.meanMs ?? 0;
    const meanMs = Math.max(MS_MIN, mean + (Math.max(0, tookMs) - mean) / count);
    this.#byAction.set(action, { action, meanMs, count });
    this.#changed.add(action);
  }

  /** What has changed since this was asked last. */
  takeChanged(): Duration[] {
    const changed = [...this.#changed].flatMap((action) => this.#byAction.get(action) ?? []);
    this.#changed = new Set();
    return changed;
  }
}
