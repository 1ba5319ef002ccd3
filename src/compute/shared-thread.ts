import type { Clock } from "../scope/index.ts";
import { reportOf, requestsOf, type Chunk, type Report, type SlotReply } from "./chunk.ts";
import type { SharedState } from "./shared-state.ts";
import type { Slots } from "./slots.ts";
import type { AttemptRequest, ThreadMessage, ThreadReply } from "./thread-message.ts";

/** What a shared thread is told: attempts to take up, a look to answer, or to close once it has nothing to do. */
export type ToShared = Chunk | { readonly look: number } | "close";
export type FromShared = Report | ThreadMessage;

/** The thread's end of the line to the pool. */
export interface SharedPort {
  postMessage(message: FromShared): void;
  on(event: "message", hear: (message: ToShared) => void): void;
  close(): void;
}

export interface SharedServices {
  readonly slots: Slots;
  readonly clock: Clock;
  readonly state: SharedState;
  readonly port: SharedPort;
  /** Null when it had been withdrawn. Runs up to the handler's first wait within the call. */
  readonly attempt: (request: AttemptRequest) => Promise<ThreadReply> | null;
}

/** After so long of taking attempts up, those that run already have their turn. */
const TURN_MS = 1;

/**
 * The thread's side of a shared thread: takes attempts up in their order and reports what came of them, once in a
 * turn of the event loop.
 */
export class SharedThread {
  /** Resolves when the pool has closed it. */
  readonly closed: Promise<void>;
  readonly #services: SharedServices;
  #backlog: AttemptRequest[] = [];
  #next = 0;
  #working = false;
  #passed = 0;
  #replies: SlotReply[] = [];
  #reporting = false;

  constructor(services: SharedServices) {
    this.#services = services;
    const { promise, resolve } = Promise.withResolvers<void>();
    this.closed = promise;
    const { port, state } = services;
    port.on("message", (message) => {
      if (message === "close") {
        port.close();
        resolve();
      } else if ("look" in message) state.answer(message.look);
      else this.#take(requestsOf(message));
    });
  }

  /** Also called when the thread is about to end: what is done by then is not lost. */
  report(): void {
    this.#reporting = false;
    if (this.#passed === 0 && this.#replies.length === 0) return;
    const report = reportOf(this.#passed, this.#replies);
    this.#passed = 0;
    this.#replies = [];
    this.#services.port.postMessage(report);
  }

  #take(requests: AttemptRequest[]): void {
    this.#backlog = this.#backlog.slice(this.#next).concat(requests);
    this.#next = 0;
    if (this.#working) return;
    this.#working = true;
    void this.#work();
  }

  async #work(): Promise<void> {
    const { slots, clock } = this.#services;
    const yieldAtMs = clock.now() + TURN_MS;
    let beforeMs = clock.now();
    for (;;) {
      const request = this.#backlog[this.#next];
      if (request === undefined) break;
      this.#next += 1;
      this.#passed += 1;
      this.#reportSoon();
      this.#start(request);
      // What has been taken up goes on a little before the next one is called, which may keep or end the thread.
      await Promise.resolve();
      const nowMs = clock.now();
      slots.noteTurn(request.slot, nowMs - beforeMs);
      beforeMs = nowMs;
      if (nowMs >= yieldAtMs) return void setImmediate(() => void this.#work());
    }
    this.#working = false;
  }

  #start(request: AttemptRequest): void {
    const { slots, clock, state, attempt } = this.#services;
    const { slot, token } = request;
    const before = state.enter(slot, clock.now());
    const reply = attempt(request);
    state.leave(before);
    void reply?.then((reply) => {
      if (reply.kind === "stopped") slots.leave(slot, token);
      this.#replies.push({ slot, reply });
      this.#reportSoon();
    });
  }

  #reportSoon(): void {
    if (this.#reporting) return;
    this.#reporting = true;
    setImmediate(() => this.report());
  }
}
