export { Cache } from "./cache.protocol.ts";
export { cacheBehaviour } from "./cache.behaviour.ts";
