import { expect, onTestFinished } from "vitest";
import { EventStream } from "../../../src/actor/event-stream.ts";
import type { RefOf } from "../../../src/actor/index.ts";
import { packValue, unpackValue } from "../../../src/codec/index.ts";
import { LIMITS, fault } from "../../../src/errors/index.ts";
import type { PeerRegistry } from "../../../src/peers/peers.protocol.ts";
import { queueBehaviourOver } from "../../../src/queue/queue.behaviour.ts";
import type { QueueInit } from "../../../src/queue/queue-context.ts";
import {
  Queue,
  type TaskOutcome,
  type TaskSpec,
  type TaskStatus,
} from "../../../src/queue/queue.protocol.ts";
import { remoteBehaviour } from "../../../src/remote/index.ts";
import {
  Remote,
  type GrantTerms,
  type Outlet,
  type RemoteInit,
} from "../../../src/remote/remote.protocol.ts";
import { openStore } from "../../../src/store/index.ts";
import { directActor, type DirectActor } from "../../kit/direct-actor.ts";
import { manualClock, type ManualClock } from "../../kit/manual-clock.ts";
import { microtasksDrained } from "../../kit/microtasks.ts";
import { seededRandom } from "../../kit/seeded-random.ts";
import { seededScheduler } from "../../kit/seeded-scheduler.ts";
import { MemoryNetwork, type MemoryNode } from "../../peers/kit/memory-network.ts";
import { ScriptPool, type Script } from "./script-pool.ts";

export interface NodeOptions {
  /** By action; an action that is not here is one of a built-in name, or nobody's. */
  readonly handlers?: Readonly<Record<string, Script>>;
  /** Tasks of the own queue that run at once; default 4. */
  readonly threads?: number;
  readonly remote?: Partial<RemoteInit>;
  readonly queue?: Partial<QueueInit>;
}

export const LEASE_MS = 15_000;
const REAL_TURNS = 20;
const TURNS_MAX = 200_000;

/** Several nodes in one process, each with a queue of its own, on one clock that the test moves. */
export class World {
  readonly clock: ManualClock = manualClock();
  readonly network = new MemoryNetwork(this.clock);
  readonly #random = seededRandom(7);
  readonly scheduler = seededScheduler(this.#random);

  async node(options: NodeOptions = {}): Promise<Node> {
    const wire = await this.network.add();
    const { clock, scheduler } = this;
    const services = { clock, scheduler, random: this.#random };
    const { handlers = {}, threads = 4 } = options;
    const behaviour = queueBehaviourOver({
      openStore,
      openPool: (poolOptions) => new ScriptPool(poolOptions, handlers),
    });
    const queue = await directActor(
      Queue,
      behaviour,
      {
        ...{ directory: null, durability: "memory", modules: ["file:///script"], order: { by: "priority" } },
        ...{ quotas: [], keptTasks: LIMITS.queue.keptTasks, keptMs: LIMITS.queue.keptMs, threads },
        ...{ sharedPerThread: 1, heapMb: 64, graceMs: 1_000, roots: [], allowedHosts: [] },
        ...options.queue,
      },
      services,
    );
    const registry = fakeRegistry();
    const refs = { network: wire.ref, queue: queue.ref, "peer-registry": registry.ref };
    const init: RemoteInit = {
      ...{ directory: null, on: true, leaseMs: LEASE_MS, servedMax: 100, blobDirectory: null },
      ...options.remote,
    };
    const remote = await directActor(Remote, remoteBehaviour, init, { ...services, refs });
    const node = new Node(this, wire, queue, remote, registry);
    onTestFinished(() => node.crash());
    await this.settle();
    return node;
  }

  /** Lets everything happen that needs no time to pass. */
  async settle(): Promise<void> {
    for (let idle = 0; idle < REAL_TURNS;) {
      await microtasksDrained();
      idle = (await this.scheduler.step()) ? 0 : idle + 1;
    }
  }

  /** Time passes, and all that it brings about happens. */
  async pass(ms: number): Promise<void> {
    const untilMs = this.clock.now() + ms;
    await this.settle();
    while (this.clock.nextAtMs <= untilMs) {
      await this.clock.advance(Math.max(0, this.clock.nextAtMs - this.clock.now()));
      await this.settle();
    }
    await this.clock.advance(untilMs - this.clock.now());
    await this.settle();
  }

  /** Lets the world go on, time included, until the promise settles. */
  async drive<T>(promise: Promise<T>): Promise<T> {
    let isSettled = false;
    const settle = (): void => void (isSettled = true);
    promise.then(settle, settle);
    let idle = 0;
    for (let turn = 0; turn < TURNS_MAX; turn++) {
      await microtasksDrained();
      if (isSettled) return promise;
      if (await this.scheduler.step()) idle = 0;
      else if (idle < REAL_TURNS) idle += 1;
      else {
        idle = 0;
        if (this.clock.nextAtMs === Infinity) throw new Error("nothing is left to happen");
        await this.clock.advance(Math.max(0, this.clock.nextAtMs - this.clock.now()));
      }
    }
    throw new Error("it does not settle");
  }

  /** Time passes until it is so. */
  async until(isSo: () => boolean | Promise<boolean>, withinMs = 120_000): Promise<void> {
    const untilMs = this.clock.now() + withinMs;
    for (await this.settle(); !(await isSo()); await this.settle()) {
      const nextMs = this.clock.nextAtMs;
      if (nextMs > untilMs) throw new Error(`it did not become so within ${withinMs} ms`);
      await this.clock.advance(Math.max(0, nextMs - this.clock.now()));
    }
  }
}

export class Node {
  readonly wire: MemoryNode;
  readonly queue: DirectActor<typeof Queue.members>;
  readonly remote: DirectActor<typeof Remote.members>;
  readonly registry: FakeRegistry;
  readonly #world: World;

  constructor(
    world: World,
    wire: MemoryNode,
    queue: DirectActor<typeof Queue.members>,
    remote: DirectActor<typeof Remote.members>,
    registry: FakeRegistry,
  ) {
    this.#world = world;
    this.wire = wire;
    this.queue = queue;
    this.remote = remote;
    this.registry = registry;
  }

  get peerId(): string {
    return this.wire.peerId;
  }

  /** Lets `other` run things here. Returns the token. */
  async allow(other: Node, more: Partial<GrantTerms> = {}): Promise<string> {
    const terms = termsFor(other.peerId, this.#world.clock.wallNow(), more);
    return (await this.#world.drive(this.remote.ref.call.grant({ terms }))).token;
  }

  async use(token: string): Promise<Outlet> {
    const outlet = await this.#world.drive(this.remote.ref.call.use({ token }));
    await this.#world.settle();
    return outlet;
  }

  async outlets(): Promise<Outlet[]> {
    return (await this.#world.drive(this.remote.ref.call.outlets())).outlets;
  }

  async outlet(of: Node): Promise<Outlet> {
    const found = (await this.outlets()).find(({ peerId }) => peerId === of.peerId);
    if (!found) throw new Error("there is no such outlet");
    return found;
  }

  async refused(): Promise<Record<string, number>> {
    return (await this.#world.drive(this.remote.ref.call.refusals({ limit: 10 }))).counts;
  }

  submit(...tasks: (Partial<TaskSpec> & { taskId: string; value?: unknown })[]): Promise<unknown> {
    const specs = tasks.map(({ value = null, ...task }) => ({
      action: "work",
      input: packValue(value),
      ...task,
    }));
    return this.#world.drive(this.queue.ref.call.submit({ tasks: specs }));
  }

  status(taskId: string): Promise<TaskStatus> {
    return this.#world.drive(this.queue.ref.call.status({ taskId }));
  }

  /** Lets the world go on until the task has ended. */
  end(taskId: string): Promise<TaskOutcome> {
    return this.#world.drive(this.queue.ref.call.wait({ taskId }, { timeoutMs: Infinity }));
  }

  /** Its process dies. */
  crash(): void {
    this.#world.network.lose(this.wire);
    this.remote.crash();
    this.queue.crash();
  }
}

/** Two nodes that are connected, of which the second lets the first run everything, and the first uses that. */
export async function pair(
  asker: NodeOptions = {},
  doer: NodeOptions = {},
  terms: Partial<GrantTerms> = {},
): Promise<{ world: World; a: Node; b: Node; token: string }> {
  const world = new World();
  const a = await world.node({ threads: 0, ...asker });
  const b = await world.node(doer);
  const token = await b.allow(a, terms);
  world.network.connect(a.wire, b.wire);
  await world.settle();
  await a.use(token);
  await world.until(
    async () => (await a.outlet(b)).held === null || (await a.outlet(b)).actions.length === 0,
  );
  return { world, a, b, token };
}

export const termsFor = (peerId: string, nowMs: number, more: Partial<GrantTerms> = {}): GrantTerms => ({
  ...{ peerId, actions: ["*"], tools: [], concurrency: 100, perMinute: 100_000 },
  ...{ bytesMax: 1_000_000, expiresAtMs: nowMs + 3_600_000 },
  ...more,
});

export const outputOf = ({ output }: TaskOutcome): unknown => (output === null ? null : unpackValue(output));

/** A handler that ends when the test says so, and leaves when it is told to. */
export function gate() {
  const open = new Map<
    string,
    { end: (output: unknown) => void; fail: (why: Error) => void; signal: AbortSignal }
  >();
  const script: Script = (_input, { taskId, signal }) =>
    new Promise((resolve, reject) => {
      open.set(taskId, { end: resolve, fail: reject, signal });
      signal.addEventListener("abort", () => {
        open.delete(taskId);
        reject(signal.reason as Error);
      });
    });
  return {
    script,
    running: () => [...open.keys()],
    has: (taskId: string) => open.has(taskId),
    signal: (taskId: string) => open.get(taskId)?.signal,
    end(taskId: string, output: unknown = "done") {
      const run = open.get(taskId);
      expect(run, `${taskId} runs`).toBeDefined();
      open.delete(taskId);
      run?.end(output);
    },
  };
}

export interface FakeRegistry {
  readonly ref: RefOf<typeof PeerRegistry>;
  readonly offered: string[][];
  readonly judged: { peerId: string; ok: boolean; why: string }[];
  /** What is known of peers, by id. */
  readonly known: Map<
    string,
    { latencyMs: number | null; reliability: number | null; capabilities: string[] }
  >;
}

function fakeRegistry(): FakeRegistry {
  const offered: string[][] = [];
  const judged: { peerId: string; ok: boolean; why: string }[] = [];
  const known: FakeRegistry["known"] = new Map();
  const call = {
    offer: ({ capabilities }: { capabilities: string[] }) => {
      offered.push(capabilities);
      return Promise.resolve({ sequence: offered.length });
    },
    judged: (verdict: { peerId: string; ok: boolean; why: string }) => {
      judged.push(verdict);
      return Promise.resolve();
    },
    peer: ({ peerId }: { peerId: string }) => {
      const found = known.get(peerId);
      if (!found) return Promise.reject(fault("PEER_NOT_FOUND", { peerId }));
      const { capabilities, ...figures } = found;
      return Promise.resolve({ capabilities, figures });
    },
  };
  const changed = ({ signal }: { signal?: AbortSignal } = {}) =>
    new EventStream({ actor: "peer-registry", event: "changed" }, 1, () => undefined, signal);
  const ref = {
    ...{ name: "peer-registry", call, cast: {}, on: { changed } },
    ...{ ready: () => Promise.resolve(), writable: () => Promise.resolve(), shared: () => null },
  };
  return { ref: ref as unknown as RefOf<typeof PeerRegistry>, offered, judged, known };
}
