export { Cache } from "./cache.protocol.ts";
export { CACHE_MIGRATIONS } from "./cache-file.ts";
export { cacheBehaviour } from "./cache.behaviour.ts";
