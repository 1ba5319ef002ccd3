import { followActor, type RefOf } from "../actor/index.ts";
import { LIMITS, fault } from "../errors/index.ts";
import type { Queue } from "../queue/queue.protocol.ts";
import { invalidArgument } from "../schema/index.ts";
import { unlessLate, type Scheduler, type Timer } from "../scope/index.ts";
import type { Log } from "../telemetry/index.ts";
import type { GrantClaims } from "./grant-token.ts";
import { Outlet, WORKER_PREFIX, type OutletServices } from "./outlet.ts";
import { placed } from "./placement.ts";
import type { Outlet as OutletView } from "./remote.protocol.ts";
import { readTell, writeTold } from "./wire.ts";

export interface OutletsServices extends Omit<OutletServices, "onChange"> {
  readonly scheduler: Scheduler;
  readonly log: Log;
}

/** Workers that an earlier life of this actor has left. */
const LEFT = (workerId: string): boolean => workerId.startsWith(WORKER_PREFIX);

/** All peers that this node holds a grant of, and which of them is handed the next task. */
export class Outlets {
  readonly #services: OutletsServices;
  readonly #outlets = new Map<string, Outlet>();
  #isPlanned = false;
  /** Looks again when somebody who was held may be asked. */
  #alarm: Timer | null = null;
  /** Nothing is asked for before the queue has taken back what an earlier life had. */
  #isOpen = false;

  constructor(services: OutletsServices) {
    this.#services = services;
  }

  get size(): number {
    return this.#outlets.size;
  }

  has(peerId: string): boolean {
    return this.#outlets.has(peerId);
  }

  views(): OutletView[] {
    return Array.from(this.#outlets.values(), (outlet) => outlet.view());
  }

  /** @throws INVALID_ARGUMENT when there are too many */
  use(token: Uint8Array, claims: GrantClaims, isConnected: boolean): OutletView {
    const known = this.#outlets.get(claims.issuer);
    if (known !== undefined) {
      known.use(token, claims);
      return known.view();
    }
    this.checkRoom();
    const outlet = new Outlet(token, claims, { ...this.#services, onChange: () => this.#plan() });
    this.#outlets.set(claims.issuer, outlet);
    if (isConnected) outlet.connected();
    else void outlet.registerAgain();
    return outlet.view();
  }

  /** @throws INVALID_ARGUMENT */
  checkRoom(): void {
    const { outlets } = LIMITS.remote;
    if (this.#outlets.size < outlets) return;
    throw invalidArgument(
      "token",
      `that of one peer more than ${outlets}`,
      `at most ${outlets}; drop one first`,
    );
  }

  /** Undefined: there is none. Else how many tasks it has given back. */
  async drop(peerId: string): Promise<number | undefined> {
    const outlet = this.#outlets.get(peerId);
    this.#outlets.delete(peerId);
    return outlet?.close();
  }

  /** Resolves when the queue takes tasks for the peer: a connected one has answered to its token, or the time is up. */
  async answered(peerId: string, timeoutMs: number): Promise<void> {
    const outlet = this.#outlets.get(peerId);
    const work = outlet?.isConnected === true ? outlet.greet() : outlet?.registerAgain();
    if (work) await unlessLate(work, timeoutMs, this.#services.clock);
  }

  /** @throws PEER_NOT_FOUND */
  view(peerId: string): OutletView {
    const outlet = this.#outlets.get(peerId);
    if (outlet === undefined) throw fault("PEER_NOT_FOUND", { peerId, why: "has given this node no token" });
    return outlet.view();
  }

  connected(peerId: string): void {
    this.#outlets.get(peerId)?.connected();
  }

  disconnected(peerId: string, why: string): void {
    this.#outlets.get(peerId)?.disconnected(why);
  }

  /** What the registry knows that it can do has changed. */
  capable(peerId: string): void {
    void this.#outlets.get(peerId)?.registerAgain();
  }

  /** @throws PEER_PROTOCOL, NOT_AUTHORIZED for a peer that has nothing of this node */
  async told(peerId: string, body: Uint8Array): Promise<Uint8Array> {
    const outlet = this.#outlets.get(peerId);
    const tell = readTell(peerId, body);
    if (outlet !== undefined) return writeTold(await outlet.told(tell));
    if (tell.ends.length === 0 && (tell.held?.length ?? 0) === 0) {
      throw fault("NOT_AUTHORIZED", { peerId, what: "tell of tasks", why: "it was given none" });
    }
    // It was dropped: whatever it still has is stopped.
    return writeTold({ forget: tell.ends.map(({ token }) => token), stop: tell.held ?? [] });
  }

  // --- the queue ----------------------------------------------------------------------------------------------------

  /** Follows the queue until the signal aborts, or it is stopped for good. */
  async listen(): Promise<void> {
    const { queue } = this.#services;
    await followActor(
      queue,
      async ({ hear }) => {
        hear(queue.on.recalled, ({ workerId, taskIds }) => {
          if (LEFT(workerId)) this.#outlets.get(workerId.slice(WORKER_PREFIX.length))?.recall(taskIds);
        });
        await this.#takeBack(queue);
      },
      this.#services,
    );
  }

  /** What an earlier life of this actor had handed out is run anew: its peers are told so when they speak of it. */
  async #takeBack(queue: RefOf<typeof Queue>): Promise<void> {
    if (!this.#isOpen) {
      const { workers } = await queue.call.workers();
      for (const { workerId } of workers.filter((worker) => LEFT(worker.workerId))) {
        await queue.call.unregisterWorker({ workerId, graceful: false, timeoutMs: 0 });
      }
      this.#isOpen = true;
    }
    for (const outlet of this.#outlets.values()) await outlet.registerAgain();
    this.#plan();
  }

  // --- placing ------------------------------------------------------------------------------------------------------

  /** Once for all that changes in one turn. */
  #plan(): void {
    if (this.#isPlanned || !this.#isOpen || this.#services.signal.aborted) return;
    this.#isPlanned = true;
    this.#services.scheduler.schedule(() => {
      this.#isPlanned = false;
      if (!this.#services.signal.aborted) this.#place();
    });
  }

  #place(): void {
    const candidates = [...this.#outlets.values()].flatMap(({ candidate }) => candidate ?? []);
    const wanted = new Map(placed(candidates).map((each) => [each.peerId, each]));
    for (const [peerId, outlet] of this.#outlets) {
      outlet.want(wanted.get(peerId) ?? null);
      if (outlet.isToBeGreeted) void outlet.greet();
    }
    this.#arm();
  }

  #arm(): void {
    const { clock } = this.#services;
    const nowMs = clock.now();
    let nextMs = Infinity;
    for (const { hold, isConnected } of this.#outlets.values()) {
      if (isConnected) nextMs = Math.min(nextMs, hold.nextEndMs(nowMs));
    }
    this.#alarm?.cancel();
    this.#alarm = null;
    if (nextMs === Infinity) return;
    this.#alarm = clock.at(nextMs, () => {
      this.#alarm = null;
      this.#plan();
    });
  }

  /** All give back what they have. */
  async close(): Promise<void> {
    this.#alarm?.cancel();
    await Promise.all(Array.from(this.#outlets.values(), (outlet) => outlet.close()));
  }
}
