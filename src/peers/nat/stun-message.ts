import { crc32 } from "node:zlib";

/**
 * The few messages of STUN that tell where a packet came from: a binding request with or without CHANGE-REQUEST, and the
 * answer to it. Pure: bytes to values and back.
 *
 * @see https://www.rfc-editor.org/rfc/rfc8489 (STUN; 5 message structure, 14 attributes)
 * @see https://www.rfc-editor.org/rfc/rfc5780 (CHANGE-REQUEST, OTHER-ADDRESS)
 */

export interface Endpoint {
  readonly family: 4 | 6;
  readonly address: string;
  readonly port: number;
}

export interface BindingAnswer {
  /** 12 bytes, in hexadecimal digits. */
  readonly transactionId: string;
  /** Where the server saw the request come from; null in an error. */
  readonly mapped: Endpoint | null;
  /** The server's other address and port; null: it has none. */
  readonly other: Endpoint | null;
  /** Null: it is a success. */
  readonly errorCode: number | null;
}

/*
 *   0                   1                   2                   3
 *  +--+--+-----------------------------+-------------------------------+
 *  |0 |0 |     message type            |   length without this header  |
 *  +--+--+-----------------------------+-------------------------------+
 *  |                          magic cookie                             |
 *  +-------------------------------------------------------------------+
 *  |                    transaction id, 96 bits                        |
 *  +-------------------------------------------------------------------+
 *  |  attributes: type 16 | length 16 | value, padded to 4 bytes ...   |
 */
const HEADER_BYTES = 20;
const ATTRIBUTE_BYTES = 4;
const MAGIC_COOKIE = 0x2112a442;
export const TRANSACTION_ID_BYTES = 12;

const BINDING_REQUEST = 0x0001;
const BINDING_SUCCESS = 0x0101;
const BINDING_ERROR = 0x0111;

const MAPPED_ADDRESS = 0x0001;
const CHANGE_REQUEST = 0x0003;
/** What RFC 3489 called OTHER-ADDRESS. */
const CHANGED_ADDRESS = 0x0005;
const ERROR_CODE = 0x0009;
const XOR_MAPPED_ADDRESS = 0x0020;
const FINGERPRINT = 0x8028;
const OTHER_ADDRESS = 0x802c;
/** Below it, whoever does not understand an attribute must not use the message. */
const OPTIONAL_FROM = 0x8000;
/** Understood so far as to know that they can be left alone: SOURCE-ADDRESS, and those of authentication. */
const LEFT_ALONE = new Set([0x0004, 0x0006, 0x0008, 0x000a, 0x0014, 0x0015, 0x001c, 0x001d, 0x001e]);

const CHANGE_IP = 0x4;
const CHANGE_PORT = 0x2;
const FINGERPRINT_XOR = 0x5354554e;

/** @param change from which other address or port the answer is to come */
export function encodeBindingRequest(
  transactionId: Uint8Array,
  change: { readonly ip: boolean; readonly port: boolean },
): Uint8Array {
  const isChanged = change.ip || change.port;
  const message = Buffer.alloc(HEADER_BYTES + (isChanged ? 2 * ATTRIBUTE_BYTES : 0));
  message.writeUInt16BE(BINDING_REQUEST, 0);
  message.writeUInt16BE(message.length - HEADER_BYTES, 2);
  message.writeUInt32BE(MAGIC_COOKIE, 4);
  message.set(transactionId, 8);
  if (isChanged) {
    message.writeUInt16BE(CHANGE_REQUEST, HEADER_BYTES);
    message.writeUInt16BE(4, HEADER_BYTES + 2);
    const flags = (change.ip ? CHANGE_IP : 0) | (change.port ? CHANGE_PORT : 0);
    message.writeUInt32BE(flags, HEADER_BYTES + ATTRIBUTE_BYTES);
  }
  return message;
}

/** Null for whatever is no answer to a binding request, or a damaged one: others may send to the same port. */
export function decodeBindingAnswer(bytes: Uint8Array): BindingAnswer | null {
  const message = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (message.length < HEADER_BYTES || message.length % 4 !== 0) return null;
  const type = message.readUInt16BE(0);
  if (type !== BINDING_SUCCESS && type !== BINDING_ERROR) return null;
  if (message.readUInt16BE(2) !== message.length - HEADER_BYTES) return null;
  if (message.readUInt32BE(4) !== MAGIC_COOKIE) return null;
  const attributes = attributesOf(message);
  if (attributes === null) return null;

  const read = (type: number, isXored: boolean): Endpoint | null | undefined => {
    const value = attributes.get(type);
    return value && endpointOf(value, isXored ? message.subarray(4, HEADER_BYTES) : null);
  };
  const xored = read(XOR_MAPPED_ADDRESS, true);
  const mapped = xored === undefined ? read(MAPPED_ADDRESS, false) : xored;
  const other = read(OTHER_ADDRESS, false) ?? read(CHANGED_ADDRESS, false) ?? null;
  const transactionId = message.toString("hex", 8, HEADER_BYTES);
  if (type === BINDING_ERROR) {
    const errorCode = errorCodeOf(attributes.get(ERROR_CODE));
    return errorCode === null ? null : { transactionId, mapped: null, other: null, errorCode };
  }
  return mapped ? { transactionId, mapped, other, errorCode: null } : null;
}

/** The first of each type, as the standard demands. Null: malformed, or made of what must be understood and is not. */
function attributesOf(message: Buffer): Map<number, Buffer> | null {
  const attributes = new Map<number, Buffer>();
  let offset = HEADER_BYTES;
  while (offset < message.length) {
    const type = message.readUInt16BE(offset);
    const length = message.readUInt16BE(offset + 2);
    const end = offset + ATTRIBUTE_BYTES + length;
    if (end > message.length) return null;
    if (type < OPTIONAL_FROM && !isUnderstood(type)) return null;
    const value = message.subarray(offset + ATTRIBUTE_BYTES, end);
    if (type === FINGERPRINT && !isFingerprint(value, message, offset)) return null;
    if (!attributes.has(type)) attributes.set(type, value);
    offset = end + ((4 - (length % 4)) % 4);
  }
  return attributes;
}

const UNDERSTOOD = new Set([MAPPED_ADDRESS, CHANGED_ADDRESS, ERROR_CODE, XOR_MAPPED_ADDRESS]);
const isUnderstood = (type: number): boolean => UNDERSTOOD.has(type) || LEFT_ALONE.has(type);

/** It is the last attribute, over everything before it. */
function isFingerprint(value: Buffer, message: Buffer, offset: number): boolean {
  if (value.length !== 4 || offset + ATTRIBUTE_BYTES + 4 !== message.length) return false;
  return value.readUInt32BE(0) === (crc32(message.subarray(0, offset)) ^ FINGERPRINT_XOR) >>> 0;
}

/** @param mask magic cookie and transaction id, which the value is hidden by from gateways that rewrite addresses */
function endpointOf(value: Buffer, mask: Buffer | null): Endpoint | null {
  const family = value[1] === 1 ? 4 : 6;
  if (value[1] !== 1 && value[1] !== 2) return null;
  if (value.length !== (family === 4 ? 8 : 20)) return null;
  const bytes = Buffer.from(value.subarray(4));
  let port = value.readUInt16BE(2);
  if (mask !== null) {
    port ^= mask.readUInt16BE(0);
    for (let index = 0; index < bytes.length; index++)
      bytes[index] = (bytes[index] ?? 0) ^ (mask[index] ?? 0);
  }
  return { family, address: family === 4 ? bytes.join(".") : ipv6Of(bytes), port };
}

/** In the short form of RFC 5952, in which addresses are compared. */
function ipv6Of(bytes: Buffer): string {
  const groups = Array.from({ length: 8 }, (_, index) => bytes.readUInt16BE(2 * index).toString(16));
  return new URL(`http://[${groups.join(":")}]`).hostname.slice(1, -1);
}

function errorCodeOf(value: Buffer | undefined): number | null {
  if (value === undefined || value.length < 4) return null;
  const code = ((value[2] ?? 0) & 0x7) * 100 + (value[3] ?? 0);
  return code >= 300 && code <= 699 ? code : null;
}

export const sameEndpoint = (a: Endpoint, b: Endpoint): boolean =>
  a.address === b.address && a.port === b.port;

export const endpointText = ({ family, address, port }: Endpoint): string =>
  family === 6 ? `[${address}]:${port}` : `${address}:${port}`;
