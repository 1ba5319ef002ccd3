import type { RefOf } from "../actor/index.ts";
import { LIMITS, fault, isFault, toWireError, type Fault } from "../errors/index.ts";
import type { Lease, LeaseEnd, Queue } from "../queue/queue.protocol.ts";
import { pause, unlessLate, type Clock, type Timer } from "../scope/index.ts";
import { GivenTask } from "./given-task.ts";
import type { OutletHold } from "./outlet-hold.ts";
import { statedBytes, type Pulls } from "./pulls.ts";
import type { Shelf } from "./shelf.ts";
import type { EndItem, Tell, Told } from "./wire.ts";

export interface GivenTasksServices {
  readonly queue: RefOf<typeof Queue>;
  readonly shelf: Shelf;
  readonly pulls: Pulls;
  readonly clock: Clock;
  readonly leaseMs: number;
  /** Of this node's actor. */
  readonly signal: AbortSignal;
  /** What the peer has room for may have changed. */
  readonly onChange: () => void;
  readonly judge: (peerId: string, ok: boolean, why: string) => void;
}

/** The peer that has them, as far as they need to know it. */
export interface Holder {
  readonly peerId: string;
  readonly workerId: string;
  readonly hold: OutletHold;
  readonly isConnected: boolean;
  /** It did not answer in time, although it is connected: it gets nothing more until it has answered a greeting. */
  silent(why: string): void;
  /** The most that one output may have. */
  readonly bytesMax: number;
  /** Has it stop these. */
  stop(tokens: readonly number[]): Promise<void>;
}

/** Peers of ours tell progress half as often; what comes faster is not passed on. */
const REPORT_MS = LIMITS.remote.progressMs / 2;
/** Before the queue is told again of an end that it could not take. */
const AGAIN_MS = 1_000;
const SILENT = "it fell silent";
const FORGOTTEN = "it does not have it any more";
/** The task is the queue's again, or there is no queue. */
const OVER: ReadonlySet<string> = new Set(["LEASE_LOST", "TASK_NOT_FOUND", "UNKNOWN_NAME", "ACTOR_STOPPED"]);

/**
 * The leases that one peer has. Its word counts for its own leases alone, and for each by its token: what the queue has
 * taken back stays taken back. Of a peer that is not heard for the time of a lease, all are lost.
 */
export class GivenTasks {
  readonly counts = { completed: 0, failed: 0, returned: 0 };
  readonly #holder: Holder;
  readonly #services: GivenTasksServices;
  readonly #given = new Map<number, GivenTask>();
  #heardAtMs = 0;
  #silence: Timer | null = null;

  constructor(holder: Holder, services: GivenTasksServices) {
    this.#holder = holder;
    this.#services = services;
  }

  get size(): number {
    return this.#given.size;
  }

  get tokens(): number[] {
    return [...this.#given.keys()];
  }

  get(token: number): GivenTask | undefined {
    return this.#given.get(token);
  }

  add(lease: Lease): GivenTask {
    const task = new GivenTask(lease);
    this.#given.set(lease.token, task);
    this.#watch();
    return task;
  }

  ofTasks(taskIds: readonly string[]): number[] {
    const wanted = new Set(taskIds);
    return [...this.#given.values()]
      .filter(({ lease }) => wanted.has(lease.taskId))
      .map(({ lease }) => lease.token);
  }

  // --- what the peer says -------------------------------------------------------------------------------------------

  /** It has said something, whatever that was. */
  heard(): void {
    this.#heardAtMs = this.#services.clock.now();
  }

  /** Its latest word on what it has. Returns what it is to stop. @param isNewLife it was restarted since it took them */
  greeted(held: readonly number[], isNewLife: boolean): number[] {
    const theirs = new Set(held);
    for (const task of [...this.#given.values()]) {
      if (task.sequence === null || theirs.has(task.lease.token)) continue;
      this.lose(task, isNewLife ? "its node was restarted" : FORGOTTEN);
    }
    return held.filter((token) => !this.#given.has(token));
  }

  /** What it says of its attempts. Answered when the ends that can be taken at once are on disk. */
  async told(tell: Tell): Promise<Told> {
    this.heard();
    const forget: number[] = [];
    const settled: Promise<void>[] = [];
    // What it says of tasks that it was never given is to its credit as little as silence.
    const isOwn = tell.ends.some(({ token }) => this.#given.has(token));
    for (const end of tell.ends) {
      const task = this.#given.get(end.token);
      if (task === undefined) forget.push(end.token);
      else {
        const settling = this.#end(task, end);
        if (!task.isPulling) settled.push(settling.then(() => void forget.push(end.token)));
      }
    }
    this.#report(tell);
    const stop = tell.held === null ? [] : await this.#compare(tell, tell.held);
    if (isOwn) this.#services.judge(this.#holder.peerId, true, "it carries out tasks");
    // The peer asks again if it takes too long.
    const { clock, leaseMs } = this.#services;
    if (settled.length > 0) await unlessLate(Promise.all(settled), leaseMs / 6, clock);
    return { forget: [...forget], stop };
  }

  #report({ progress }: Tell): void {
    const { workerId } = this.#holder;
    const nowMs = this.#services.clock.now();
    // The latest of each task: a peer that says it a thousand times does not fill the mailbox of the queue.
    const latest = new Map(progress.map((each) => [each.token, each]));
    for (const { token, fraction, message } of latest.values()) {
      const task = this.#given.get(token);
      if (task === undefined || nowMs - task.reportedAtMs < REPORT_MS) continue;
      task.reportedAtMs = nowMs;
      const { taskId } = task.lease;
      const report = { workerId, taskId, token, progress: fraction, message };
      // What becomes of a report is nobody's concern: the end tells.
      this.#services.queue.call.report(report).catch(() => undefined);
    }
  }

  /** Renews what it has, and tells what it is to stop. @param held tokens of all that it has */
  async #compare(tell: Tell, held: readonly number[]): Promise<number[]> {
    const { queue, leaseMs } = this.#services;
    const theirs = new Set(held);
    for (const task of [...this.#given.values()]) {
      const { sequence, settling, lease } = task;
      const isKnown = sequence !== null && sequence <= tell.sequence;
      if (isKnown && settling === null && !theirs.has(lease.token)) this.lose(task, FORGOTTEN);
    }
    const stop = held.filter((token) => !this.#given.has(token));
    const renewed = held.flatMap((token) => this.#given.get(token) ?? []);
    if (renewed.length === 0) return stop;
    const leases = renewed.map(({ lease: { taskId, token } }) => ({ taskId, token }));
    try {
      const answer = await queue.call.renew({ workerId: this.#holder.workerId, leases, leaseMs });
      const [lost, cancelling] = [new Set(answer.lost), new Set(answer.cancelling)];
      for (const { lease } of renewed) {
        if (lost.has(lease.taskId)) this.#forget(lease.token);
        if (lost.has(lease.taskId) || cancelling.has(lease.taskId)) stop.push(lease.token);
      }
    } catch (error) {
      // The queue is restarting: it has kept the leases, for as long as they were to last.
      if (!isFault(error)) throw error;
    }
    return stop;
  }

  // --- ends ---------------------------------------------------------------------------------------------------------

  /** It is certain that the peer has done nothing with it, or it does not matter. */
  giveBack(task: GivenTask): Promise<void> {
    return this.#settle(task, { kind: "returned" });
  }

  /** The peer has it no more, and may have done something: somebody else is to do it. */
  lose(task: GivenTask, why: string): void {
    void this.#settle(task, { kind: "interrupted", error: toWireError(this.#lost(why)) });
  }

  loseAll(why: string): void {
    for (const task of [...this.#given.values()]) this.lose(task, why);
  }

  /** Resolves with how many there were. */
  async giveBackAll(): Promise<number> {
    const given = [...this.#given.values()];
    await Promise.all(given.map((task) => this.giveBack(task)));
    return given.length;
  }

  #end(task: GivenTask, end: EndItem): Promise<void> {
    task.settling ??= this.#takeEnd(task, end);
    return task.settling;
  }

  async #takeEnd(task: GivenTask, end: EndItem): Promise<void> {
    const { hold } = this.#holder;
    if (end.kind === "returned") return this.#finish(task, { kind: "returned" });
    if (end.kind !== "completed") {
      const error = end.error ?? toWireError(this.#lost("it did not say why"));
      return this.#finish(task, { kind: end.kind, error });
    }
    const taken = await this.#completed(task, end);
    if (taken.kind === "completed") {
      hold.release();
      hold.release(task.lease.action);
    }
    return this.#finish(task, taken);
  }

  async #completed(task: GivenTask, { output }: EndItem): Promise<LeaseEnd> {
    const { pulls, clock, judge } = this.#services;
    const { peerId, hold, bytesMax } = this.#holder;
    const { signal } = task;
    try {
      if (output === null) throw fault("PEER_PROTOCOL", { peerId, why: "an output is missing" });
      task.isPulling = !(output instanceof Uint8Array) || statedBytes(output) > output.byteLength;
      const bytes = await pulls.value(output, { peerId, bytesMax, mayUseOwn: true, signal });
      return { kind: "completed", output: bytes };
    } catch (error) {
      if (!isFault(error)) throw error;
      if (!signal.aborted) {
        judge(peerId, false, error.message);
        hold.action(task.lease.action, error.message, clock.now());
      }
      return { kind: "interrupted", error: toWireError(error) };
    }
  }

  /** Unless an end of the peer's own is on its way to the queue already. */
  #settle(task: GivenTask, end: LeaseEnd): Promise<void> {
    const { taskId } = task.lease;
    if (task.isPulling) task.leave(fault("CANCELLED", { what: `the output of task "${taskId}"` }));
    task.settling ??= this.#finish(task, end);
    return task.settling;
  }

  /** Tells the queue how it ended, for as long as the lease holds. */
  async #finish(task: GivenTask, first: LeaseEnd): Promise<void> {
    const { queue, clock, signal, onChange } = this.#services;
    const { workerId } = this.#holder;
    const { taskId, token } = task.lease;
    let end = first;
    while (!signal.aborted && this.#given.get(token) === task) {
      try {
        const { state } = await queue.call.finish({ workerId, taskId, token, end });
        if (state !== "cancelled") this.counts[end.kind === "interrupted" ? "returned" : end.kind] += 1;
        break;
      } catch (error) {
        if (!isFault(error)) throw error;
        if (OVER.has(error.code)) break;
        if (error.retryable) await pause(AGAIN_MS, { clock, signal });
        else if (end.kind !== "completed") break;
        // Too large, most likely: the task must not be run again and again for it.
        else end = { kind: "failed", error: toWireError(refusedOutput(task, error)) };
      }
    }
    this.#forget(token);
    onChange();
  }

  #forget(token: number): void {
    this.#given.get(token)?.leave(this.#lost("its lease is over"));
    this.#given.delete(token);
    this.#services.shelf.clear(this.#holder.peerId, token);
    if (this.#given.size > 0) return;
    this.#silence?.cancel();
    this.#silence = null;
  }

  #lost(why: string): Fault {
    return fault("PEER_LOST", { peerId: this.#holder.peerId, why });
  }

  // --- silence ------------------------------------------------------------------------------------------------------

  /** Its connection has gone: it may come back with what it has, for a part of the lease. */
  disconnected(why: string, returnMs: number): void {
    const { clock } = this.#services;
    if (this.#given.size > 0) this.#watchUntil(clock.now() + returnMs, `it has gone: ${why}`);
  }

  /** While it has tasks, it is to be heard within each lease. */
  #watch(): void {
    const { clock, leaseMs } = this.#services;
    if (this.#silence !== null) return;
    this.heard();
    this.#watchUntil(clock.now() + leaseMs, SILENT);
  }

  #watchUntil(atMs: number, why: string): void {
    const { clock, leaseMs, judge } = this.#services;
    this.#silence?.cancel();
    this.#silence = clock.at(atMs, () => {
      const { isConnected, peerId } = this.#holder;
      this.#silence = null;
      const deadlineMs = this.#heardAtMs + leaseMs;
      if (isConnected && clock.now() < deadlineMs) return this.#watchUntil(deadlineMs, SILENT);
      if (isConnected) {
        this.#holder.silent(why);
        void this.#holder.stop(this.tokens);
      }
      judge(peerId, false, why);
      this.loseAll(why);
    });
  }
}

function refusedOutput({ lease: { action } }: GivenTask, cause: Fault): Fault {
  return fault("OUTPUT_INVALID", { what: action, problems: [cause.message] }, { cause });
}
