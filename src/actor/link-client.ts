import { fault, type Fault } from "../errors/index.ts";
import type { Bell, Poller, Source } from "../ring/index.ts";
import { CallerEnd, type CallerPlace } from "./caller-end.ts";
import { Inbound } from "./inbound.ts";
import type { Link } from "./link.ts";
import { Outbound, type Message } from "./outbound.ts";

/** What an end of a link needs from the place where it lives. */
export interface Place extends CallerPlace {
  readonly poller: Poller;
}

/** The caller's end of a link within one process: messages travel through the two rings of the link. */
export class LinkClient extends CallerEnd implements Source {
  readonly shared: SharedArrayBuffer | null;
  readonly #poller: Poller;
  readonly #outbound: Outbound;
  readonly #inbound: Inbound;

  constructor(link: Link, place: Place, calleeBell: Bell) {
    super(link.callee, place);
    this.shared = link.shared;
    this.#poller = place.poller;
    this.#outbound = new Outbound({
      ring: link.requests,
      bell: calleeBell,
      callee: link.callee,
      messagesMax: link.mailboxMessages,
      metrics: place.metrics,
    });
    this.#inbound = new Inbound(link.replies, calleeBell, place.metrics);
    place.poller.add(this);
  }

  get expecting(): boolean {
    return this.waiting > 0 || this.#outbound.waiting;
  }

  ready(): boolean {
    return this.#inbound.ready() || this.#outbound.hasRoom();
  }

  poll(): void {
    this.#inbound.poll(this.receive);
    this.#outbound.pump();
    this.#outbound.flush();
  }

  flush(): void {
    this.#outbound.flush();
  }

  /** A link ends with the life of its callee. */
  up(): Promise<void> {
    return Promise.resolve();
  }

  writable(signal?: AbortSignal): Promise<void> {
    const cancelled = (): Fault =>
      fault(
        "CANCELLED",
        { what: `waiting for room in the mailbox of ${this.callee}` },
        { cause: signal?.reason },
      );
    if (this.closed) return Promise.reject(this.closed);
    if (signal?.aborted) return Promise.reject(cancelled());
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    const withdraw = this.#outbound.onRoom(() => (this.closed ? reject(this.closed) : resolve()));
    const onAbort = (): void => {
      withdraw();
      reject(cancelled());
    };
    signal?.addEventListener("abort", onAbort, { once: true });
    return promise.finally(() => signal?.removeEventListener("abort", onAbort));
  }

  /**
   * The callee has died. What it had sent before is still heard: an answer that has arrived is an answer, and the
   * error that it died of is worth more than the news that it is gone. The rest ends like `close`.
   */
  lose(reason: Fault): void {
    if (this.closed) return;
    while (this.#inbound.ready()) this.#inbound.poll(this.receive);
    this.close(reason);
  }

  protected offer(message: Message, payload: unknown): void {
    this.#outbound.offer(message, payload);
    this.#poller.touch(this);
  }

  protected deliver(message: Message): void {
    this.#outbound.deliver(message, undefined);
    this.#poller.touch(this);
  }

  protected release(): void {
    this.#poller.remove(this);
    this.#outbound.abandon();
  }
}
