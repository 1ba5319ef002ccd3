import { readFileSync } from "node:fs";

interface CpuTimes {
  readonly total: number;
  readonly stolen: number;
}

/** Place of "steal" among the times of a processor. @see https://man7.org/linux/man-pages/man5/proc_stat.5.html */
const STEAL = 7;

function cpuTimes(): CpuTimes | null {
  try {
    const [line = ""] = readFileSync("/proc/stat", "utf8").split("\n");
    const times = line.split(/\s+/).slice(1).map(Number);
    return {
      total: times.slice(0, STEAL + 1).reduce((sum, each) => sum + each, 0),
      stolen: times[STEAL] ?? 0,
    };
  } catch {
    return null;
  }
}

/**
 * The share of the processors' time that the machine's host gave to others while the suite ran: with much of it the
 * figures say more about them than about us. Null where the system does not tell.
 */
export function watchStolenTime(): () => number | null {
  const before = cpuTimes();
  return () => {
    const after = cpuTimes();
    if (before === null || after === null || after.total === before.total) return null;
    return (after.stolen - before.stolen) / (after.total - before.total);
  };
}
