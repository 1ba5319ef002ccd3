import { LIMITS, fault } from "../errors/index.ts";

/** The real failures of one scope, first one first. */
export class Failures {
  #errors: unknown[] = [];

  /**
   * A body that awaits its child rethrows the child's error, or wraps it to say more: that is one failure, told
   * twice, and the version that says more stays.
   */
  add(error: unknown): void {
    if (this.#errors.some((known) => tells(known, error))) return;
    const first = this.#errors.findIndex((known) => tells(error, known));
    if (first === -1) {
      this.#errors.push(error);
      return;
    }
    this.#errors[first] = error;
    this.#errors = this.#errors.filter((known) => known === error || !tells(error, known));
  }

  get count(): number {
    return this.#errors.length;
  }

  /** The one failure itself, or `SEVERAL` with all of them in `errors`. */
  asOne(): unknown {
    const [first, ...others] = this.#errors;
    if (others.length === 0) return first;
    return fault("SEVERAL", { count: this.#errors.length }, { errors: this.#errors });
  }
}

/** Is `inner` the outer error, or one of its causes? */
function tells(outer: unknown, inner: unknown): boolean {
  let told = outer;
  // Bounded, because errors are other people's objects and may form a ring.
  for (let depth = 0; depth < LIMITS.scope.causes; depth++) {
    if (told === inner) return true;
    if (!(told instanceof Error) || told.cause === undefined) return false;
    told = told.cause;
  }
  return false;
}
