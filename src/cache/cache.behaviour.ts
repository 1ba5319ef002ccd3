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
    put: ({ key, value, ttlMs, tags = [], staleMs = 0 }) =>
      cache.put(key, value, ttlMs, { tags, staleMs, negative: false }),
    invalidate: async (selection) => ({ removed: await cache.invalidate(selection) }),
    clear: async () => ({ removed: await cache.clear() }),
    claim: (claim, { signal }) => cache.claim(claim, signal),
    renew: ({ token }) => ({ held: cache.flights.renew(token) }),
    settle: ({ token, value, ttlMs, tags, staleMs }) =>
      cache.settle(token, value, ttlMs, { tags, staleMs, negative: false }),
    fail: ({ token, error, ttlMs, tags }) => cache.fail(token, error, ttlMs, tags),
    release: ({ token }) => cache.flights.release(token),
    desert: async ({ token }) => ({ abandoned: await cache.flights.desert(token) }),
    stats: () => cache.stats(),
    references: ({ from }) => cache.references(from),
    backup: ({ path }) => cache.backup(path),
  };
});
