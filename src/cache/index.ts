export { Cache, type CacheLookup, type CacheStats } from "./cache.protocol.ts";
export { CACHE_LIMITS } from "./cache-limits.ts";
export { cacheBehaviour } from "./cache.behaviour.ts";
