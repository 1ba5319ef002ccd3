import { DEFAULT_BACKOFF, NO_BACKOFF } from "./backoff.ts";
import type { Backoff, TaskSpec } from "./queue.protocol.ts";
import type { Place, Terms } from "./task.ts";

/** Terms that are remembered. Forgetting costs memory and a row on disk when they come again, nothing else. */
const TERMS_MAX = 10_000;

/** Finds the one object for equal terms. */
export class TermsPool {
  readonly #terms = new Map<string, Terms>();
  /** Of tasks that say no more than their action, which most do. */
  readonly #plain = new Map<string, Terms>();

  adopt(terms: Terms): void {
    this.#terms.set(keyOf(terms), terms);
  }

  all(): Terms[] {
    return [...this.#terms.values()];
  }

  of(spec: TaskSpec, place: Place): Terms {
    const isPlain =
      spec.timeoutMs === undefined &&
      spec.attempts === undefined &&
      spec.backoff === undefined &&
      spec.onDependencyFailure === undefined &&
      spec.tags === undefined &&
      spec.requires === undefined;
    if (!isPlain) return this.#intern(termsOf(spec, place));
    const known = this.#plain.get(spec.action);
    if (known?.place === place) return known;
    const terms = this.#intern(termsOf(spec, place));
    if (this.#plain.size >= TERMS_MAX) this.#plain.clear();
    this.#plain.set(spec.action, terms);
    return terms;
  }

  /** The same with some of it changed. */
  changed(terms: Terms, change: Partial<Pick<Terms, "attempts" | "timeoutMs" | "place">>): Terms {
    return this.#intern({ ...terms, ...change, id: 0 });
  }

  #intern(terms: Terms): Terms {
    const key = keyOf(terms);
    const known = this.#terms.get(key);
    if (known) return known;
    if (this.#terms.size >= TERMS_MAX) this.#terms.clear();
    this.#terms.set(key, terms);
    return terms;
  }
}

function termsOf(spec: TaskSpec, place: Place): Terms {
  return {
    id: 0,
    action: spec.action,
    timeoutMs: spec.timeoutMs ?? null,
    attempts: spec.attempts ?? 1,
    backoff: spec.backoff === undefined ? NO_BACKOFF : backoffOf(spec.backoff),
    onDependencyFailure: spec.onDependencyFailure ?? "cancel",
    tags: [...new Set(spec.tags)],
    requires: [...new Set(spec.requires)].toSorted(),
    place,
  };
}

function backoffOf(given: Partial<Backoff>): Backoff {
  return { ...DEFAULT_BACKOFF, ...given };
}

function keyOf({
  action,
  timeoutMs,
  attempts,
  backoff,
  onDependencyFailure,
  tags,
  requires,
  place,
}: Terms): string {
  const { shape, delayMs, factor, maxDelayMs, jitter } = backoff;
  const numbers = [timeoutMs, attempts, delayMs, factor, maxDelayMs, jitter];
  return JSON.stringify([action, shape, numbers, onDependencyFailure, tags, requires, place]);
}
