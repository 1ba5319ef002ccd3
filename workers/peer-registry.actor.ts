export { peerRegistryBehaviour as default } from "../src/peers/registry/registry.behaviour.ts";
