import { actor } from "../actor/index.ts";
import { Cache } from "./cache.protocol.ts";
import { StoredCache } from "./stored-cache.ts";

/** @throws STORE_OWNED while another process has the file; a damaged file is replaced instead */
export const cacheBehaviour = actor(Cache, async (context, init) => {
  const cache = await StoredCache.open(context, init);
  context.defer(() => cache.close());
  // A killed inline actor runs no cleanup, and its next life needs the file.
  context.atExit(() => cache.abandon());
  context.reportHealth(() => cache.health());
  return {
    get: ({ key }) => cache.get(key),
    put: ({ key, value, ttlMs }) => cache.put(key, value, ttlMs),
    remove: async ({ key }) => ({ removed: await cache.remove(key) }),
    clear: async () => ({ removed: await cache.clear() }),
    stats: () => cache.stats(),
    backup: ({ path }) => cache.backup(path),
  };
});
