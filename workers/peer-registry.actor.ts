export { peerRegistryBehaviour as default } from "../src/peers/index.ts";
