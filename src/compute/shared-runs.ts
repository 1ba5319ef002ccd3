import { LIMITS } from "../errors/index.ts";
import type { Timer } from "../scope/index.ts";
import type { AssignmentServices } from "./assignment.ts";
import { Session, type SessionOwner, type SessionTerms, type SharedRun } from "./session.ts";
import type { ThreadMessage } from "./thread-message.ts";

export interface SharedRunsOptions extends SessionTerms {
  readonly services: AssignmentServices;
  /** Where their slots begin. */
  readonly firstSlot: number;
  /** Threads that may be shared at once. */
  readonly threads: number;
  readonly onSuspect: (taskId: string) => void;
  readonly onMessage: (message: ThreadMessage) => void;
}

const { sharedPerThread } = LIMITS.compute;

/** Slots of one shared thread: its own and those of its attempts. */
export const SLOTS_PER_SESSION = 1 + sharedPerThread;

/** A shared thread with nothing to do is given back for attempts of any kind: having it again takes no new thread. */
const IDLE_MS = 1_000;
/** Who has waited so long waits behind something that takes its time: another thread is worth it. */
const PATIENCE_MS = 20;
/** Weight of the latest attempt in how long its action is expected to take. */
const TURN_WEIGHT = 0.2;
const TURN_MS_MIN = 0.002;
/** Nothing is known of an action yet: one goes ahead alone. */
const TURN_MS_UNKNOWN = Number.MAX_SAFE_INTEGER;
const ACTIONS_MAX = 1_000;

/** All attempts that share threads: a line in which they wait, and the threads, which come and go as they are needed. */
export class SharedRuns implements SessionOwner {
  readonly #options: SharedRunsOptions;
  readonly #line: SharedRun[] = [];
  readonly #sessions: Session[] = [];
  readonly #homes: number[];
  readonly #turns = new Map<string, number>();
  #tokens = 0;
  #closing = false;
  #timer: { readonly atMs: number; readonly timer: Timer } | null = null;
  /** Who headed the line at the latest patrol. */
  #head: SharedRun | null = null;

  constructor(options: SharedRunsOptions) {
    this.#options = options;
    const { firstSlot, threads } = options;
    this.#homes = Array.from(
      { length: threads },
      (_, index) => firstSlot + (threads - 1 - index) * SLOTS_PER_SESSION,
    );
  }

  /** Beyond what the threads could have. */
  get waiting(): number {
    return Math.max(0, this.#line.length - this.#homes.length * sharedPerThread);
  }

  /** Returns what stops it, as `Assignment.stop` does; one that waits is settled at once. */
  run(request: SharedRun["request"], settle: SharedRun["settle"]): (graceMs: number) => boolean {
    const run: SharedRun = { request, slot: 0, stop: null, returns: 0, settle };
    this.#line.push(run);
    this.#fill();
    return (graceMs) => this.#stop(run, graceMs);
  }

  #stop(run: SharedRun, graceMs: number): boolean {
    const session = this.#sessions.find((each) => each.has(run));
    if (session !== undefined) return session.stop(run, "cancelled", graceMs);
    const index = this.#line.indexOf(run);
    if (index < 0) return false;
    this.#line.splice(index, 1);
    run.settle({ kind: "stopped", cause: "cancelled", terminated: false }, -1);
    return true;
  }

  /** Stops all attempts; what still waits ends `closing` at once. */
  stopAll(graceMs: number): void {
    this.#closing = true;
    for (const run of this.#line.splice(0)) {
      run.settle({ kind: "stopped", cause: "closing", terminated: false }, -1);
    }
    for (const session of this.#sessions) session.stopAll(graceMs);
  }

  /** Resolves when no thread is shared any more: they close, or are ended from outside. */
  async closed(): Promise<void> {
    await Promise.all(this.#sessions.map(({ ended }) => ended));
    this.#timer?.timer.cancel();
  }

  onRoom(): void {
    this.#fill();
  }

  onTurn(action: string, turnMs: number): void {
    const before = this.#turns.get(action);
    if (before === undefined && this.#turns.size >= ACTIONS_MAX) this.#turns.clear();
    // A thread that was off its core in between says nothing about the action.
    const seenMs = before === undefined ? turnMs : Math.min(turnMs, 4 * before + TURN_MS_MIN);
    const expectedMs = before === undefined ? seenMs : before + TURN_WEIGHT * (seenMs - before);
    this.#turns.set(action, Math.max(TURN_MS_MIN, expectedMs));
  }

  onBack(runs: readonly SharedRun[]): void {
    this.#line.unshift(...runs);
    if (this.#closing) {
      for (const run of this.#line.splice(0)) {
        run.settle({ kind: "stopped", cause: "closing", terminated: false }, -1);
      }
    } else this.#fill();
  }

  onSuspect(run: SharedRun): void {
    this.#options.onSuspect(run.request.taskId);
  }

  onMessage(message: ThreadMessage): void {
    this.#options.onMessage(message);
  }

  onDue(atMs: number): void {
    if (this.#timer !== null && this.#timer.atMs <= atMs) return;
    this.#timer?.timer.cancel();
    const timer = this.#options.services.clock.at(atMs, () => this.#patrol());
    this.#timer = { atMs, timer };
  }

  /** The first thread that has room is preferred, so that as few as possible are kept awake. */
  #fill(): void {
    for (let run = this.#line[0]; run !== undefined; run = this.#line[0]) {
      const session = this.#sessions.find(({ hasRoom }) => hasRoom) ?? this.#openFirst();
      if (session === undefined) break;
      this.#line.shift();
      session.give(run, this.#turns.get(run.request.action) ?? TURN_MS_UNKNOWN);
    }
    if (this.#line.length > 0 || this.#sessions.some(({ isWaitedFor }) => isWaitedFor)) {
      this.onDue(this.#options.services.clock.now() + PATIENCE_MS);
    }
  }

  #openFirst(): Session | undefined {
    return this.#sessions.length === 0 ? this.#open() : undefined;
  }

  #open(): Session | undefined {
    const home = this.#homes.pop();
    if (home === undefined) return undefined;
    const { services } = this.#options;
    const place = { home, token: ++this.#tokens, size: sharedPerThread };
    const session = new Session(place, services, this.#options, this);
    this.#sessions.push(session);
    void session.ended.then(() => {
      this.#sessions.splice(this.#sessions.indexOf(session), 1);
      this.#homes.push(home);
      this.#fill();
    });
    return session;
  }

  #patrol(): void {
    const { clock } = this.#options.services;
    this.#timer = null;
    const nowMs = clock.now();
    let nextMs = Number.POSITIVE_INFINITY;
    for (const session of [...this.#sessions]) {
      nextMs = Math.min(nextMs, session.patrol(nowMs));
      const closeAtMs = session.idleSinceMs + IDLE_MS;
      if (closeAtMs <= nowMs) session.close();
      else nextMs = Math.min(nextMs, closeAtMs);
    }
    this.#relieve(nowMs);
    if (nextMs < Number.POSITIVE_INFINITY) this.onDue(nextMs);
  }

  /** Another thread for whoever has waited too long, also behind something that keeps its thread. */
  #relieve(nowMs: number): void {
    const head = this.#line[0] ?? null;
    const hasWaited = head !== null && head === this.#head;
    this.#head = head;
    const canOpen = this.#homes.length > 0 && this.#sessions.every(({ isOpen }) => isOpen);
    let isKept = false;
    for (const session of [...this.#sessions]) {
      const isElsewhere = this.#sessions.some((other) => other !== session && other.hasRoom);
      if (isElsewhere || canOpen) isKept = session.takeBack(nowMs - PATIENCE_MS) || isKept;
    }
    if (canOpen && (hasWaited || isKept)) this.#open();
    this.#fill();
  }
}
