import { LIMITS, fault, isFault } from "../errors/index.ts";
import type { Clock, Scheduler, Timer } from "../scope/index.ts";
import type { Asking } from "./peer-line.ts";
import { ServedAttempt } from "./served-attempt.ts";
import type { Shelf } from "./shelf.ts";
import { METHOD, readTold, writeTell, type EndItem, type StartItem, type Tell } from "./wire.ts";

export interface AskerServices {
  readonly line: Asking;
  readonly shelf: Shelf;
  readonly clock: Clock;
  readonly scheduler: Scheduler;
  /** Of this node's actor. */
  readonly life: number;
  readonly roomOf: (peerId: string) => number;
  /** The peer has taken note of how a task ended, or it need not. */
  readonly onForgotten: (peerId: string) => void;
  /** Tells a handler to stop. */
  readonly stopHandler: (asker: Asker, attempt: ServedAttempt) => void;
}

/** A shorter lease would have this node do little else than say that it is alive. */
const LEASE_MS_MIN = 300;
const WHY_SILENT = "the node whose task it is has not been heard for the time of its lease";

/**
 * A peer whose tasks are carried out here: what it has here, and what it is told of that. One message is on its way to it
 * at a time, and the next has all that has come to be said meanwhile: so many short tasks that end share a message.
 */
export class Asker {
  readonly peerId: string;
  /** By the token of its lease. */
  readonly attempts = new Map<number, ServedAttempt>();
  readonly #services: AskerServices;
  /** Of the peer's actor. */
  #life: number;
  #leaseMs = LEASE_MS_MIN;
  #sequence = 0;
  #heardAtMs: number;
  /** The room that it was told last. */
  toldRoom = 0;
  /** It is not connected. */
  isAway = false;
  #isTelling = false;
  #hasNews = false;
  #isBeatDue = false;
  #beat: Timer | null = null;
  #progress: Timer | null = null;

  constructor(peerId: string, life: number, services: AskerServices) {
    this.peerId = peerId;
    this.#life = life;
    this.#services = services;
    this.#heardAtMs = services.clock.now();
  }

  get sequence(): number {
    return this.#sequence;
  }

  /** Attempts whose handlers may be at work. */
  get running(): number {
    let running = 0;
    for (const { end } of this.attempts.values()) if (end === null) running += 1;
    return running;
  }

  /** It has said something, whatever that was. */
  heard(): void {
    this.#heardAtMs = this.#services.clock.now();
  }

  /** What its earlier life had here is nobody's any more. */
  greeted(life: number, leaseMs: number): void {
    this.heard();
    this.#leaseMs = Math.max(LEASE_MS_MIN, leaseMs);
    if (life === this.#life) return;
    this.abandon(fault("CANCELLED", { what: "the task of a peer", reason: "its node was restarted" }));
    this.#life = life;
  }

  isOfLife(life: number): boolean {
    return life === this.#life;
  }

  begin(item: StartItem): ServedAttempt {
    const attempt = new ServedAttempt(item);
    this.attempts.set(item.token, attempt);
    this.#beat ??= this.#nextBeat();
    return attempt;
  }

  /** A message with tasks was taken in. */
  begun(): void {
    this.#sequence += 1;
  }

  /** Is it still to be told how this ended? */
  has(attempt: ServedAttempt): boolean {
    return this.attempts.get(attempt.item.token) === attempt;
  }

  ended(attempt: ServedAttempt, end: EndItem): void {
    attempt.end = end;
    attempt.progress = null;
    if (this.has(attempt)) this.tell();
    else this.#services.shelf.clear(this.peerId, attempt.item.token);
  }

  progressed(token: number, fraction: number, message: string): void {
    const attempt = this.attempts.get(token);
    if (attempt === undefined || attempt.end !== null) return;
    attempt.progress = { fraction, message };
    const { clock } = this.#services;
    this.#progress ??= clock.at(clock.now() + LIMITS.remote.progressMs, () => {
      this.#progress = null;
      this.tell();
    });
  }

  stop(tokens: Iterable<number>, reason: Error): void {
    for (const token of tokens) {
      const attempt = this.attempts.get(token);
      if (attempt === undefined || attempt.end !== null || attempt.isStopping) continue;
      attempt.stop(reason);
      if (attempt.isRunning) this.#services.stopHandler(this, attempt);
    }
  }

  /** All that it has is stopped, and nobody is told how it ends. Returns how many were at work. */
  abandon(reason: Error): number {
    const { running } = this;
    this.stop([...this.attempts.keys()], reason);
    for (const token of [...this.attempts.keys()]) this.#forget(token);
    return running;
  }

  close(): void {
    this.#beat?.cancel();
    this.#progress?.cancel();
  }

  /** It was told that there is no room, and there is. */
  get isStarved(): boolean {
    return this.toldRoom === 0 && this.#services.roomOf(this.peerId) > 0;
  }

  /** There is something to say. */
  tell(): void {
    this.#hasNews = true;
    if (this.#isTelling) return;
    this.#isTelling = true;
    // What else ends in this turn goes with it.
    this.#services.scheduler.schedule(() => void this.#tellAll());
  }

  async #tellAll(): Promise<void> {
    try {
      while (this.#hasNews) await this.#tellOnce();
    } catch (error) {
      if (!isFault(error)) throw error;
      // It is told again with the next sign of life, if there is one.
      for (const attempt of this.attempts.values()) attempt.wasTold = false;
    } finally {
      this.#isTelling = false;
    }
  }

  async #tellOnce(): Promise<void> {
    const { line } = this.#services;
    const tell = this.#compose();
    const body = await line.ask(this.peerId, METHOD.tell, writeTell(tell), { timeoutMs: this.#leaseMs / 3 });
    const { forget, stop } = readTold(this.peerId, body);
    this.heard();
    for (const token of forget) if (this.attempts.get(token)?.end) this.#forget(token);
    this.stop(stop, fault("CANCELLED", { what: "the task of a peer", reason: "its node has taken it back" }));
  }

  #compose(): Tell {
    const isBeat = this.#isBeatDue;
    this.#isBeatDue = false;
    this.#hasNews = false;
    const ends: EndItem[] = [];
    const progress: { token: number; fraction: number; message: string }[] = [];
    let sizeBytes = 0;
    for (const [token, attempt] of this.attempts) {
      if (attempt.progress !== null) progress.push({ token, ...attempt.progress });
      attempt.progress = null;
      const { end } = attempt;
      if (end === null || (attempt.wasTold && !isBeat)) continue;
      if (ends.length >= LIMITS.remote.batchTasks || sizeBytes >= LIMITS.remote.batchBytes) {
        this.#hasNews = true;
        continue;
      }
      ends.push(end);
      attempt.wasTold = true;
      sizeBytes += sizeOf(end);
    }
    this.toldRoom = this.#services.roomOf(this.peerId);
    const { life } = this.#services;
    const held = isBeat ? [...this.attempts.keys()] : null;
    return { life, sequence: this.#sequence, room: this.toldRoom, held, progress, ends };
  }

  #forget(token: number): void {
    const attempt = this.attempts.get(token);
    if (attempt === undefined) return;
    this.attempts.delete(token);
    if (attempt.end !== null) this.#services.shelf.clear(this.peerId, token);
    this.#services.onForgotten(this.peerId);
  }

  #nextBeat(): Timer {
    const { clock } = this.#services;
    return clock.at(clock.now() + this.#leaseMs / 3, () => {
      this.#beat = null;
      if (clock.now() - this.#heardAtMs >= this.#leaseMs) {
        this.abandon(fault("CANCELLED", { what: "the task of a peer", reason: WHY_SILENT }));
      }
      if (this.attempts.size === 0) return;
      this.#isBeatDue = true;
      this.tell();
      this.#beat = this.#nextBeat();
    });
  }
}

/** About what it takes in a message. */
function sizeOf({ output, error }: EndItem): number {
  if (output instanceof Uint8Array) return output.byteLength + 16;
  return error === null ? 96 : 2 * error.message.length + 512;
}
