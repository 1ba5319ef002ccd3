import type { kadDHT } from "@libp2p/kad-dht";
import { LIMITS } from "../../errors/index.ts";

type Datastore = Parameters<ReturnType<typeof kadDHT>>[0]["datastore"];
type Key = Parameters<Datastore["put"]>[0];
type Stored = Pick<Datastore, "put" | "get" | "has" | "delete" | "query" | "queryKeys">;

const { providedPerPeer, tableEntries } = LIMITS.network;

/**
 * What a node keeps of a hash table for others, within bounds: libp2p keeps whatever anybody provides for as long as it
 * holds, and goes through all of it for each question. Beyond a bound, what came first leaves.
 */
export function boundedEntries(inner: Stored, ownId: () => string): Stored {
  /** Texts of keys, by the peer that they end with. */
  const kept = new Map<string, Map<string, Key>>();
  let count = 0;

  const forget = (key: Key): void => {
    const peer = peerOf(key);
    const keys = kept.get(peer);
    if (keys?.delete(key.toString()) !== true) return;
    count -= 1;
    if (keys.size === 0) kept.delete(peer);
  };
  /** Of that peer, or else of the one that has been here for longest. */
  const surplus = (peer: string): Key | undefined => {
    const own = kept.get(peer);
    if (own !== undefined && own.size > providedPerPeer) return own.values().next().value;
    if (count <= tableEntries) return undefined;
    const first = kept.entries().find(([each]) => each !== ownId());
    return first?.[1].values().next().value;
  };

  return {
    async put(key, value, options) {
      const stored = await inner.put(key, value, options);
      const peer = peerOf(key);
      const keys = kept.get(peer) ?? new Map<string, Key>();
      kept.set(peer, keys);
      if (!keys.has(key.toString())) count += 1;
      keys.set(key.toString(), key);
      for (let oldest = surplus(peer); oldest !== undefined; oldest = surplus(peer)) {
        forget(oldest);
        await inner.delete(oldest);
      }
      return stored;
    },
    delete(key, options) {
      forget(key);
      return inner.delete(key, options);
    },
    get: (key, options) => inner.get(key, options),
    has: (key, options) => inner.has(key, options),
    query: (query, options) => inner.query(query, options),
    queryKeys: (query, options) => inner.queryKeys(query, options),
  };
}

/** A provider's key ends with its peer; a record's with itself. */
const peerOf = (key: Key): string => key.name();
