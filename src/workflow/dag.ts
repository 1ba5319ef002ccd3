import { LIMITS, assert } from "../errors/index.ts";

/** What the graph needs to know of a step. */
export interface DagStep {
  readonly stepId: string;
  readonly dependsOn: readonly string[];
}

/**
 * A checked graph of steps. Steps are numbered by their place in the definition, so that walks over large graphs
 * touch arrays of numbers only; every walk is iterative, because a chain is as deep as it is long.
 */
export interface Dag {
  readonly size: number;
  idOf(step: number): string;
  indexOf(stepId: string): number | undefined;
  /** Direct ones, each once, in the order of the definition. */
  dependencies(step: number): readonly number[];
  dependents(step: number): readonly number[];
  /**
   * Everything that waits for the step, nearest first, each once. The walk does not go to, nor beyond, steps that
   * `through` refuses.
   */
  transitiveDependents(step: number, through?: (step: number) => boolean): number[];
  /** Every step after all its dependencies; within a level in the order of the definition. */
  readonly order: readonly number[];
  /** Level 0 depends on nothing, level n on something of level n - 1. */
  readonly levels: readonly (readonly number[])[];
}

export type DagResult =
  { readonly ok: true; readonly dag: Dag } | { readonly ok: false; readonly problems: readonly string[] };

/** A cycle through more steps is printed by its two ends. */
const CYCLE_STEPS_SHOWN = 20;

/**
 * Checks a list of steps and makes the graph of it, or says everything that is wrong with it, one sentence each.
 *
 * Of a tangle of cycles it prints one cycle for each edge that closes one, as a path `a -> b -> a`. Time and memory
 * grow with the number of steps and edges.
 */
export function buildDag(steps: readonly DagStep[]): DagResult {
  if (steps.length === 0) return refused(["it has no steps; at least one is needed"]);
  if (steps.length > LIMITS.workflow.steps) {
    return refused([`it has ${steps.length} steps; at most ${LIMITS.workflow.steps} are allowed`]);
  }
  const edges = steps.reduce((sum, step) => sum + step.dependsOn.length, 0);
  if (edges > LIMITS.workflow.edges) {
    return refused([`its steps name ${edges} dependencies; at most ${LIMITS.workflow.edges} are allowed`]);
  }
  const problems: string[] = [];
  const indices = indexIds(steps, problems);
  const dependencies = steps.map((step, at) => edgesOf(step, at, indices, problems));
  const dependents: number[][] = steps.map(() => []);
  dependencies.forEach((list, at) => list.forEach((dependency) => rowAt(dependents, dependency).push(at)));
  const levels = levelsOf(dependencies, dependents);
  const order = levels.flat();
  if (order.length < steps.length) {
    for (const cycle of cyclesOf(dependencies, new Set(order))) {
      problems.push(`it has a cycle: ${printCycle(cycle.map((at) => idAt(steps, at)))}`);
    }
  }
  if (problems.length > 0) return refused(problems);
  const dag: Dag = {
    size: steps.length,
    idOf: (step) => idAt(steps, step),
    indexOf: (stepId) => indices.get(stepId),
    dependencies: (step) => rowAt(dependencies, step),
    dependents: (step) => rowAt(dependents, step),
    transitiveDependents: (step, through) => reach(step, dependents, through),
    order,
    levels,
  };
  return { ok: true, dag: Object.freeze(dag) };
}

const refused = (problems: readonly string[]): DagResult => ({ ok: false, problems });

function rowAt<T>(rows: readonly T[], at: number): T {
  const row = rows[at];
  assert(row !== undefined, `step number ${at} is one of the graph's ${rows.length}`);
  return row;
}

const idAt = (steps: readonly DagStep[], at: number): string => rowAt(steps, at).stepId;

function indexIds(steps: readonly DagStep[], problems: string[]): Map<string, number> {
  const indices = new Map<string, number>();
  const repeated = new Map<string, number>();
  steps.forEach(({ stepId }, at) => {
    if (stepId.length === 0) problems.push(`the step at position ${at} has an empty id`);
    else if (stepId.length > LIMITS.workflow.idChars) {
      problems.push(
        `the id of the step at position ${at} has ${stepId.length} characters; at most ${LIMITS.workflow.idChars} are allowed`,
      );
    } else if (!stepId.isWellFormed()) {
      problems.push(`the id of the step at position ${at} is not well-formed text`);
    }
    if (indices.has(stepId)) repeated.set(stepId, (repeated.get(stepId) ?? 1) + 1);
    else indices.set(stepId, at);
  });
  for (const [stepId, count] of repeated) problems.push(`step id "${stepId}" is used ${count} times`);
  return indices;
}

function edgesOf(step: DagStep, at: number, indices: Map<string, number>, problems: string[]): number[] {
  const edges = new Set<number>();
  for (const name of new Set(step.dependsOn)) {
    const dependency = indices.get(name);
    if (name === step.stepId) problems.push(`step "${step.stepId}" depends on itself`);
    else if (dependency === undefined) {
      problems.push(`step "${step.stepId}" depends on "${name}", which is no step of this workflow`);
    } else if (dependency !== at) edges.add(dependency);
  }
  return [...edges].toSorted((a, b) => a - b);
}

/**
 * Kahn's algorithm, a level at a time. Steps on a cycle, and those behind one, are in no level.
 *
 * @see Kahn, "Topological sorting of large networks", CACM 5 (11), 1962
 */
function levelsOf(
  dependencies: readonly (readonly number[])[],
  dependents: readonly (readonly number[])[],
): number[][] {
  const waitingFor = dependencies.map((list) => list.length);
  const levels: number[][] = [];
  let level = dependencies.flatMap((list, at) => (list.length === 0 ? [at] : []));
  while (level.length > 0) {
    levels.push(level);
    const next: number[] = [];
    for (const at of level) {
      for (const dependent of rowAt(dependents, at)) {
        const left = rowAt(waitingFor, dependent) - 1;
        waitingFor[dependent] = left;
        if (left === 0) next.push(dependent);
      }
    }
    level = next.toSorted((a, b) => a - b);
  }
  return levels;
}

/** Depth first over the steps that Kahn could not place; an edge back to the path being walked closes a cycle. */
function* cyclesOf(
  dependencies: readonly (readonly number[])[],
  placed: ReadonlySet<number>,
): Generator<number[]> {
  const done = new Set(placed);
  for (let start = 0; start < dependencies.length; start++) {
    if (done.has(start)) continue;
    const path: number[] = [];
    const depth = new Map<number, number>();
    const cursors: number[] = [];
    const enter = (at: number): void => {
      depth.set(at, path.length);
      path.push(at);
      cursors.push(0);
    };
    enter(start);
    while (path.length > 0) {
      const top = path.length - 1;
      const at = rowAt(path, top);
      const cursor = rowAt(cursors, top);
      const edge = rowAt(dependencies, at)[cursor];
      if (edge === undefined) {
        done.add(at);
        depth.delete(at);
        path.pop();
        cursors.pop();
        continue;
      }
      cursors[top] = cursor + 1;
      const from = depth.get(edge);
      if (from !== undefined) yield path.slice(from);
      else if (!done.has(edge)) enter(edge);
    }
  }
}

function printCycle(ids: readonly string[]): string {
  const closed = [...ids, ...ids.slice(0, 1)];
  if (ids.length <= CYCLE_STEPS_SHOWN) return closed.join(" -> ");
  const half = CYCLE_STEPS_SHOWN / 2;
  const hidden = `… ${ids.length - CYCLE_STEPS_SHOWN} more …`;
  return [...ids.slice(0, half), hidden, ...closed.slice(-half - 1)].join(" -> ");
}

function reach(
  from: number,
  edges: readonly (readonly number[])[],
  through: (step: number) => boolean = () => true,
): number[] {
  const seen = new Set([from]);
  const found: number[] = [];
  // The list grows while it is walked: breadth first, so the nearest come first.
  const walk = [from];
  for (const at of walk) {
    for (const next of rowAt(edges, at)) {
      if (seen.has(next) || !through(next)) continue;
      seen.add(next);
      found.push(next);
      walk.push(next);
    }
  }
  return found;
}

/** As many targets as a number has bits are looked for in one walk over the graph. */
const TARGETS_PER_WALK = 32;

/**
 * Of pairs (step, target), those whose step does not depend on its target, directly or through others.
 *
 * One walk over the graph for every 32 distinct targets that are no direct dependencies.
 */
export function unrelated<P extends { readonly step: number; readonly target: number }>(
  dag: Dag,
  pairs: readonly P[],
): P[] {
  const byTarget = new Map<number, P[]>();
  for (const pair of indirect(dag, pairs)) {
    const others = byTarget.get(pair.target);
    if (others === undefined) byTarget.set(pair.target, [pair]);
    else others.push(pair);
  }
  const missing: P[] = [];
  const targets = [...byTarget];
  for (let first = 0; first < targets.length; first += TARGETS_PER_WALK) {
    const block = targets.slice(first, first + TARGETS_PER_WALK);
    const bits = new Map(block.map(([target], bit) => [target, 1 << bit]));
    const above = new Int32Array(dag.size);
    for (const at of dag.order) {
      let mask = 0;
      for (const dependency of dag.dependencies(at)) {
        mask |= (above[dependency] ?? 0) | (bits.get(dependency) ?? 0);
      }
      above[at] = mask;
    }
    for (const [target, waiting] of block) {
      const bit = bits.get(target) ?? 0;
      for (const pair of waiting) if (((above[pair.step] ?? 0) & bit) === 0) missing.push(pair);
    }
  }
  return missing;
}

function indirect<P extends { readonly step: number; readonly target: number }>(
  dag: Dag,
  pairs: readonly P[],
): P[] {
  const direct = new Map<number, ReadonlySet<number>>();
  return pairs.filter(({ step, target }) => {
    const known = direct.get(step) ?? new Set(dag.dependencies(step));
    direct.set(step, known);
    return !known.has(target);
  });
}
