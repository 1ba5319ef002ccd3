export { Bootstrap, NETWORKING_OFF, PeerRegistry, type NetworkStatus, type Peer } from "./peers.protocol.ts";
export { bootstrapBehaviour, peerRegistryBehaviour } from "./peers.behaviour.ts";
