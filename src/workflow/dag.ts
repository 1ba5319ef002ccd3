import { LIMITS, assert } from "../errors/index.ts";
import { checkInteger, cutText, invalidArgument } from "../schema/index.ts";
import { cyclesOf } from "./dag-cycles.ts";
import { bothWays, levelsOf, type Edges, type Levels } from "./dag-levels.ts";
import { Rows } from "./dag-rows.ts";
import { StepIndex } from "./step-index.ts";

/** What the graph needs to know of a step. */
export interface DagStep {
  readonly stepId: string;
  /** Ids of steps; one that is named twice counts once. */
  readonly dependsOn: readonly string[];
  /** Looked at only when the known actions are given. */
  readonly action?: string;
}

export interface DagOptions {
  /** Default: as many as a workflow may have. At most `LIMITS.workflow.dagSteps`. */
  readonly stepsMax?: number;
  /** Default: as many as a workflow may have. At most `LIMITS.workflow.dagEdges`. */
  readonly edgesMax?: number;
  /** The actions that steps may name; without them actions are not checked. */
  readonly actions?: Iterable<string>;
}

export type DagResult =
  | { readonly ok: true; readonly dag: Dag }
  | {
      readonly ok: false;
      /** One sentence each, up to `LIMITS.workflow.dagProblems`. */
      readonly problems: readonly string[];
      /** Of all problems, those without a sentence too. */
      readonly count: number;
    };

/** Numbers of steps, to be read only. */
export interface StepNumbers extends Iterable<number> {
  readonly length: number;
  readonly [place: number]: number;
}

/** A cycle through more steps is printed by its two ends. */
const CYCLE_STEPS_SHOWN = 20;
const ACTIONS_SHOWN = 20;

/**
 * A checked graph of steps. Steps are numbered by their place in the definition, so that walks over large graphs touch
 * arrays of numbers only; every walk is iterative, because a chain is as deep as it is long.
 */
export class Dag {
  readonly #steps: readonly DagStep[];
  readonly #index: StepIndex;
  readonly #levels: Levels;
  #lists: readonly (readonly number[])[] | undefined;
  /** The edges as they are kept, for walks over the whole graph. */
  readonly dependencyRows: Rows;
  readonly dependentRows: Rows;

  /** Use `buildDag`. The steps are kept, so they must not change any more. */
  constructor(steps: readonly DagStep[], index: StepIndex, edges: Edges, levels: Levels) {
    this.#steps = steps;
    this.#index = index;
    this.#levels = levels;
    this.dependencyRows = edges.dependencies;
    this.dependentRows = edges.dependents;
  }

  get size(): number {
    return this.#steps.length;
  }

  get edgeCount(): number {
    return this.dependencyRows.items.length;
  }

  idOf(step: number): string {
    return idAt(this.#steps, step);
  }

  indexOf(stepId: string): number | undefined {
    return this.#index.find(stepId);
  }

  /** Direct ones, each once, in the order of the definition. */
  dependencies(step: number): StepNumbers {
    return this.dependencyRows.row(this.#known(step));
  }

  dependents(step: number): StepNumbers {
    return this.dependentRows.row(this.#known(step));
  }

  /**
   * Everything that waits for the step, nearest first, each once. The walk does not go to, nor beyond, steps that
   * `through` refuses.
   */
  transitiveDependents(step: number, through: (step: number) => boolean = () => true): number[] {
    const seen = new Set([this.#known(step)]);
    const found: number[] = [];
    // The list grows while it is walked: breadth first, so the nearest come first.
    const walk = [step];
    for (const at of walk) {
      for (const next of this.dependents(at)) {
        if (seen.has(next) || !through(next)) continue;
        seen.add(next);
        found.push(next);
        walk.push(next);
      }
    }
    return found;
  }

  /** Every step after all its dependencies; within a level in the order of the definition. */
  get order(): StepNumbers {
    return this.#levels.order;
  }

  get levelCount(): number {
    return this.#levels.starts.length - 1;
  }

  /** Level 0 depends on nothing, level n on something of level n - 1. */
  levelOf(step: number): number {
    return this.#levels.of[this.#known(step)] ?? 0;
  }

  get levels(): readonly (readonly number[])[] {
    const { order, starts } = this.#levels;
    this.#lists ??= Array.from({ length: this.levelCount }, (_, level) =>
      Array.from(order.subarray(starts[level], starts[level + 1])),
    );
    return this.#lists;
  }

  /**
   * The same steps without some of their dependencies.
   *
   * @throws INVALID_ARGUMENT when there is no such dependency
   */
  without(edges: Iterable<DagEdge>): Dag {
    const gone = new Set(Array.from(edges, (edge) => this.#placeOf(edge)));
    const { starts, items } = this.dependencyRows;
    const kept = new EdgeList(this.size, items.length);
    for (let step = 0; step < this.size; step++) {
      const end = starts[step + 1] ?? 0;
      for (let edge = starts[step] ?? 0; edge < end; edge++) if (!gone.has(edge)) kept.push(items[edge] ?? 0);
      kept.endRow(step);
    }
    const left = bothWays(kept.rows());
    return new Dag(this.#steps, this.#index, left, levelsOf(left));
  }

  /** The place of an edge among all. */
  #placeOf({ stepId, dependsOn }: DagEdge): number {
    const step = this.indexOf(stepId);
    const dependency = this.indexOf(dependsOn);
    if (step !== undefined && dependency !== undefined) {
      const place = this.dependencyRows.row(step).indexOf(dependency);
      if (place >= 0) return (this.dependencyRows.starts[step] ?? 0) + place;
    }
    const got = `"${stepId}" on "${dependsOn}"`;
    throw invalidArgument("without", got, "dependencies that the graph has");
  }

  #known(step: number): number {
    assert(step >= 0 && step < this.size, `step number ${step} is one of the graph's ${this.size}`);
    return step;
  }
}

/** One dependency: `stepId` waits for `dependsOn`. */
export interface DagEdge {
  readonly stepId: string;
  readonly dependsOn: string;
}

/**
 * Checks a list of steps and makes the graph of it, or says everything that is wrong with it, one sentence each.
 *
 * Of each tangle of cycles (a strongly connected component) it prints at least one, and one for each edge that closes
 * one, as a path `a -> b -> a`. Time and memory grow with the number of steps and edges.
 *
 * @param steps must not change any more: the graph keeps them
 * @throws INVALID_ARGUMENT for a limit that is out of range
 */
export function buildDag(steps: readonly DagStep[], options: DagOptions = {}): DagResult {
  const { stepsMax = LIMITS.workflow.steps, edgesMax = LIMITS.workflow.edges, actions } = options;
  checkInteger("stepsMax", stepsMax, 1, LIMITS.workflow.dagSteps);
  checkInteger("edgesMax", edgesMax, 1, LIMITS.workflow.dagEdges);
  const problems = new Problems();
  if (steps.length === 0) return problems.only("it has no steps; at least one is needed");
  if (steps.length > stepsMax) {
    return problems.only(`it has ${steps.length} steps; at most ${stepsMax} are allowed`);
  }
  checkShapes(steps, problems);
  if (problems.count > 0) return problems.refusal();
  const edges = steps.reduce((sum, step) => sum + step.dependsOn.length, 0);
  if (edges > edgesMax) {
    return problems.only(`its steps name ${edges} dependencies; at most ${edgesMax} are allowed`);
  }
  const index = indexIds(steps, problems);
  if (actions !== undefined) checkActions(steps, new Set(actions), problems);
  const both = bothWays(dependenciesOf(steps, index, edges, problems));
  const levels = levelsOf(both);
  if (levels.order.length < steps.length) tellCycles(steps, both.dependencies, levels.placed, problems);
  if (problems.count > 0) return problems.refusal();
  return { ok: true, dag: new Dag(steps, index, both, levels) };
}

/** What is wrong, told up to a bound and counted beyond. */
class Problems {
  readonly #told: string[] = [];
  count = 0;

  get room(): number {
    return LIMITS.workflow.dagProblems - this.#told.length;
  }

  add(problem: () => string): void {
    if (this.room > 0) this.#told.push(problem());
    this.count++;
  }

  only(problem: string): DagResult {
    return { ok: false, problems: [problem], count: 1 };
  }

  refusal(): DagResult {
    return { ok: false, problems: this.#told, count: this.count };
  }
}

const idAt = (steps: readonly DagStep[], at: number): string => {
  const step = steps[at];
  assert(step !== undefined, `step number ${at} is one of the graph's ${steps.length}`);
  return step.stepId;
};

/** Types do not bind a program in plain JavaScript. */
function checkShapes(steps: readonly unknown[], problems: Problems): void {
  for (let at = 0; at < steps.length; at++) {
    const step = steps[at] as Partial<Record<keyof DagStep, unknown>> | null | undefined;
    if (typeof step?.stepId !== "string") {
      problems.add(() => `the step at position ${at} has no text as its stepId`);
    } else if (!isTexts(step.dependsOn)) {
      problems.add(() => `the step at position ${at} has no array of texts as its dependsOn`);
    }
  }
}

function isTexts(value: unknown): boolean {
  if (!Array.isArray(value)) return false;
  for (let at = 0; at < value.length; at++) if (typeof value[at] !== "string") return false;
  return true;
}

function indexIds(steps: readonly DagStep[], problems: Problems): StepIndex {
  const { idChars } = LIMITS.workflow;
  const index = new StepIndex(steps.length);
  const repeated = new Map<string, number>();
  for (let at = 0; at < steps.length; at++) {
    const stepId = idAt(steps, at);
    if (stepId.length === 0) problems.add(() => `the step at position ${at} has an empty id`);
    else if (stepId.length > idChars) {
      problems.add(
        () =>
          `the id of the step at position ${at} has ${stepId.length} characters; at most ${idChars} are allowed`,
      );
    } else if (!stepId.isWellFormed()) {
      problems.add(() => `the id of the step at position ${at} is not well-formed text`);
    }
    if (index.add(stepId) !== at) repeated.set(stepId, (repeated.get(stepId) ?? 1) + 1);
  }
  for (const [stepId, count] of repeated)
    problems.add(() => `step id "${shown(stepId)}" is used ${count} times`);
  return index;
}

/** An id, or the name of a step that there is not, of any length. */
const shown = (text: string): string => cutText(text, LIMITS.workflow.idChars);

function checkActions(steps: readonly DagStep[], known: ReadonlySet<string>, problems: Problems): void {
  const names = [...known].toSorted();
  const some = names.slice(0, ACTIONS_SHOWN).map(shown).join(", ");
  const all = names.length <= ACTIONS_SHOWN ? some : `${some} and ${names.length - ACTIONS_SHOWN} more`;
  for (const { stepId, action } of steps) {
    if (action !== undefined && !known.has(action)) {
      problems.add(() => `step "${shown(stepId)}": there is no action "${shown(action)}"; there are: ${all}`);
    }
  }
}

/** The edges of one step after the other. */
class EdgeList {
  readonly #starts: Uint32Array;
  readonly #items: Uint32Array;
  #length = 0;

  constructor(rows: number, edgesMax: number) {
    this.#starts = new Uint32Array(rows + 1);
    this.#items = new Uint32Array(edgesMax);
  }

  push(to: number): void {
    this.#items[this.#length++] = to;
  }

  /** The row ascends then, and has nothing twice. */
  endRow(row: number): void {
    const start = this.#starts[row] ?? 0;
    const items = this.#items;
    const count = this.#length - start;
    if (count === 2) {
      const [a, b] = [items[start] ?? 0, items[start + 1] ?? 0];
      items[start] = Math.min(a, b);
      items[start + 1] = Math.max(a, b);
    } else if (count > 2) items.subarray(start, this.#length).sort();
    let kept = start;
    for (let edge = start; edge < this.#length; edge++) {
      if (edge > start && items[edge] === items[edge - 1]) continue;
      items[kept++] = items[edge] ?? 0;
    }
    this.#length = kept;
    this.#starts[row + 1] = kept;
  }

  rows(): Rows {
    const isFull = this.#length === this.#items.length;
    return new Rows(this.#starts, isFull ? this.#items : this.#items.slice(0, this.#length));
  }
}

function dependenciesOf(
  steps: readonly DagStep[],
  index: StepIndex,
  names: number,
  problems: Problems,
): Rows {
  const isSound = problems.count === 0;
  const lists = steps.map((step) => step.dependsOn);
  const numbers = index.findAll(lists, names);
  const edges = new EdgeList(steps.length, names);
  let edge = 0;
  for (let at = 0; at < lists.length; at++) {
    const list = lists[at] ?? [];
    // Of an id that is used twice, the number is that of the first step.
    const own = isSound ? at : index.find(idAt(steps, at));
    let isRight = true;
    for (let place = 0; place < list.length; place++) {
      const dependency = numbers[edge++] ?? 0;
      if (dependency < 0 || dependency === own) isRight = false;
      else edges.push(dependency);
    }
    edges.endRow(at);
    if (!isRight) tellWrongNames(idAt(steps, at), list, index, problems);
  }
  return edges.rows();
}

function tellWrongNames(
  stepId: string,
  names: readonly string[],
  index: StepIndex,
  problems: Problems,
): void {
  for (const name of new Set(names)) {
    if (name === stepId) problems.add(() => `step "${shown(stepId)}" depends on itself`);
    else if (index.find(name) === undefined) {
      problems.add(
        () => `step "${shown(stepId)}" depends on "${shown(name)}", which is no step of this workflow`,
      );
    }
  }
}

function tellCycles(
  steps: readonly DagStep[],
  dependencies: Rows,
  placed: Uint8Array,
  problems: Problems,
): void {
  const { found, more } = cyclesOf(dependencies, placed, Math.max(1, problems.room));
  for (const cycle of found) problems.add(() => `it has a cycle: ${printCycle(steps, cycle)}`);
  problems.count += more;
}

function printCycle(steps: readonly DagStep[], cycle: readonly number[]): string {
  const print = (part: readonly number[]): string[] => part.map((at) => shown(idAt(steps, at)));
  const closed = [...cycle, ...cycle.slice(0, 1)];
  if (cycle.length <= CYCLE_STEPS_SHOWN) return print(closed).join(" -> ");
  const half = CYCLE_STEPS_SHOWN / 2;
  const hidden = `… ${cycle.length - CYCLE_STEPS_SHOWN} more …`;
  return [...print(cycle.slice(0, half)), hidden, ...print(closed.slice(-half - 1))].join(" -> ");
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
  const { starts, items } = dag.dependencyRows;
  const own = new Int32Array(dag.size);
  for (let first = 0; first < targets.length; first += TARGETS_PER_WALK) {
    const block = targets.slice(first, first + TARGETS_PER_WALK);
    const bits = new Map(block.map(([target], bit) => [target, 1 << bit]));
    const above = new Int32Array(dag.size);
    for (const [target, bit] of bits) own[target] = bit;
    for (const at of dag.order) {
      let mask = 0;
      const end = starts[at + 1] ?? 0;
      for (let edge = starts[at] ?? 0; edge < end; edge++) {
        const dependency = items[edge] ?? 0;
        mask |= (above[dependency] ?? 0) | (own[dependency] ?? 0);
      }
      above[at] = mask;
    }
    for (const target of bits.keys()) own[target] = 0;
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
