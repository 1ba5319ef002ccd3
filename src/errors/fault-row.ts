/** One row of the table of faults. */
export interface Row<D> {
  /** True when the same request, unchanged, may succeed later. */
  readonly retryable: boolean;
  /** What the code stands for, for the reference page. */
  readonly means: string;
  /** Names the thing, the number and the way out. */
  readonly sentence: (details: D) => string;
}

export const row = <D>(entry: Row<D>): Row<D> => entry;
