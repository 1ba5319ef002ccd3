/** One bound: a row of `docs/limits.md`. */
export interface Limit {
  readonly value: number;
  readonly unit: string;
  readonly means: string;
  /** The option that overrides it; absent = fixed. */
  readonly option?: string;
}

/** The bounds of some rooms, by room and name. */
export type LimitTable = Readonly<Record<string, Readonly<Record<string, Limit>>>>;

export const limit = (value: number, unit: string, means: string, option?: string): Limit => ({
  value,
  unit,
  means,
  ...(option === undefined ? {} : { option }),
});
