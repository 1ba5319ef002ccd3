import type { Rows } from "./dag-rows.ts";

export interface Edges {
  readonly dependencies: Rows;
  readonly dependents: Rows;
}

export interface Levels {
  readonly of: Uint32Array;
  /** All levels, one after the other. */
  readonly order: Uint32Array;
  /** Where in `order` a level begins; one more than there are levels. */
  readonly starts: Uint32Array;
  /** 1 for each step that has a level: those on a cycle, and those behind one, have none. */
  readonly placed: Uint8Array;
}

export const bothWays = (dependencies: Rows): Edges => ({
  dependencies,
  dependents: dependencies.reversed(),
});

/**
 * Kahn's algorithm, with each level's steps found by counting. Steps on a cycle, and those behind one, are in no level.
 *
 * @see Kahn, "Topological sorting of large networks", CACM 5 (11), 1962
 */
export function levelsOf({ dependencies, dependents }: Edges): Levels {
  const size = dependencies.length;
  const { starts, items } = dependents;
  const of = new Uint32Array(size);
  const placed = new Uint8Array(size);
  const waitingFor = new Uint32Array(size);
  const walk = new Uint32Array(size);
  let met = 0;
  for (let at = 0; at < size; at++) {
    waitingFor[at] = dependencies.lengthOf(at);
    if (waitingFor[at] === 0) walk[met++] = at;
  }
  // First in, first out: a step is met when the last of its dependencies is, which is one of the level before.
  for (let next = 0; next < met; next++) {
    const at = walk[next] ?? 0;
    placed[at] = 1;
    const end = starts[at + 1] ?? 0;
    for (let edge = starts[at] ?? 0; edge < end; edge++) {
      const dependent = items[edge] ?? 0;
      const left = (waitingFor[dependent] ?? 0) - 1;
      waitingFor[dependent] = left;
      if (left > 0) continue;
      of[dependent] = (of[at] ?? 0) + 1;
      walk[met++] = dependent;
    }
  }
  const levels = met === 0 ? 0 : (of[walk[met - 1] ?? 0] ?? 0) + 1;
  return { of, placed, ...sortedByLevel(of, placed, levels, met) };
}

/** Counting sort: steps of one level stay in the order of the definition. */
function sortedByLevel(
  of: Uint32Array,
  placed: Uint8Array,
  levels: number,
  count: number,
): Pick<Levels, "order" | "starts"> {
  const starts = new Uint32Array(levels + 1);
  for (let at = 0; at < of.length; at++) {
    if (placed[at] !== 1) continue;
    const after = (of[at] ?? 0) + 1;
    starts[after] = (starts[after] ?? 0) + 1;
  }
  for (let level = 0; level < levels; level++)
    starts[level + 1] = (starts[level + 1] ?? 0) + (starts[level] ?? 0);
  const free = starts.slice();
  const order = new Uint32Array(count);
  for (let at = 0; at < of.length; at++) {
    if (placed[at] !== 1) continue;
    const level = of[at] ?? 0;
    const place = free[level] ?? 0;
    order[place] = at;
    free[level] = place + 1;
  }
  return { order, starts };
}
