/**
 * The messages of NAT-PMP and of its successor PCP, as far as a TCP port is asked for. Both are spoken at the same port of
 * the gateway; the first byte tells which. Pure: bytes to values and back.
 *
 * @see https://www.rfc-editor.org/rfc/rfc6886 (NAT-PMP)
 * @see https://www.rfc-editor.org/rfc/rfc6887 (PCP; 7 header, 11 MAP)
 */

/** Where gateways listen, by both standards. */
export const GATEWAY_PORT = 5_351;
export const NONCE_BYTES = 12;

const NAT_PMP = 0;
const PCP = 2;
const ANSWER = 0x80;
const OP_ADDRESS = 0;
const OP_MAP_TCP = 2;
const PCP_MAP = 1;
/** The result by which both tell that they do not speak the version. */
const UNKNOWN_VERSION = 1;
const TCP = 6;
const PCP_HEADER_BYTES = 24;
const PCP_MAP_BYTES = 60;
const PMP_ADDRESS_BYTES = 12;
const PMP_MAP_BYTES = 16;

export type GatewayAnswer =
  /** It speaks NAT-PMP: the answer to a version that it does not know has version 0. */
  | { readonly kind: "other_version" }
  | { readonly kind: "refused"; readonly why: string }
  | { readonly kind: "address"; readonly address: string }
  | {
      readonly kind: "mapped";
      readonly internalPort: number;
      readonly externalPort: number;
      readonly lifetimeS: number;
      /** Null: it is asked for by a message of its own. */
      readonly externalAddress: string | null;
    };

export function encodePmpAddress(): Uint8Array {
  return Uint8Array.of(NAT_PMP, OP_ADDRESS);
}

/** `lifetimeS` 0 gives the port back; `externalPort` is then 0. */
export function encodePmpMap(internalPort: number, externalPort: number, lifetimeS: number): Uint8Array {
  const message = Buffer.alloc(12);
  message[0] = NAT_PMP;
  message[1] = OP_MAP_TCP;
  message.writeUInt16BE(internalPort, 4);
  message.writeUInt16BE(lifetimeS === 0 ? 0 : externalPort, 6);
  message.writeUInt32BE(lifetimeS, 8);
  return message;
}

export interface PcpMap {
  /** The same for each renewal, so that nobody else can take the port. */
  readonly nonce: Uint8Array;
  /** IPv4 of this machine. */
  readonly clientAddress: string;
  readonly internalPort: number;
  readonly externalPort: number;
  readonly lifetimeS: number;
}

export function encodePcpMap(map: PcpMap): Uint8Array {
  const message = Buffer.alloc(PCP_MAP_BYTES);
  message[0] = PCP;
  message[1] = PCP_MAP;
  message.writeUInt32BE(map.lifetimeS, 4);
  message.set(mappedIpv4(map.clientAddress), 8);
  message.set(map.nonce, PCP_HEADER_BYTES);
  message[36] = TCP;
  message.writeUInt16BE(map.internalPort, 40);
  message.writeUInt16BE(map.externalPort, 42);
  message.set(mappedIpv4("0.0.0.0"), 44);
  return message;
}

/** What an answer is wanted to. */
export type GatewayQuestion =
  | { readonly kind: "pcp_map"; readonly nonce: Uint8Array }
  | { readonly kind: "pmp_map" }
  | { readonly kind: "pmp_address" };

/**
 * Null for whatever is no answer to this question. Requests are sent several times, so answers to one may come when the next
 * one has been asked.
 */
export function decodeGatewayAnswer(bytes: Uint8Array, question: GatewayQuestion): GatewayAnswer | null {
  const message = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (message.length < 4 || (message[1] ?? 0) < ANSWER) return null;
  const isPmp = message[0] === NAT_PMP;
  if (question.kind !== "pcp_map") return isPmp ? decodePmp(message, question.kind) : null;
  if (message[0] === PCP) return decodePcp(message, question.nonce);
  return isPmp && message.readUInt16BE(2) === UNKNOWN_VERSION ? { kind: "other_version" } : null;
}

function decodePmp(message: Buffer, question: "pmp_map" | "pmp_address"): GatewayAnswer | null {
  const isAddress = question === "pmp_address";
  if (message[1] !== ANSWER + (isAddress ? OP_ADDRESS : OP_MAP_TCP)) return null;
  const result = message.readUInt16BE(2);
  if (result === UNKNOWN_VERSION) return { kind: "other_version" };
  if (result !== 0) return { kind: "refused", why: PMP_RESULTS[result] ?? `result ${result}` };
  if (message.length < (isAddress ? PMP_ADDRESS_BYTES : PMP_MAP_BYTES)) return null;
  if (isAddress) return { kind: "address", address: message.subarray(8, 12).join(".") };
  return {
    kind: "mapped",
    internalPort: message.readUInt16BE(8),
    externalPort: message.readUInt16BE(10),
    lifetimeS: message.readUInt32BE(12),
    externalAddress: null,
  };
}

function decodePcp(message: Buffer, nonce: Uint8Array): GatewayAnswer | null {
  if (message.length < PCP_HEADER_BYTES || message[1] !== ANSWER + PCP_MAP) return null;
  const result = message[3] ?? 0;
  if (result === UNKNOWN_VERSION) return { kind: "other_version" };
  if (message.length < PCP_MAP_BYTES || !message.subarray(24, 36).equals(nonce)) return null;
  if (result !== 0) return { kind: "refused", why: PCP_RESULTS[result] ?? `result ${result}` };
  if (!message.subarray(44, 56).equals(IPV4_PREFIX)) return null;
  return {
    kind: "mapped",
    internalPort: message.readUInt16BE(40),
    externalPort: message.readUInt16BE(42),
    lifetimeS: message.readUInt32BE(4),
    externalAddress: message.subarray(56, 60).join("."),
  };
}

const IPV4_PREFIX = Buffer.from("00000000000000000000ffff", "hex");

function mappedIpv4(address: string): Uint8Array {
  return Buffer.concat([IPV4_PREFIX, Uint8Array.from(address.split("."), Number)]);
}

const PMP_RESULTS: Readonly<Record<number, string>> = {
  2: "the gateway does not allow it",
  3: "the gateway has no outer address",
  4: "the gateway has no port left",
  5: "the gateway does not know the request",
};
const PCP_RESULTS: Readonly<Record<number, string>> = {
  2: "the gateway does not allow it",
  3: "the gateway found the request malformed",
  4: "the gateway does not know the request",
  7: "the gateway has a failure of its network",
  8: "the gateway has no port left",
  9: "the gateway does not know the transport protocol",
  10: "the gateway allows no more ports",
  11: "the gateway cannot give the outer port",
  12: "another gateway lies between",
};
