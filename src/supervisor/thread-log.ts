import { systemClock } from "../scope/index.ts";
import { createLog, type Log } from "../telemetry/index.ts";

const LEVELS = ["debug", "info", "warn", "error"] as const;

/**
 * The log of an actor or of the supervisor, on standard error. What is shown is set for all threads alike by the
 * environment variable `MCPLUSPLUS_LOG` (debug, info, warn or error; default warn).
 */
export function threadLog(component: string): Log {
  const wanted = process.env["MCPLUSPLUS_LOG"];
  const level = LEVELS.find((each) => each === wanted) ?? "warn";
  return createLog({ component, level, clock: systemClock });
}
