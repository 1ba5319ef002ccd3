import { invalidArgument, shortText } from "../../schema/index.ts";
import { canonicalAddress, checkAddress, peerIdIn } from "../peer-names.ts";

/** An address of a peer that says who has to answer there. */
export interface NodeAddress {
  /** In canonical form. */
  readonly address: string;
  /** Its last `/p2p/<id>`, in base58. */
  readonly peerId: string;
}

/**
 * Without a peer id whoever answers would be believed to be whom was meant, so an address without one is refused. A name
 * (`/dnsaddr/…/p2p/<id>`) needs no port: its records tell.
 *
 * @throws INVALID_ARGUMENT
 */
export function parseNodeAddress(argument: string, text: unknown): NodeAddress {
  const address = checkAddress(argument, text);
  const peerId = peerIdIn(address);
  if (peerId !== null) return { address, peerId };
  throw invalidArgument(
    argument,
    shortText(text),
    "a multiaddr that says at its end who will answer there: /p2p/<id>",
  );
}

/** As above, for what others have written: undefined instead of a fault. */
export function nodeAddressOf(text: string): NodeAddress | undefined {
  const address = canonicalAddress(text);
  const peerId = address === null ? null : peerIdIn(address);
  return address === null || peerId === null ? undefined : { address, peerId };
}
