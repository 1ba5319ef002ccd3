import { peerOfWorker } from "../queue/queue.protocol.ts";
import { LOCAL_PEER } from "./workflow.protocol.ts";

/** Workers that a run names; of more, those whose latest attempt is the oldest are left out. */
export const WORKERS_KEPT = 16;

/**
 * The workers that had an attempt of any task of a run: of its conditions and of what undoes its steps too, since it is
 * asked where a run's values have been. Kept attempt by attempt, in no time that the run's size matters for; the order is
 * that of the attempts' times, whatever the order in which they are heard of.
 */
export class RunWorkers {
  /** By worker: when its latest attempt began. */
  readonly #latestMs: Map<string, number>;
  #ids: readonly string[];

  /** @param earlier what is remembered of an earlier life: attempts that others have been made after */
  constructor(earlier: readonly string[] = []) {
    this.#ids = earlier;
    this.#latestMs = new Map(earlier.map((workerId) => [workerId, 0]));
  }

  /** The one that started last at the end. */
  get ids(): readonly string[] {
    return this.#ids;
  }

  /** An attempt has begun; several words about one change nothing. Returns whether its worker is named only now. */
  note(workerId: string, startedAtMs: number): boolean {
    const knownMs = this.#latestMs.get(workerId);
    if (knownMs !== undefined && knownMs >= startedAtMs) return false;
    this.#latestMs.set(workerId, startedAtMs);
    if (this.#ids.at(-1) === workerId) return false;
    const byTime = [...this.#latestMs].toSorted(([, a], [, b]) => a - b);
    for (const [surplus] of byTime.splice(0, byTime.length - WORKERS_KEPT)) this.#latestMs.delete(surplus);
    this.#ids = byTime.map(([id]) => id);
    return knownMs === undefined && this.#latestMs.has(workerId);
  }
}

/** Which runs are meant by who had them; what is left out is not asked for. */
export interface WorkerFilter {
  /** This worker had an attempt. */
  readonly worker?: string;
  /** This peer had one; `local`: a worker that is no peer had, or nobody yet. */
  readonly peer?: string;
}

export const isOfWorkers = (workerIds: readonly string[], { worker, peer }: WorkerFilter): boolean =>
  (worker === undefined || workerIds.includes(worker)) &&
  (peer === undefined || (peer === LOCAL_PEER ? isOfHere(workerIds) : peersOf(workerIds).includes(peer)));

const peersOf = (workerIds: readonly string[]): (string | null)[] => workerIds.map(peerOfWorker);
const isOfHere = (workerIds: readonly string[]): boolean =>
  workerIds.length === 0 || peersOf(workerIds).includes(null);
