import { LIMITS } from "../../errors/index.ts";
import { checkInteger } from "../../schema/index.ts";

/** What a server lets peers send. What is left out of it has the default in `LIMITS.mcp`. */
export interface PeerLimits {
  /** 1 KiB to 16 MiB. */
  readonly frameBytes: number;
  /** On one stream; 3 to 1,000,000. */
  readonly frames: number;
  /** Of one peer at once; 3 to 1,000,000. */
  readonly rateCapacity: number;
  /** Of one peer; 1 to 1,000,000. */
  readonly ratePerSecond: number;
}

const FRAME_BYTES_MIN = 1_024;
const COUNT_MAX = 1_000_000;
/** A client initializes, says that it has, and asks. */
const FRAMES_MIN = 3;

/** @throws INVALID_ARGUMENT */
export function peerLimits(given: Partial<PeerLimits> = {}): PeerLimits {
  const { peerFrameBytes, peerFrameBytesMax, peerFrames, peerRate, peerRatePerSecond } = LIMITS.mcp;
  const limits: PeerLimits = {
    frameBytes: given.frameBytes ?? peerFrameBytes,
    frames: given.frames ?? peerFrames,
    rateCapacity: given.rateCapacity ?? peerRate,
    ratePerSecond: given.ratePerSecond ?? peerRatePerSecond,
  };
  checkInteger("limits.frameBytes", limits.frameBytes, FRAME_BYTES_MIN, peerFrameBytesMax);
  checkInteger("limits.frames", limits.frames, FRAMES_MIN, COUNT_MAX);
  checkInteger("limits.rateCapacity", limits.rateCapacity, FRAMES_MIN, COUNT_MAX);
  checkInteger("limits.ratePerSecond", limits.ratePerSecond, 1, COUNT_MAX);
  return limits;
}
