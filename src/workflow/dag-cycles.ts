import type { Rows } from "./dag-rows.ts";

export interface Cycles {
  /** Step numbers along the dependencies, from the first in the list; the way back from the last is left to be said. */
  readonly found: readonly (readonly number[])[];
  /** Edges that close a cycle and were not looked at. */
  readonly more: number;
}

/**
 * For each edge of the graph, so many edges may be walked in the search for short cycles, and all cycles together be so
 * long. Once the search has ended, a cycle is one that is at hand.
 */
const WALKS_PER_EDGE = 8;
const NONE = -1;

/**
 * At least one cycle of each strongly connected component, and one for each edge that closes one, the shortest through
 * that edge while the search is not too long.
 *
 * @param placed steps that are on no cycle, 1 each
 * @param cyclesMax that are returned
 * @see Tarjan, "Depth-first search and linear graph algorithms", SIAM J. Comput. 1 (2), 1972
 */
export function cyclesOf(dependencies: Rows, placed: Uint8Array, cyclesMax: number): Cycles {
  const forest = search(dependencies, placed);
  const { firsts, others } = byComponent(forest);
  const walk = new ShortestWay(dependencies, forest);
  const found = new Map<string, Cycle>();
  let looked = 0;
  for (const edge of [...firsts, ...others].slice(0, cyclesMax)) {
    if (walk.isSpent && looked >= firsts.length) break;
    looked++;
    const steps = rotated(walk.along(edge));
    const key = steps.join();
    if (!found.has(key)) found.set(key, { met: edge.met, steps });
  }
  const inOrder = [...found.values()].sort((a, b) => a.met - b.met);
  return { found: inOrder.map(({ steps }) => steps), more: forest.closing.length - looked };
}

interface Cycle {
  readonly met: number;
  readonly steps: readonly number[];
}

/** The edge of `from` on `to`, which depends on `from` through others. */
interface ClosingEdge {
  readonly from: number;
  readonly to: number;
  /** How many the search had met before. */
  readonly met: number;
}

interface Forest {
  readonly closing: readonly ClosingEdge[];
  /** Steps of one number depend on each other. */
  readonly component: Int32Array;
  /** Through which step the search came to a step. */
  readonly parent: Int32Array;
}

/** Depth first from every step that is not placed, in the order of the list; the path is kept in arrays, not on the stack. */
function search(dependencies: Rows, placed: Uint8Array): Forest {
  const size = dependencies.length;
  const { starts, items } = dependencies;
  const component = new Int32Array(size).fill(NONE);
  const parent = new Int32Array(size).fill(NONE);
  const met = new Int32Array(size).fill(NONE);
  const lowest = new Int32Array(size);
  const onPath = new Uint8Array(size);
  const cursor = starts.slice(0, size);
  const open: number[] = [];
  const closing: ClosingEdge[] = [];
  let clock = 0;
  const enter = (at: number, from: number): number => {
    met[at] = clock;
    lowest[at] = clock++;
    parent[at] = from;
    onPath[at] = 1;
    open.push(at);
    return at;
  };
  const leave = (at: number): number => {
    const above = parent[at] ?? NONE;
    const low = lowest[at] ?? 0;
    onPath[at] = 0;
    if (above !== NONE) lowest[above] = Math.min(lowest[above] ?? 0, low);
    if (low !== met[at]) return above;
    let member: number | undefined;
    do {
      member = open.pop();
      component[member ?? at] = at;
    } while (member !== at && member !== undefined);
    return above;
  };
  for (let start = 0; start < size; start++) {
    if (placed[start] === 1 || met[start] !== NONE) continue;
    let at = enter(start, NONE);
    while (at !== NONE) {
      const edge = cursor[at] ?? 0;
      if (edge === starts[at + 1]) {
        at = leave(at);
        continue;
      }
      cursor[at] = edge + 1;
      const next = items[edge] ?? 0;
      if (placed[next] === 1) continue;
      if (met[next] === NONE) at = enter(next, at);
      else if (component[next] === NONE) {
        lowest[at] = Math.min(lowest[at] ?? 0, met[next] ?? 0);
        if (onPath[next] === 1) closing.push({ from: at, to: next, met: closing.length });
      }
    }
  }
  return { closing, component, parent };
}

/** Whatever a component's size, one of its cycles is looked for before the second one of any other. */
function byComponent({ closing, component }: Forest): { firsts: ClosingEdge[]; others: ClosingEdge[] } {
  const seen = new Set<number>();
  const firsts: ClosingEdge[] = [];
  const others: ClosingEdge[] = [];
  for (const edge of closing) {
    const number = component[edge.from] ?? NONE;
    (seen.has(number) ? others : firsts).push(edge);
    seen.add(number);
  }
  return { firsts, others };
}

/** Breadth first within one component. */
class ShortestWay {
  readonly #dependencies: Rows;
  readonly #forest: Forest;
  readonly #cameFrom: Int32Array;
  /** The number of the search that was at a step last. */
  readonly #seen: Int32Array;
  #searches = 0;
  #walksLeft: number;
  #stepsLeft: number;

  constructor(dependencies: Rows, forest: Forest) {
    this.#dependencies = dependencies;
    this.#forest = forest;
    this.#cameFrom = new Int32Array(dependencies.length);
    this.#seen = new Int32Array(dependencies.length);
    this.#walksLeft = WALKS_PER_EDGE * dependencies.items.length;
    this.#stepsLeft = this.#walksLeft;
  }

  get isSpent(): boolean {
    return this.#stepsLeft <= 0;
  }

  /** The steps from `to` along dependencies to `from`. */
  along({ from, to }: ClosingEdge): number[] {
    const before = this.#walksLeft > 0 && this.#reach(to, from) ? this.#cameFrom : this.#forest.parent;
    const way = [from];
    for (let at = from; at !== to;) {
      at = before[at] ?? to;
      way.push(at);
    }
    this.#stepsLeft -= way.length;
    return way.reverse();
  }

  #reach(from: number, to: number): boolean {
    const { starts, items } = this.#dependencies;
    const { component } = this.#forest;
    const search = ++this.#searches;
    const walk = [from];
    this.#seen[from] = search;
    for (const at of walk) {
      const end = starts[at + 1] ?? 0;
      for (let edge = starts[at] ?? 0; edge < end; edge++) {
        const next = items[edge] ?? 0;
        this.#walksLeft -= 1;
        if (this.#seen[next] === search || component[next] !== component[from]) continue;
        this.#seen[next] = search;
        this.#cameFrom[next] = at;
        if (next === to) return true;
        walk.push(next);
      }
    }
    return false;
  }
}

/** The same cycle always begins at the same step. */
function rotated(cycle: readonly number[]): number[] {
  const first = cycle.indexOf(cycle.reduce((least, at) => Math.min(least, at)));
  return [...cycle.slice(first), ...cycle.slice(0, first)];
}
