/**
 * The known name that a mistyped one most likely meant, or undefined when none is near: at most every third
 * character, and at least one unless the name is a single letter, may be wrong.
 */
export function nearestName(name: string, known: Iterable<string>): string | undefined {
  let nearest: string | undefined;
  let distanceMax = Math.max(Math.min(1, name.length - 1), Math.floor(name.length / 3));
  for (const candidate of known) {
    // A large difference in length alone rules a name out, without a table for a key of a megabyte.
    if (Math.abs(candidate.length - name.length) > distanceMax) continue;
    const distance = editDistance(name.toLowerCase(), candidate.toLowerCase());
    if (distance > distanceMax) continue;
    nearest = candidate;
    distanceMax = distance - 1;
  }
  return nearest;
}

/** The known names for a refusal that lists them: the one that was most likely meant comes first, and is asked about. */
export function nearestFirst(name: string, known: readonly string[]): readonly string[] {
  const nearest = nearestName(name, known);
  if (nearest === undefined) return known;
  return [`${nearest} (did you mean that?)`, ...known.filter((each) => each !== nearest)];
}

/**
 * How many characters must be inserted, deleted, replaced, or swapped with their neighbour.
 *
 * @see https://en.wikipedia.org/wiki/Damerau%E2%80%93Levenshtein_distance (optimal string alignment)
 */
function editDistance(from: string, to: string): number {
  let beforeLast: number[] = [];
  let last = Array.from({ length: to.length + 1 }, (_, column) => column);
  for (let row = 1; row <= from.length; row++) {
    const current = [row];
    for (let column = 1; column <= to.length; column++) {
      const same = from[row - 1] === to[column - 1];
      let cost = Math.min(
        (last[column] ?? 0) + 1,
        (current[column - 1] ?? 0) + 1,
        (last[column - 1] ?? 0) + (same ? 0 : 1),
      );
      const swapped =
        row > 1 && column > 1 && from[row - 1] === to[column - 2] && from[row - 2] === to[column - 1];
      if (swapped) cost = Math.min(cost, (beforeLast[column - 2] ?? 0) + 1);
      current.push(cost);
    }
    beforeLast = last;
    last = current;
  }
  return last[to.length] ?? 0;
}
