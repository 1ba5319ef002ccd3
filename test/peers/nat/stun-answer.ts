import { crc32 } from "node:zlib";
import type { Endpoint } from "../../../src/peers/nat/stun-message.ts";

/** The other side's half of the codec, written anew from the standard so that no mistake cancels out. */

export interface Attribute {
  readonly type: number;
  readonly value: Uint8Array;
}

export interface AnswerParts {
  readonly type?: number;
  readonly cookie?: number;
  readonly attributes: readonly Attribute[];
  readonly fingerprint?: "sound" | "broken";
}

/** @see https://www.rfc-editor.org/rfc/rfc8489#section-5 */
export function encodeAnswer(transactionId: Uint8Array, parts: AnswerParts): Uint8Array {
  const encoded = parts.attributes.map(({ type, value }) => {
    const padded = Buffer.alloc(4 + Math.ceil(value.length / 4) * 4);
    padded.writeUInt16BE(type, 0);
    padded.writeUInt16BE(value.length, 2);
    padded.set(value, 4);
    return padded;
  });
  const head = Buffer.alloc(20);
  const length = encoded.reduce((sum, each) => sum + each.length, 0) + (parts.fingerprint ? 8 : 0);
  head.writeUInt16BE(parts.type ?? 0x0101, 0);
  head.writeUInt16BE(length, 2);
  head.writeUInt32BE(parts.cookie ?? 0x2112a442, 4);
  head.set(transactionId, 8);
  const message = Buffer.concat([head, ...encoded]);
  if (!parts.fingerprint) return message;
  const last = Buffer.alloc(8);
  last.writeUInt16BE(0x8028, 0);
  last.writeUInt16BE(4, 2);
  const sum = (crc32(message) ^ 0x5354554e) >>> 0;
  last.writeUInt32BE(parts.fingerprint === "sound" ? sum : (sum ^ 1) >>> 0, 4);
  return Buffer.concat([message, last]);
}

const bytesOf = ({ family, address }: Endpoint): Buffer => {
  if (family === 4) return Buffer.from(address.split(".").map(Number));
  const [head = "", tail] = address.split("::");
  const groups = (text: string): string[] => (text === "" ? [] : text.split(":"));
  const missing = tail === undefined ? 0 : 8 - groups(head).length - groups(tail).length;
  const all = [...groups(head), ...Array<string>(missing).fill("0"), ...groups(tail ?? "")];
  return Buffer.from(all.map((group) => group.padStart(4, "0")).join(""), "hex");
};

export function plainAddress(type: number, endpoint: Endpoint): Attribute {
  const value = Buffer.concat([Buffer.from([0, endpoint.family === 4 ? 1 : 2, 0, 0]), bytesOf(endpoint)]);
  value.writeUInt16BE(endpoint.port, 2);
  return { type, value };
}

export function xoredAddress(endpoint: Endpoint, transactionId: Uint8Array): Attribute {
  const { value } = plainAddress(0x0020, endpoint);
  const mask = Buffer.concat([Buffer.from([0x21, 0x12, 0xa4, 0x42]), transactionId]);
  const hidden = Buffer.from(value);
  hidden.writeUInt16BE(endpoint.port ^ 0x2112, 2);
  for (let index = 4; index < hidden.length; index++)
    hidden[index] = (hidden[index] ?? 0) ^ (mask[index - 4] ?? 0);
  return { type: 0x0020, value: hidden };
}

export const OTHER_ADDRESS = 0x802c;
export const MAPPED_ADDRESS = 0x0001;
export const CHANGED_ADDRESS = 0x0005;
export const ERROR_CODE = 0x0009;
export const SOFTWARE = 0x8022;
