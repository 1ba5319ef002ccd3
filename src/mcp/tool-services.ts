import type { CallReports, ToolRouter } from "../router/index.ts";
import type { Clock } from "../scope/index.ts";
import type { Log } from "../telemetry/index.ts";
import type { TemplateRegistry } from "../workflow/template.ts";
import type { Confirmations } from "./confirmations.ts";
import type { SystemDoor } from "./system-door.ts";
import type { TextHygiene } from "./text-hygiene.ts";

/** What the calls of all connections share, for as long as the server lives. */
export interface ToolServices {
  readonly door: SystemDoor;
  readonly router: ToolRouter;
  /** To be flushed before figures are read. */
  readonly reports: CallReports;
  readonly templates: TemplateRegistry | undefined;
  readonly clock: Clock;
  /** How long a call may keep its client waiting. */
  readonly callMs: number;
  readonly log: Log;
  readonly hygiene: TextHygiene;
  readonly confirmations: Confirmations;
}
