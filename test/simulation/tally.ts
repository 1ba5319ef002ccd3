/** How often each kind of thing occurred; kinds that never did are there too, with a count of 0. */
export interface Counts {
  commands: Record<string, number>;
  faults: Record<string, number>;
  statePairs: Record<string, number>;
}

export const FAULTS = [
  "restart",
  "power_cut",
  "stop_and_start",
  "disk_full",
  "disk_error",
  "input_unreadable",
  "clock_forward",
  "clock_back",
  "caller_gone",
  "worker_dies",
  "handler_hangs",
  "handler_dies",
  "handler_is_slow",
  "outcome_after_death",
] as const;
export type FaultKind = (typeof FAULTS)[number];

/** Every change that the lifecycle knows, birth and leaving included. */
const STATE_PAIRS = [
  "none-queued",
  "queued-running",
  "queued-cancelled",
  "running-completed",
  "running-failed",
  "running-queued",
  "running-cancelling",
  "cancelling-completed",
  "cancelling-cancelled",
  "completed-none",
  "failed-none",
  "cancelled-none",
] as const;

export const zeros = (names: readonly string[]): Record<string, number> =>
  Object.fromEntries(names.map((name) => [name, 0]));

export function emptyCounts(commands: readonly string[]): Counts {
  return { commands: zeros(commands), faults: zeros(FAULTS), statePairs: zeros(STATE_PAIRS) };
}

export function addCounts(to: Counts, from: Counts): void {
  for (const kind of ["commands", "faults", "statePairs"] as const) {
    for (const [name, count] of Object.entries(from[kind])) to[kind][name] = (to[kind][name] ?? 0) + count;
  }
}

export const total = (counts: Record<string, number>): number =>
  Object.values(counts).reduce((sum, each) => sum + each, 0);

/** What never happened: a simulation that leaves something out proves nothing about it. */
export function missing({ commands, faults, statePairs }: Counts): string[] {
  return Object.entries({ ...commands, ...faults, ...statePairs })
    .filter(([, count]) => count === 0)
    .map(([name]) => name);
}
