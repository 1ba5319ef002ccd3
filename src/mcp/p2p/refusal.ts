import type { FrameFault } from "./frame.ts";
import type { PeerCount } from "./peer-figures.ts";

/** Why a frame is not served, as its sender is told. The numbers and the words are those of the published handler. */
export interface Refusal {
  readonly code: number;
  readonly message: string;
  readonly data?: Readonly<Record<string, unknown>>;
  /** The stream is over. */
  readonly closes: boolean;
  /** Without the id of the frame, which stands for another request, or cannot be read. */
  readonly unnamed?: true;
  readonly counts?: PeerCount;
}

const refusal = (code: number, message: string, closes: boolean, counts?: PeerCount): Refusal => ({
  code,
  message,
  closes,
  ...(counts && { counts }),
});

export const REFUSALS = {
  rateLimited: refusal(-32_010, "rate_limited", true, "rateLimited"),
  busy: {
    ...refusal(-32_010, "rate_limited", false, "rateLimited"),
    data: { why: "too many requests of this stream are under way" },
  },
  unauthorized: refusal(-32_001, "unauthorized", true, "unauthorized"),
  toolNotGranted: refusal(-32_001, "unauthorized", false, "unauthorized"),
  invalidJsonrpc: { ...refusal(-32_600, "invalid_jsonrpc", true, "refused"), unnamed: true },
  replayed: { ...refusal(-32_600, "replayed", true, "replayed"), unnamed: true },
  initRequired: refusal(-32_000, "init_required", true, "refused"),
  methodNotFound: refusal(-32_601, "method_not_found", false),
  unknownTool: refusal(-32_002, "unknown_tool", false),
} as const satisfies Record<string, Refusal>;

export const invalidParams = (why: string): Refusal => ({
  ...refusal(-32_602, "invalid_params", false),
  data: { why },
});

/** A claim that contradicts itself, or what was agreed. */
export const mismatch = (why: string, supported: readonly string[]): Refusal => ({
  ...refusal(-32_022, "binding_mismatch", false, "refused"),
  data: { why, supported },
});

export const wrongFrame = (why: FrameFault): Refusal => ({
  ...refusal(-32_003, why, true, "frameErrors"),
  unnamed: true,
});

export const TIMEOUT = { code: -32_000, message: "timeout" } as const;
export const ANSWER_TOO_LARGE = { code: -32_003, message: "frame_too_large" } as const;
export const TOOL_FAILED = -32_002;
