export {
  Bootstrap,
  NETWORKING_OFF,
  PEERS_PER_PAGE_MAX,
  PeerRegistry,
  type NetworkStatus,
  type Peer,
} from "./peers.protocol.ts";
export { bootstrapBehaviour, peerRegistryBehaviour } from "./peers.behaviour.ts";
