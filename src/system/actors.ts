import { LIMITS } from "../errors/index.ts";
import { Cache } from "../cache/cache.protocol.ts";
import { Generation } from "../cache/near.protocol.ts";
import { workerModule, type RefOf } from "../actor/index.ts";
import { KeptPorts, Network } from "../peers/network.protocol.ts";
import { Bootstrap, PeerRegistry } from "../peers/peers.protocol.ts";
import { Queue } from "../queue/queue.protocol.ts";
import { Remote, type RemoteInit } from "../remote/remote.protocol.ts";
import { Router } from "../router/router.protocol.ts";
import type { Placement, SupervisorHandle } from "../supervisor/index.ts";
import { Scheduler } from "../workflow/workflow.protocol.ts";
import type { ResolvedOptions } from "./options.ts";

/** The eight actors, in the order in which they are started; they are stopped in reverse. */
export const ACTORS = [
  "cache",
  "queue",
  "scheduler",
  "network",
  "peer-registry",
  "bootstrap",
  "remote",
  "router",
] as const;
export type ActorName = (typeof ACTORS)[number];

/** What each of them answers to. */
export const PROTOCOLS = {
  cache: Cache,
  queue: Queue,
  scheduler: Scheduler,
  network: Network,
  "peer-registry": PeerRegistry,
  bootstrap: Bootstrap,
  remote: Remote,
  router: Router,
} as const;

/** Refs of the eight. They survive restarts. */
export interface Actors {
  readonly cache: RefOf<typeof Cache>;
  readonly queue: RefOf<typeof Queue>;
  readonly scheduler: RefOf<typeof Scheduler>;
  readonly network: RefOf<typeof Network>;
  readonly peers: RefOf<typeof PeerRegistry>;
  readonly bootstrap: RefOf<typeof Bootstrap>;
  readonly remote: RefOf<typeof Remote>;
  readonly router: RefOf<typeof Router>;
}

/** These have little to do. */
const QUIET_MB = 3;
/** What large submits leave behind dies young in so much; V8 by itself would take 128 MB for it, and keep them. */
const QUEUE_YOUNG_MB = 48;
/** A peer node says good-bye to its neighbours before it goes. */
const NETWORK_SHUTDOWN_MS = 5_000;

/** Starts the eight; their threads load side by side, their setups run in order. */
export async function spawnActors(supervisor: SupervisorHandle, options: ResolvedOptions): Promise<Actors> {
  const { data: directory, durability, modules, threads, heapMb, graceMs, network: plan } = options;
  const { roots, allowedHosts, order, quotas, keptTasks, keptMs, idle } = options;
  const at = (name: ActorName): { module: string; name: string; placement?: Placement } => ({
    name,
    module: workerModule(`${name}.actor`).href,
    // Whoever only looks something up does not wait for threads to start.
    ...(idle && { placement: "inline" as const }),
  });
  // With networking off they only say so, and no thread is started for that.
  const peerAt = (name: ActorName): ReturnType<typeof at> & { youngHeapMb: number } => ({
    ...at(name),
    youngHeapMb: QUIET_MB,
    ...(plan === null && { placement: "inline" as const }),
  });
  const [cache, queue, scheduler, network, peers, bootstrap, remote, router] = await Promise.all([
    supervisor.spawn(Cache, {
      ...at("cache"),
      init: { directory, ...options.cache },
      shared: Generation.create(),
    }),
    supervisor.spawn(Queue, {
      ...at("queue"),
      init: {
        directory,
        durability,
        order,
        quotas,
        modules,
        threads,
        sharedPerThread: LIMITS.compute.sharedPerThread,
        heapMb,
        graceMs,
        roots,
        allowedHosts,
        keptTasks,
        keptMs,
      },
      youngHeapMb: QUEUE_YOUNG_MB,
      // Running handlers get their grace, and then the stores are closed.
      shutdownMs: graceMs + 5_000,
    }),
    supervisor.spawn(Scheduler, {
      ...at("scheduler"),
      // It would else go on with unfinished runs, and fail the steps whose modules are not loaded here.
      init: { directory, durability, keptTasks, keptMs, idle },
      calls: ["queue", "cache"],
    }),
    supervisor.spawn(Network, {
      ...at("network"),
      ...(plan === null && { placement: "inline" as const }),
      init: { host: plan?.host ?? null },
      shared: KeptPorts.create(),
      shutdownMs: NETWORK_SHUTDOWN_MS,
    }),
    supervisor.spawn(PeerRegistry, {
      ...peerAt("peer-registry"),
      init: { discovery: plan?.discovery ?? null },
      calls: ["network"],
    }),
    supervisor.spawn(Bootstrap, {
      ...peerAt("bootstrap"),
      init: { bootstrap: plan?.bootstrap ?? null },
      calls: ["network", "peer-registry"],
    }),
    supervisor.spawn(Remote, {
      ...peerAt("remote"),
      init: plan?.remote ?? REMOTE_OFF,
      calls: ["network", "peer-registry", "queue"],
    }),
    supervisor.spawn(Router, { ...at("router"), youngHeapMb: QUIET_MB }),
  ]);
  return { cache, queue, scheduler, network, peers, bootstrap, remote, router };
}

const REMOTE_OFF: RemoteInit = {
  on: false,
  directory: null,
  blobDirectory: null,
  leaseMs: LIMITS.remote.leaseMs,
  servedMax: 1,
};
