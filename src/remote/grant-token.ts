import { packValue, unpackValue } from "../codec/index.ts";
import { LIMITS, fault, isFault, sentenceOf } from "../errors/index.ts";
import { isName, shortText } from "../schema/index.ts";
import type { GrantTerms } from "./remote.protocol.ts";

/** What the signature of a grant is for: it is worth nothing for records, and theirs are worth nothing here. */
export const GRANT_DOMAIN = "mcplusplus-grant";
/** The payload is what `packClaims` makes. */
export const GRANT_TYPE: Uint8Array = Uint8Array.from(Buffer.from("/mcplusplus/grant"));

const VERSION = 1;
/** A peer id has fewer; so has an id of a grant. */
const ID_CHARS = 256;

/** What a token says. Whether it holds is for the issuer to know, who may have taken it back. */
export interface GrantClaims extends Omit<GrantTerms, "peerId"> {
  readonly grantId: string;
  /** Peer id of who allows. */
  readonly issuer: string;
  /** Peer id of who is allowed. */
  readonly audience: string;
  readonly issuedAtMs: number;
}

export function packClaims(claims: GrantClaims): Uint8Array {
  const { grantId, issuer, audience, actions, tools, concurrency, perMinute, bytesMax } = claims;
  const { issuedAtMs, expiresAtMs } = claims;
  return packValue([
    ...[VERSION, grantId, issuer, audience, actions, tools],
    ...[concurrency, perMinute, bytesMax, issuedAtMs, expiresAtMs],
  ]);
}

/** @throws TOKEN_INVALID unless it is what `packClaims` makes */
export function unpackClaims(payload: Uint8Array): GrantClaims {
  const fields = unpacked(payload);
  const [version, grantId, issuer, audience, actions, tools, ...numbers] = fields;
  if (version !== VERSION) throw invalid(`it is of version ${shortText(version)}, and 1 is known`);
  const ids = [grantId, issuer, audience];
  if (fields.length !== 11 || !ids.every((id) => isName(id, ID_CHARS))) throw invalid("it names nobody");
  if (!areNames(actions) || !areNames(tools)) throw invalid("it names no actions or tools");
  if (!numbers.every(isCount)) throw invalid("its bounds are no numbers");
  const [concurrency, perMinute, bytesMax, issuedAtMs, expiresAtMs] = numbers.map(Number);
  return {
    ...{ grantId, issuer, audience, actions, tools },
    ...{ concurrency, perMinute, bytesMax, issuedAtMs, expiresAtMs },
  } as GrantClaims;
}

/** The text in which people pass a token on. */
export const tokenText = (envelope: Uint8Array): string => Buffer.from(envelope).toString("base64url");

/** @throws TOKEN_INVALID for what is no such text; its content is not looked at */
export function tokenBytes(text: string): Uint8Array {
  const { tokenChars } = LIMITS.remote;
  if (typeof text !== "string" || text.length === 0) throw invalid("it is empty");
  if (text.length > tokenChars) throw invalid(`it has more than ${tokenChars} characters`);
  if (!/^[A-Za-z0-9_-]+$/.test(text)) throw invalid("it is not base64url");
  return Uint8Array.from(Buffer.from(text, "base64url"));
}

export const invalid = (why: string): Error => fault("TOKEN_INVALID", { why });

function unpacked(payload: Uint8Array): readonly unknown[] {
  try {
    const fields = unpackValue(payload);
    if (Array.isArray(fields)) return fields;
  } catch (error) {
    if (!isFault(error, "VALUE_CORRUPT")) throw error;
    throw invalid(sentenceOf(error));
  }
  throw invalid("it is no list");
}

const isCount = (value: unknown): boolean =>
  (typeof value === "number" || typeof value === "bigint") &&
  Number.isSafeInteger(Number(value)) &&
  Number(value) >= 0;

const areNames = (value: unknown): value is string[] =>
  Array.isArray(value) &&
  value.length <= LIMITS.remote.actions &&
  value.every((each) => isName(each, LIMITS.queue.nameChars));
