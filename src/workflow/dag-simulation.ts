import { LIMITS } from "../errors/index.ts";
import { IndexedHeap, NOWHERE, type HeapItem } from "../order/index.ts";
import { checkInteger, invalidArgument } from "../schema/index.ts";
import type { Dag, DagEdge } from "./dag.ts";
import { durationsOf, inMilliseconds, roundedMs, toMilliseconds, waysAhead } from "./dag-timing.ts";

export interface DagPlan {
  /** Of each step by number, from 0 to 366 days; counted in whole microseconds. */
  readonly durationsMs: ArrayLike<number>;
  /** How many steps run at a time, at most. */
  readonly workers: number;
  /** Of each step by number, higher first. Default: the longest way still ahead. Equal ones go by number. */
  readonly priorities?: ArrayLike<number>;
}

export interface DagSimulation {
  /** From the first start to the last end. */
  readonly makespanMs: number;
  /** The share of the workers' time that they worked: 0 to 1; 1 when there is nothing to do. */
  readonly utilisation: number;
  /** All durations together. */
  readonly workMs: number;
  readonly criticalPathMs: number;
  /** No schedule on so many workers is shorter: the critical path, or the work shared evenly. */
  readonly lowerBoundMs: number;
  /** By step number. */
  readonly startMs: Float64Array;
  /** Which worker runs a step, from 0; by step number. */
  readonly worker: Uint32Array;
}

/**
 * Plays a graph through: at each moment every free worker, lowest number first, takes the ready step with the highest
 * priority, and keeps it to its end. What ends at a moment has ended before anything starts at it. The same arguments
 * always give the same schedule.
 *
 * Never longer than work / workers + (1 - 1 / workers) × critical path. Time: O(steps log steps + edges).
 *
 * @throws INVALID_ARGUMENT
 * @see Graham, "Bounds on multiprocessing timing anomalies", SIAM J. Appl. Math. 17 (2), 1969
 */
export function simulateDag(dag: Dag, { durationsMs, workers, priorities }: DagPlan): DagSimulation {
  checkInteger("workers", workers, 1, LIMITS.workflow.dagSteps);
  const durations = durationsOf(dag, durationsMs);
  const ahead = waysAhead(dag, durations);
  const schedule = play(dag, durations, workers, prioritiesOf(dag, priorities) ?? ahead);
  const work = durations.reduce((sum, duration) => sum + duration, 0);
  const path = ahead.reduce((longest, way) => Math.max(longest, way), 0);
  return {
    makespanMs: toMilliseconds(schedule.makespan),
    utilisation: schedule.makespan === 0 ? 1 : work / workers / schedule.makespan,
    workMs: toMilliseconds(work),
    criticalPathMs: toMilliseconds(path),
    lowerBoundMs: toMilliseconds(Math.max(path, work / workers)),
    startMs: inMilliseconds(schedule.start),
    worker: schedule.worker,
  };
}

export interface DagChange {
  readonly workers?: number;
  /** Steps by id that take another time than planned. */
  readonly durationsMs?: Iterable<readonly [stepId: string, durationMs: number]>;
  /** Dependencies that are given up. */
  readonly without?: Iterable<DagEdge>;
}

export interface DagComparison {
  readonly before: DagSimulation;
  readonly after: DagSimulation;
  /** How much sooner all has ended; below 0 when the change makes it later, as a greedy schedule can. */
  readonly savedMs: number;
}

/**
 * Plays a plan through, and again with a change: more or fewer workers, steps that take another time, dependencies that
 * are given up. Priorities that the plan does not give are those of the changed graph.
 *
 * @throws INVALID_ARGUMENT when the plan or the change names what there is not, or a number is out of range
 */
export function whatIf(dag: Dag, plan: DagPlan, change: DagChange): DagComparison {
  const { workers = plan.workers, durationsMs = [], without = [] } = change;
  const before = simulateDag(dag, plan);
  const changed = Float64Array.from(plan.durationsMs);
  for (const [stepId, durationMs] of durationsMs) {
    const at = dag.indexOf(stepId);
    if (at === undefined) throw invalidArgument("durationsMs", `"${stepId}"`, "ids of the graph's steps");
    changed[at] = durationMs;
  }
  const after = simulateDag(dag.without(without), { ...plan, workers, durationsMs: changed });
  return { before, after, savedMs: roundedMs(before.makespanMs - after.makespanMs) };
}

function prioritiesOf({ size }: Dag, priorities: ArrayLike<number> | undefined): Float64Array | undefined {
  if (priorities === undefined) return undefined;
  const numbers = Float64Array.from(priorities);
  if (numbers.length === size && numbers.every((each) => !Number.isNaN(each))) return numbers;
  throw invalidArgument("priorities", `${numbers.length} of them`, `a number for each of ${size} steps`);
}

interface Schedule {
  readonly makespan: number;
  readonly start: Float64Array;
  readonly worker: Uint32Array;
}

/** A step that is ready or running. */
interface Piece extends HeapItem {
  readonly step: number;
  endsAt: number;
}

function play(dag: Dag, durations: Float64Array, workers: number, priorities: Float64Array): Schedule {
  const start = new Float64Array(dag.size);
  const worker = new Uint32Array(dag.size);
  const waitingFor = new Uint32Array(dag.size);
  const ready = new IndexedHeap<Piece>((a, b) => {
    const [before, after] = [priorities[a.step] ?? 0, priorities[b.step] ?? 0];
    return before === after ? a.step < b.step : before > after;
  });
  const running = new IndexedHeap<Piece>((a, b) =>
    a.endsAt === b.endsAt ? a.step < b.step : a.endsAt < b.endsAt,
  );
  const free = new FreeWorkers(workers);
  const become = (step: number): void => ready.insert({ slot: NOWHERE, step, endsAt: 0 });
  for (let step = 0; step < dag.size; step++) {
    waitingFor[step] = dag.dependencyRows.lengthOf(step);
    if (waitingFor[step] === 0) become(step);
  }
  let now = 0;
  const end = ({ step }: Piece): void => {
    free.give(worker[step] ?? 0);
    for (const dependent of dag.dependents(step)) {
      const left = (waitingFor[dependent] ?? 0) - 1;
      waitingFor[dependent] = left;
      if (left === 0) become(dependent);
    }
  };
  while (ready.size > 0 || running.size > 0) {
    for (let piece = free.isLeft ? ready.pop() : undefined; piece !== undefined;) {
      start[piece.step] = now;
      worker[piece.step] = free.take();
      piece.endsAt = now + (durations[piece.step] ?? 0);
      running.insert(piece);
      piece = free.isLeft ? ready.pop() : undefined;
    }
    now = running.peek()?.endsAt ?? now;
    while (running.peek()?.endsAt === now) {
      const piece = running.pop();
      if (piece !== undefined) end(piece);
    }
  }
  return { makespan: now, start, worker };
}

interface Worker extends HeapItem {
  readonly number: number;
}

/** The lowest number first; those that never had work are not kept one by one. */
class FreeWorkers {
  readonly #workers: number;
  readonly #back = new IndexedHeap<Worker>((a, b) => a.number < b.number);
  #fresh = 0;

  constructor(workers: number) {
    this.#workers = workers;
  }

  get isLeft(): boolean {
    return this.#back.size > 0 || this.#fresh < this.#workers;
  }

  take(): number {
    return this.#back.pop()?.number ?? this.#fresh++;
  }

  give(number: number): void {
    this.#back.insert({ slot: NOWHERE, number });
  }
}
