import type { LoadDocument } from "./document.ts";
import { shortMs } from "./sweep.ts";

/** Above this share of a latency, the generator's own lateness is worth a word. */
const LAG_SHARE = 0.2;
const BUSY_PERCENT = 80;
/** Above this share of all processors, other processes have a part in the figures. */
const OTHERS_SHARE = 0.15;

/** What a reader must know before believing a figure, a sentence each; empty when there is nothing of the kind. */
export function warningsOf(load: LoadDocument): string[] {
  const { counts, percentiles, conditions, results, interrupted, check, durability } = load;
  const { completed, generatorLag } = percentiles;
  const resultOf = (wanted: string): number => results.find(({ name }) => name === wanted)?.value ?? 0;
  const busy = resultOf("generator thread busy");
  const others = resultOf("processors in use by others");
  const failed = Object.entries(counts.errors).map(([code, count]) => `${count} ${code}`);
  const lagCounts = (lag: number | null, of: number | null): boolean =>
    (lag ?? 0) > LAG_SHARE * (of ?? Infinity);
  return [
    ...(check.passed
      ? []
      : ["The check failed: acknowledged work was lost, not ended, or done otherwise than told."]),
    ...(interrupted ? ["It was interrupted: the figures are of a shorter time than was asked for."] : []),
    ...(counts.notSent > 0
      ? [
          `${counts.notSent} of ${counts.offered} arrivals were not sent, because ${conditions.outstandingMax} were under way: the load was less than its rate says.`,
        ]
      : []),
    ...(failed.length > 0 ? [`Requests that failed have no latency: ${failed.join(", ")}.`] : []),
    ...(counts.unfinished > 0
      ? [`${counts.unfinished} requests had not ended when the waiting was over; they have no latency.`]
      : []),
    ...(lagCounts(generatorLag.p50, completed.p50) || lagCounts(generatorLag.p99, completed.p99)
      ? [
          `The generator itself was late: by ${shortMs(generatorLag.p50)} in the middle and ${shortMs(generatorLag.p99)} at the 99th percentile. That much of the latencies is its own.`,
        ]
      : []),
    ...(busy > BUSY_PERCENT
      ? [`The generator's thread was busy ${Math.round(busy)} % of the time: it may be what limits the rate.`]
      : []),
    ...(others > OTHERS_SHARE * load.cpus
      ? [
          `Other processes kept ${others.toFixed(1)} of ${load.cpus} processors busy: the figures are of what was left over. Repeat it on a quiet machine.`,
        ]
      : []),
    ...(durability === "flushed" && String(conditions["filesystem"]).startsWith("tmpfs")
      ? ["The data directory is in memory (tmpfs), where an fsync costs nothing: use --data on a disk."]
      : []),
  ];
}
