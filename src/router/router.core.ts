import { LIMITS } from "../errors/index.ts";
import { OTHER_TOOLS, type RouterStats, type ToolFigures, type ToolMeasurement } from "./router.protocol.ts";

interface Tool {
  calls: number;
  failures: number;
  /** A ring once it is full: call number n stands at n modulo the window. */
  readonly durationsMs: number[];
}

/**
 * The figures of tool calls, each tool's over its own last 1,000. Deterministic, and of bounded size whatever is
 * reported: some 8 kB for each of at most 1,001 tools.
 */
export class RouterCore {
  readonly #tools = new Map<string, Tool>();
  #measured = 0;
  #refused = 0;

  /**
   * Counts one call. A malformed measurement changes no figure and is counted as refused: it comes by a cast, so there
   * is no one to tell, and one NaN among the durations would spoil every percentile after it.
   */
  measured(measurement: ToolMeasurement): void {
    if (!isMeasurement(measurement)) {
      this.#refused += 1;
      return;
    }
    const tool = this.#toolFor(measurement.tool);
    tool.durationsMs[tool.calls % LIMITS.router.windowCalls] = measurement.durationMs;
    tool.calls += 1;
    if (!measurement.ok) tool.failures += 1;
    this.#measured += 1;
  }

  /** Sorted by name. */
  figures(): ToolFigures[] {
    return [...this.#tools].sort(([a], [b]) => (a < b ? -1 : 1)).map(([name, tool]) => figuresOf(name, tool));
  }

  stats(): RouterStats {
    const tools = this.#tools.size - (this.#tools.has(OTHER_TOOLS) ? 1 : 0);
    return { tools, measured: this.#measured, refused: this.#refused };
  }

  #toolFor(name: string): Tool {
    const known = this.#tools.get(name);
    if (known !== undefined) return known;
    const { tools } = this.stats();
    if (tools >= LIMITS.router.tools && name !== OTHER_TOOLS) return this.#toolFor(OTHER_TOOLS);
    const added: Tool = { calls: 0, failures: 0, durationsMs: [] };
    this.#tools.set(name, added);
    return added;
  }
}

/** The sender may be plain JavaScript: nothing of its types is taken on trust. */
function isMeasurement(value: unknown): value is ToolMeasurement {
  if (typeof value !== "object" || value === null) return false;
  const { tool, durationMs, ok } = value as Partial<Record<keyof ToolMeasurement, unknown>>;
  return (
    typeof tool === "string" &&
    tool.length >= 1 &&
    tool.length <= LIMITS.router.toolChars &&
    typeof durationMs === "number" &&
    Number.isFinite(durationMs) &&
    durationMs >= 0 &&
    typeof ok === "boolean"
  );
}

function figuresOf(name: string, { calls, failures, durationsMs }: Tool): ToolFigures {
  const sorted = Float64Array.from(durationsMs).sort();
  return {
    tool: name,
    calls,
    failures,
    p50Ms: nearestRank(sorted, 50),
    p95Ms: nearestRank(sorted, 95),
    p99Ms: nearestRank(sorted, 99),
    maxMs: nearestRank(sorted, 100),
  };
}

/**
 * The smallest value that at least `percent` percent of all values do not exceed: always one that was measured.
 *
 * @param sorted ascending, not empty
 * @see https://en.wikipedia.org/wiki/Percentile#The_nearest-rank_method
 */
function nearestRank(sorted: Float64Array, percent: number): number {
  return sorted[Math.ceil((percent * sorted.length) / 100) - 1] ?? 0;
}
