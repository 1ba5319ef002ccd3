import { availableParallelism } from "node:os";
import type { Scheduler } from "../scope/index.ts";
import { ASLEEP, AWAKE, SharedBell, type Bell } from "./bell.ts";
import { Presence, SpinWindow } from "./spin.ts";

/**
 * What a poller looks after: one end of a link. All methods are called on the poller's thread, never reentrantly.
 */
export interface Source {
  /** Is there something to read, or room that was waited for? Called in the spin loop: a load or two. */
  ready(): boolean;
  /** Handles a bounded number of frames. */
  poll(): void;
  /** Publishes what was written since the last flush and rings the other side's bell. */
  flush(): void;
  /** Is an answer under way, so that looking for it may be worth it? */
  readonly expecting: boolean;
}

/** Drives the links of one thread, or of one inline actor. */
export interface Poller {
  /** What the other side rings after publishing. */
  readonly bell: Bell;
  add(source: Source): void;
  remove(source: Source): void;
  /** The source has written: it is flushed once, at the end of this turn. */
  touch(source: Source): void;
  close(): void;
}

/** Sources and who of them has written: what both pollers share. */
class Sources {
  readonly all: Source[] = [];
  readonly #touched = new Set<Source>();

  remove(source: Source): void {
    const index = this.all.indexOf(source);
    if (index >= 0) this.all.splice(index, 1);
    this.#touched.delete(source);
  }

  touch(source: Source): void {
    this.#touched.add(source);
  }

  flush(): void {
    if (this.#touched.size === 0) return;
    for (const source of this.#touched) source.flush();
    this.#touched.clear();
  }

  anyReady(): boolean {
    for (const source of this.all) if (source.ready()) return true;
    return false;
  }

  anyExpecting(): boolean {
    for (const source of this.all) if (source.expecting) return true;
    return false;
  }

  poll(): boolean {
    let worked = false;
    // A handler may remove a source (a link that went down) while the list is walked.
    for (const source of [...this.all]) {
      if (!source.ready()) continue;
      source.poll();
      worked = true;
    }
    return worked;
  }
}

/** A chain of turns in microtasks is cut after this long, so that timers and I/O of the thread get theirs. */
const CHAIN_MS_MAX = 1;
/** The clock is read once in so many looks: reading it costs as much as four looks. */
const LOOKS_PER_CLOCK = 16;

/**
 * Drives the links of a thread that has an event loop: handles what has come, looks for more for a bounded, adaptive
 * time, then sleeps on the thread's bell without blocking the loop (`Atomics.waitAsync`).
 *
 * A pending `waitAsync` does not keep an event loop alive: whoever owns the thread holds a referenced handle (the
 * control port, or the supervisor's Worker).
 */
export class ThreadPoller implements Poller {
  readonly bell: Bell;
  readonly #word: Int32Array;
  readonly #presence: Presence;
  readonly #cores: number;
  readonly #sources = new Sources();
  /** Gaps until an answer comes, and gaps until somebody asks, are different things. */
  readonly #answers = new SpinWindow();
  readonly #requests = new SpinWindow();
  #asleep = true;
  #waiting = false;
  #flushQueued = false;
  #closed = false;
  #chainStartMs = 0;
  #idleSinceMs = 0;

  constructor(bell: SharedArrayBuffer, presence: Presence, cores = availableParallelism()) {
    this.bell = new SharedBell(bell);
    this.#word = new Int32Array(bell, 0, 1);
    this.#presence = presence;
    this.#cores = cores;
    this.#sleep();
  }

  add(source: Source): void {
    this.#sources.all.push(source);
    // It may hold frames from before: they rang a bell that nobody had hung up yet.
    this.bell.ring();
  }

  remove(source: Source): void {
    this.#sources.remove(source);
  }

  touch(source: Source): void {
    this.#sources.touch(source);
    // Awake, the next turn flushes; asleep, nobody would.
    if (this.#flushQueued || !this.#asleep) return;
    this.#flushQueued = true;
    queueMicrotask(this.#flush);
  }

  close(): void {
    this.#closed = true;
    this.#presence.awake = false;
    // Lets a pending wait settle, so that it does not hold on to this object.
    Atomics.store(this.#word, 0, AWAKE);
    Atomics.notify(this.#word, 0);
  }

  readonly #flush = (): void => {
    this.#flushQueued = false;
    if (this.#closed) return;
    this.#sources.flush();
    if (!this.#asleep || !this.#sources.anyExpecting() || this.#answers.us === 0) {
      if (this.#asleep) this.#idleSinceMs = performance.now();
      return;
    }
    this.#wake();
    this.#idleSinceMs = this.#chainStartMs;
    this.#look();
  };

  readonly #onBell = (): void => {
    this.#waiting = false;
    if (this.#closed || !this.#asleep) return;
    this.#wake();
    this.#turn();
  };

  readonly #afterLoop = (): void => {
    this.#chainStartMs = performance.now();
    this.#turn();
  };

  /** One turn: handle what is there, then let the handlers' promises run before the next. */
  readonly #turn = (): void => {
    if (this.#closed) return;
    const worked = this.#sources.poll();
    this.#sources.flush();
    if (!worked) {
      if (this.#idleSinceMs === 0) this.#idleSinceMs = performance.now();
      this.#look();
      return;
    }
    const nowMs = performance.now();
    if (this.#idleSinceMs !== 0) {
      this.#window().came((nowMs - this.#idleSinceMs) * 1_000);
      this.#idleSinceMs = 0;
    }
    if (nowMs - this.#chainStartMs > CHAIN_MS_MAX) setImmediate(this.#afterLoop);
    else queueMicrotask(this.#turn);
  };

  #window(): SpinWindow {
    return this.#sources.anyExpecting() ? this.#answers : this.#requests;
  }

  /** Nothing is there: look for more while it is worth it, then sleep. */
  #look(): void {
    const window = this.#window();
    const windowMs = window.us / 1_000;
    if (windowMs > 0 && this.#presence.allowsSpinning(this.#cores)) {
      const untilMs = performance.now() + windowMs;
      do {
        for (let look = 0; look < LOOKS_PER_CLOCK; look++) {
          if (this.#sources.anyReady()) {
            window.hit();
            this.#turn();
            return;
          }
          Atomics.pause();
        }
      } while (performance.now() < untilMs);
      window.missed();
    }
    this.#sleep();
  }

  #wake(): void {
    this.#asleep = false;
    Atomics.store(this.#word, 0, AWAKE);
    this.#presence.awake = true;
    this.#chainStartMs = performance.now();
  }

  #sleep(): void {
    this.#asleep = true;
    Atomics.store(this.#word, 0, ASLEEP);
    this.#presence.awake = false;
    if (this.#sources.anyReady()) {
      this.#wake();
      queueMicrotask(this.#turn);
      return;
    }
    if (this.#waiting) return; // an earlier wait on this word is still pending, and will do
    this.#waiting = true;
    const wait = Atomics.waitAsync(this.#word, 0, ASLEEP);
    if (wait.async) void wait.value.then(this.#onBell);
    else queueMicrotask(this.#onBell);
  }
}

/**
 * Drives the links of an inline actor: the same turns, but when one runs is the scheduler's choice, so that a
 * simulation can order the turns of all actors by a seed. It neither spins nor sleeps.
 */
export class InlinePoller implements Poller {
  readonly bell: Bell = { ring: () => this.#schedule() };
  readonly #scheduler: Scheduler;
  readonly #sources = new Sources();
  #scheduled = false;
  #closed = false;

  constructor(scheduler: Scheduler) {
    this.#scheduler = scheduler;
  }

  add(source: Source): void {
    this.#sources.all.push(source);
    this.#schedule();
  }

  remove(source: Source): void {
    this.#sources.remove(source);
  }

  touch(source: Source): void {
    this.#sources.touch(source);
    this.#schedule();
  }

  close(): void {
    this.#closed = true;
  }

  #schedule(): void {
    if (this.#scheduled || this.#closed) return;
    this.#scheduled = true;
    this.#scheduler.schedule(() => {
      this.#scheduled = false;
      if (this.#closed) return;
      const worked = this.#sources.poll();
      this.#sources.flush();
      if (worked) this.#schedule();
    });
  }
}
