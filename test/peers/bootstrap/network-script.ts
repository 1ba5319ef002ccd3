import type { RefOf } from "../../../src/actor/index.ts";
import { EventStream } from "../../../src/actor/index.ts";
import { fault } from "../../../src/errors/index.ts";
import type { Clock } from "../../../src/scope/index.ts";
import type { ConnectionInfo, Network, NodeFigures } from "../../../src/peers/network.protocol.ts";
import type { KnownPeer, PeerRegistry } from "../../../src/peers/peers.protocol.ts";

/** What happens at an address when it is dialled. */
export type Fate =
  | { readonly kind: "connects"; readonly afterMs: number; readonly as?: string }
  | { readonly kind: "refuses"; readonly afterMs: number; readonly why?: string }
  /** Never answers. */
  | { readonly kind: "hangs" };

/** Ids that are valid. */
export const PEERS: readonly string[] = [
  "QmNnooDu7bfjPFoTZYxMNLWUQJyrVwtbZg5gBMjTezGAJN",
  "QmQCU2EcMqAqQPR2i9bChDtGNJchTbq5TbXJJ16u19uLTa",
  "QmbLHAnMoJPWSCR5Zhtx6BHJX9KiKNN6tpvbUcqanj75Nb",
  "QmcZf59bWwK5XFi76CZX8cbJ4BhTzzA3gU1ZjYZcYW3dwt",
  "QmaCpDMGvV2BGHeYERUEnRQAwe3N8SzbUtfsmvsqQLuvuJ",
];

interface Streams {
  readonly connected: Set<EventStream<ConnectionInfo>>;
  readonly disconnected: Set<EventStream<{ peerId: string; why: string }>>;
  readonly readdressed: Set<EventStream<{ addresses: string[] }>>;
}

/** The network as a test wants it: who answers at which address, and when. Time is that of the clock. */
export class NetworkScript {
  readonly ref: RefOf<typeof Network>;
  readonly fates = new Map<string, Fate>();
  /** Addresses in the order in which they were dialled, with the time. */
  readonly dials: { readonly address: string; readonly atMs: number; readonly peerId: string | null }[] = [];
  /** Addresses whose dial was withdrawn. */
  readonly withdrawn: string[] = [];
  readonly present = new Map<string, ConnectionInfo>();
  /** What the node was told to announce, in order. */
  readonly announced: string[][] = [];
  figures: NodeFigures = { peerId: PEERS[4] ?? "", addresses: [], connections: 0, serving: 0, refused: {} };
  /** What every call is answered with, when it is down. */
  down: Error | null = null;
  readonly #streams: Streams = { connected: new Set(), disconnected: new Set(), readdressed: new Set() };
  readonly #clock: Clock;

  constructor(clock: Clock) {
    this.#clock = clock;
    const unused = (): never => {
      throw new Error("a bootstrap does not ask for this");
    };
    const answer = async <T>(value: () => T): Promise<T> => {
      if (this.down !== null) throw this.down;
      return value();
    };
    const stream = <T>(set: Set<EventStream<T>>, event: string, signal?: AbortSignal): EventStream<T> => {
      const made: EventStream<T> = new EventStream<T>(
        { actor: "network", event },
        1_024,
        () => void set.delete(made),
        signal,
      );
      set.add(made);
      return made;
    };
    const call = {
      figures: () => answer(() => this.figures),
      announce: ({ addresses }: { addresses: string[] }) => answer(() => void this.announced.push(addresses)),
      connections: () => answer(() => ({ connections: [...this.present.values()] })),
      dial: (to: { peerId: string | null; addresses: string[] }, options?: { signal?: AbortSignal }) =>
        this.#dial(to, options?.signal),
      status: unused,
    };
    const ref = {
      name: "network",
      call,
      cast: {},
      on: {
        connected: (options?: { signal?: AbortSignal }) =>
          stream(this.#streams.connected, "connected", options?.signal),
        disconnected: (options?: { signal?: AbortSignal }) =>
          stream(this.#streams.disconnected, "disconnected", options?.signal),
        readdressed: (options?: { signal?: AbortSignal }) =>
          stream(this.#streams.readdressed, "readdressed", options?.signal),
      },
      writable: () => Promise.resolve(),
      ready: () => Promise.resolve(),
      shared: () => null,
    };
    // Only what a bootstrap asks for is there.
    this.ref = ref as unknown as RefOf<typeof Network>;
  }

  /** How many follow the connections. */
  get followers(): number {
    return this.#streams.connected.size;
  }

  connect(peerId: string): void {
    const info = connectionTo(peerId, `/ip4/127.0.0.1/tcp/9/p2p/${peerId}`);
    this.present.set(peerId, info);
    for (const stream of this.#streams.connected) stream.push(info);
  }

  disconnect(peerId: string): void {
    this.present.delete(peerId);
    for (const stream of this.#streams.disconnected) stream.push({ peerId, why: "the test" });
  }

  readdress(addresses: string[]): void {
    this.figures = { ...this.figures, addresses };
    for (const stream of this.#streams.readdressed) stream.push({ addresses });
  }

  /** As the actor's death does it: every stream ends, and nobody is connected. */
  restart(): void {
    this.present.clear();
    const error = fault("ACTOR_RESTARTING", { actor: "network" });
    const { connected, disconnected, readdressed } = this.#streams;
    for (const stream of [...connected, ...disconnected, ...readdressed]) stream.finish(error);
  }

  #dial(to: { peerId: string | null; addresses: string[] }, signal?: AbortSignal): Promise<ConnectionInfo> {
    const [address = ""] = to.addresses;
    this.dials.push({ address, atMs: this.#clock.now(), peerId: to.peerId });
    const fate = this.fates.get(address) ?? { kind: "refuses", afterMs: 0 };
    const { promise, resolve, reject } = Promise.withResolvers<ConnectionInfo>();
    signal?.addEventListener(
      "abort",
      () => {
        this.withdrawn.push(address);
        reject(fault("CANCELLED", { what: "the dial" }));
      },
      { once: true },
    );
    if (this.down !== null) reject(this.down);
    else if (fate.kind !== "hangs")
      this.#clock.at(this.#clock.now() + fate.afterMs, () => {
        if (signal?.aborted) return;
        if (fate.kind === "refuses")
          return reject(fault("PEER_UNREACHABLE", { peer: address, why: fate.why ?? "connection refused" }));
        resolve(connectionTo(fate.as ?? to.peerId ?? "", address));
      });
    // A connection stands, and is told, before the peer has answered on it.
    if (this.down === null && fate.kind === "connects")
      this.#clock.at(this.#clock.now() + fate.afterMs - 1, () => {
        if (!signal?.aborted) this.connect(fate.as ?? to.peerId ?? "");
      });
    return promise;
  }
}

function connectionTo(peerId: string, address: string): ConnectionInfo {
  return {
    peerId,
    address,
    direction: "outbound",
    limited: false,
    sinceMs: 0,
    protocolVersion: null,
    agent: null,
    bytesSent: 0,
    bytesReceived: 0,
    requestsServed: 0,
  };
}

/** A registry that knows these peers, or does not answer. */
export function registryOf(peers: () => Promise<KnownPeer[]>): RefOf<typeof PeerRegistry> {
  const ref = {
    name: "peer-registry",
    call: {
      list: async () => {
        const found = await peers();
        return { peers: found, total: found.length };
      },
    },
    cast: {},
    on: {},
    writable: () => Promise.resolve(),
    ready: () => Promise.resolve(),
    shared: () => null,
  };
  return ref as unknown as RefOf<typeof PeerRegistry>;
}

export function knownPeer(peerId: string, address: string, reliability: number | null): KnownPeer {
  return {
    peerId,
    addresses: [address],
    status: "disconnected",
    capabilities: [],
    verified: true,
    sources: ["local_file"],
    lastSeenMs: 0,
    expiresAtMs: null,
    connectedSinceMs: null,
    persistent: false,
    protocolVersion: null,
    agent: null,
    figures: {
      latencyMs: null,
      bandwidthMbps: null,
      lossPercent: null,
      quality: null,
      reliability,
      uptimeHours: null,
      requestsServed: 0,
      bytesTransferred: 0,
    },
  };
}
