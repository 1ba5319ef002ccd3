export { networkBehaviour as default } from "../src/peers/network/network.behaviour.ts";
