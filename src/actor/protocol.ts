import { LIMITS } from "../errors/index.ts";
import type { IsWire } from "../schema/index.ts";

/**
 * A protocol is a value that both sides of a thread import: it names what may be asked of an actor, and its types
 * are checked at every call site and in every handler. At run time it is only names and kinds; the types are
 * phantoms.
 */

declare const PHANTOM: unique symbol;

interface Member<Kind extends string, Params, Result> {
  readonly kind: Kind;
  /** Never present at run time. */
  readonly [PHANTOM]?: (params: Params) => Result;
}

export type CallMember<P, R> = Member<"call", P, R>;
export type CastMember<P> = Member<"cast", P, void>;
export type EventMember<P> = Member<"event", P, void>;
export type InitMember<P> = Member<"init", P, void>;
// The widest types that a member's phantom is assignable to: parameters are contravariant.
export type AnyMember =
  | CallMember<never, unknown>
  | CastMember<never>
  | EventMember<never>
  | InitMember<never>;
export type Members = Readonly<Record<string, AnyMember>>;

/** `void` marks "no parameters" or "no result"; everything else must be able to cross a thread. */
type Crosses<T> = [T] extends [void] ? true : IsWire<T>;
/** A rest parameter, since `P extends Wireable<P>` would be circular: empty when all is well, impossible to fill when not. */
type Only<Checks extends readonly boolean[]> = false extends Checks[number]
  ? [notAWireValue: { readonly "this type cannot cross a thread": never }]
  : [];

// NoInfer: within `protocol({ … })` the compiler would guess the parameters from what a protocol may hold at most.

/**
 * A request with exactly one reply. The caller waits for it, and it always ends: with a deadline, at the latest.
 *
 * @see https://www.erlang.org/doc/apps/stdlib/gen_server.html (call, cast)
 */
export function call<P = void, R = void>(
  ..._: Only<[Crosses<P>, Crosses<R>]>
): CallMember<NoInfer<P>, NoInfer<R>> {
  return { kind: "call" };
}

/** A message without a reply, at most once: refused when the mailbox is full, lost when the actor dies before it reads. */
export function cast<P = void>(..._: Only<[Crosses<P>]>): CastMember<NoInfer<P>> {
  return { kind: "cast" };
}

/** A stream from the actor to whoever subscribed, in the order of emission, from the subscription on. */
export function event<P = void>(..._: Only<[Crosses<P>]>): EventMember<NoInfer<P>> {
  return { kind: "event" };
}

/** What the actor's setup is given at each (re)start. A protocol has at most one, under the key `init`. */
export function init<P = void>(..._: Only<[Crosses<P>]>): InitMember<NoInfer<P>> {
  return { kind: "init" };
}

export interface Protocol<M extends Members = Members> {
  readonly name: string;
  /** Raised when a member changes its meaning without changing its name or kind. */
  readonly version: number;
  readonly members: M;
  /** Member names in wire order: a member's number on the wire is its index here. */
  readonly order: readonly string[];
  /** Equal on both sides, or the spawn fails with `PROTOCOL_MISMATCH`. */
  readonly fingerprint: string;
}

/**
 * Declares what can be asked of an actor.
 *
 * @param name kebab-case, at most 63 characters, unique within a system
 * @param members what `call`, `cast`, `event` and `init` return, by name; at most 65,535
 * @throws a TypeError, at import, for a malformed protocol: that is a defect, not a fault
 */
export function protocol<const M extends Members>(
  name: string,
  members: M,
  { version = 1 }: { version?: number } = {},
): Protocol<M> {
  if (!/^[a-z][a-z0-9-]{0,62}$/.test(name))
    throw new TypeError(`defect: protocol name "${name}" is not kebab-case`);
  const order = Object.keys(members);
  if (order.length > LIMITS.actor.protocolMembers)
    throw new TypeError(`defect: protocol ${name} has ${order.length} members`);
  for (const [key, member] of Object.entries(members)) {
    if ((key === "init") !== (member.kind === "init")) {
      throw new TypeError(
        `defect: protocol ${name}: "init" is the name of the init member and of nothing else`,
      );
    }
  }
  const fingerprint = `${name}@${version}(${order.map((key) => `${members[key]?.kind}:${key}`).join(",")})`;
  return Object.freeze({ name, version, members, order: Object.freeze(order), fingerprint });
}

// --- types derived from a protocol ------------------------------------------------------------------------------------

type ParamsOf<T> = T extends { readonly [PHANTOM]?: (params: infer P) => unknown } ? P : never;
type ResultOf<T> = T extends { readonly [PHANTOM]?: (params: never) => infer R } ? R : never;
type KeysOf<M, Kind> = { [K in keyof M]: M[K] extends { readonly kind: Kind } ? K : never }[keyof M];

/** What setup receives; `void` when the protocol has no init member. */
export type InitOf<M> = M extends { readonly init: infer I } ? ParamsOf<I> : void;

export interface CallOptions {
  /** Aborting it rejects the call with `CANCELLED` and aborts the callee's `context.signal`. */
  readonly signal?: AbortSignal;
  /** Milliseconds; default 5,000. `Infinity` only for calls whose end the caller bounds by a signal. */
  readonly timeoutMs?: number;
  /** W3C `traceparent`, handed to the callee. */
  readonly traceparent?: string;
}

type Arguments<P, Options> = [P] extends [void]
  ? [params?: undefined, options?: Options]
  : [params: P, options?: Options];

/**
 * `ref.call`: one function per call member; it waits for the reply. A fault of the handler rejects it as it was thrown.
 *
 * It rejects with MAILBOX_FULL, MESSAGE_TOO_LARGE or NOT_A_WIRE_VALUE when nothing was sent; with DEADLINE_EXCEEDED,
 * CANCELLED, ACTOR_RESTARTING, ACTOR_STOPPED or DEFECT when the handler may have run, in part or whole.
 */
export type CallsOf<M> = {
  readonly [K in KeysOf<M, "call">]: (
    ...args: Arguments<ParamsOf<M[K]>, CallOptions>
  ) => Promise<ResultOf<M[K]>>;
};

/**
 * `ref.cast`: one function per cast member; false means that nothing was sent, because the mailbox is full or the actor
 * is not up: `writable` tells when to try again. It throws MESSAGE_TOO_LARGE or NOT_A_WIRE_VALUE.
 */
export type CastsOf<M> = {
  readonly [K in KeysOf<M, "cast">]: (
    ...args: [ParamsOf<M[K]>] extends [void] ? [] : [params: ParamsOf<M[K]>]
  ) => boolean;
};

export interface SubscribeOptions {
  /** Ends the iteration quietly. */
  readonly signal?: AbortSignal;
  /** Events that may wait for the reader; default 1,024. One more ends the stream with `EVENTS_LOST`. */
  readonly buffer?: number;
}

/**
 * `ref.on`: one function per event member; the call subscribes, leaving the loop unsubscribes. The loop throws
 * EVENTS_LOST when its reader is too slow, and ACTOR_RESTARTING or ACTOR_STOPPED when the actor's life ends.
 */
export type EventsOf<M> = {
  readonly [K in KeysOf<M, "event">]: (options?: SubscribeOptions) => AsyncIterableIterator<ParamsOf<M[K]>>;
};

/** `context.emit`: one function per event member. */
export type EmittersOf<M> = {
  readonly [K in KeysOf<M, "event">]: (
    ...args: [ParamsOf<M[K]>] extends [void] ? [] : [params: ParamsOf<M[K]>]
  ) => void;
};

/** What a handler learns about the message it handles. */
export interface MessageContext {
  /** Aborts when the caller cancels, its deadline passes, or the caller is gone. */
  readonly signal: AbortSignal;
  /** On the scale of `Clock.now()`; Infinity when the caller set none. */
  readonly deadlineMs: number;
  readonly traceparent: string | undefined;
  /** Name of the calling actor, or "host". */
  readonly caller: string;
}

type Handler<P, R> = (params: P, context: MessageContext) => R | Promise<R>;

/** What setup returns: one handler per call and cast. */
export type HandlersOf<M> = {
  readonly [K in KeysOf<M, "call"> | KeysOf<M, "cast">]: Handler<ParamsOf<M[K]>, ResultOf<M[K]>>;
};

/** How to reach an actor. A plain frozen object that survives the actor's restarts. */
export interface Ref<M extends Members = Members> {
  readonly name: string;
  readonly call: CallsOf<M>;
  readonly cast: CastsOf<M>;
  readonly on: EventsOf<M>;
  /** Resolves when the mailbox has room again after a refused cast or call. */
  readonly writable: (options?: { readonly signal?: AbortSignal }) => Promise<void>;
  /** Resolves when the actor is up (at once, if it is); rejects with `ACTOR_STOPPED` when it never will be again. */
  readonly ready: (options?: { readonly signal?: AbortSignal }) => Promise<void>;
  /** The memory that the actor shares with all who call it; null when it has none, or has not been up yet. */
  readonly shared: () => SharedArrayBuffer | null;
}

/** The ref of a protocol, for signatures: `RefOf<typeof Counter>`. */
export type RefOf<P> = P extends Protocol<infer M> ? Ref<M> : never;
