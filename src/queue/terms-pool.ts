import { DEFAULT_BACKOFF, NO_BACKOFF } from "./backoff.ts";
import type { Backoff, TaskSpec } from "./queue.protocol.ts";
import type { Terms } from "./task.ts";

/** Terms that are remembered. Forgetting costs memory and a row on disk when they come again, nothing else. */
const TERMS_MAX = 10_000;

/** What a submitter says of a task's terms. */
type Kind = Pick<TaskSpec, "action"> & {
  readonly [Name in Exclude<keyof Terms, "id" | "action">]?: TaskSpec[Name] | undefined;
};

const NONE: readonly string[] = [];

/** Finds the one object for equal terms. */
export class TermsPool {
  readonly #terms = new Map<string, Terms>();
  /** Of tasks that say no more than their action, which most do. */
  readonly #plain = new Map<string, Terms>();
  /** Of the latest of the others: those that come together tend to be alike. */
  #latest: { readonly kind: Kind; readonly terms: Terms } | null = null;

  adopt(terms: Terms): void {
    this.#terms.set(keyOf(terms), terms);
  }

  of(spec: TaskSpec): Terms {
    const isPlain =
      spec.timeoutMs === undefined &&
      spec.attempts === undefined &&
      spec.backoff === undefined &&
      spec.onDependencyFailure === undefined &&
      spec.tags === undefined &&
      spec.requires === undefined;
    if (!isPlain) return this.#like(spec);
    const known = this.#plain.get(spec.action);
    if (known) return known;
    const terms = this.#intern(termsOf(spec));
    if (this.#plain.size >= TERMS_MAX) this.#plain.clear();
    this.#plain.set(spec.action, terms);
    return terms;
  }

  #like(kind: Kind): Terms {
    if (this.#latest === null || !isAlike(this.#latest.kind, kind)) {
      const { action, timeoutMs, attempts, backoff, onDependencyFailure, tags, requires } = kind;
      const kept = { action, timeoutMs, attempts, backoff, onDependencyFailure, tags, requires };
      this.#latest = { kind: kept, terms: this.#intern(termsOf(kind)) };
    }
    return this.#latest.terms;
  }

  /** The same with some of it changed. */
  changed(terms: Terms, change: Partial<Pick<Terms, "attempts" | "timeoutMs">>): Terms {
    return this.#intern({ ...terms, ...change, id: 0 });
  }

  /** Those that no task has lose their row; if they come again, they are given a new one. */
  unnumber(used: ReadonlySet<Terms>): void {
    const known = [...this.#terms.values(), ...this.#plain.values()];
    if (this.#latest !== null) known.push(this.#latest.terms);
    for (const terms of known) if (!used.has(terms)) terms.id = 0;
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

function isAlike(a: Kind, b: Kind): boolean {
  return (
    a.action === b.action &&
    a.timeoutMs === b.timeoutMs &&
    a.attempts === b.attempts &&
    a.onDependencyFailure === b.onDependencyFailure &&
    haveSame(a.tags, b.tags) &&
    haveSame(a.requires, b.requires) &&
    isSameBackoff(a.backoff, b.backoff)
  );
}

function haveSame(a: readonly string[] = NONE, b: readonly string[] = NONE): boolean {
  return a.length === b.length && a.every((each, index) => each === b[index]);
}

function isSameBackoff(a: Partial<Backoff> = NO_BACKOFF, b: Partial<Backoff> = NO_BACKOFF): boolean {
  return (
    a === b ||
    (a.shape === b.shape &&
      a.delayMs === b.delayMs &&
      a.factor === b.factor &&
      a.maxDelayMs === b.maxDelayMs &&
      a.jitter === b.jitter)
  );
}

function termsOf(spec: Kind): Terms {
  return {
    id: 0,
    action: spec.action,
    timeoutMs: spec.timeoutMs ?? null,
    attempts: spec.attempts ?? 1,
    backoff: spec.backoff === undefined ? NO_BACKOFF : backoffOf(spec.backoff),
    onDependencyFailure: spec.onDependencyFailure ?? "cancel",
    tags: [...new Set(spec.tags)],
    requires: [...new Set(spec.requires)].toSorted(),
  };
}

function backoffOf(given: Partial<Backoff>): Backoff {
  return { ...DEFAULT_BACKOFF, ...given };
}

function keyOf({ action, timeoutMs, attempts, backoff, onDependencyFailure, tags, requires }: Terms): string {
  const { shape, delayMs, factor, maxDelayMs, jitter } = backoff;
  const numbers = [timeoutMs, attempts, delayMs, factor, maxDelayMs, jitter];
  return JSON.stringify([action, shape, numbers, onDependencyFailure, tags, requires]);
}
