import type { RefOf } from "../actor/index.ts";
import { LIMITS } from "../errors/index.ts";
import type { Network, NodeFigures } from "../peers/network.protocol.ts";
import type {
  Bootstrap,
  BootstrapAttempt,
  BootstrapView,
  FigurePoint,
  KnownPeer,
  PeerQuery,
  PeerRegistry,
  SourceReport,
} from "../peers/peers.protocol.ts";
import type { Grant, Outlet, Remote } from "../remote/remote.protocol.ts";
import { checkInteger, checkNumber, checkText, checkTexts } from "../schema/index.ts";
import type { Clock } from "../scope/index.ts";
import { throughRestarts } from "./through-restarts.ts";

/** What the door to peers stands on. */
export interface PeerServices {
  readonly network: RefOf<typeof Network>;
  readonly peers: RefOf<typeof PeerRegistry>;
  readonly bootstrap: RefOf<typeof Bootstrap>;
  readonly remote: RefOf<typeof Remote>;
  readonly clock: Clock;
}

export interface DiscoverOptions {
  /** Which a peer must all have; default: none. */
  readonly capabilities?: readonly string[];
  /** 1 to 1,000; default 10. */
  readonly max?: number;
  /** How long to look; default 10,000. */
  readonly timeoutMs?: number;
  readonly signal?: AbortSignal;
}

export interface ConnectOptions {
  /** Attempts at most, with growing pauses between them; 1 to 100, default 3. */
  readonly attempts?: number;
  /** For each attempt; default 10,000. */
  readonly attemptMs?: number;
  /** Is it dialled again whenever the connection is lost? Default true. */
  readonly persist?: boolean;
  readonly signal?: AbortSignal;
}

/** What a peer may do here. What is left out allows nothing. */
export interface AllowOptions {
  /** Actions that it may run; `*` is any. */
  readonly actions?: readonly string[];
  /** Tools that it may call over MCP; `*` is any that this node offers to peers and that destroys nothing. */
  readonly tools?: readonly string[];
  /** Tasks at once; default 4. */
  readonly concurrency?: number;
  /** Starts per minute; default 600. */
  readonly perMinute?: number;
  /** Bytes of one input or output, large values included; default 104,857,600. */
  readonly bytesMax?: number;
  /** How long it holds; default 604,800,000, which is seven days. */
  readonly holdsMs?: number;
}

export interface BootstrapOptions {
  /** Addresses with `/p2p/<id>`; default: those of the options. */
  readonly nodes?: readonly string[];
  /** Connections that make it ready; default 1. */
  readonly connectionsMin?: number;
  /** Connections at which it stops; default 10. */
  readonly connectionsMax?: number;
  /** For all of it; default 60,000. */
  readonly timeoutMs?: number;
  readonly signal?: AbortSignal;
}

export interface Bootstrapped {
  /** Are as many connected as were to be? */
  readonly ready: boolean;
  readonly attempts: readonly BootstrapAttempt[];
  readonly connectedPeers: readonly string[];
  readonly tookMs: number;
}

/** Answers of actors that wait for a network come a little after what they wait for. */
const MARGIN_MS = 5_000;
const DAY_MS = 86_400_000;

/** `system.peers`. With networking off each method rejects with `UNAVAILABLE`, and says how it is turned on. */
export class PeerDoor {
  readonly #services: PeerServices;

  constructor(services: PeerServices) {
    this.#services = services;
  }

  /** This node: its id, its addresses, what it serves and what it has refused. */
  node(): Promise<NodeFigures> {
    const { network } = this.#services;
    return throughRestarts(network, () => network.call.figures());
  }

  /** Asks every source at once, and tells who is known when the time is up, with how each source went. */
  async discover(
    options: DiscoverOptions = {},
  ): Promise<{ peers: KnownPeer[]; sources: SourceReport[]; tookMs: number }> {
    const { peers } = this.#services;
    const { capabilities = [], max = 10, timeoutMs = 10_000 } = options;
    checkTexts("capabilities", capabilities);
    checkInteger("max", max, 1, LIMITS.peers.discovered);
    checkNumber("timeoutMs", timeoutMs, 1, LIMITS.peers.waitS * 1_000);
    return peers.call.discover(
      { capabilities: [...capabilities], max, timeoutMs },
      { timeoutMs: timeoutMs + MARGIN_MS, ...signalOf(options) },
    );
  }

  /** Known peers, page by page, and how many there are in all. */
  list(query: Partial<PeerQuery> = {}): Promise<{ peers: KnownPeer[]; total: number }> {
    const { peers } = this.#services;
    return throughRestarts(peers, () => peers.call.list({ offset: 0, limit: 100, ...query }));
  }

  /** @throws PEER_NOT_FOUND */
  async get(peerId: string): Promise<KnownPeer> {
    const { peers } = this.#services;
    checkText("peerId", peerId);
    return throughRestarts(peers, () => peers.call.peer({ peerId }));
  }

  /** Hourly figures, oldest first. `hours` is 1 to 168, default 24. @throws PEER_NOT_FOUND */
  async history(peerId: string, hours = 24): Promise<FigurePoint[]> {
    const { peers } = this.#services;
    checkText("peerId", peerId);
    checkInteger("hours", hours, 1, LIMITS.peers.historyHours);
    return (await throughRestarts(peers, () => peers.call.history({ peerId, hours }))).points;
  }

  /**
   * Connects to a peer at an address, and resolves when it has proved that it is who was meant.
   *
   * @throws PEER_UNREACHABLE after the last attempt, ADDRESS_NOT_ALLOWED, INVALID_ARGUMENT, CANCELLED
   */
  async connect(
    peerId: string,
    address: string,
    options: ConnectOptions = {},
  ): Promise<{ connectionId: string; attempts: number; tookMs: number; peer: KnownPeer }> {
    const { peers } = this.#services;
    const { attempts = 3, attemptMs = LIMITS.network.dialMs, persist = true } = options;
    checkInteger("attempts", attempts, 1, LIMITS.peers.retries);
    checkNumber("attemptMs", attemptMs, 1, LIMITS.peers.waitS * 1_000);
    return peers.call.connect(
      { peerId, address, attempts, attemptMs, persist },
      { timeoutMs: attempts * (attemptMs + PAUSE_MS_MAX) + MARGIN_MS, ...signalOf(options) },
    );
  }

  /** Closes the connection, and does not dial the peer again. Gracefully, what is under way may end. */
  disconnect(
    peerId: string,
    options: { readonly graceful?: boolean; readonly reason?: string } = {},
  ): Promise<{ wasConnected: boolean; tookMs: number }> {
    const { peers } = this.#services;
    const { graceful = true, reason = "disconnected by the caller" } = options;
    return peers.call.disconnect({ peerId, graceful, reason }, { timeoutMs: DISCONNECT_MS });
  }

  /** Dials first peers until enough are connected. @throws INVALID_ARGUMENT, CANCELLED */
  async bootstrap(options: BootstrapOptions = {}): Promise<Bootstrapped> {
    const { bootstrap } = this.#services;
    const { nodes = [], connectionsMin = 1, connectionsMax = 10, timeoutMs = 60_000 } = options;
    checkNumber("timeoutMs", timeoutMs, 1, LIMITS.peers.waitS * 1_000);
    return bootstrap.call.run(
      { nodes: [...nodes], connectionsMin, connectionsMax, timeoutMs },
      { timeoutMs: timeoutMs + MARGIN_MS, ...signalOf(options) },
    );
  }

  /** How the node is connected, its kind of NAT and its public address, as far as that is known. */
  reach(): Promise<BootstrapView> {
    const { bootstrap } = this.#services;
    return throughRestarts(bootstrap, () => bootstrap.call.view());
  }

  /**
   * Lets a peer run actions, or call tools, here, in place of what it was allowed before. The token is to be given to
   * whoever has that peer, who hands it to `use` there; to any other peer it is worth nothing.
   *
   * @throws INVALID_ARGUMENT
   */
  async allow(
    peerId: string,
    options: AllowOptions = {},
  ): Promise<{ grantId: string; token: string; expiresAtMs: number }> {
    const { remote, clock } = this.#services;
    const { actions = [], tools = [], concurrency = 4, perMinute = 600 } = options;
    const { bytesMax = 104_857_600, holdsMs = 7 * DAY_MS } = options;
    checkNumber("holdsMs", holdsMs, 1, 3_650 * DAY_MS);
    const expiresAtMs = clock.wallNow() + holdsMs;
    const terms = { peerId, actions, tools, concurrency, perMinute, bytesMax, expiresAtMs };
    return { ...(await remote.call.grant({ terms })), expiresAtMs };
  }

  /** Takes back what a peer was allowed; what it has running here is stopped. */
  async revoke(peerId: string): Promise<{ revoked: number; stopped: number }> {
    const { remote } = this.#services;
    checkText("peerId", peerId);
    return throughRestarts(remote, () => remote.call.revoke({ peerId }));
  }

  /** What peers may do here, and what they have done. */
  async grants(): Promise<Grant[]> {
    const { remote } = this.#services;
    return (await throughRestarts(remote, () => remote.call.grants())).grants;
  }

  /** Takes the token that another node's `allow` has made for this one: from then on tasks may go there. @throws TOKEN_INVALID */
  async use(token: string): Promise<Outlet> {
    const { remote } = this.#services;
    checkText("token", token);
    return throughRestarts(remote, () => remote.call.use({ token }));
  }

  /** Sends a peer nothing any more; what it has is given back. */
  async drop(peerId: string): Promise<{ returned: number }> {
    const { remote } = this.#services;
    checkText("peerId", peerId);
    return throughRestarts(remote, () => remote.call.drop({ peerId }));
  }

  /** Where tasks of this node may go, what is there now, and why nothing goes there. */
  async outlets(): Promise<Outlet[]> {
    const { remote } = this.#services;
    return (await throughRestarts(remote, () => remote.call.outlets())).outlets;
  }

  /** The latest refusals of this node, newest first, and how many of each kind there were. `limit` is 1 to 1,000. */
  refusals(
    limit = 100,
  ): Promise<{ latest: { atMs: number; peerId: string; why: string }[]; counts: Record<string, number> }> {
    const { remote } = this.#services;
    return throughRestarts(remote, () => remote.call.refusals({ limit }));
  }
}

/** Between two attempts to connect, at most. */
const PAUSE_MS_MAX = 10_000;
const DISCONNECT_MS = 20_000;

const signalOf = ({ signal }: { readonly signal?: AbortSignal }): { signal?: AbortSignal } =>
  signal === undefined ? {} : { signal };
