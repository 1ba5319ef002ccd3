import { join, resolve } from "node:path";
import { LIMITS, fault, isFault } from "../errors/index.ts";
import { PUBLIC_ADDRESS_SERVICES } from "../peers/bootstrap/public-nodes.ts";
import type { HostInit, Reach } from "../peers/network.protocol.ts";
import type { BootstrapPlan, DiscoveryInit, GithubInit } from "../peers/peers.protocol.ts";
import type { RemoteInit } from "../remote/remote.protocol.ts";
import {
  checkInteger,
  checkKeys,
  checkText,
  checkTexts,
  checkWords,
  invalidArgument,
} from "../schema/index.ts";

/** Peers of this system. Nothing of it is on unless it is said. @see docs/guide/peers.md */
export interface NetworkOptions {
  /** Whose addresses may be dialled; default: those of this machine. */
  readonly reach?: readonly Reach[];
  /**
   * Multiaddrs to listen on; an empty list listens nowhere. Default: a free port, of loopback when no more than this machine
   * is in reach, else of all interfaces.
   */
  readonly listen?: readonly string[];
  /** Multiaddrs that are told instead of those that are listened on, for a node behind a port mapping of one's own. */
  readonly announce?: readonly string[];
  /** What the node says that it can do, beside the actions that it has granted to someone; at most 32 names. */
  readonly capabilities?: readonly string[];
  /** Connections at a time; default 256. */
  readonly connectionsMax?: number;
  readonly discover?: {
    /** A file in which the nodes of one machine, or of one file system, tell of themselves. */
    readonly file?: string;
    readonly mdns?: boolean;
    readonly dht?: boolean;
    readonly gossip?: boolean;
    readonly github?: GithubOptions;
  };
  readonly bootstrap?: {
    /** First peers, each with `/p2p/<id>`. */
    readonly nodes?: readonly string[];
    /** Those of libp2p; they are on the internet. Default false. */
    readonly defaults?: boolean;
    /** Connections below which others are looked for; default 1 where there are nodes, else 0. */
    readonly connectionsMin?: number;
  };
  readonly nat?: {
    /** `host:port` of STUN servers, which tell the kind of NAT. */
    readonly stun?: readonly string[];
    /** URLs of services that tell the address that they were asked from; `default` stands for five public ones. */
    readonly publicAddress?: readonly string[];
    /** Asks the gateway for a port by NAT-PMP or UPnP. Default false. */
    readonly portMapping?: boolean;
    /** Peers, each with `/p2p/<id>`, through which this node can be reached. */
    readonly relays?: readonly string[];
    /** Relays traffic of others. Default false. */
    readonly relayServer?: boolean;
  };
  readonly remote?: {
    /** How long a peer may be silent before its tasks run elsewhere; default 15,000. */
    readonly leaseMs?: number;
    /** Tasks of peers that run here at once; default: one for each handler thread. */
    readonly servedMax?: number;
  };
}

export interface GithubOptions {
  readonly owner: string;
  readonly repository: string;
  /** The environment variable that holds the token; default `GITHUB_TOKEN`. Null: peers are read, and nothing is told. */
  readonly tokenVariable?: string | null;
  /** Authors whose comments count; default: anyone's, since records are believed for their signature. */
  readonly authors?: readonly string[];
  /** Of the REST API; default `https://api.github.com`. */
  readonly baseUrl?: string;
}

/** What the four actors of the network are started with; null: networking is off. */
export interface NetworkPlan {
  readonly host: HostInit;
  readonly discovery: DiscoveryInit;
  readonly bootstrap: BootstrapPlan;
  readonly remote: RemoteInit;
}

const PARTS = {
  discover: ["file", "mdns", "dht", "gossip", "github"],
  bootstrap: ["nodes", "defaults", "connectionsMin"],
  nat: ["stun", "publicAddress", "portMapping", "relays", "relayServer"],
  remote: ["leaseMs", "servedMax"],
} as const;

const REACHES: readonly Reach[] = ["machine", "lan", "internet"];

/**
 * The options with every default filled in. Whether an address is one shows when the node starts.
 *
 * @throws INVALID_ARGUMENT
 */
export function planNetwork(
  options: NetworkOptions,
  { data, threads }: { readonly data: string | null; readonly threads: number },
): NetworkPlan {
  const own = ["reach", "listen", "announce", "capabilities", "connectionsMax"];
  checkKeys("network", options, [...own, ...Object.keys(PARTS)]);
  for (const [part, keys] of Object.entries(PARTS))
    checkKeys(`network.${part}`, options[part as keyof typeof PARTS] ?? {}, keys);
  const { reach = ["machine"], announce = [], capabilities = [], connectionsMax } = options;
  const { discover = {}, bootstrap = {}, nat = {}, remote = {} } = options;
  checkWords("network.reach", reach, REACHES);
  if (discover.file !== undefined) checkText("network.discover.file", discover.file);
  const listen = options.listen ?? [reach.some((each) => each !== "machine") ? ANYWHERE : LOOPBACK];
  checkLists({
    listen,
    announce,
    capabilities,
    "bootstrap.nodes": bootstrap.nodes,
    "nat.stun": nat.stun,
    "nat.publicAddress": nat.publicAddress,
    "nat.relays": nat.relays,
  });
  const { connections } = LIMITS.network;
  return {
    host: {
      keyFile: data === null ? null : join(data, "identity.key"),
      reach,
      listen,
      announce,
      connectionsMax: whole("connectionsMax", connectionsMax ?? connections, 1, LIMITS.peers.connections),
      inboundPerSecond: INBOUND_PER_SECOND,
      mdns: discover.mdns === true,
      dht: discover.dht === true,
      gossip: discover.gossip === true,
      relays: nat.relays ?? [],
      relayServer: nat.relayServer === true,
    },
    discovery: {
      directory: data,
      capabilities,
      recordTtlMs: RECORD_TTL_MS,
      file: discover.file === undefined ? null : resolve(discover.file),
      github: discover.github === undefined ? null : githubOf(discover.github),
    },
    bootstrap: planBootstrap(bootstrap, nat),
    remote: {
      on: true,
      directory: data,
      blobDirectory: data === null ? null : join(data, "blobs"),
      leaseMs: whole("remote.leaseMs", remote.leaseMs ?? LIMITS.remote.leaseMs, LEASE_MS_MIN, LEASE_MS_MAX),
      servedMax: whole(
        "remote.servedMax",
        remote.servedMax ?? Math.max(1, threads),
        1,
        LIMITS.remote.concurrency,
      ),
    },
  };
}

/** What the actors of the network call the options that they refuse. */
const OPTIONS: ReadonlyMap<string, string> = new Map([
  ["listen", "network.listen"],
  ["announce", "network.announce"],
  ["relays", "network.nat.relays"],
  ["custom", "network.bootstrap.nodes"],
  ["stunServers", "network.nat.stun"],
  ["ipServices", "network.nat.publicAddress"],
]);

/** Whoever opens a system knows its options, and not what the actor calls them that looked at their texts first. */
export function inWordsOfNetwork(error: unknown): unknown {
  if (!isFault(error, "INVALID_ARGUMENT")) return error;
  const { argument, ...rest } = error.details;
  const option = argument.replace(/^\w+/, (name) => OPTIONS.get(name) ?? name);
  return fault("INVALID_ARGUMENT", { ...rest, argument: option }, { cause: error });
}

const LOOPBACK = "/ip4/127.0.0.1/tcp/0";
const ANYWHERE = "/ip4/0.0.0.0/tcp/0";
/** Nodes of one machine share its address. */
const INBOUND_PER_SECOND = 50;
const RECORD_TTL_MS = 1_200_000;
const LEASE_MS_MIN = 1_000;
const LEASE_MS_MAX = 300_000;

function planBootstrap(
  bootstrap: NonNullable<NetworkOptions["bootstrap"]>,
  nat: NonNullable<NetworkOptions["nat"]>,
): BootstrapPlan {
  const { nodes = [], defaults = false, connectionsMin } = bootstrap;
  const usual = nodes.length > 0 || defaults ? 1 : 0;
  return {
    custom: nodes,
    defaults,
    connectionsMin: whole("bootstrap.connectionsMin", connectionsMin ?? usual, 0, LIMITS.peers.connections),
    stunServers: nat.stun ?? [],
    ipServices: (nat.publicAddress ?? []).flatMap((url) =>
      url === "default" ? PUBLIC_ADDRESS_SERVICES : url,
    ),
    portMapping: nat.portMapping === true,
  };
}

function githubOf(options: GithubOptions): GithubInit {
  const { owner, repository, tokenVariable = "GITHUB_TOKEN", authors = null } = options;
  for (const [name, text] of Object.entries({ owner, repository })) {
    if (typeof text !== "string" || !REPOSITORY.test(text)) {
      const allowed = "1 to 100 letters, digits, dots, dashes and underscores";
      throw invalidArgument(`network.discover.github.${name}`, JSON.stringify(text) ?? "missing", allowed);
    }
  }
  const { baseUrl = "https://api.github.com" } = options;
  return { owner, repository, tokenVariable, authors, baseUrl };
}

/** What GitHub allows in names of owners and repositories. */
const REPOSITORY = /^(?!\.{1,2}$)[\w.-]{1,100}$/;

function checkLists(lists: Readonly<Record<string, unknown>>): void {
  for (const [name, texts] of Object.entries(lists))
    if (texts !== undefined) checkTexts(`network.${name}`, texts);
}

function whole(argument: string, value: number, min: number, max: number): number {
  checkInteger(`network.${argument}`, value, min, max);
  return value;
}
