import { followActor, type RefOf } from "../../actor/index.ts";
import { LIMITS, fault, isFault, sentenceOf } from "../../errors/index.ts";
import type { Patience, Random, Timer } from "../../scope/index.ts";
import type { Log } from "../../telemetry/index.ts";
import type { Network } from "../network.protocol.ts";
import type { BootstrapState, KnownPeer, PeerRegistry } from "../peers.protocol.ts";
import {
  BootstrapCore,
  type BootstrapEffect,
  type RunOrder,
  type RunResult,
  type Surroundings,
} from "./bootstrap.core.ts";
import type { Candidate, Moment } from "./dial-run.ts";
import { nodeAddressOf } from "./node-address.ts";

/** What looking for peers stands on. */
export interface FirstPeersServices extends Patience {
  readonly network: RefOf<typeof Network>;
  readonly registry: RefOf<typeof PeerRegistry>;
  readonly random: Random;
  readonly log: Log;
  readonly moved: (state: BootstrapState) => void;
  /** Own addresses have changed. */
  readonly readdressed: () => void;
}

export interface FirstPeersPlan {
  readonly nodes: readonly Candidate[];
  readonly connectionsMin: number;
}

/** How long the network and the registry may take to tell what they know: a run waits for both. */
const NETWORK_MS = 5_000;
const REGISTRY_MS = 500;
/** Peers of the registry that a run takes. */
const CACHED_MAX = 32;
const CACHED_PRIORITY = 4;
/** Those with a lower reliability are left to the registry, which tries them at its own pace. */
const GOOD = 0.5;
/** Beyond the time of an attempt, so that its end is told by the core. */
const LATER_MS = 1_000;

/** The core with time, the network and the registry: carries its effects out, and tells it what came of them. */
export class FirstPeers {
  readonly #services: FirstPeersServices;
  readonly #core: BootstrapCore;
  readonly #dials = new Map<number, AbortController>();
  readonly #runs = new Map<number, PromiseWithResolvers<RunResult>>();
  #timer: Timer | undefined;
  #watch: Promise<unknown> | undefined;

  constructor(services: FirstPeersServices, plan: FirstPeersPlan) {
    this.#services = services;
    this.#core = new BootstrapCore(plan.nodes, plan.connectionsMin, services.random);
  }

  get core(): BootstrapCore {
    return this.#core;
  }

  /** Follows the network from now on, and looks for peers when the plan has a minimum. */
  start(): void {
    this.#watch = this.#follow();
    this.#apply(this.#core.start(this.#now()));
  }

  /** @throws MAILBOX_FULL, CANCELLED, or what the network answered instead of telling who it is */
  async run(order: RunOrder, signal: AbortSignal): Promise<RunResult> {
    if (signal.aborted) throw fault("CANCELLED", { what: "the bootstrap" }, { cause: signal.reason });
    const { runId, effects } = this.#core.begin(order, this.#now());
    const waiting = Promise.withResolvers<RunResult>();
    this.#runs.set(runId, waiting);
    const leave = (): void => {
      waiting.reject(fault("CANCELLED", { what: "the bootstrap" }, { cause: signal.reason }));
      this.#apply(this.#core.abandon(runId, this.#now()));
    };
    signal.addEventListener("abort", leave, { once: true });
    this.#apply(effects);
    return waiting.promise.finally(() => {
      signal.removeEventListener("abort", leave);
      this.#runs.delete(runId);
    });
  }

  /** Nothing is left of it when this resolves. */
  async close(): Promise<void> {
    this.#timer?.cancel();
    this.#apply(this.#core.close());
    for (const { reject } of this.#runs.values()) reject(fault("CANCELLED", { what: "the bootstrap" }));
    await this.#watch;
  }

  /** When the network restarts, or events are lost, nobody counts as connected until it has been asked anew. */
  async #follow(): Promise<unknown> {
    const { network, clock, signal, readdressed } = this.#services;
    return followActor(
      network,
      async ({ signal: life, hear }) => {
        hear(network.on.connected, ({ peerId }) => this.#apply(this.#core.connected(peerId, this.#now())));
        hear(network.on.disconnected, ({ peerId }) =>
          this.#apply(this.#core.disconnected(peerId, this.#now())),
        );
        hear(network.on.readdressed, readdressed);
        this.#apply(this.#core.standing(await connectedPeers(network, life), this.#now()));
      },
      { clock, signal, ended: () => signal.aborted || this.#apply(this.#core.standing([], this.#now())) },
    );
  }

  #now(): Moment {
    const { clock } = this.#services;
    return { nowMs: clock.now(), wallMs: clock.wallNow() };
  }

  #apply(effects: readonly BootstrapEffect[]): void {
    for (const effect of effects) this.#carryOut(effect);
    this.#arm();
  }

  #carryOut(effect: BootstrapEffect): void {
    const { log, moved } = this.#services;
    switch (effect.kind) {
      case "probe":
        void this.#probe(effect.runId, effect.needsCached);
        break;
      case "dial":
        void this.#dial(effect.attemptId, effect.node);
        break;
      case "withdraw":
        this.#dials.get(effect.attemptId)?.abort(fault("CANCELLED", { what: "the dial" }));
        break;
      case "moved":
        log.info("the bootstrap moved", { state: effect.state, connections: this.#core.connections });
        moved(effect.state);
        break;
      case "ended":
        this.#ended(effect.runId, effect.result);
        break;
    }
  }

  #ended(runId: number, result: RunResult): void {
    const { attempts, ready, tookMs } = result;
    const succeeded = attempts.filter(({ status }) => status === "success").length;
    this.#services.log.info("a bootstrap ended", { ready, attempts: attempts.length, succeeded, tookMs });
    this.#runs.get(runId)?.resolve(result);
  }

  /** One timer for all that the core has to do later. */
  #arm(): void {
    this.#timer?.cancel();
    this.#timer = undefined;
    const { clock, signal } = this.#services;
    const { nextAtMs } = this.#core;
    if (nextAtMs === Infinity || signal.aborted) return;
    this.#timer = clock.at(nextAtMs, () => this.#apply(this.#core.tick(this.#now())));
  }

  async #probe(runId: number, needsCached: boolean): Promise<void> {
    const { network, signal } = this.#services;
    try {
      const [figures, peerIds, cached] = await Promise.all([
        network.call.figures(undefined, { signal, timeoutMs: NETWORK_MS }),
        connectedPeers(network, signal),
        needsCached ? this.#goodPeers() : [],
      ]);
      const { peerId: ownPeerId, addresses: ownAddresses } = figures;
      this.#apply(this.#core.standing(peerIds, this.#now()));
      const surroundings: Surroundings = { ownPeerId, ownAddresses, cached };
      this.#apply(this.#core.dial(runId, surroundings, this.#now()));
    } catch (error) {
      if (!isFault(error)) throw error;
      if (signal.aborted) return;
      this.#services.log.warn("the network could not be asked for peers", { why: sentenceOf(error) });
      this.#runs.get(runId)?.reject(error);
      this.#apply(this.#core.abandon(runId, this.#now()));
    }
  }

  /** Peers that were good before. A registry that does not answer in time costs their names, and no more. */
  async #goodPeers(): Promise<Candidate[]> {
    const { registry, signal } = this.#services;
    try {
      const query = { status: "disconnected", sortBy: "last_seen", offset: 0, limit: 100 } as const;
      const { peers } = await registry.call.list(query, { signal, timeoutMs: REGISTRY_MS });
      return peers
        .filter(({ figures }) => (figures.reliability ?? GOOD) >= GOOD)
        .toSorted((a, b) => (b.figures.reliability ?? GOOD) - (a.figures.reliability ?? GOOD))
        .flatMap(candidatesOf)
        .slice(0, CACHED_MAX);
    } catch (error) {
      if (!isFault(error)) throw error;
      return [];
    }
  }

  async #dial(attemptId: number, { address, peerId, timeoutMs }: Candidate): Promise<void> {
    const { network, signal: life } = this.#services;
    const controller = new AbortController();
    this.#dials.set(attemptId, controller);
    const { signal } = controller;
    try {
      const options = { signal, timeoutMs: timeoutMs + LATER_MS };
      const connection = await network.call.dial({ peerId, addresses: [address] }, options);
      if (!life.aborted) this.#apply(this.#core.succeeded(attemptId, connection.peerId, this.#now()));
    } catch (error) {
      if (!isFault(error)) throw error;
      if (signal.aborted || life.aborted) return;
      const isLate = isFault(error, "DEADLINE_EXCEEDED");
      this.#apply(this.#core.failed(attemptId, reasonOf(error), isLate, this.#now()));
    } finally {
      this.#dials.delete(attemptId);
    }
  }
}

function candidatesOf({ addresses, peerId }: KnownPeer): Candidate[] {
  const [address] = addresses;
  const parsed = address && nodeAddressOf(address.includes("/p2p/") ? address : `${address}/p2p/${peerId}`);
  // What a record of the peer says where to dial is no word about anybody else.
  if (!parsed || parsed.peerId !== peerId) return [];
  return [{ ...parsed, source: "cached", priority: CACHED_PRIORITY, timeoutMs: LIMITS.bootstrap.dialMs }];
}

/** Why, without naming the address again. */
const reasonOf = (error: unknown): string =>
  isFault(error, "PEER_UNREACHABLE") ? error.details.why : sentenceOf(error);

/** A peer may have several connections. */
async function connectedPeers(network: RefOf<typeof Network>, signal: AbortSignal): Promise<string[]> {
  const { connections } = await network.call.connections(undefined, { signal });
  return [...new Set(connections.map(({ peerId }) => peerId))];
}
