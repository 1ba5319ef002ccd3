import type { Progress } from "@modelcontextprotocol/server";
import { sentenceOf } from "../errors/index.ts";
import type { Clock, Timer } from "../scope/index.ts";

/** A client that hears nothing for so long may think that nothing happens; most give up after 60 s of that. */
const HEARTBEAT_MS = 5_000;
/** What a heartbeat adds: progress must grow, and nobody knows by how much. */
const HEARTBEAT_STEP = 0.01;
const PERCENT = 100;
/**
 * A client that has the last word and the answer in one read may deal with the answer first. A call that told more than its
 * beginning has taken its time, and what is lost then is the word that it is done.
 */
const YIELD_MS = { begun: 1, reported: 10 };

/**
 * Tells a client how far its call is: once at the beginning, then whatever the call reports, and every five seconds in
 * which it reports nothing. The number grows with every message; it is in percent from the first report on. A client
 * that does not read gets fewer messages, the latest among them, never a queue of them.
 *
 * @see https://modelcontextprotocol.io/specification/2026-07-28/basic/patterns/progress
 */
export class CallProgress {
  readonly #notify: (progress: Progress) => Promise<void>;
  readonly #clock: Clock;
  readonly #onLost: (why: string) => void;
  #value = 0;
  #isPercent = false;
  #message = "started";
  #sending: Promise<void> | undefined;
  /** Something was reported while a message was under way. */
  #hasNews = false;
  #heartbeat: Timer | undefined;
  #isOver = false;

  /** @param onLost told when a message could not be sent: the call goes on */
  constructor(notify: (progress: Progress) => Promise<void>, clock: Clock, onLost: (why: string) => void) {
    this.#notify = notify;
    this.#clock = clock;
    this.#onLost = onLost;
    this.#send();
    this.#beat();
  }

  /** @param fraction 0 to 1 of the whole; one that is no further than what was told moves it by a heartbeat's step */
  report(fraction: number, message: string): void {
    if (this.#isOver) return;
    this.#isPercent = true;
    this.#message = message;
    this.#grow(fraction * PERCENT);
    this.#send();
    this.#beat();
  }

  /** Resolves when all that was told is on its way. Nothing follows. */
  async end(): Promise<void> {
    this.#isOver = true;
    this.#heartbeat?.cancel();
    while (this.#sending !== undefined) await this.#sending;
    const yielded = Promise.withResolvers<void>();
    const pauseMs = this.#isPercent ? YIELD_MS.reported : YIELD_MS.begun;
    this.#clock.at(this.#clock.now() + pauseMs, yielded.resolve);
    await yielded.promise;
  }

  #beat(): void {
    this.#heartbeat?.cancel();
    this.#heartbeat = this.#clock.at(this.#clock.now() + HEARTBEAT_MS, () => {
      this.#grow(0);
      this.#send();
      this.#beat();
    });
  }

  #grow(to: number): void {
    this.#value = rounded(Math.max(to, this.#value + HEARTBEAT_STEP));
  }

  #send(): void {
    this.#hasNews = this.#sending !== undefined;
    if (this.#hasNews) return;
    const progress = {
      progress: this.#value,
      ...(this.#isPercent && { total: Math.max(PERCENT, this.#value) }),
      message: this.#message,
    };
    this.#sending = this.#notify(progress)
      .catch((error: unknown) => this.#onLost(sentenceOf(error)))
      .finally(() => {
        this.#sending = undefined;
        if (this.#hasNews) this.#send();
      });
  }
}

/** To the step of a heartbeat. */
const rounded = (value: number): number => Math.round(value * 100) / 100;
