import { availableParallelism } from "node:os";
import type { Scheduler } from "../scope/index.ts";
import { METRICS, createMetricsBlock, type MetricsBlock } from "../telemetry/index.ts";
import { ASLEEP, AWAKE, SharedBell, type Bell } from "./bell.ts";
import { SpinWindow, type Presence } from "./spin.ts";

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
  /** Replaced, never changed: a handler may add or remove a source while the list is walked. */
  #all: readonly Source[] = [];
  readonly #touched = new Set<Source>();

  add(source: Source): void {
    this.#all = [...this.#all, source];
  }

  remove(source: Source): void {
    this.#all = this.#all.filter((each) => each !== source);
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
    for (const source of this.#all) if (source.ready()) return true;
    return false;
  }

  anyExpecting(): boolean {
    for (const source of this.#all) if (source.expecting) return true;
    return false;
  }

  poll(): boolean {
    let worked = false;
    const sources = this.#all;
    for (const source of sources) {
      // One that was removed meanwhile is a link that went down: nothing of it is to be heard any more.
      if (sources !== this.#all && !this.#all.includes(source)) continue;
      if (!source.ready()) continue;
      source.poll();
      worked = true;
    }
    return worked;
  }
}

/** A chain of turns in microtasks is cut after this long, so that timers and I/O of the thread get theirs. */
const CHAIN_MS_MAX = 1;
/**
 * A call after so long a sleep is one by itself, and its answer is not looked for. While this thread looks, the kernel
 * wakes the other on another core; if that sleeps too, the interrupt costs this thread 20 to 30 µs, more than is won.
 * When this thread sleeps as well, the other can have its core.
 */
const ISOLATED_MS = 0.5;
/** A message that comes so soon after a look was given up had been waiting for this thread's core. */
const LATE_MS = 0.06;
/** So many of them in a row are no chance. */
const LATECOMERS_MAX = 8;
/** Longer than the tick of any usual kernel (1 to 4 ms, 10 at most), and seldom. */
const SEPARATION_MS = 10;
const BETWEEN_SEPARATIONS_MS = 200;
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
  readonly #metrics: MetricsBlock;
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
  /** Since when there has been nothing to do; 0 = there has. */
  #idleSinceMs = 0;
  #asleepSinceMs = 0;
  /** When the last look that found nothing ended; 0 = the last look found something. */
  #missedAtMs = 0;
  /** Looks in a row that found nothing, though the message came as soon as this thread slept. */
  #latecomers = 0;
  #separatedAtMs = 0;
  /** What has been waited for since then. */
  #awaited = this.#requests;

  /**
   * @param bell from `createBell`, and no other poller's
   * @param options.metrics counts parks, wakes and spins; that of this thread
   * @param options.cores on which the threads of this process run; default: those of the machine
   */
  constructor(
    bell: SharedArrayBuffer,
    presence: Presence,
    {
      metrics = createMetricsBlock(),
      cores = availableParallelism(),
    }: { metrics?: MetricsBlock; cores?: number } = {},
  ) {
    this.bell = new SharedBell(bell);
    this.#word = new Int32Array(bell, 0, 1);
    this.#presence = presence;
    this.#metrics = metrics;
    this.#cores = cores;
    this.#sleep();
  }

  add(source: Source): void {
    this.#sources.add(source);
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
    if (!this.#asleep) return;
    const nowMs = performance.now();
    this.#idle(nowMs);
    if (this.#awaited !== this.#answers || this.#answers.us === 0) return;
    if (nowMs - this.#asleepSinceMs > ISOLATED_MS) return;
    this.#wake();
    this.#look();
  };

  readonly #onBell = (): void => {
    this.#waiting = false;
    if (this.#closed || !this.#asleep) return;
    this.#metrics.count(METRICS.wakes);
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
    const nowMs = performance.now();
    if (!worked) {
      if (this.#idleSinceMs === 0) this.#idle(nowMs);
      this.#look();
      return;
    }
    if (this.#idleSinceMs !== 0) {
      // For the window of what was waited for: now that it has come, it may be waited for no longer.
      this.#awaited.came((nowMs - this.#idleSinceMs) * 1_000);
      this.#latecomers =
        this.#missedAtMs > 0 && nowMs - this.#missedAtMs < LATE_MS ? this.#latecomers + 1 : 0;
      this.#idleSinceMs = 0;
    }
    this.#next(nowMs);
  };

  /** The next turn comes when the promises of this one have run; after a long chain, when the event loop has turned. */
  #next(nowMs: number): void {
    if (nowMs - this.#chainStartMs > CHAIN_MS_MAX) setImmediate(this.#afterLoop);
    else queueMicrotask(this.#turn);
  }

  /** From now on there is nothing to do. */
  #idle(nowMs: number): void {
    this.#idleSinceMs = nowMs;
    this.#awaited = this.#sources.anyExpecting() ? this.#answers : this.#requests;
  }

  /** Nothing is there: look for more while it is worth it, then sleep. */
  #look(): void {
    const windowMs = this.#awaited.us / 1_000;
    this.#missedAtMs = 0;
    if (windowMs > 0 && this.#presence.allowsSpinning(this.#cores)) {
      const untilMs = this.#untilMs(windowMs);
      do {
        for (let look = 0; look < LOOKS_PER_CLOCK; look++) {
          if (this.#sources.anyReady()) {
            this.#awaited.hit();
            this.#metrics.count(METRICS.spinsHit);
            this.#turn();
            return;
          }
          Atomics.pause();
        }
      } while (performance.now() < untilMs);
      this.#missedAtMs = performance.now();
      this.#awaited.missed();
      this.#metrics.count(METRICS.spinsMissed);
    }
    this.#sleep();
  }

  /**
   * Until when to look. Where the kernel has put both threads on one core, the other cannot run while this one looks,
   * and both stay there as long as they take turns. Looking on for longer than the kernel's tick makes it see two
   * threads that want to run, and move one.
   */
  #untilMs(windowMs: number): number {
    const nowMs = performance.now();
    if (this.#latecomers < LATECOMERS_MAX || nowMs - this.#separatedAtMs < BETWEEN_SEPARATIONS_MS)
      return nowMs + windowMs;
    this.#latecomers = 0;
    this.#separatedAtMs = nowMs;
    return nowMs + SEPARATION_MS;
  }

  /** Begins a new chain of turns. */
  #wake(): void {
    this.#asleep = false;
    Atomics.store(this.#word, 0, AWAKE);
    this.#presence.awake = true;
    this.#chainStartMs = performance.now();
  }

  #sleep(): void {
    this.#asleep = true;
    this.#asleepSinceMs = performance.now();
    Atomics.store(this.#word, 0, ASLEEP);
    this.#presence.awake = false;
    if (this.#sources.anyReady()) {
      this.#stayAwake();
      return;
    }
    // An earlier wait on this word may still be pending, and will do.
    if (!this.#waiting) {
      const wait = Atomics.waitAsync(this.#word, 0, ASLEEP);
      if (!wait.async) {
        this.#stayAwake();
        return;
      }
      this.#waiting = true;
      void wait.value.then(this.#onBell);
    }
    this.#metrics.count(METRICS.parks);
  }

  /** Something came in the last moment. The chain goes on: one that began anew here might never let the loop turn. */
  #stayAwake(): void {
    this.#asleep = false;
    Atomics.store(this.#word, 0, AWAKE);
    this.#presence.awake = true;
    this.#next(performance.now());
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
    this.#sources.add(source);
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
