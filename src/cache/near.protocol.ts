// The light door for a thread that reads the cache: nothing here loads the store.
export { cacheKey } from "./cache-key.ts";
export { checkEntry } from "./cache.core.ts";
export { Generation } from "./generation.ts";
export { NearCache, type NearCopy, type NearMark, type NearValue } from "./near-cache.ts";
