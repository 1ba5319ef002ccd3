import { KIND, packMessage, unpackValue, type Kind } from "../../codec/index.ts";
import { LIMITS, fault } from "../../errors/index.ts";
import { frameOf } from "./frame.ts";

/**
 * What guest and owner say to each other once they know each other. Kinds are those of a link between threads. Deadlines
 * cross as the time that is left, since two processes have no clock in common.
 */

/** From a guest to its owner. */
export interface Request {
  readonly kind: Kind;
  /** Index of the actor in `ACTORS`. */
  readonly actor: number;
  /** Index in the order of its protocol; negative: a question for the owner's door, about the actor. */
  readonly member: number;
  /** Chosen by the guest, unique among what it has under way with this actor; 0 = no answer. */
  readonly correlation: number;
  /** Milliseconds that the call may still take; null = as long as it likes. */
  readonly budgetMs: number | null;
  readonly traceparent: string | null;
  readonly payload: unknown;
}

/** From the owner to a guest. */
export interface Answer {
  readonly kind: Kind;
  readonly actor: number;
  readonly correlation: number;
  readonly payload: unknown;
}

/** Members that no protocol has: what a guest asks the door itself. */
export const ASK = { ready: -1, writable: -2, health: -3 } as const;

const REQUEST_KINDS: ReadonlySet<unknown> = new Set([
  KIND.call,
  KIND.cast,
  KIND.cancel,
  KIND.subscribe,
  KIND.unsubscribe,
]);
const ANSWER_KINDS: ReadonlySet<unknown> = new Set([KIND.reply, KIND.fail, KIND.event, KIND.end]);

/** @throws TooLargeError, TypeError, RangeError, as `packMessage` */
export function requestFrame(request: Request): Uint8Array {
  const { kind, actor, member, correlation, budgetMs, traceparent, payload } = request;
  return frameOf([kind, actor, member, correlation, budgetMs, traceparent, packedOrNull(payload)]);
}

/** @throws TooLargeError, TypeError, RangeError, as `packMessage` */
export function answerFrame({ kind, actor, correlation, payload }: Answer): Uint8Array {
  return frameOf([kind, actor, correlation, packedOrNull(payload)]);
}

/** @throws VALUE_CORRUPT */
export function requestIn(fields: readonly unknown[]): Request {
  const [kind, actor, member, correlation, budgetMs, traceparent, payload] = fields;
  const sound =
    isOneOf(kind, REQUEST_KINDS) &&
    isWhole(actor, 0, 0xff) &&
    isWhole(member, ASK.health, LIMITS.actor.protocolMembers - 1) &&
    isWhole(correlation, 0, 0xffff_ffff) &&
    (budgetMs === null || (typeof budgetMs === "number" && !Number.isNaN(budgetMs))) &&
    (traceparent === null || typeof traceparent === "string") &&
    isPacked(payload);
  if (!sound) throw fault("VALUE_CORRUPT", { why: "a request that is none" });
  return { kind, actor, member, correlation, budgetMs, traceparent, payload: unpackedOrNone(payload) };
}

/** @throws VALUE_CORRUPT */
export function answerIn(fields: readonly unknown[]): Answer {
  const [kind, actor, correlation, payload] = fields;
  const sound =
    isOneOf(kind, ANSWER_KINDS) &&
    isWhole(actor, 0, 0xff) &&
    isWhole(correlation, 1, 0xffff_ffff) &&
    isPacked(payload);
  if (!sound) throw fault("VALUE_CORRUPT", { why: "an answer that is none" });
  return { kind, actor, correlation, payload: unpackedOrNone(payload) };
}

const packedOrNull = (payload: unknown): Uint8Array | null =>
  payload === undefined ? null : packMessage(payload);

const unpackedOrNone = (payload: Uint8Array | null): unknown =>
  payload === null ? undefined : unpackValue(payload);

const isOneOf = (value: unknown, kinds: ReadonlySet<unknown>): value is Kind => kinds.has(value);

const isWhole = (value: unknown, min: number, max: number): value is number =>
  typeof value === "number" && Number.isInteger(value) && value >= min && value <= max;

const isPacked = (value: unknown): value is Uint8Array | null =>
  value === null || value instanceof Uint8Array;
