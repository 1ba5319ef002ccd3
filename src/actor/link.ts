import { LIMITS, fault } from "../errors/index.ts";
import { RING_LAYOUT, createRing } from "../ring/index.ts";
import { checkInteger } from "../schema/index.ts";
import type { Protocol } from "./protocol.ts";

/**
 * What two threads need to talk: two rings and two bells in shared memory. A link belongs to one caller, one callee
 * and one life of each: when either dies it is thrown away and a new one is made, so nothing that a dead thread left
 * half-written is ever read, and nothing that it still sends is ever heard.
 */
export interface Link {
  /** Unique within the system. */
  readonly id: number;
  readonly caller: string;
  readonly callee: string;
  /** Protocol and ring geometry; both sides check it before they touch the rings. */
  readonly handshake: string;
  readonly requests: SharedArrayBuffer;
  readonly replies: SharedArrayBuffer;
  readonly callerBell: SharedArrayBuffer | null;
  readonly calleeBell: SharedArrayBuffer | null;
  readonly mailboxMessages: number;
  /** What the callee shares with all who call it. */
  readonly shared: SharedArrayBuffer | null;
}

export interface Mailbox {
  /** Messages from one caller that may wait; 1 to 65,536. */
  readonly messages?: number;
  /** Of one direction; a power of two, 4 KiB to 256 MiB. */
  readonly ringBytes?: number;
}

/** @throws INVALID_ARGUMENT */
export function checkMailbox({ messages, ringBytes }: Mailbox): void {
  if (messages !== undefined) {
    checkInteger("mailbox.messages", messages, 1, LIMITS.actor.mailboxMessagesMax);
  }
  const { sizeBytesMin, sizeBytesMax } = LIMITS.ring;
  const sound =
    ringBytes === undefined ||
    (Number.isInteger(Math.log2(ringBytes)) && ringBytes >= sizeBytesMin && ringBytes <= sizeBytesMax);
  if (sound) return;
  const allowed = `a power of two from ${sizeBytesMin} to ${sizeBytesMax} bytes`;
  throw fault("INVALID_ARGUMENT", { argument: "mailbox.ringBytes", got: String(ringBytes), allowed });
}

export function handshakeOf(protocol: Protocol): string {
  return `${protocol.fingerprint} ${RING_LAYOUT}`;
}

/** @throws PROTOCOL_MISMATCH when the other side was built from something else */
export function checkHandshake(actor: string, theirs: string, protocol: Protocol): void {
  const ours = handshakeOf(protocol);
  if (theirs !== ours) throw fault("PROTOCOL_MISMATCH", { actor, ours: theirs, theirs: ours });
}

/** @param bells null for a side that lives inline: its bell is no shared word */
export function createLink(
  ids: { readonly id: number; readonly caller: string; readonly callee: string },
  handshake: string,
  bells: { readonly caller: SharedArrayBuffer | null; readonly callee: SharedArrayBuffer | null },
  mailbox: Mailbox = {},
  shared: SharedArrayBuffer | null = null,
): Link {
  const ringBytes = mailbox.ringBytes ?? LIMITS.ring.sizeBytes;
  return {
    ...ids,
    handshake,
    requests: createRing(ringBytes),
    replies: createRing(ringBytes),
    callerBell: bells.caller,
    calleeBell: bells.callee,
    mailboxMessages: mailbox.messages ?? LIMITS.actor.mailboxMessages,
    shared,
  };
}
