import type { Implementation } from "@modelcontextprotocol/server";
import { LIMITS } from "../errors/index.ts";
import { CallReports, ToolRouter } from "../router/index.ts";
import { systemClock, type Clock } from "../scope/index.ts";
import { threadLog } from "../supervisor/index.ts";
import type { Log } from "../telemetry/index.ts";
import { Confirmations } from "./confirmations.ts";
import { identityOf } from "./identity.ts";
import type { Offer } from "./offer.ts";
import { ResourceDesk } from "./resource-desk.ts";
import { servedTool, type ServedTool } from "./served-tool.ts";
import type { SystemDoor } from "./system-door.ts";
import { textHygiene } from "./text-hygiene.ts";
import type { ToolServices } from "./tool-services.ts";
import { WorkDesk } from "./work-desk.ts";

export interface McpAppOptions extends Offer {
  readonly door: SystemDoor;
  readonly version: string;
  readonly clock?: Clock;
  /** How long a call of a tool may keep its client waiting; default `LIMITS.mcp.callMs`. */
  readonly callMs?: number;
  /** Whose secrets are not told to clients; default: that of the process. */
  readonly environment?: Readonly<Record<string, string | undefined>>;
  readonly log?: Log;
}

/** An app that may still be loading: the handshake needs no more of it than its name. */
export interface AppSource {
  readonly identity: Implementation;
  loaded(): McpApp | Promise<McpApp>;
}

/** What a server is, whatever connections it has: they come and go, in one of them or one for each request. */
export interface McpApp extends AppSource {
  loaded(): McpApp;
  /** By name, in the order in which they are listed. */
  readonly tools: ReadonlyMap<string, ServedTool>;
  readonly resources: ResourceDesk;
  readonly work: WorkDesk;
  readonly services: ToolServices;
}

export function createMcpApp(options: McpAppOptions): McpApp {
  const { door, version, tools, templates, clock = systemClock, environment = process.env } = options;
  const reports = new CallReports(
    (measured) => door.report(({ actors }) => void actors.router.cast.measured(measured)),
    clock,
  );
  const router = new ToolRouter({ clock, report: (measurement) => reports.add(measurement) });
  router.register(tools);
  const services: ToolServices = {
    door,
    router,
    reports,
    templates,
    clock,
    callMs: options.callMs ?? LIMITS.mcp.callMs,
    log: options.log ?? threadLog("mcp"),
    hygiene: textHygiene(environment),
    confirmations: new Confirmations(clock),
  };
  const work = new WorkDesk(services);
  const app: McpApp = {
    identity: identityOf(version),
    loaded: () => app,
    tools: new Map(tools.map((tool) => [tool.name, servedTool(tool, services, work)])),
    resources: new ResourceDesk(services),
    work,
    services,
  };
  return app;
}
