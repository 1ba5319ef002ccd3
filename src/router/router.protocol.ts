import { call, cast, protocol } from "../actor/index.ts";

export interface ToolMeasurement {
  /** 1 to 128 characters. */
  readonly tool: string;
  /** Finite, not negative. */
  readonly durationMs: number;
  readonly ok: boolean;
}

export interface ToolFigures {
  /** `OTHER_TOOLS` stands for all that came after the first 1,000. */
  readonly tool: string;
  readonly calls: number;
  readonly failures: number;
  /** Of the last 1,000 calls, by nearest rank. */
  readonly p50Ms: number;
  readonly p95Ms: number;
  readonly p99Ms: number;
  readonly maxMs: number;
}

export interface RouterStats {
  /** Tools with figures of their own. */
  readonly tools: number;
  /** Measurements that counted. */
  readonly measured: number;
  /** Measurements that were malformed: counted here and nowhere else. */
  readonly refused: number;
}

/** The name under which figures are kept once there are too many tools. */
export const OTHER_TOOLS = "other";

/** Owns the figures of tool calls. A call never passes through it: whoever made one reports it afterwards. */
export const Router = protocol("router", {
  measured: cast<ToolMeasurement>(),
  /** Sorted by the tool's name. */
  figures: call<void, ToolFigures[]>(),
  stats: call<void, RouterStats>(),
});
