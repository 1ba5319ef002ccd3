import { LIMITS } from "../errors/index.ts";
import { Cache } from "../cache/cache.protocol.ts";
import { Generation } from "../cache/near.protocol.ts";
import { workerModule, type RefOf } from "../actor/index.ts";
import { Bootstrap, PeerRegistry } from "../peers/peers.protocol.ts";
import { Queue } from "../queue/queue.protocol.ts";
import { Router } from "../router/router.protocol.ts";
import type { Placement, SupervisorHandle } from "../supervisor/index.ts";
import { Scheduler } from "../workflow/workflow.protocol.ts";
import type { ResolvedOptions } from "./options.ts";

/** The six actors, in the order in which they are started; they are stopped in reverse. */
export const ACTORS = ["cache", "queue", "scheduler", "peer-registry", "bootstrap", "router"] as const;
export type ActorName = (typeof ACTORS)[number];

/** What each of them answers to. */
export const PROTOCOLS = {
  cache: Cache,
  queue: Queue,
  scheduler: Scheduler,
  "peer-registry": PeerRegistry,
  bootstrap: Bootstrap,
  router: Router,
} as const;

/** Refs of the six. They survive restarts. */
export interface Actors {
  readonly cache: RefOf<typeof Cache>;
  readonly queue: RefOf<typeof Queue>;
  readonly scheduler: RefOf<typeof Scheduler>;
  readonly peers: RefOf<typeof PeerRegistry>;
  readonly bootstrap: RefOf<typeof Bootstrap>;
  readonly router: RefOf<typeof Router>;
}

/** These three have little to do. */
const QUIET_MB = 3;
/** What large submits leave behind dies young in so much; V8 by itself would take 128 MB for it, and keep them. */
const QUEUE_YOUNG_MB = 48;

/** Starts the six; their threads load side by side, their setups run in order. */
export async function spawnActors(supervisor: SupervisorHandle, options: ResolvedOptions): Promise<Actors> {
  const { data: directory, durability, modules, threads, heapMb, graceMs } = options;
  const { roots, allowedHosts, order, quotas, keptTasks, keptMs, idle } = options;
  const at = (name: ActorName): { module: string; name: string; placement?: Placement } => ({
    name,
    module: workerModule(`${name}.actor`).href,
    // Whoever only looks something up does not wait for six threads to start.
    ...(idle && { placement: "inline" as const }),
  });
  const [cache, queue, scheduler, peers, bootstrap, router] = await Promise.all([
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
    supervisor.spawn(PeerRegistry, { ...at("peer-registry"), youngHeapMb: QUIET_MB }),
    supervisor.spawn(Bootstrap, { ...at("bootstrap"), youngHeapMb: QUIET_MB }),
    supervisor.spawn(Router, { ...at("router"), youngHeapMb: QUIET_MB }),
  ]);
  return { cache, queue, scheduler, peers, bootstrap, router };
}
