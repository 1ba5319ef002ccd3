import type { Clock, Timer } from "../scope/index.ts";
import { crashOf, type Crash } from "./crash.ts";
import type { Phase, Slots } from "./slots.ts";
import type { AttemptRequest, DescribeRequest, ThreadReply } from "./thread-message.ts";
import type { Threads } from "./threads.ts";

/** `loading`: its modules did not end their import. `starting`: no thread took it up. `closing`: the pool ends. */
export type StopCause = "cancelled" | "timedOut" | "closing" | "loading" | "starting";

export type AssignmentEnd =
  | { readonly kind: "replied"; readonly reply: ThreadReply }
  | { readonly kind: "stopped"; readonly cause: StopCause; readonly terminated: boolean }
  /** Cut off through no proven fault of its own. */
  | { readonly kind: "interrupted"; readonly why: string }
  | {
      readonly kind: "crashed";
      readonly crash: Crash;
      readonly phase: Phase | "gone";
      readonly leftover: boolean;
      /** The pool itself was ending the thread, because of the attempt before this one. */
      readonly terminated: boolean;
    };

export interface AssignmentServices {
  readonly slots: Slots;
  readonly threads: Threads;
  readonly clock: Clock;
}

export interface AssignmentLimits {
  /** Until a thread takes it up. */
  readonly startMs: number;
  /** For the import of all modules. */
  readonly loadMs: number;
  /** From the call of the handler; Infinity = none. */
  readonly timeoutMs: number;
  /** From the time-out to the end of the thread. */
  readonly graceMs: number;
}

/** The thread tells nobody when it begins, so a time-out is looked for at least this far apart until it has. */
const LOOK_MS_MIN = 10;

/**
 * One use of one slot: an attempt (or a description) from its way to a thread until the thread is free again. Watches
 * its limits, stops it on request, and ends its thread when it does not stop.
 */
export class Assignment {
  /** How it ended. Resolves as soon as that is certain; never rejects. */
  readonly ended: Promise<AssignmentEnd>;
  /** Resolves when its slot may be used again. */
  readonly released: Promise<void>;

  readonly #request: AttemptRequest | DescribeRequest;
  readonly #services: AssignmentServices;
  readonly #limits: AssignmentLimits;
  readonly #settle: (end: AssignmentEnd) => void;
  #watch: Timer | null = null;
  #stop: { readonly cause: StopCause; killAtMs: number; kill: Timer | null; terminated: boolean } | null =
    null;

  constructor(
    request: AttemptRequest | DescribeRequest,
    services: AssignmentServices,
    limits: AssignmentLimits,
  ) {
    const { promise, resolve } = Promise.withResolvers<AssignmentEnd>();
    this.ended = promise;
    this.#settle = resolve;
    this.#request = request;
    this.#services = services;
    this.#limits = limits;
    services.slots.assign(request.slot, request.token, services.clock.now());
    this.released = this.#run();
    this.#lookAgain(Number.POSITIVE_INFINITY);
  }

  /**
   * Tells it to stop; after the grace its thread is terminated. A second stop can only shorten the grace.
   *
   * @returns false when it has ended already, and then nothing changes
   */
  stop(cause: StopCause, graceMs: number): boolean {
    const { slots, clock, threads } = this.#services;
    const { slot, token } = this.#request;
    const killAtMs = clock.now() + graceMs;
    if (this.#stop === null) {
      const phase = slots.stop(slot, token, cause === "timedOut" ? "timedOut" : "cancelled");
      if (phase === null) return false;
      this.#watch?.cancel();
      this.#stop = { cause, killAtMs: Number.POSITIVE_INFINITY, kill: null, terminated: false };
      if (phase === "assigned") {
        // Nothing of it has run, and nothing will: the thread that takes it up sees the word first.
        this.#settle({ kind: "stopped", cause, terminated: false });
        if (cause === "starting") threads.recover();
        return true;
      }
    }
    this.#killAt(killAtMs);
    return true;
  }

  async #run(): Promise<void> {
    const { slots, threads } = this.#services;
    const { slot, token } = this.#request;
    let end: AssignmentEnd;
    try {
      const reply = await threads.run(this.#request);
      end = { kind: "replied", reply };
    } catch (error) {
      end = {
        kind: "crashed",
        crash: crashOf(error),
        phase: slots.phase(slot, token),
        leftover: slots.endedByLeftover(slot),
        terminated: threads.isTerminated(slots.thread(slot)),
      };
    }
    this.#watch?.cancel();
    const stop = this.#stop;
    stop?.kill?.cancel();
    this.#settle(stop === null ? end : { kind: "stopped", cause: stop.cause, terminated: stop.terminated });
  }

  #killAt(killAtMs: number): void {
    const stop = this.#stop;
    if (stop === null || killAtMs >= stop.killAtMs) return;
    const { slots, threads, clock } = this.#services;
    const { slot, token } = this.#request;
    const kill = (): void => {
      // It has stopped and its reply is on the way: the thread may be given another attempt in this very turn.
      if (slots.phase(slot, token) === "left") return;
      stop.terminated = true;
      threads.terminate(slots.thread(slot));
    };
    stop.kill?.cancel();
    stop.killAtMs = killAtMs;
    if (killAtMs <= clock.now()) kill();
    else stop.kill = clock.at(killAtMs, kill);
  }

  #lookAgain(dueAtMs: number): void {
    const { clock } = this.#services;
    const { startMs, loadMs, timeoutMs } = this.#limits;
    const shortestMs = Math.max(LOOK_MS_MIN, Math.min(startMs, loadMs, timeoutMs));
    this.#watch = clock.at(Math.min(dueAtMs, clock.now() + shortestMs), () => this.#look());
  }

  /** Holds the phase it is in against that phase's limit. */
  #look(): void {
    const { slots } = this.#services;
    const { slot, token } = this.#request;
    const { startMs, loadMs, timeoutMs, graceMs } = this.#limits;
    const phase = slots.phase(slot, token);
    const sinceMs = slots.since(slot);
    if (phase === "assigned") this.#hold(sinceMs + startMs, "starting", 0);
    else if (phase === "loading") this.#hold(sinceMs + loadMs, "loading", 0);
    else if (phase === "running") this.#hold(sinceMs + timeoutMs, "timedOut", graceMs);
  }

  #hold(dueAtMs: number, cause: StopCause, graceMs: number): void {
    const { clock } = this.#services;
    if (dueAtMs <= clock.now()) this.stop(cause, graceMs);
    else if (cause !== "timedOut") this.#lookAgain(dueAtMs);
    else if (dueAtMs < Number.POSITIVE_INFINITY) this.#watch = clock.at(dueAtMs, () => this.#look());
  }
}
