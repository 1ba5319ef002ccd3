import { cpus, totalmem } from "node:os";

/** One measured figure: the median of its samples, and how far they lie apart. */
export interface Result {
  readonly name: string;
  readonly value: number;
  readonly unit: string;
  readonly min: number;
  readonly max: number;
  readonly samples: number;
}

export interface Ratio {
  readonly name: string;
  readonly value: number;
  /** What the project promises; the run fails below it (or above, for `atMost`). */
  readonly atLeast?: number;
  readonly atMost?: number;
}

/** Whom the suite measured itself against: what it was, or why it was not there. */
export type RivalReport =
  | { readonly name: string; readonly is: string }
  | { readonly name: string; readonly absent: string };

/** What every suite prints with `--json`. */
export interface Report {
  readonly suite: string;
  readonly node: string;
  readonly cpus: number;
  readonly machine: string;
  /** Percent of the processors' time that the machine's host gave to others meanwhile; null = not known. */
  readonly stolenPercent: number | null;
  /** What an acknowledgement means on disk; "none" where nothing is stored. */
  readonly durability: string;
  readonly results: readonly Result[];
  readonly ratios: readonly Ratio[];
  readonly rivals?: readonly RivalReport[];
}

/** A suite measures, and hands over every sample beside the report. */
export interface Measured {
  readonly results: readonly Result[];
  readonly ratios: readonly Ratio[];
  readonly durability: string;
  readonly rivals?: readonly RivalReport[];
  readonly samples: Readonly<Record<string, readonly number[]>>;
}

export const median = (values: readonly number[]): number => percentile(values, 0.5);

/** By nearest rank. */
export function percentile(values: readonly number[], share: number): number {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[Math.max(0, Math.ceil(sorted.length * share) - 1)] ?? Number.NaN;
}

export function result(name: string, unit: string, samples: readonly number[]): Result {
  // Not Math.min(...samples): a million samples do not fit into a call.
  const min = samples.reduce((least, each) => Math.min(least, each), Infinity);
  const max = samples.reduce((most, each) => Math.max(most, each), -Infinity);
  return { name, value: median(samples), unit, min, max, samples: samples.length };
}

export function report(suite: string, measured: Measured, stolenShare: number | null): Report {
  const [cpu] = cpus();
  const machine = `${cpu?.model.trim() ?? "unknown"} x ${cpus().length}, ${Math.round(totalmem() / 2 ** 30)} GiB, ${process.platform} ${process.arch}`;
  const { results, ratios, durability, rivals } = measured;
  const stolenPercent = stolenShare === null ? null : Math.round(stolenShare * 1_000) / 10;
  const about = { suite, node: process.version, cpus: cpus().length, machine, stolenPercent, durability };
  return { ...about, ...(rivals && { rivals }), results, ratios };
}

export const meets = ({ value, atLeast = -Infinity, atMost = Infinity }: Ratio): boolean =>
  value >= atLeast && value <= atMost;

/** For people. */
export function table({ suite, node, machine, durability, results, ratios, ...more }: Report): string {
  const { rivals = [], stolenPercent } = more;
  const width = Math.max(...results.map(({ name }) => name.length), ...ratios.map(({ name }) => name.length));
  const figure = (value: number): string =>
    Number.isNaN(value)
      ? "–"
      : value >= 1_000
        ? Math.round(value).toLocaleString("en")
        : value.toPrecision(3);
  return [
    `${suite}: node ${node}, ${machine}, durability ${durability}`,
    ...(stolenPercent === null
      ? []
      : [`  ${stolenPercent} % of the processors' time went to others on the host`]),
    ...rivals.map((rival) => `  ${"is" in rival ? rival.is : `${rival.name} is absent: ${rival.absent}`}`),
    ...results.map(
      ({ name, value, unit, min, max, samples }) =>
        `  ${name.padEnd(width)}  ${figure(value)} ${unit}  (${figure(min)} to ${figure(max)}, ${samples} samples)`,
    ),
    ...ratios.map(
      (ratio) =>
        `  ${ratio.name.padEnd(width)}  ${figure(ratio.value)}${goalOf(ratio)}  ${meets(ratio) ? "" : "MISSED"}`,
    ),
  ].join("\n");
}

function goalOf({ atLeast, atMost }: Ratio): string {
  if (atLeast !== undefined) return `  (goal: at least ${atLeast})`;
  return atMost === undefined ? "" : `  (goal: at most ${atMost})`;
}
