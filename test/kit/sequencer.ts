import { assert } from "../../src/errors/index.ts";

/** Runs a block when all blocks of lower numbers have ended. */
export type Sequencer = <T>(position: number, block: () => Promise<T> | T) => Promise<T>;

/**
 * Forces one interleaving of concurrent code: number the blocks 0, 1, 2 … and they run in that order, one at a time,
 * whoever arrives first. Each number is used once. A block that throws passes its error to its caller and the turn to
 * the next.
 *
 * @see https://trio.readthedocs.io/en/stable/reference-testing.html#trio.testing.Sequencer
 */
export function sequencer(): Sequencer {
  const ended: PromiseWithResolvers<void>[] = [];
  const taken = new Set<number>();
  const endOf = (position: number): PromiseWithResolvers<void> =>
    (ended[position] ??= Promise.withResolvers<void>());

  return async (position, block) => {
    assert(Number.isInteger(position) && position >= 0, `a position is 0 or more, not ${position}`);
    assert(!taken.has(position), `position ${position} is taken`);
    taken.add(position);
    if (position > 0) await endOf(position - 1).promise;
    try {
      return await block();
    } finally {
      endOf(position).resolve();
    }
  };
}
