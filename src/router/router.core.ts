import { LIMITS } from "../errors/index.ts";
import { CallWindow } from "./call-window.ts";
import {
  OTHER_TOOLS,
  type RouterStats,
  type RuntimeFigures,
  type ToolFigures,
  type ToolMeasurement,
} from "./router.protocol.ts";
import { DETECTION_STEPS, DetectionCounter, type DetectionCounts } from "./runtime-detection.ts";
import { RUNTIMES, type Runtime } from "./tool-metadata.ts";

/**
 * The figures of tool calls: each tool's and each runtime's over their own last 1,000, and what runtimes were detected by.
 * Deterministic, and of bounded size whatever is reported.
 */
export class RouterCore {
  readonly #tools = new Map<string, CallWindow>();
  readonly #runtimes = new Map<Runtime, CallWindow>();
  readonly #detections = new DetectionCounter();
  #measured = 0;
  #failures = 0;
  #refused = 0;

  /**
   * Counts one call. A malformed measurement changes no figure and is counted as refused: it comes by a cast, so there
   * is no one to tell, and one NaN among the durations would spoil every percentile after it.
   */
  measured(measurement: unknown): void {
    if (!isMeasurement(measurement)) {
      this.#refused += 1;
      return;
    }
    const { tool, runtime, durationMs, ok } = measurement;
    this.#toolFor(tool).add(durationMs, ok);
    windowOf(this.#runtimes, runtime).add(durationMs, ok);
    this.#detections.count(measurement);
    this.#measured += 1;
    if (!ok) this.#failures += 1;
  }

  /** Sorted by name. */
  figures(): ToolFigures[] {
    return [...this.#tools]
      .sort(([a], [b]) => (a < b ? -1 : 1))
      .map(([tool, window]) => ({ tool, ...window.figures() }));
  }

  runtimes(): RuntimeFigures[] {
    return [...this.#runtimes].map(([runtime, window]) => ({
      runtime,
      percent: (window.calls * 100) / this.#measured,
      ...window.figures(),
    }));
  }

  detections(): DetectionCounts {
    return this.#detections.counts();
  }

  stats(): RouterStats {
    const tools = this.#tools.size - (this.#tools.has(OTHER_TOOLS) ? 1 : 0);
    return { tools, measured: this.#measured, failures: this.#failures, refused: this.#refused };
  }

  #toolFor(name: string): CallWindow {
    const isNew = !this.#tools.has(name) && name !== OTHER_TOOLS;
    return windowOf(this.#tools, isNew && this.stats().tools >= LIMITS.router.tools ? OTHER_TOOLS : name);
  }
}

function windowOf<Name extends string>(windows: Map<Name, CallWindow>, name: Name): CallWindow {
  const known = windows.get(name);
  if (known !== undefined) return known;
  const added = new CallWindow();
  windows.set(name, added);
  return added;
}

/** The sender may be plain JavaScript: nothing of its types is taken on trust. */
function isMeasurement(value: unknown): value is ToolMeasurement {
  if (typeof value !== "object" || value === null) return false;
  const { tool, runtime, by, durationMs, ok } = value as Partial<Record<keyof ToolMeasurement, unknown>>;
  return (
    typeof tool === "string" &&
    tool.length >= 1 &&
    tool.length <= LIMITS.router.toolChars &&
    (RUNTIMES as readonly unknown[]).includes(runtime) &&
    (DETECTION_STEPS as readonly unknown[]).includes(by) &&
    typeof durationMs === "number" &&
    Number.isFinite(durationMs) &&
    durationMs >= 0 &&
    typeof ok === "boolean"
  );
}
