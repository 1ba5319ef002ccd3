import { packValue } from "../../codec/index.ts";
import { LIMITS, fault, isFault, toWireError } from "../../errors/index.ts";
import { PEER_WORKER, type Lease, type LeaseEnd } from "../../queue/queue.protocol.ts";
import type { Clock } from "../../scope/index.ts";
import type { System } from "../../system/index.ts";

/** The part of a system that hands out tasks. */
export type QueueHolder = Pick<System, "actors">;

/** A task that a peer has claimed. */
export interface HeldTask {
  readonly lease: Lease;
  /** What the peer calls whoever of it does the work. */
  readonly workerId: string;
  readonly untilMs: number;
}

export interface Claim {
  readonly peerId: string;
  readonly workerId: string;
  readonly types: readonly string[];
  readonly capabilities: readonly string[];
  readonly max: number;
}

/** Whoever takes tasks on behalf of a peer, as the queue knows it. */
export const workerOf = (peerId: string): string => `${PEER_WORKER}${peerId}`;

/**
 * What peers have claimed. Each peer is one worker of the queue, under the id that its connection has authenticated; the
 * tokens of its leases stay here, so that it can end, or give back, only what it has.
 */
export class PeerLeases {
  readonly #clock: Clock;
  /** By peer and by task. */
  readonly #held = new Map<string, Map<string, HeldTask>>();
  /** What each worker is registered with, while this server lives. */
  readonly #registered = new Map<string, string>();
  /** Claims of one peer follow one another: each says anew what the worker can do. */
  readonly #turns = new Map<string, Promise<unknown>>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  get(peerId: string, taskId: string): HeldTask | undefined {
    const held = this.#held.get(peerId)?.get(taskId);
    return held && held.untilMs > this.#clock.now() ? held : undefined;
  }

  /** The next tasks that the peer may take; none when there are none now. */
  async claim(system: QueueHolder, claim: Claim): Promise<readonly HeldTask[]> {
    const before = this.#turns.get(claim.peerId) ?? Promise.resolve();
    const turn = before.then(() => this.#claim(system, claim));
    const settled = turn.catch(() => undefined);
    this.#turns.set(claim.peerId, settled);
    try {
      return await turn;
    } finally {
      if (this.#turns.get(claim.peerId) === settled) this.#turns.delete(claim.peerId);
    }
  }

  /** @throws LEASE_LOST when the peer does not have it, or has it no longer */
  async finish(system: QueueHolder, peerId: string, taskId: string, end: LeaseEnd): Promise<string> {
    const held = this.get(peerId, taskId);
    if (held === undefined) throw fault("LEASE_LOST", { taskId });
    const { token } = held.lease;
    try {
      const ended = await system.actors.queue.call.finish({
        workerId: workerOf(peerId),
        taskId,
        token,
        end,
      });
      this.#forget(peerId, taskId);
      return ended.state;
    } catch (error) {
      if (isFault(error, "LEASE_LOST") || isFault(error, "TASK_NOT_FOUND")) this.#forget(peerId, taskId);
      throw error;
    }
  }

  /** Renews what the peer has, and tells what of it is lost, and what is being cancelled. */
  async renew(system: QueueHolder, peerId: string): Promise<{ held: string[]; cancelling: string[] }> {
    this.#prune(peerId);
    const mine = [...(this.#held.get(peerId) ?? [])];
    if (mine.length === 0) return { held: [], cancelling: [] };
    const leaseMs = LIMITS.mcp.peerLeaseMs;
    const untilMs = this.#clock.now() + leaseMs;
    const leases = mine.map(([taskId, { lease }]) => ({ taskId, token: lease.token }));
    const { lost, cancelling } = await system.actors.queue.call.renew({
      workerId: workerOf(peerId),
      leases,
      leaseMs,
    });
    for (const taskId of lost) this.#forget(peerId, taskId);
    const rest = mine.filter(([taskId]) => !lost.includes(taskId));
    for (const [taskId, held] of rest) this.#keep(peerId, taskId, { ...held, untilMs });
    return { held: rest.map(([taskId]) => taskId), cancelling };
  }

  /** What peers have is queued again at once: without this server nobody knows whose it is. Never rejects. */
  async close(system: QueueHolder): Promise<void> {
    const workers = [...this.#registered.keys()];
    this.#held.clear();
    this.#registered.clear();
    const leave = (workerId: string): Promise<unknown> =>
      system.actors.queue.call.unregisterWorker({ workerId, graceful: false, timeoutMs: 0 });
    await Promise.allSettled(workers.map(leave));
  }

  /** Lets the queue take tasks of these types although nobody has claimed any yet. */
  async announce(system: QueueHolder, workerId: string, types: readonly string[]): Promise<void> {
    await this.#register(system, workerId, [...types], 1);
  }

  async #claim(system: QueueHolder, claim: Claim): Promise<readonly HeldTask[]> {
    const { peerId, workerId, max } = claim;
    this.#prune(peerId);
    const id = workerOf(peerId);
    const { peerTasks, peerLeaseMs: leaseMs } = LIMITS.mcp;
    const room = Math.min(max, peerTasks - (this.#held.get(peerId)?.size ?? 0));
    if (room <= 0) return [];
    const capabilities = [...claim.types, ...claim.capabilities].sort();
    await this.#register(system, id, capabilities, peerTasks);
    const untilMs = this.#clock.now() + leaseMs;
    const { leases } = await system.actors.queue.call
      .claim({ workerId: id, max: room, leaseMs, waitMs: 0 })
      .catch((error: unknown) => {
        // Somebody has removed it: the next claim registers it again.
        if (isFault(error, "UNKNOWN_NAME")) this.#registered.delete(id);
        throw error;
      });
    return leases.map((lease) => {
      const held = { lease, workerId, untilMs };
      this.#keep(peerId, lease.taskId, held);
      return held;
    });
  }

  async #register(
    system: QueueHolder,
    workerId: string,
    capabilities: string[],
    maxConcurrent: number,
  ): Promise<void> {
    const key = JSON.stringify(capabilities);
    if (this.#registered.get(workerId) === key) return;
    const worker = { workerId, capabilities, maxConcurrent };
    await system.actors.queue.call.registerWorker({ worker });
    this.#registered.set(workerId, key);
  }

  #keep(peerId: string, taskId: string, held: HeldTask): void {
    const mine = this.#held.get(peerId) ?? new Map<string, HeldTask>();
    mine.set(taskId, held);
    this.#held.set(peerId, mine);
  }

  #forget(peerId: string, taskId: string): void {
    const mine = this.#held.get(peerId);
    mine?.delete(taskId);
    if (mine?.size === 0) this.#held.delete(peerId);
  }

  #prune(peerId: string): void {
    const nowMs = this.#clock.now();
    for (const [taskId, { untilMs }] of [...(this.#held.get(peerId) ?? [])]) {
      if (untilMs <= nowMs) this.#forget(peerId, taskId);
    }
  }
}

export const completedWith = (output: unknown): LeaseEnd => ({
  kind: "completed",
  output: packValue(output),
});

export const failedWith = (action: string, text: string): LeaseEnd => ({
  kind: "failed",
  error: toWireError(fault("HANDLER_FAILED", { action, text })),
});
