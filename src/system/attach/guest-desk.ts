import type { Socket } from "node:net";
import { unsendable, type Connection } from "../../actor/index.ts";
import { KIND, type Kind } from "../../codec/index.ts";
import { LIMITS, fault, toWireError } from "../../errors/index.ts";
import type { ChildHealth } from "../../supervisor/index.ts";
import { ACTORS, PROTOCOLS } from "../actors.ts";
import { ASK, answerFrame, requestIn, type Answer, type Request } from "./messages.ts";

/** What a desk passes requests on to. */
export interface DeskServices {
  /** To the eight actors, in the order of `ACTORS`. */
  readonly connections: readonly Connection[];
  readonly health: () => Promise<ChildHealth[]>;
  /** Ends the socket of a guest that does not behave. */
  readonly cutOff: () => void;
}

/**
 * One guest as its owner has it: carries out what it asks as if the owner asked, and answers. What it has under way ends
 * with it, as for any caller that leaves.
 *
 * Nothing is taken from a guest that does not read, so what waits for it is bounded by what it has asked for; and it is
 * cut off when that is more than `LIMITS.attach.unreadBytes`.
 */
export class GuestDesk {
  readonly #socket: Socket;
  readonly #services: DeskServices;
  /** Calls, and subscriptions, by actor and correlation. */
  readonly #calls = new Map<string, AbortController>();
  readonly #streams = new Map<string, AbortController>();
  /** Resolved when the guest has read what was sent; undefined while it keeps up. */
  #drained: PromiseWithResolvers<void> | undefined;
  #isClosed = false;

  constructor(socket: Socket, services: DeskServices) {
    this.#socket = socket;
    this.#services = services;
    socket.on("drain", () => {
      this.#drained?.resolve();
      this.#drained = undefined;
      socket.resume();
    });
  }

  /** @throws VALUE_CORRUPT at what no guest of this version says */
  hear(fields: readonly unknown[]): void {
    if (this.#isClosed) return;
    const request = requestIn(fields);
    const { kind, actor, correlation } = request;
    const connection = this.#services.connections[actor];
    if (connection === undefined) throw rubbish(`an actor of number ${actor}`);
    const key = `${actor} ${correlation}`;
    if (kind === KIND.cancel) this.#calls.get(key)?.abort();
    else if (kind === KIND.unsubscribe) this.#streams.get(key)?.abort();
    else if (kind === KIND.cast) connection.cast(request.member, memberFor(request, "cast").payload);
    else if (correlation === 0 || this.#calls.has(key) || this.#streams.has(key)) {
      throw rubbish("a request without a number of its own");
    } else if (kind === KIND.subscribe) this.#subscribe(connection, request, key);
    else void this.#call(connection, request, key);
  }

  /** The guest has left. */
  close(): void {
    this.#isClosed = true;
    this.#drained?.resolve();
    for (const controller of [...this.#calls.values(), ...this.#streams.values()]) controller.abort();
  }

  #call(connection: Connection, request: Request, key: string): Promise<void> {
    const { actor, correlation } = request;
    const { callsInFlight: limit } = LIMITS.attach;
    const answer = (kind: Kind) => (payload: unknown) => this.#answer({ kind, actor, correlation, payload });
    const failed = (error: unknown): void => answer(KIND.fail)(toWireError(error));
    if (this.#calls.size >= limit) {
      failed(fault("MAILBOX_FULL", { actor: connection.callee, limit, unit: "calls in flight" }));
      return Promise.resolve();
    }
    const controller = new AbortController();
    const answered = this.#asked(connection, request, controller.signal);
    this.#calls.set(key, controller);
    return answered.then(answer(KIND.reply), failed).finally(() => this.#calls.delete(key));
  }

  /** @throws VALUE_CORRUPT */
  #asked(connection: Connection, request: Request, signal: AbortSignal): Promise<unknown> {
    const { member, budgetMs, traceparent } = request;
    if (member === ASK.ready) return connection.ready(signal);
    if (member === ASK.writable) return connection.writable(signal);
    if (member === ASK.health) return this.#services.health();
    const { name, payload } = memberFor(request, "call");
    const timeoutMs = budgetMs === null ? Infinity : Math.max(0, budgetMs);
    const trace = traceparent === null ? {} : { traceparent };
    return connection.call(member, name, payload, { signal, timeoutMs, ...trace });
  }

  #subscribe(connection: Connection, request: Request, key: string): void {
    const { name, payload: buffer } = memberFor(request, "event");
    const { mailboxMessagesMax } = LIMITS.actor;
    if (typeof buffer !== "number" || !(buffer >= 0)) throw rubbish("a subscription without a bound");
    if (this.#streams.size >= LIMITS.attach.subscriptions) {
      const { actor, correlation } = request;
      this.#answer({ kind: KIND.end, actor, correlation, payload: toWireError(tooManySubscriptions()) });
      return;
    }
    const controller = new AbortController();
    this.#streams.set(key, controller);
    const { signal } = controller;
    // At once: a call that comes next is answered after the subscription stands.
    const events = connection.subscribe(request.member, name, {
      signal,
      buffer: Math.min(buffer, mailboxMessagesMax),
    });
    void this.#passOn(events, request, key);
  }

  async #passOn(events: AsyncIterable<unknown>, { actor, correlation }: Request, key: string): Promise<void> {
    try {
      for await (const payload of events) {
        this.#answer({ kind: KIND.event, actor, correlation, payload });
        // What comes meanwhile waits in the subscription's own buffer, which has a bound.
        await this.#drained?.promise;
      }
    } catch (error) {
      this.#answer({ kind: KIND.end, actor, correlation, payload: toWireError(error) });
    } finally {
      this.#streams.delete(key);
    }
  }

  #answer(answer: Answer): void {
    if (this.#isClosed) return;
    if (!this.#socket.write(frameFor(answer)) && this.#drained === undefined) {
      this.#drained = Promise.withResolvers();
      this.#socket.pause();
    }
    if (this.#socket.writableLength > LIMITS.attach.unreadBytes) this.#services.cutOff();
  }
}

/** An answer that cannot be sent, such as one that is too large without shared shapes, becomes the news of that. */
function frameFor(answer: Answer): Uint8Array {
  const { kind, actor, payload } = answer;
  try {
    return answerFrame(answer);
  } catch (error) {
    const why = toWireError(unsendable(ACTORS[actor] ?? "", payload, error));
    return answerFrame({ ...answer, kind: kind === KIND.reply ? KIND.fail : KIND.end, payload: why });
  }
}

/** Does the actor have such a member? @throws VALUE_CORRUPT */
function memberFor(
  { actor, member, payload }: Request,
  kind: "call" | "cast" | "event",
): { readonly name: string; readonly payload: unknown } {
  const actorName = ACTORS[actor];
  const protocol = actorName === undefined ? undefined : PROTOCOLS[actorName];
  const name = protocol?.order[member];
  const members: Readonly<Record<string, { readonly kind: string }>> = protocol?.members ?? {};
  if (name === undefined || members[name]?.kind !== kind) throw rubbish(`a ${kind} of number ${member}`);
  return { name, payload };
}

function tooManySubscriptions(): Error {
  const { subscriptions } = LIMITS.attach;
  const [got, allowed] = [`one more than ${subscriptions}`, `at most ${subscriptions} of one guest`];
  return fault("INVALID_ARGUMENT", { argument: "subscriptions", got, allowed });
}

const rubbish = (what: string): Error => fault("VALUE_CORRUPT", { why: what });
