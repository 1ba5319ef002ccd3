import type { ActorContext, HandlersOf } from "../../actor/index.ts";
import type { DiscoverySource } from "../discovery/discovery-source.ts";
import { Discovery } from "../discovery/discovery.ts";
import { FileSource } from "../discovery/file-source.ts";
import { GithubSource } from "../discovery/github-source.ts";
import { DhtSource, GossipSource } from "../discovery/network-sources.ts";
import { Network, type NetworkStatus } from "../network.protocol.ts";
import type { DiscoveryInit, PeerRegistry } from "../peers.protocol.ts";
import { LiveRegistry } from "./live-registry.ts";
import { PROBE_PACE, type ProbePace } from "./loss-probes.ts";
import { MEASURE_MS } from "./measurer.ts";
import { watchNetwork } from "./network-watch.ts";
import type { RegistryContext } from "./registry-context.ts";
import { RegistryCore } from "./registry.core.ts";
import { RegistryFile } from "./registry-file.ts";

type Context = ActorContext<typeof PeerRegistry.members>;
type Handlers = HandlersOf<typeof PeerRegistry.members>;

const NETWORKING_ON: NetworkStatus = Object.freeze({ networking: "on", why: "networking is on" });

/** What the registry stands on; a test that has little time measures more often. */
export interface RegistryServices {
  readonly environment: Readonly<Record<string, string | undefined>>;
  readonly measureMs: number;
  readonly pace: ProbePace;
}

/** @throws INVALID_ARGUMENT; STORE_OWNED while another process has the store, and what opening a store throws */
export async function openRegistry(
  context: Context,
  init: DiscoveryInit,
  given: Partial<RegistryServices>,
): Promise<Handlers> {
  const services = { environment: process.env, measureMs: MEASURE_MS, pace: PROBE_PACE, ...given };
  const { clock, random, log, signal } = context;
  const counts = new Map<string, number>();
  const core = new RegistryCore();
  const shared: RegistryContext = {
    core,
    network: context.ref(Network),
    clock,
    random,
    log,
    signal,
    now: () => ({ nowMs: clock.now(), wallMs: clock.wallNow() }),
    count: (name, by = 1) => void counts.set(name, (counts.get(name) ?? 0) + by),
    changed: (peerId) => context.emit.changed({ peerId }),
  };
  const file = new RegistryFile(init.directory, context);
  context.atExit(() => file.abandon());
  context.defer(() => file.close());
  const discovery = new Discovery(sourcesOf(init, shared, services), { clock, log, count: shared.count });
  const registry = new LiveRegistry(shared, file, discovery, init, services);
  context.atExit(() => registry.abandon());
  context.defer(() => registry.close());
  await registry.open();
  const tell = (): Record<string, number> => ({
    ...Object.fromEntries(counts),
    crowded_out: core.crowdedOut,
  });
  context.reportHealth(() => ({ ...NETWORKING_ON, peers: core.size, ...tell() }));
  // Not waited for: the network may come up later than this actor.
  void watchNetwork(shared.network, registry, shared);
  return handlersOf(registry, tell);
}

function handlersOf(registry: LiveRegistry, tell: () => Record<string, number>): Handlers {
  return {
    status: () => NETWORKING_ON,
    discover: (request, message) => registry.discover(request, message),
    list: (query) => registry.list(query),
    peer: ({ peerId }) => registry.peer(peerId),
    history: ({ peerId, hours }) => ({ points: registry.history(peerId, hours) }),
    connect: (request, message) => registry.connect(request, message),
    disconnect: (request, message) => registry.disconnect(request, message),
    offer: async ({ capabilities }) => ({ sequence: await registry.offer(capabilities) }),
    judged: ({ peerId, ok, why }) => registry.judged(peerId, ok, why),
    forget: ({ peerId }) => registry.forget(peerId),
    counts: () => ({ counts: tell() }),
  };
}

/** The cheapest first, which changes nothing: all are asked at once. */
function sourcesOf(
  init: DiscoveryInit,
  context: RegistryContext,
  { environment }: RegistryServices,
): DiscoverySource[] {
  const { clock, count, network } = context;
  const sources: DiscoverySource[] = [new GossipSource(network), new DhtSource(network)];
  if (init.file !== null) sources.push(new FileSource(init.file, { clock, count }));
  if (init.github !== null) sources.push(new GithubSource(init.github, { clock, count, environment }));
  return sources;
}
