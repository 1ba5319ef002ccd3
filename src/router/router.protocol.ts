import { call, cast, protocol } from "../actor/index.ts";
import type { DetectionCounts, DetectionStep } from "./runtime-detection.ts";
import type { Runtime } from "./tool-metadata.ts";

export interface ToolMeasurement {
  /** 1 to 128 characters. */
  readonly tool: string;
  readonly runtime: Runtime;
  /** What the detection of its runtime went by. */
  readonly by: DetectionStep;
  /** Finite, not negative. */
  readonly durationMs: number;
  readonly ok: boolean;
}

/** All but the counts are of the last 1,000 calls; percentiles by nearest rank. */
export interface CallFigures {
  readonly calls: number;
  readonly failures: number;
  readonly meanMs: number;
  readonly minMs: number;
  readonly p50Ms: number;
  readonly p95Ms: number;
  readonly p99Ms: number;
  readonly maxMs: number;
}

export interface ToolFigures extends CallFigures {
  /** `OTHER_TOOLS` stands for all that came after the first 1,000. */
  readonly tool: string;
}

export interface RuntimeFigures extends CallFigures {
  readonly runtime: Runtime;
  /** Of all calls, 0 to 100. */
  readonly percent: number;
}

export interface RouterStats {
  /** Tools with figures of their own. */
  readonly tools: number;
  /** Measurements that counted. */
  readonly measured: number;
  /** Of them, those of calls that failed. */
  readonly failures: number;
  /** Measurements that were malformed: counted here and nowhere else. */
  readonly refused: number;
}

/** The name under which figures are kept once there are too many tools. */
export const OTHER_TOOLS = "other";

/** Owns the figures of tool calls. A call never passes through it: whoever made one reports it afterwards. */
export const Router = protocol("router", {
  /** Some calls that have ended, in one message: each would wake the actor by itself. */
  measured: cast<readonly ToolMeasurement[]>(),
  /** Sorted by the tool's name. */
  figures: call<void, ToolFigures[]>(),
  /** Of the runtimes that were used. */
  runtimes: call<void, RuntimeFigures[]>(),
  detections: call<void, DetectionCounts>(),
  stats: call<void, RouterStats>(),
  /** Forgets everything that was measured. */
  reset: call(),
});
