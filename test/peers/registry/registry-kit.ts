import type { HandlersOf } from "../../../src/actor/index.ts";
import type {
  DiscoveryInit,
  KnownPeer,
  PeerRegistry as Registry,
} from "../../../src/peers/peers.protocol.ts";
import { PeerRegistry } from "../../../src/peers/peers.protocol.ts";
import { systemScheduler } from "../../../src/scope/index.ts";
import behaviour from "../../../workers/peer-registry.actor.ts";
import { fakeActor, fakeMessage, type FakeActor } from "../../kit/actor-context.ts";
import { manualClock, type ManualClock } from "../../kit/manual-clock.ts";
import { FakeNetwork } from "./fake-network.ts";
import { makeSigner, TTL_MS } from "./record-kit.ts";

type Members = typeof Registry.members;

/** What `check` finds true before a bound of turns is used up: signatures take turns of their own. */
export async function until(check: () => boolean, what = "it"): Promise<void> {
  for (let turns = 0; turns < 5_000; turns++) {
    if (check()) return;
    await new Promise((resolve) => void setImmediate(resolve));
  }
  throw new Error(`${what} has not come true`);
}

/** A registry with a played network, on a clock that moves when it is told. */
export class RegistryKit {
  readonly clock: ManualClock = manualClock();
  readonly network: FakeNetwork;
  readonly init: DiscoveryInit;
  fake!: FakeActor<Members>;
  call!: HandlersOf<Members>;
  readonly #lives: FakeActor<Members>[] = [];

  constructor(network: (clock: ManualClock) => FakeNetwork, init: Partial<DiscoveryInit> = {}) {
    this.network = network(this.clock);
    this.init = {
      directory: null,
      capabilities: ["compute"],
      recordTtlMs: TTL_MS,
      file: null,
      github: null,
      ...init,
    };
  }

  static async open(init: Partial<DiscoveryInit> = {}): Promise<RegistryKit> {
    const own = await makeSigner();
    const kit = new RegistryKit((clock) => new FakeNetwork(clock, own), init);
    await kit.start();
    await until(() => kit.network.served.has("registry."), "the registry serves");
    return kit;
  }

  async start(epoch = 1): Promise<void> {
    this.fake = fakeActor(PeerRegistry, {
      clock: this.clock,
      epoch,
      scheduler: systemScheduler,
      refs: { network: this.network.ref },
    });
    this.#lives.push(this.fake);
    this.call = await behaviour.setup(this.fake.context, { discovery: this.init });
  }

  get nowMs(): number {
    return this.clock.wallNow();
  }

  readonly message = fakeMessage();

  peers(query: { capabilities?: string[] } = {}): KnownPeer[] {
    const { peers } = this.call.list({ offset: 0, limit: 1_000, ...query }, this.message) as {
      peers: KnownPeer[];
    };
    return peers;
  }

  find(peerId: string): KnownPeer | undefined {
    return this.peers().find((peer) => peer.peerId === peerId);
  }

  counts(): Record<string, number> {
    return (this.call.counts(undefined, this.message) as { counts: Record<string, number> }).counts;
  }

  /** Lets a promise end that waits for the clock, moving it on in small steps. */
  async ending<T>(promise: Promise<T>, stepMs = 50, steps = 2_000): Promise<T> {
    const state = { isOver: false };
    const watched = promise.finally(() => (state.isOver = true));
    watched.catch(() => undefined);
    for (let step = 0; step < steps && !state.isOver; step++) {
      await new Promise((resolve) => void setImmediate(resolve));
      if (!state.isOver) await this.clock.advance(stepMs);
    }
    return watched;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const life = this.#lives.at(-1);
    if (life !== undefined) await this.ending(life.stop());
  }
}
