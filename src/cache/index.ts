export { Cache, type CacheLookup, type CacheStats } from "./cache.protocol.ts";
export { cacheBehaviour } from "./cache.behaviour.ts";
