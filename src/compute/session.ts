import { LIMITS } from "../errors/index.ts";
import type { AssignmentEnd, AssignmentServices, StopCause } from "./assignment.ts";
import { culpritOf, verdictOn, type Death, type Present } from "./blame.ts";
import { chunkOf, repliesOf, type Report } from "./chunk.ts";
import { crashOf } from "./crash.ts";
import type { FromShared } from "./shared-thread.ts";
import { LOOK_MS, Pulse } from "./pulse.ts";
import { SharedState, type Culprit } from "./shared-state.ts";
import type { Phase } from "./slots.ts";
import type { AttemptRequest, ThreadMessage } from "./thread-message.ts";
import type { SharedLink } from "./threads.ts";

/** One attempt on its way through shared threads. */
export interface SharedRun {
  readonly request: Omit<AttemptRequest, "slot">;
  /** Where it is; meaningless while it waits. */
  slot: number;
  stop: {
    readonly cause: StopCause;
    killAtMs: number;
    /** The look that was asked for with it: once that is answered, the attempt could have heeded it. */
    look: number;
  } | null;
  /** How often it was taken back before anything of it had run. */
  returns: number;
  /** @param module index of the module that was being imported; -1 for none */
  settle(end: AssignmentEnd, module: number): void;
}

export interface SessionTerms {
  readonly startMs: number;
  readonly loadMs: number;
  readonly graceMs: number;
  /** Words for a crash. */
  readonly textOf: (crash: Death["crash"]) => string;
}

/** Who owns the sessions. */
export interface SessionOwner {
  /** It may have room again. */
  onRoom(): void;
  /** How long an attempt kept the thread when it was taken up. */
  onTurn(action: string, turnMs: number): void;
  /** Not begun: to be run elsewhere, in this order and before all others. */
  onBack(runs: readonly SharedRun[]): void;
  onSuspect(run: SharedRun): void;
  onMessage(message: ThreadMessage): void;
  /** Somebody's time may be up then. */
  onDue(atMs: number): void;
}

/** Work that is sent ahead, so that the thread has something to do until the next lot comes. */
const AHEAD_MS = 2;
/** Others share the thread: who is to stop at once has so long to notice, if it waits. */
const GRACE_MS_MIN = 100;
const LOOK_MS_MIN = 10;

/**
 * One life of a shared thread, seen from the pool: its slots, what has been sent ahead, whose time is up, and who pays
 * when it ends.
 */
export class Session {
  /** Resolves when its thread is free or gone, and everything on it settled or given back. */
  readonly ended: Promise<void>;
  readonly #home: number;
  readonly #size: number;
  readonly #token: number;
  readonly #services: AssignmentServices;
  readonly #terms: SessionTerms;
  readonly #owner: SessionOwner;
  readonly #state = new SharedState();
  readonly #link: SharedLink;
  readonly #runs = new Map<number, SharedRun>();
  readonly #free: number[];
  /** What the thread has not passed yet, in its order. */
  #ahead: { readonly run: SharedRun; readonly slot: number; readonly expectedMs: number }[] = [];
  #aheadMs = 0;
  #outgoing: AttemptRequest[] = [];
  /** Something had to be taken back from it, and it has not passed anything since. */
  #kept = false;
  readonly #pulse: Pulse;
  #killedFor: Culprit | "closing" | null = null;
  #closed = false;
  #idleSinceMs: number;

  /** @param home its own slot; the slots of its attempts follow it */
  constructor(
    { home, token, size }: { readonly home: number; readonly token: number; readonly size: number },
    services: AssignmentServices,
    terms: SessionTerms,
    owner: SessionOwner,
  ) {
    const { slots, threads, clock } = services;
    this.#home = home;
    this.#size = size;
    this.#token = token;
    this.#services = services;
    this.#terms = terms;
    this.#owner = owner;
    this.#free = Array.from({ length: size }, (_, index) => home + size - index);
    this.#idleSinceMs = clock.now();
    slots.assign(home, token, clock.now());
    this.#link = threads.share({ kind: "share", slot: home, token, state: this.#state.buffer }, (message) =>
      this.#hear(message),
    );
    this.#pulse = new Pulse(this.#state, (look) => this.#link.post({ look }));
    this.ended = this.#follow();
  }

  /** The thread is there and takes attempts up. */
  get isOpen(): boolean {
    return this.#services.slots.phase(this.#home, this.#token) === "running";
  }

  get hasRoom(): boolean {
    return !this.#closed && !this.#kept && this.#free.length > 0 && this.#aheadMs < AHEAD_MS;
  }

  /** Milliseconds, on the clock's scale, since when it has nothing to do; Infinity when it has. */
  get idleSinceMs(): number {
    return this.#closed || this.#runs.size > 0 ? Number.POSITIVE_INFINITY : this.#idleSinceMs;
  }

  get isWaitedFor(): boolean {
    return this.#ahead.length > 0;
  }

  give(run: SharedRun, expectedMs: number): void {
    const { slots, clock } = this.#services;
    const slot = this.#free.pop() ?? 0;
    run.slot = slot;
    slots.assign(slot, run.request.token, clock.now());
    this.#runs.set(slot, run);
    this.#ahead.push({ run, slot, expectedMs });
    this.#aheadMs += expectedMs;
    // What is given in one go leaves together.
    if (this.#outgoing.push({ ...run.request, slot }) === 1) queueMicrotask(() => this.#send());
    const { startMs, loadMs } = this.#terms;
    this.#owner.onDue(clock.now() + Math.min(startMs, loadMs, run.request.timeoutMs, LOOK_MS));
  }

  has(run: SharedRun): boolean {
    return this.#runs.get(run.slot) === run;
  }

  /** As `Assignment.stop`. */
  stop(run: SharedRun, cause: StopCause, graceMs: number): boolean {
    const { slots, clock } = this.#services;
    const { slot } = run;
    const killAtMs = clock.now() + (cause === "closing" ? graceMs : Math.max(graceMs, GRACE_MS_MIN));
    if (run.stop === null) {
      const phase = slots.stop(slot, run.request.token, cause === "timedOut" ? cause : "cancelled");
      if (phase === null) return false;
      run.stop = { cause, killAtMs, look: this.#pulse.ask(clock.now()) };
      if (phase === "assigned") {
        this.#remove(run);
        run.settle({ kind: "stopped", cause, terminated: false }, -1);
        return true;
      }
    } else run.stop.killAtMs = Math.min(run.stop.killAtMs, killAtMs);
    this.#owner.onDue(run.stop.killAtMs);
    return true;
  }

  stopAll(graceMs: number): void {
    this.#closed = true;
    for (const run of [...this.#runs.values()]) this.stop(run, "closing", graceMs);
    this.#closeIfDone();
  }

  /** Takes no more attempts; its thread is free once it has none. */
  close(): void {
    this.#closed = true;
    this.#closeIfDone();
  }

  /**
   * Takes back what was given before `beforeMs` and has not begun: the thread is kept by something else.
   *
   * @returns false when there was nothing
   */
  takeBack(beforeMs: number): boolean {
    const { slots } = this.#services;
    if (!this.isOpen) return false;
    const back = this.#ahead.flatMap(({ run, slot }) =>
      this.#runs.get(slot) === run && slots.since(slot) <= beforeMs && slots.withdraw(slot, run.request.token)
        ? [run]
        : [],
    );
    if (back.length === 0) return false;
    this.#kept = true;
    for (const run of back) this.#remove(run);
    this.#owner.onBack(back);
    return true;
  }

  /** Holds everybody against the limits of its phase. Returns when that has to be done again. */
  patrol(nowMs: number): number {
    if (this.#runs.size === 0 || this.#killedFor !== null) return Number.POSITIVE_INFINITY;
    let nextMs = this.#checkPulse(nowMs);
    for (const run of [...this.#runs.values()]) {
      if (run.stop === null) {
        const { dueAtMs, cause } = this.#dueOf(run);
        if (dueAtMs > nowMs) {
          nextMs = Math.min(nextMs, dueAtMs, this.#beginsBy(run, nowMs));
          continue;
        }
        this.stop(run, cause, cause === "timedOut" ? this.#terms.graceMs : 0);
        if (cause === "starting") this.#services.threads.recover();
      }
      if (run.stop === null || !this.has(run)) continue;
      if (run.stop.killAtMs <= nowMs) this.#killFor(run);
      else nextMs = Math.min(nextMs, run.stop.killAtMs);
    }
    return nextMs;
  }

  #dueOf({ slot, request }: SharedRun): { readonly dueAtMs: number; readonly cause: StopCause } {
    const { slots } = this.#services;
    const { startMs, loadMs } = this.#terms;
    const phase = slots.phase(slot, request.token);
    const sinceMs = slots.since(slot);
    if (phase === "assigned") return { dueAtMs: sinceMs + startMs, cause: "starting" };
    if (phase === "loading") return { dueAtMs: sinceMs + loadMs, cause: "loading" };
    return { dueAtMs: phase === "running" ? sinceMs + request.timeoutMs : Infinity, cause: "timedOut" };
  }

  /** The thread tells nobody when an attempt begins, so its time-out is looked for in time from now on. */
  #beginsBy({ slot, request }: SharedRun, nowMs: number): number {
    const isRunning = this.#services.slots.phase(slot, request.token) === "running";
    return isRunning ? Infinity : nowMs + Math.max(LOOK_MS_MIN, request.timeoutMs);
  }

  /** A thread that answers no look for long, while others wait on it, is ended for whoever keeps it. */
  #checkPulse(nowMs: number): number {
    if (!this.isOpen) return Number.POSITIVE_INFINITY;
    const silentMs = this.#pulse.check(nowMs);
    if (silentMs >= LIMITS.compute.sharedTurnMs && this.#runs.size > 1 && !this.#isLoading) {
      this.#kill(this.#state.executing() ?? "unknown");
    }
    return nowMs + LOOK_MS;
  }

  get #isLoading(): boolean {
    const { slots } = this.#services;
    return this.#runs.values().some(({ slot, request }) => slots.phase(slot, request.token) === "loading");
  }

  /** It has not heeded its stop, or could not, because something else keeps the thread. */
  #killFor({ slot, request, stop }: SharedRun): void {
    if (this.#services.slots.phase(slot, request.token) === "left") return;
    const executing = this.#state.executing();
    const couldHeed = this.#pulse.hasAnswered(stop?.look ?? 0) || executing === slot;
    if (stop?.cause === "closing") this.#kill("closing");
    else if (stop?.cause === "loading") this.#kill("modules");
    else this.#kill(couldHeed ? slot : (executing ?? "unknown"));
  }

  #kill(culprit: Culprit | "closing"): void {
    if (this.#killedFor !== null) return;
    this.#killedFor = culprit;
    this.#closed = true;
    const { slots, threads } = this.#services;
    threads.terminate(slots.thread(this.#home));
  }

  #send(): void {
    const requests = this.#outgoing;
    this.#outgoing = [];
    this.#link.post(chunkOf(requests));
  }

  #hear(message: FromShared): void {
    if (message.kind === "mcplusplus.report") this.#read(message);
    else this.#owner.onMessage(message);
  }

  #read(report: Report): void {
    const { slots } = this.#services;
    if (report.passed > 0) this.#kept = false;
    for (const { run, slot, expectedMs } of this.#ahead.splice(0, report.passed)) {
      this.#aheadMs -= expectedMs;
      if (this.#runs.get(slot) === run) this.#owner.onTurn(run.request.action, slots.turnMs(slot));
      // It was withdrawn, and only now can nobody confuse it with the next one on its slot.
      else this.#release(slot);
    }
    if (this.#ahead.length === 0) this.#aheadMs = 0;
    for (const { slot, reply } of repliesOf(report)) {
      const run = this.#runs.get(slot);
      if (run === undefined) continue;
      const module = slots.module(slot);
      this.#remove(run);
      this.#release(slot);
      const { stop } = run;
      run.settle(
        stop === null
          ? { kind: "replied", reply }
          : { kind: "stopped", cause: stop.cause, terminated: false },
        module,
      );
    }
    this.#closeIfDone();
    this.#owner.onRoom();
  }

  #release(slot: number): void {
    this.#services.slots.release(slot);
    this.#free.push(slot);
  }

  #remove(run: SharedRun): void {
    this.#runs.delete(run.slot);
    if (this.#runs.size === 0) this.#idleSinceMs = this.#services.clock.now();
  }

  #closeIfDone(): void {
    if (this.#closed && this.#runs.size === 0) this.#link.post("close");
  }

  async #follow(): Promise<void> {
    const { slots } = this.#services;
    try {
      await this.#link.ended;
    } catch (error) {
      this.#bury(error);
    }
    this.#closed = true;
    // It closed, or never began: nothing of what is left has run.
    this.#giveBack([...this.#runs.values()], "its shared thread has closed");
    for (let slot = this.#home; slot <= this.#home + this.#size; slot++) slots.release(slot);
  }

  #bury(error: unknown): void {
    this.#closed = true;
    const { slots, clock } = this.#services;
    const crash = crashOf(error);
    const how = this.#terms.textOf(crash);
    const death: Death = {
      crash,
      how,
      killedFor: this.#killedFor,
      noted: this.#state.culprit(),
      executing: this.#state.executing(),
      turnMs: clock.now() - this.#state.turnSince(),
    };
    const present = this.#runs
      .values()
      .map((run) => ({ run, ...presentOf(run, slots) }))
      .toArray();
    const culprit = culpritOf(death, present);
    const loading = present.filter(({ phase, stopped }) => phase === "loading" || stopped === "loading");
    const module = Math.max(-1, ...loading.map(({ slot }) => slots.module(slot)));
    const back: SharedRun[] = [];
    for (const each of present) {
      const verdict = verdictOn(each, culprit, death);
      if (verdict.kind === "back") {
        back.push(each.run);
        continue;
      }
      this.#runs.delete(each.slot);
      if (verdict.suspect) this.#owner.onSuspect(each.run);
      each.run.settle(verdict.end, module);
    }
    this.#giveBack(back, how);
  }

  /** An attempt that is taken back again and again has no thread that lives long enough to begin it. */
  #giveBack(runs: readonly SharedRun[], how: string): void {
    const back: SharedRun[] = [];
    for (const run of runs) {
      this.#runs.delete(run.slot);
      run.returns += 1;
      if (run.stop !== null) run.settle({ kind: "stopped", cause: run.stop.cause, terminated: false }, -1);
      else if (run.returns > RETURNS_MAX) {
        run.settle({ kind: "interrupted", why: `its thread ended before it began: ${how}` }, -1);
      } else back.push(run);
    }
    if (back.length > 0) this.#owner.onBack(back);
  }
}

const RETURNS_MAX = 3;

function presentOf(
  { slot, request, stop }: SharedRun,
  slots: AssignmentServices["slots"],
): Present & { readonly phase: Phase | "gone" } {
  return { slot, phase: slots.phase(slot, request.token), stopped: stop?.cause ?? null };
}
