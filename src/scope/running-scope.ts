import { assert, fault, isCancellation, isFault, sentenceOf, type Fault } from "../errors/index.ts";
import { earliestDeadline, requireFinite, requireNumber } from "./deadline.ts";
import { Failures } from "./failures.ts";
import { linkSignals } from "./link-signals.ts";
import type { Scope, ScopeOptions, ShieldOptions } from "./scope.ts";
import { systemClock, type Clock, type Timer } from "./services.ts";

/**
 * open      body and children run            cancellation reaches them
 *   |       body and last child settled
 * closing   cleanups run, in reverse order   cancellation changes nothing any more
 *   |       last cleanup settled
 * closed    `withScope` settles              starting anything is a defect
 */
type Phase = "open" | "closing" | "closed";

/** Why a scope was cancelled, and what its caller is told unless there is a real failure to tell. */
interface Cancellation {
  /** "self" stands for `cancel()` and for a failure inside; only then a value of the body is worth keeping. */
  readonly by: "self" | "outside" | "deadline";
  /** The reason of the scope's signal: `CANCELLED`, also for a deadline, so that echoes are told from failures. */
  readonly reason: Fault<"CANCELLED">;
  readonly outcome: Fault<"CANCELLED" | "DEADLINE_EXCEEDED">;
  /** The foreign error behind it. Code that was handed the outer signal directly rejects with this one. */
  readonly origin: unknown;
}

interface Sleeper {
  readonly timer: Timer;
  readonly reject: (reason: Fault<"CANCELLED">) => void;
}

/** Which scope a signal belongs to: a function that takes a signal alone still passes deadline and tree on. */
const scopeOf = new WeakMap<AbortSignal, RunningScope>();

/**
 * The deadline that a signal carries: that of the scope it belongs to, on `clock.now()`; `Infinity` for a signal that
 * belongs to none, or to one that has ended. For whoever sends work on with a budget, such as an actor call.
 */
export function deadlineOf(signal: AbortSignal): number {
  const scope = scopeOf.get(signal);
  return scope?.open ? scope.deadlineMs : Infinity;
}

/** One scope from before its body starts until it has closed; `withScope` runs exactly one body in it. */
export class RunningScope implements Scope {
  readonly name: string;
  readonly clock: Clock;
  readonly deadlineMs: number;

  readonly #parent: RunningScope | undefined;
  /** The scopes whose cancellation and deadline hold here. */
  readonly #outers: readonly RunningScope[];
  readonly #inners = new Set<RunningScope>();
  readonly #sleepers = new Set<Sleeper>();
  readonly #cleanups: (() => void | Promise<void>)[] = [];
  readonly #failures = new Failures();
  readonly #timeLimitMs: number;
  /** False when an outer scope's deadline comes first: then that scope expires, and this one is cancelled by it. */
  readonly #ownsDeadline: boolean;

  #phase: Phase = "open";
  /** Children and adopted scopes that have not settled. */
  #running = 0;
  #wake: (() => void) | undefined;
  /** Made when somebody asks for the signal: many scopes never use theirs, and it is half of what a scope costs. */
  #controller: AbortController | undefined;
  /** True while `#controller` is, or would be, aborted; a cleanup that is cut cancels without aborting. */
  #aborted = false;
  #cancellation: Cancellation | undefined;
  /** A child was ended by cancellation: not everything that was started has happened. */
  #cut = false;
  #deadlineTimer: Timer | undefined;
  #unlink: () => void = () => {};

  /** @param adoptedBy Waits for this scope to end, as a parent does, and has no other say in it: that is a shield. */
  constructor(options: ScopeOptions, adoptedBy?: RunningScope) {
    const { parent, signal } = options;
    assert(parent === undefined || parent instanceof RunningScope, "a parent is a scope that withScope made");
    const passedOn = signal && scopeOf.get(signal);
    const outers = new Set([parent, passedOn?.open ? passedOn : undefined]);

    this.#outers = [...outers].filter((outer) => outer !== undefined);
    this.#parent = adoptedBy ?? parent;
    this.name = options.name ?? "the scope";
    this.clock = options.clock ?? this.#parent?.clock ?? this.#outers[0]?.clock ?? systemClock;

    const nowMs = this.clock.now();
    const ownMs = earliestDeadline(options, nowMs);
    const outerMs = Math.min(...this.#outers.map((outer) => outer.deadlineMs));
    this.#ownsDeadline = ownMs < outerMs;
    this.deadlineMs = Math.min(ownMs, outerMs);
    this.#timeLimitMs = Math.max(0, Math.round(ownMs - nowMs));

    if (this.#parent) this.#parent.#adopt(this);
    this.#link(signal);
  }

  get signal(): AbortSignal {
    if (this.#controller === undefined) {
      this.#controller = new AbortController();
      scopeOf.set(this.#controller.signal, this);
      if (this.#aborted) this.#controller.abort(this.#cancellation?.reason);
    }
    return this.#controller.signal;
  }

  /** True until the body and the last child have settled; only so long cancellation and deadline have any effect. */
  get open(): boolean {
    return this.#phase === "open";
  }

  /** True of the error that `run` rejects with when this scope's own deadline cut it. */
  expiredWith(error: unknown): boolean {
    return this.#cancellation?.by === "deadline" && this.#cancellation.outcome === error;
  }

  /** Runs the body, waits for everything it started, cleans up, and says how it ended. */
  async run<T>(body: (scope: Scope) => Promise<T> | T): Promise<T> {
    let result: { readonly value: T } | undefined;
    try {
      this.checkpoint();
      result = { value: await body(this) };
    } catch (error) {
      this.#endedWith(error);
    }
    // Again after each wake-up: a child may have been started between the last one's end and this turn.
    while (this.#running > 0) await this.#lastChild();
    this.#phase = "closing";
    this.#letGo();
    let clean = true;
    for (let cleanup = this.#cleanups.pop(); cleanup; cleanup = this.#cleanups.pop()) {
      if ((await this.#cleanUp(cleanup)) === "cancelled") clean = false;
      // Nobody has to await the shield that a cleanup raises.
      while (this.#running > 0) await this.#lastChild();
    }
    this.#close();

    if (this.#failures.count > 0) throw this.#failures.asOne();
    const cancellation = this.#cancellation;
    // What a cut cleanup was to undo is not undone, so even a body that got what it wanted has not ended well.
    const complete = clean && !(this.#cut && cancellation?.by !== "self");
    if (result !== undefined && complete) return result.value;
    assert(cancellation !== undefined, "a scope without a value and without a failure was cancelled");
    throw cancellation.outcome;
  }

  remainingMs(): number {
    return Math.max(0, this.deadlineMs - this.clock.now());
  }

  spawn<T>(run: (signal: AbortSignal) => Promise<T> | T): Promise<T> {
    assert(this.open, `spawn in a scope that is ${this.#phase}: ${this.name}`);
    return handled(this.#runChild(run));
  }

  defer(cleanup: () => void | Promise<void>): void {
    assert(this.#phase !== "closed", `defer in a closed scope: ${this.name}`);
    this.#cleanups.push(cleanup);
  }

  cancel(reason?: string): void {
    if (!this.open) return;
    const details = reason === undefined ? { what: this.name } : { what: this.name, reason };
    const error = fault("CANCELLED", details);
    this.#cancel({ by: "self", reason: error, outcome: error, origin: error });
  }

  checkpoint(): void {
    assert(this.#phase !== "closed", `checkpoint in a closed scope: ${this.name}`);
    if (this.#phase === "closing") return;
    this.#noticeExpiry(this.clock.now());
    if (this.#cancellation) throw this.#cancellation.reason;
  }

  sleep(ms: number): Promise<void> {
    return handled(this.#sleep(ms));
  }

  async shield<T>(options: ShieldOptions, run: (scope: Scope) => Promise<T> | T): Promise<T> {
    assert(this.#phase !== "closed", `shield in a closed scope: ${this.name}`);
    requireFinite("timeoutMs", options.timeoutMs);
    const { timeoutMs, name = `the shield of ${this.name}` } = options;
    return new RunningScope({ timeoutMs, name }, this).run(run);
  }

  // --- children and inner scopes -------------------------------------------------------------------------------

  async #runChild<T>(run: (signal: AbortSignal) => Promise<T> | T): Promise<T> {
    this.#running++;
    try {
      this.checkpoint();
      return await run(this.signal);
    } catch (error) {
      if (this.#endedWith(error) === "cancelled") this.#cut = true;
      throw error;
    } finally {
      this.#settled();
    }
  }

  #adopt(inner: RunningScope): void {
    // A shield may also be raised by a cleanup; everything else would be cut there without a word.
    const welcome = this.open || (this.#phase === "closing" && !inner.#outers.includes(this));
    assert(welcome, `a scope inside one that is ${this.#phase}: ${this.name}`);
    this.#running++;
  }

  #settled(): void {
    if (--this.#running === 0) this.#wake?.();
  }

  #lastChild(): Promise<void> {
    return new Promise((resolve) => (this.#wake = resolve));
  }

  // --- endings ---------------------------------------------------------------------------------------------------

  /** What the end of the body or of a child means for the whole. */
  #endedWith(error: unknown): "cancelled" | "failed" {
    if (this.#isEcho(error)) return "cancelled";
    const cancelled = isCancellation(error);
    if (!cancelled) this.#failures.add(error);
    // A cancellation that this scope did not cause (of a call to elsewhere, say) is no failure, but the work it cut
    // has not happened, so the scope cannot go on as if it had.
    this.#cancelBecause(error, cancelled ? "outside" : "self");
    return cancelled ? "cancelled" : "failed";
  }

  #isEcho(error: unknown): boolean {
    if (this.#cancellation === undefined) return false;
    const { origin } = this.#cancellation;
    return isCancellation(error) || error === origin || (isAbortError(error) && error.cause === origin);
  }

  async #cleanUp(cleanup: () => void | Promise<void>): Promise<"done" | "cancelled" | "failed"> {
    try {
      await cleanup();
      return "done";
    } catch (error) {
      return this.#endedWith(error);
    }
  }

  #close(): void {
    this.#phase = "closed";
    // What lost a race against something else still sleeps; nobody will ever look at it again.
    if (this.#sleepers.size > 0) {
      this.#wakeSleepers(fault("CANCELLED", { what: this.name, reason: "it has ended" }));
    }
    if (this.#parent) this.#parent.#settled();
  }

  // --- cancellation and time -------------------------------------------------------------------------------------

  #link(signal: AbortSignal | undefined): void {
    const cancelled = this.#outers.find((outer) => outer.#aborted);
    if (cancelled) {
      this.#cancelBecause(cancelled.#cancellation?.reason, "outside");
      return;
    }
    // A scope knows its inner scopes: taking one out of a set costs the same with ten thousand of them, while taking
    // a listener off a signal walks the list of all listeners.
    for (const outer of this.#outers) outer.#inners.add(this);
    const passedOn = this.#outers.some((outer) => outer.#controller?.signal === signal);
    if (signal && !passedOn) {
      this.#unlink = linkSignals([signal], ({ reason }) => this.#cancelBecause(reason, "outside"));
    }
    if (this.#ownsDeadline) this.#deadlineTimer = this.clock.at(this.deadlineMs, () => this.#expire());
  }

  /** Leaves no listener, timer or link behind; idempotent. */
  #letGo(): void {
    this.#unlink();
    this.#deadlineTimer?.cancel();
    for (const outer of this.#outers) outer.#inners.delete(this);
  }

  #noticeExpiry(nowMs: number): void {
    if (nowMs < this.deadlineMs || !this.open) return;
    for (const outer of this.#outers) outer.#noticeExpiry(nowMs);
    if (this.#ownsDeadline) this.#expire();
  }

  #expire(): void {
    const outcome = fault("DEADLINE_EXCEEDED", { what: this.name, timeoutMs: this.#timeLimitMs });
    const details = { what: this.name, reason: outcome.message };
    this.#cancel({
      by: "deadline",
      reason: fault("CANCELLED", details, { cause: outcome }),
      outcome,
      origin: outcome,
    });
  }

  #cancelBecause(origin: unknown, by: "self" | "outside"): void {
    // In a deep tree, "a was cancelled: b was cancelled: c was cancelled: why" says no more than "a was cancelled: why".
    const why = isFault(origin, "CANCELLED") ? origin.details.reason : undefined;
    const details = { what: this.name, reason: why ?? sentenceOf(origin) };
    const reason = fault("CANCELLED", details, { cause: origin });
    this.#cancel({ by, reason, outcome: reason, origin });
  }

  #cancel(cancellation: Cancellation): void {
    if (this.#cancellation !== undefined) return;
    this.#cancellation = cancellation;
    if (!this.open) return;
    this.#letGo();
    this.#aborted = true;
    this.#controller?.abort(cancellation.reason);
    this.#wakeSleepers(cancellation.reason);
    for (const inner of this.#inners) inner.#cancelBecause(cancellation.reason, "outside");
  }

  async #sleep(ms: number): Promise<void> {
    requireNumber("ms", ms);
    this.checkpoint();
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    const timer = this.clock.at(this.clock.now() + ms, resolve);
    const sleeper = { timer, reject };
    this.#sleepers.add(sleeper);
    try {
      await promise;
    } finally {
      this.#sleepers.delete(sleeper);
    }
  }

  #wakeSleepers(reason: Fault<"CANCELLED">): void {
    for (const { timer, reject } of this.#sleepers) {
      timer.cancel();
      reject(reason);
    }
  }
}

const isAbortError = (error: unknown): error is Error =>
  error instanceof Error && error.name === "AbortError";

/** The scope tells what went wrong, so a promise that nobody awaits must not bring the process down as well. */
function handled<T>(promise: Promise<T>): Promise<T> {
  promise.catch(() => {});
  return promise;
}
