export { Bootstrap, PeerRegistry } from "./peers.protocol.ts";
export { bootstrapBehaviour, peerRegistryBehaviour } from "./peers.behaviour.ts";
