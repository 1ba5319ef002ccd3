import { connect, type Socket } from "node:net";
import { CallerEnd, unsendable, type CallerPlace, type Message } from "../../actor/index.ts";
import { LIMITS, fault, isFault, type Fault } from "../../errors/index.ts";
import type { Timer } from "../../scope/index.ts";
import type { ChildHealth } from "../../supervisor/index.ts";
import { ACTORS, type ActorName } from "../actors.ts";
import { FRAME_BYTES_MAX, FrameReader, frameOf } from "./frame.ts";
import { greetingIn, helloFields, type Greeted, type Hello, type Welcome } from "./greeting.ts";
import { ASK, answerIn, requestFrame, type Request } from "./messages.ts";

/** The way of a guest to its owner: one socket, and a caller's end for each of the eight actors. */
export interface GuestLink extends Welcome {
  readonly ends: { readonly [Name in ActorName]: CallerEnd };
  health(): Promise<ChildHealth[]>;
  /** Ends what is under way with this reason. The owner hears that this guest has left. */
  close(reason: Fault): void;
}

/**
 * Asks whoever listens at `path` to be let in.
 *
 * @param onLost called once when the owner is gone, or says what no owner says; not after `close`
 * @returns undefined when nobody who has this directory answers
 * @throws why the owner refuses: PROTOCOL_MISMATCH, MODULE_INVALID, UNAVAILABLE
 */
export async function knock(
  path: string,
  hello: Hello,
  { place, onLost }: { readonly place: CallerPlace; readonly onLost: () => void },
): Promise<GuestLink | undefined> {
  const socket = connect(path);
  const greeted = Promise.withResolvers<Greeted>();
  const reader = new FrameReader(LIMITS.attach.helloBytes);
  let link: OpenLink | undefined;
  const timer: Timer = place.clock.at(place.clock.now() + LIMITS.attach.helloMs, () => socket.destroy());
  socket.on("connect", () => socket.write(frameOf(helloFields(hello))));
  socket.on("error", () => undefined); // "close" follows
  socket.on("close", () => {
    greeted.resolve(null);
    if (link?.lose() === true) onLost();
  });
  socket.on("data", (chunk) => {
    try {
      for (const fields of reader.push(chunk)) {
        if (link !== undefined) link.hear(fields);
        else {
          const greeting = greetingIn(fields);
          if (greeting !== null && !isFault(greeting)) {
            // Before the next frame is looked at: the owner may have more to say at once.
            reader.bytesMax = FRAME_BYTES_MAX;
            link = new OpenLink(socket, greeting, place);
          }
          greeted.resolve(greeting);
        }
      }
    } catch {
      socket.destroy();
    }
  });
  const greeting = await greeted.promise.finally(() => timer.cancel());
  if (link !== undefined) return link;
  socket.destroy();
  if (isFault(greeting)) throw greeting;
  return undefined;
}

class OpenLink implements GuestLink {
  readonly pid: number;
  readonly graceMs: number;
  readonly ends: GuestLink["ends"];
  readonly #inOrder: readonly GuestEnd[];
  readonly #socket: Socket;
  #isClosed = false;

  constructor(socket: Socket, { pid, graceMs }: Welcome, place: CallerPlace) {
    this.pid = pid;
    this.graceMs = graceMs;
    this.#socket = socket;
    this.#inOrder = ACTORS.map((name) => new GuestEnd(socket, name, place));
    this.ends = Object.fromEntries(ACTORS.map((name, index) => [name, this.#inOrder[index]])) as Record<
      ActorName,
      GuestEnd
    >;
  }

  /** @throws VALUE_CORRUPT */
  hear(fields: readonly unknown[]): void {
    const { actor, ...heard } = answerIn(fields);
    this.#inOrder[actor]?.hear(heard);
  }

  async health(): Promise<ChildHealth[]> {
    // The owner's word: it has the same version.
    return (await this.ends.queue.call(ASK.health, "health", undefined)) as ChildHealth[];
  }

  /** False: it was closed before. Each end is told by its connection. */
  lose(): boolean {
    const isNews = !this.#isClosed;
    this.#isClosed = true;
    return isNews;
  }

  close(reason: Fault): void {
    this.#isClosed = true;
    for (const end of this.#inOrder) end.close(reason);
    this.#socket.destroy();
  }
}

/** A caller's end whose messages travel over the guest's socket. */
class GuestEnd extends CallerEnd {
  readonly shared = null;
  readonly #socket: Socket;
  readonly #actor: number;
  readonly #clock: CallerPlace["clock"];

  constructor(socket: Socket, name: ActorName, place: CallerPlace) {
    super(name, place);
    this.#socket = socket;
    this.#actor = ACTORS.indexOf(name);
    this.#clock = place.clock;
  }

  readonly hear = this.receive;

  async up(signal?: AbortSignal): Promise<void> {
    await this.#ask(ASK.ready, "ready", signal);
  }

  async writable(signal?: AbortSignal): Promise<void> {
    await this.#ask(ASK.writable, "writable", signal);
  }

  protected offer(message: Message, payload: unknown): void {
    const limit = LIMITS.actor.messageBytes;
    // Alone, a message is never too much.
    if (this.#socket.writableLength > limit) {
      throw fault("MAILBOX_FULL", { actor: this.callee, limit, unit: "bytes" });
    }
    this.#send(message, payload);
  }

  protected deliver(message: Message): void {
    this.#send(message, undefined);
  }

  protected release(): void {
    // The socket is that of all eight.
  }

  #ask(member: number, what: string, signal: AbortSignal | undefined): Promise<unknown> {
    return this.call(member, what, undefined, { timeoutMs: Infinity, ...(signal && { signal }) });
  }

  #send({ kind, member, correlation, deadlineMs, traceparent }: Message, payload: unknown): void {
    const budgetMs = deadlineMs === Infinity ? null : deadlineMs - this.#clock.now();
    const request: Request = {
      kind,
      actor: this.#actor,
      member,
      correlation,
      budgetMs,
      traceparent: traceparent ?? null,
      payload,
    };
    let frame: Uint8Array;
    try {
      frame = requestFrame(request);
    } catch (error) {
      throw unsendable(this.callee, payload, error);
    }
    this.#socket.write(frame);
  }
}
