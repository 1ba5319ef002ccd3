import { LIMITS } from "../errors/index.ts";
import { checkNumber, invalidArgument } from "../schema/index.ts";
import type { Dag } from "./dag.ts";

/**
 * Times inside are whole microseconds, whose sums are exact: so a slack of 0 is 0, whichever way its two terms were
 * added up.
 */
const PER_MS = 1_000;

/** One array entry per step, by number; all in milliseconds from the start of the first step. */
export interface CriticalPath {
  /** The longest way through the graph, from its first step to its last; of equal ones the first in the definition. */
  readonly steps: readonly number[];
  /** How long all takes when nothing waits for anything but its dependencies. */
  readonly lengthMs: number;
  readonly earliestStartMs: Float64Array;
  /** The latest that does not delay the end. */
  readonly latestStartMs: Float64Array;
  /** How much later than the earliest a step may start without delaying the end; 0 on every critical path. */
  readonly totalSlackMs: Float64Array;
  /** How much later without delaying any other step; never more than the total slack. */
  readonly freeSlackMs: Float64Array;
}

/**
 * The critical path method: when each step can start, and how late it may. Time grows with the steps and edges.
 *
 * @param durationsMs of each step by number, from 0 to 366 days; counted in whole microseconds
 * @throws INVALID_ARGUMENT when a duration is missing or out of range, or they are 285 years together
 * @see Kelley and Walker, "Critical-path planning and scheduling", 1959
 */
export function criticalPath(dag: Dag, durationsMs: ArrayLike<number>): CriticalPath {
  const durations = durationsOf(dag, durationsMs);
  const start = earliestStarts(dag, durations);
  const ahead = waysAhead(dag, durations);
  // In the graph's order, so that the way begins before steps that take no time too.
  let first = dag.order[0] ?? 0;
  for (const at of dag.order) if ((ahead[at] ?? 0) > (ahead[first] ?? 0)) first = at;
  const length = ahead[first] ?? 0;
  const steps = wayFrom(dag, first, durations, ahead);
  // Arrays of a large graph make the garbage collector run: each is turned into the next one in its place.
  const freeSlack = freeSlacks(dag, durations, start, length);
  const latest = ahead;
  const totalSlack = durations;
  for (let at = 0; at < dag.size; at++) {
    latest[at] = length - (ahead[at] ?? 0);
    totalSlack[at] = (latest[at] ?? 0) - (start[at] ?? 0);
  }
  return {
    steps,
    lengthMs: toMilliseconds(length),
    earliestStartMs: inMilliseconds(start),
    latestStartMs: inMilliseconds(latest),
    totalSlackMs: inMilliseconds(totalSlack),
    freeSlackMs: inMilliseconds(freeSlack),
  };
}

/** In microseconds, by step number. @throws INVALID_ARGUMENT */
export function durationsOf(dag: Dag, durationsMs: ArrayLike<number>): Float64Array {
  const { size } = dag;
  if (durationsMs.length !== size) {
    throw invalidArgument("durationsMs", `${durationsMs.length} durations`, `one for each of ${size} steps`);
  }
  const durations = new Float64Array(size);
  let sum = 0;
  for (let at = 0; at < size; at++) {
    const ms = durationsMs[at] ?? Number.NaN;
    if (!(ms >= 0 && ms <= LIMITS.workflow.timeoutMs)) {
      checkNumber(`durationsMs of step "${dag.idOf(at)}"`, ms, 0, LIMITS.workflow.timeoutMs);
    }
    durations[at] = Math.round(ms * PER_MS);
    sum += durations[at] ?? 0;
  }
  if (sum > Number.MAX_SAFE_INTEGER) {
    const most = Math.floor(Number.MAX_SAFE_INTEGER / PER_MS);
    throw invalidArgument("durationsMs", "more together", `durations of ${most} ms together at most`);
  }
  return durations;
}

/** In place. */
export function inMilliseconds(times: Float64Array): Float64Array {
  for (let at = 0; at < times.length; at++) times[at] = (times[at] ?? 0) / PER_MS;
  return times;
}

/** A difference of milliseconds is no whole number of microseconds any more. */
export const roundedMs = (ms: number): number => Math.round(ms * PER_MS) / PER_MS;

export const toMilliseconds = (time: number): number => time / PER_MS;

function earliestStarts(dag: Dag, durations: Float64Array): Float64Array {
  const { order } = dag;
  const { starts, items } = dag.dependentRows;
  const start = new Float64Array(dag.size);
  for (let place = 0; place < order.length; place++) {
    const at = order[place] ?? 0;
    const end = (start[at] ?? 0) + (durations[at] ?? 0);
    const last = starts[at + 1] ?? 0;
    for (let edge = starts[at] ?? 0; edge < last; edge++) {
      const dependent = items[edge] ?? 0;
      if (end > (start[dependent] ?? 0)) start[dependent] = end;
    }
  }
  return start;
}

/** For each step the longest way from its start to the end of all, in the unit of the durations. */
export function waysAhead(dag: Dag, durations: Float64Array): Float64Array {
  const { order } = dag;
  const { starts, items } = dag.dependencyRows;
  // Until a step's turn comes, what is ahead after its end.
  const ahead = new Float64Array(dag.size);
  for (let place = order.length - 1; place >= 0; place--) {
    const at = order[place] ?? 0;
    const way = (ahead[at] ?? 0) + (durations[at] ?? 0);
    ahead[at] = way;
    const last = starts[at + 1] ?? 0;
    for (let edge = starts[at] ?? 0; edge < last; edge++) {
      const dependency = items[edge] ?? 0;
      if (way > (ahead[dependency] ?? 0)) ahead[dependency] = way;
    }
  }
  return ahead;
}

function freeSlacks(dag: Dag, durations: Float64Array, start: Float64Array, length: number): Float64Array {
  const { starts, items } = dag.dependentRows;
  const slacks = new Float64Array(dag.size);
  for (let at = 0; at < dag.size; at++) {
    let next = length;
    const last = starts[at + 1] ?? 0;
    for (let edge = starts[at] ?? 0; edge < last; edge++) next = Math.min(next, start[items[edge] ?? 0] ?? 0);
    slacks[at] = next - (start[at] ?? 0) - (durations[at] ?? 0);
  }
  return slacks;
}

/** From a first step, always on to the dependent with the longest way ahead, which starts when the step ends. */
function wayFrom(dag: Dag, first: number, durations: Float64Array, ahead: Float64Array): number[] {
  const way = [first];
  for (let at = first; ;) {
    const left = (ahead[at] ?? 0) - (durations[at] ?? 0);
    const next: number | undefined = Array.from(dag.dependents(at)).find((each) => ahead[each] === left);
    if (next === undefined) return way;
    way.push(next);
    at = next;
  }
}
