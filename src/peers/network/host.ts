import { readFileSync } from "node:fs";
import { autoNAT } from "@libp2p/autonat";
import { circuitRelayServer, circuitRelayTransport } from "@libp2p/circuit-relay-v2";
import { dcutr } from "@libp2p/dcutr";
import { gossipsub } from "@libp2p/gossipsub";
import { identify, identifyPush } from "@libp2p/identify";
import {
  FaultTolerance,
  type ConnectionGater,
  type Libp2p,
  type Listener,
  type PrivateKey,
} from "@libp2p/interface";
import { kadDHT } from "@libp2p/kad-dht";
import { mdns } from "@libp2p/mdns";
import { noise } from "@libp2p/noise";
import { ping } from "@libp2p/ping";
import { tcp } from "@libp2p/tcp";
import { yamux } from "@libp2p/yamux";
import type { Multiaddr } from "@multiformats/multiaddr";
import { createLibp2p } from "libp2p";
import { LIMITS, assert, fault, sentenceOf } from "../../errors/index.ts";
import type { HostInit, Reach } from "../network.protocol.ts";
import { objectionTo } from "./address-reach.ts";
import { boundedEntries } from "./hash-table-entries.ts";

/** Loaded when networking is on, and never else: all of libp2p hangs on this file. */

const DHT_PROTOCOL = "/mcplusplus/kad/1.0.0";
const MDNS_SERVICE = "_mcplusplus._udp.local";

/** A stream that nobody reads holds as much, at the most, beyond what its reader has taken in. */
const STREAM_WINDOW_BYTES = 524_288;
/** An address that does not answer must not use up the time of the others. */
const ADDRESS_DIAL_MS = 3_000;
/** Streams that may come before a connection has been set up at this end: with fewer, a busy peer kills its own. */
const EARLY_STREAMS = 64;
/** What a hash table says of who has left is wrong until then. */
const PROVIDED_MS = 3_600_000;

export interface Services extends Record<string, unknown> {
  readonly ping: ReturnType<ReturnType<typeof ping>>;
  readonly dht?: ReturnType<ReturnType<typeof kadDHT>>;
  readonly gossip?: ReturnType<ReturnType<typeof gossipsub>>;
}

/** The part of libp2p that listens, which a node shows to its transports only. */
export interface Transports {
  getListeners(): Listener[];
  listen(addresses: Multiaddr[]): Promise<void>;
}

/** The part that knows where the node is, likewise. */
export interface Addresses {
  addObservedAddr(address: Multiaddr): void;
  confirmObservedAddr(address: Multiaddr, options: { ttl: number }): void;
  removeObservedAddr(address: Multiaddr): void;
}

export interface Host {
  readonly node: Libp2p<Services>;
  readonly transports: Transports;
  readonly addresses: Addresses;
}

/** What is told of a peer that mDNS has seen. It must not throw. */
export type Seen = (peerId: string, addresses: string[]) => void;

/**
 * A node that is up and listens.
 *
 * @param prepare before it starts: a peer may be there at once
 * @throws UNAVAILABLE when it cannot listen where it should
 */
export async function openHost(
  init: HostInit,
  privateKey: PrivateKey,
  seen: Seen,
  prepare: (host: Host) => Promise<void>,
): Promise<void> {
  let parts: { readonly transportManager: Transports; readonly addressManager: Addresses } | undefined;
  const version = packageVersion();
  const node = await createLibp2p<Services>({
    start: false,
    privateKey,
    nodeInfo: { name: "mcplusplus", version, userAgent: `mcplusplus/${version}` },
    addresses: { listen: [...init.listen], announce: [...init.announce] },
    transports: [
      tcp(),
      (components) => {
        parts = components;
        return circuitRelayTransport()(components);
      },
    ],
    transportManager: { faultTolerance: FaultTolerance.FATAL_ALL },
    connectionEncrypters: [noise()],
    streamMuxers: [
      yamux({
        maxEarlyStreams: EARLY_STREAMS,
        streamOptions: {
          maxStreamWindowSize: STREAM_WINDOW_BYTES,
          maxReadBufferLength: 2 * STREAM_WINDOW_BYTES,
          maxWriteBufferLength: 2 * LIMITS.network.unreadBytes,
        },
      }),
    ],
    connectionManager: {
      maxConnections: init.connectionsMax,
      inboundConnectionThreshold: init.inboundPerSecond,
      maxIncomingPendingConnections: Math.max(10, init.inboundPerSecond),
      dialTimeout: LIMITS.network.dialMs,
      addressDialTimeout: ADDRESS_DIAL_MS,
      maxPeerAddrsToDial: LIMITS.network.addresses,
    },
    connectionGater: gaterFor(init.reach),
    peerDiscovery: init.mdns ? [mdnsTelling(seen)] : [],
    services: servicesFor(init),
  });
  assert(parts, "a node makes its transports before it is handed out");
  await prepare({ node, transports: parts.transportManager, addresses: parts.addressManager });
  try {
    await node.start();
  } catch (error) {
    await node.stop();
    const where = init.listen.join(", ");
    throw fault("UNAVAILABLE", {
      what: "the network",
      why: `it cannot listen on ${where}: ${firstLine(error)}`,
    });
  }
}

function servicesFor(init: HostInit) {
  return {
    identify: identify(),
    identifyPush: identifyPush(),
    ping: ping(),
    dcutr: dcutr(),
    autoNAT: autoNAT(),
    ...(init.dht && { dht: ownDht(init) }),
    ...(init.gossip && { gossip: ownGossip() }),
    ...(init.relayServer && {
      // Requests are longer than the default of 128 KiB, and links live longer than two minutes.
      relay: circuitRelayServer({
        reservations: { applyDefaultLimit: false, maxReservations: RESERVATIONS },
      }),
    }),
  };
}

const RESERVATIONS = 64;

function ownDht({ reach }: HostInit) {
  const table = kadDHT({
    protocol: DHT_PROTOCOL,
    clientMode: false,
    peerInfoMapper: (peer) => ({
      ...peer,
      multiaddrs: peer.multiaddrs.filter((address) => objectionTo(address.toString(), reach) === null),
    }),
    initialQuerySelfInterval: 1_000,
    providers: { provideValidity: PROVIDED_MS },
    reprovide: { validity: PROVIDED_MS, interval: PROVIDED_MS / 4, threshold: PROVIDED_MS / 2 },
  });
  return (components: Parameters<typeof table>[0]) => {
    const datastore = boundedEntries(components.datastore, () => components.peerId.toString());
    return table(Object.create(components, { datastore: { value: datastore } }) as typeof components);
  };
}

function ownGossip() {
  return gossipsub({
    allowPublishToZeroTopicPeers: true,
    emitSelf: false,
    globalSignaturePolicy: "StrictSign",
    doPX: false,
    maxInboundDataLength: LIMITS.discovery.recordBytes,
    fallbackToFloodsub: false,
  });
}

function mdnsTelling(seen: Seen): ReturnType<typeof mdns> {
  return (components) => {
    const discovery = mdns({ serviceTag: MDNS_SERVICE })(components);
    discovery.addEventListener("peer", ({ detail }) => {
      seen(detail.id.toString(), detail.multiaddrs.map(String));
    });
    return discovery;
  };
}

/** What peers tell of each other is dialled by libp2p itself, in walks through the hash table: this stands before it, too. */
function gaterFor(reach: readonly Reach[]): ConnectionGater {
  return {
    denyDialMultiaddr: (address) => objectionTo(address.toString(), reach) !== null,
  };
}

/** Of this package: three folders up in a clone, fewer in the built package. */
function packageVersion(): string {
  for (
    let folder = new URL("../", import.meta.url);
    folder.pathname !== "/";
    folder = new URL("../", folder)
  ) {
    try {
      const text = readFileSync(new URL("package.json", folder), "utf8");
      const manifest = JSON.parse(text) as { readonly name?: string; readonly version?: string };
      if (manifest.name === "mcplusplus") return manifest.version ?? "0";
    } catch {
      // Not here.
    }
  }
  return "0";
}

/** libp2p's own sentence is a list with a stack for each address. */
const firstLine = (error: unknown): string => {
  const lines = sentenceOf(error)
    .split("\n")
    .map((line) => line.trim());
  return lines.find((line) => line.startsWith("/") || /EADDR|listen E/.test(line)) ?? lines[0] ?? "";
};
