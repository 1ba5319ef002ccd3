import type { PrivateKey } from "@libp2p/interface";
import { fault, sentenceOf, type Fault } from "../errors/index.ts";

/**
 * Bytes with the name of whoever signed them. A signature holds for one domain only, so that what was signed for one
 * purpose is worth nothing for another.
 *
 * The libraries that it needs are loaded with the first envelope: a system without a network never pays for them.
 *
 * @see https://github.com/libp2p/specs/blob/master/RFC/0002-signed-envelopes.md
 */

export interface SealedContent {
  /** What the signature is for. */
  readonly domain: string;
  /** What the payload is. */
  readonly payloadType: Uint8Array;
  readonly payload: Uint8Array;
}

export interface OpenedEnvelope {
  /** Of the signer, in canonical form. That it is also whom the payload speaks of is for the reader to check. */
  readonly peerId: string;
  readonly payloadType: Uint8Array;
  readonly payload: Uint8Array;
}

/**
 * Opens an envelope whose signature holds for `domain`. It tells who has signed, and nothing of whether what was signed
 * is true, or new. The time taken is in proportion to its size, which the caller bounds first.
 *
 * One payload has several valid envelopes (bits of the encoding that mean nothing can be flipped), so equal content is
 * found by what is in the payload, never by the bytes.
 *
 * @throws RECORD_INVALID for anything else, whatever the bytes are
 */
export async function openEnvelope(envelope: Uint8Array, domain: string): Promise<OpenedEnvelope> {
  const [{ RecordEnvelope }, { peerIdFromPublicKey }] = await Promise.all([
    import("@libp2p/peer-record"),
    import("@libp2p/peer-id"),
  ]);
  try {
    const opened = await RecordEnvelope.openAndCertify(envelope, domain);
    return {
      peerId: peerIdFromPublicKey(opened.publicKey).toString(),
      // The decoder cuts them from the envelope, which is the caller's.
      payloadType: new Uint8Array(opened.payloadType),
      payload: new Uint8Array(opened.payload),
    };
  } catch (error) {
    throw unsealable(error);
  }
}

function unsealable(error: unknown): Fault {
  const isForged = error instanceof Error && error.name === "InvalidSignatureError";
  const why = isForged
    ? "its signature does not hold"
    : `it is no envelope that can be opened (${sentenceOf(error)})`;
  return fault("RECORD_INVALID", { why }, { cause: error });
}

/** Signs a payload. Whoever opens the envelope learns the peer id of this key. */
export async function envelopeOf(
  privateKey: PrivateKey,
  { domain, payloadType, payload }: SealedContent,
): Promise<Uint8Array> {
  const { RecordEnvelope } = await import("@libp2p/peer-record");
  const record = { domain, codec: payloadType, marshal: () => payload, equals: () => false };
  const sealed = await RecordEnvelope.seal(record, privateKey);
  return sealed.marshal();
}
