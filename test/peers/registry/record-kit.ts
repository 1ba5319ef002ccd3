import { generateKeyPair } from "@libp2p/crypto/keys";
import type { PrivateKey } from "@libp2p/interface";
import { peerIdFromPrivateKey } from "@libp2p/peer-id";
import { recordContent, type PeerRecord } from "../../../src/peers/capability-record.ts";
import { envelopeOf } from "../../../src/peers/sealed-envelope.ts";

/** Somebody with a key, who can sign what they like. */
export interface Signer {
  readonly key: PrivateKey;
  readonly peerId: string;
  /** A record of theirs that is in order, but for what is said otherwise. */
  record(nowMs: number, overrides?: Partial<PeerRecord>): PeerRecord;
  seal(record: PeerRecord): Promise<Uint8Array>;
}

export const TTL_MS = 1_200_000;

export async function makeSigner(): Promise<Signer> {
  const key = await generateKeyPair("Ed25519");
  const peerId = peerIdFromPrivateKey(key).toString();
  return {
    key,
    peerId,
    record: (nowMs, overrides = {}) => ({
      peerId,
      capabilities: ["compute", "storage"],
      addresses: [`/ip4/127.0.0.1/tcp/4001/p2p/${peerId}`],
      sequence: nowMs,
      issuedAtMs: nowMs,
      expiresAtMs: nowMs + TTL_MS,
      ...overrides,
    }),
    seal: (record) => envelopeOf(key, recordContent(record)),
  };
}

export const makeSigners = (count: number): Promise<Signer[]> =>
  Promise.all(Array.from({ length: count }, makeSigner));
