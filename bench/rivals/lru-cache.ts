import { load, versionOf } from "./rival.ts";

interface LruOptions {
  readonly max: number;
  readonly ttl?: number;
  /** Milliseconds for which it takes the time to stand still; 0 = it looks at the clock at each read. */
  readonly ttlResolution?: number;
}
export interface LruMap {
  get(key: string): Uint8Array | undefined;
  set(key: string, value: Uint8Array): unknown;
}

/** The memory cache that most Node programs use. */
export async function loadLruCache(): Promise<{ is: string; open: (options: LruOptions) => LruMap }> {
  const { LRUCache } = await load<{ LRUCache: new (options: LruOptions) => LruMap }>("lru-cache");
  return { is: `lru-cache ${await versionOf("lru-cache")}`, open: (options) => new LRUCache(options) };
}
