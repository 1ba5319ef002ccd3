import type { Admission, QueuePosition } from "./queue.protocol.ts";

/** A run counts this much in the running mean. */
const GAIN = 0.1;
/** Actions with a mean of their own; the others share the mean of all. */
const ACTIONS_MAX = 1_000;

/** How long tasks run of late, to tell when one will start. */
export class Pace {
  readonly #byAction = new Map<string, number>();
  #meanMs: number | null = null;

  observe(action: string, runMs: number): void {
    this.#meanMs = mean(this.#meanMs, runMs);
    const known = this.#byAction.get(action);
    if (known !== undefined || this.#byAction.size < ACTIONS_MAX) {
      this.#byAction.set(action, mean(known ?? null, runMs));
    }
  }

  /** Null before the first run of anything. */
  runMs(action: string): number | null {
    return this.#byAction.get(action) ?? this.#meanMs;
  }

  /** How long a task waits behind so many others and those that run, with room for so many at once. */
  waitMs(ahead: number, running: number, room: number): number | null {
    if (ahead + running < room) return 0;
    return this.#meanMs === null ? null : (Math.max(1, ahead + running - room + 1) / room) * this.#meanMs;
  }
}

export function admissionOf(
  { ahead, exact, estimatedStartMs }: QueuePosition,
  runMs: number | null,
  deadlineMs: number,
): Admission {
  if (estimatedStartMs === null || runMs === null) {
    return { feasible: true, estimatedEndMs: null, reason: "nothing is known yet of the pace of the queue" };
  }
  const estimatedEndMs = estimatedStartMs + runMs;
  const behind = `${exact ? "" : "at least "}${ahead} tasks are ahead of it`;
  const marginS = Math.abs(deadlineMs - estimatedEndMs) / 1_000;
  return estimatedEndMs <= deadlineMs
    ? { feasible: true, estimatedEndMs, reason: `it would end ${marginS} s before its deadline: ${behind}` }
    : { feasible: false, estimatedEndMs, reason: `it would end ${marginS} s after its deadline: ${behind}` };
}

const mean = (known: number | null, runMs: number): number =>
  known === null ? runMs : known + GAIN * (runMs - known);
