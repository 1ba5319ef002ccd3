export { Network } from "./network.protocol.ts";
export { checkPeerId } from "./peer-names.ts";
export { Bootstrap, NETWORKING_OFF, PeerRegistry } from "./peers.protocol.ts";
// Light: the libraries that envelopes need are loaded with the first of them.
export { envelopeOf, openEnvelope, type OpenedEnvelope, type SealedContent } from "./sealed-envelope.ts";
