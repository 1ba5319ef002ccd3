import type { RefOf } from "../../actor/index.ts";
import { fault, isCancellation, sentenceOf } from "../../errors/index.ts";
import type { Network } from "../network.protocol.ts";
import type { Announcement, DiscoverySource, Finding, PeerSearch } from "./discovery-source.ts";

type NetworkRef = RefOf<typeof Network>;

/** A walk through the table takes a while; the source's own deadline ends it sooner. */
const WALK_MS = 60_000;
const TELL_MS = 15_000;

/** Under it all nodes are found, whatever they can do. It can be no capability's name that anybody else would choose. */
const ANY_NODE = "*";

/** Whoever is provided for a capability in the hash table. It names peers; what they can do, they have to say themselves. */
export class DhtSource implements DiscoverySource {
  readonly name = "dht";
  readonly #network: NetworkRef;

  constructor(network: NetworkRef) {
    this.#network = network;
  }

  async announce({ record }: Announcement, signal: AbortSignal): Promise<void> {
    const capabilities = [ANY_NODE, ...record.capabilities];
    await asked("the DHT", () =>
      this.#network.call.provide({ capabilities }, { signal, timeoutMs: WALK_MS }),
    );
  }

  /** Nothing can be taken back from a hash table; what it names expires. */
  withdraw(): Promise<void> {
    return Promise.resolve();
  }

  async *find({ capabilities, max }: PeerSearch, signal: AbortSignal): AsyncIterable<Finding> {
    const wanted = capabilities.length === 0 ? [ANY_NODE] : [...capabilities];
    const { peers } = await asked("the DHT", () =>
      this.#network.call.findProviders({ capabilities: wanted, max }, { signal, timeoutMs: WALK_MS }),
    );
    for (const hint of peers) yield { kind: "hint", hint: { ...hint, source: "dht" } };
  }

  sweep(): Promise<number> {
    return Promise.resolve(0);
  }
}

/** The neighbours, who pass a record on. What others say comes by itself, as an event. */
export class GossipSource implements DiscoverySource {
  readonly name = "gossip";
  readonly #network: NetworkRef;

  constructor(network: NetworkRef) {
    this.#network = network;
  }

  async announce({ sealed }: Announcement, signal: AbortSignal): Promise<void> {
    await asked("gossip", () =>
      this.#network.call.publish({ record: sealed }, { signal, timeoutMs: TELL_MS }),
    );
  }

  /** What has been told is believed until it expires. */
  withdraw(): Promise<void> {
    return Promise.resolve();
  }

  async *find(): AsyncIterable<Finding> {}

  sweep(): Promise<number> {
    return Promise.resolve(0);
  }
}

async function asked<T>(source: string, ask: () => Promise<T>): Promise<T> {
  try {
    return await ask();
  } catch (error) {
    if (isCancellation(error)) throw error;
    throw fault("DISCOVERY_FAILED", { source, why: sentenceOf(error) }, { cause: error });
  }
}
