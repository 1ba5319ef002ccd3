import type { Clock } from "./services.ts";

/**
 * A piece of work with an end that can be relied on: what it promises is written at `withScope`.
 *
 * A scope is handed to its body and is closed when `withScope` settles. Reading it and cancelling it stay allowed;
 * starting anything on a closed scope is a defect.
 */
export interface Scope {
  /** Names the scope in the sentences of its errors. */
  readonly name: string;
  /** What every deadline and sleep of this scope is measured on. */
  readonly clock: Clock;
  /**
   * Aborts once, when the scope is cancelled for whatever cause; its reason is always a `CANCELLED` fault. Hand it
   * to everything that can wait.
   */
  readonly signal: AbortSignal;
  /** Absolute, on `clock.now()`; `Infinity` when there is none; never later than that of an outer scope. */
  readonly deadlineMs: number;

  /** Milliseconds until the deadline, never negative; `Infinity` when there is none. */
  remainingMs(): number;

  /**
   * Starts a child at once and hands back its result. The scope waits for it, whether or not the caller does.
   *
   * A child that fails cancels its siblings and fails the scope, even if the caller catches the failure. In a scope
   * that is cancelled already, the child never starts and the promise rejects with `CANCELLED`. A promise that is not
   * awaited never becomes an unhandled rejection: the scope tells the failure.
   *
   * @throws A defect when the scope is closed, or when only its cleanups are left.
   */
  spawn<T>(run: (signal: AbortSignal) => Promise<T> | T): Promise<T>;

  /**
   * Registers a cleanup. Cleanups run when the body and every child have settled, in reverse order, one after the
   * other, all of them even when one fails, and shielded: cancellation and deadline do not reach them, so
   * `checkpoint` and `sleep` work in them. A cleanup that may hang bounds itself with `shield`.
   */
  defer(cleanup: () => void | Promise<void>): void;

  /**
   * Cancels the body, the children and the inner scopes. The first cause counts, later ones change nothing, and
   * neither does a cancellation that comes when only cleanups are left.
   *
   * @param reason Goes into the sentence of the error.
   */
  cancel(reason?: string): void;

  /**
   * Throws while the scope is cancelled: each time, not once, so that a `catch` that swallows a cancellation does not
   * bring the work back to life. Notices a deadline that passed while the thread was too busy for timers.
   *
   * @throws `CANCELLED`, always the signal's reason.
   */
  checkpoint(): void;

  /**
   * Waits on the scope's clock. Cancellation ends the wait at once and frees its timer; so does the end of the scope.
   * The timer alone does not keep the process alive.
   *
   * @param ms Milliseconds, 0 or more; `Infinity` waits for cancellation.
   * @throws `CANCELLED`; `INVALID_ARGUMENT` for anything but a number.
   */
  sleep(ms: number): Promise<void>;

  /**
   * Runs something that must not be cut by the cancellation or deadline of this scope, such as a goodbye to a peer.
   * It gets a scope of its own, which only its own timeout ends; this scope waits for it. Works in a cancelled scope
   * and in a cleanup.
   *
   * @param options `timeoutMs` is compulsory and finite: an unbounded shield could hold up every outer scope.
   * @throws `INVALID_ARGUMENT`; `DEADLINE_EXCEEDED` when the timeout cut it; whatever `run` threw.
   */
  shield<T>(options: ShieldOptions, run: (scope: Scope) => Promise<T> | T): Promise<T>;
}

export interface ScopeOptions {
  /**
   * Its abort cancels the scope. When it is the signal of another scope, that scope's deadline and clock hold as
   * well, so a function that takes nothing but a signal passes them on.
   */
  readonly signal?: AbortSignal | undefined;
  /** Milliseconds from now; 0 or less is over already. With `deadlineMs` too, the earlier one counts. */
  readonly timeoutMs?: number | undefined;
  /** Absolute, on the clock's `now()`. A deadline in the past is over already. */
  readonly deadlineMs?: number | undefined;
  /** Default: that of the outer scope, else the system's. Must be on one time scale with that of the outer scope. */
  readonly clock?: Clock | undefined;
  /** Default "the scope". */
  readonly name?: string | undefined;
  /** The scope around this one: its cancellation and deadline hold here, and it waits for this one to end. */
  readonly parent?: Scope | undefined;
}

export interface ShieldOptions {
  /** Milliseconds, finite. */
  readonly timeoutMs: number;
  /** Default: "the shield of" and the name of the scope. */
  readonly name?: string | undefined;
}
