import { createMcpHandler } from "@modelcontextprotocol/server";
import { LIMITS, isFault, sentenceOf } from "../errors/index.ts";
import { ToolRouter } from "../router/index.ts";
import { failAfter } from "../scope/index.ts";
import type { System } from "../system/index.ts";
import type { Tool } from "../tools/index.ts";
import { exposition } from "./exposition.ts";
import {
  openListener,
  type HttpListener,
  type ListenSettings,
  type ListenerFigures,
  type Page,
} from "./http-listener.ts";
import { createMcpApp, type McpApp } from "./mcp-app.ts";
import { createMcpServer } from "./mcp-server.ts";
import type { Offer } from "./offer.ts";
import { openDoor, type SystemDoor } from "./system-door.ts";

export interface HttpServerOptions extends ListenSettings, Offer {
  /** May be called again after it has failed, or after the system has. */
  readonly open: () => Promise<System>;
  readonly version: string;
  /** Port of a second listener, for the tools that actors answer; the first has the others then. Default: there is one. */
  readonly p2pPort?: number;
}

export interface HttpServer {
  /** By name: `mcp`, or `general` and `p2p`. */
  readonly urls: Readonly<Record<string, string>>;
  /** No longer ready; what is under way is answered, and then the system is closed. */
  close(): Promise<void>;
}

/** How long a page waits for a system that is just opening. */
const READY_MS = 1_000;

/** One listener with the tools that it offers. */
interface Front {
  readonly app: McpApp;
  readonly port: number;
}

/** The server, with one listener or two. The system is opened behind them: a tool call waits for it. */
export class HttpServing implements HttpServer {
  readonly #door: SystemDoor;
  readonly #options: HttpServerOptions;
  readonly #fronts: ReadonlyMap<string, Front>;
  readonly #listeners = new Map<string, HttpListener>();
  readonly #handlers: { close(): Promise<void> }[] = [];

  static async open(options: HttpServerOptions): Promise<HttpServing> {
    const server = new HttpServing(openDoor(options.open), options);
    try {
      await server.#start();
      return server;
    } catch (error) {
      await server.close();
      throw error;
    }
  }

  private constructor(door: SystemDoor, options: HttpServerOptions) {
    this.#door = door;
    this.#options = options;
    const { tools, port, p2pPort, version, templates } = options;
    const appOf = (some: readonly Tool[]): McpApp =>
      createMcpApp({ door, version, tools: some, ...(templates && { templates }) });
    if (p2pPort === undefined) {
      this.#fronts = new Map([["mcp", { app: appOf(tools), port }]]);
      return;
    }
    const { general, p2p } = partsOf(tools);
    this.#fronts = new Map([
      ["general", { app: appOf(general), port }],
      ["p2p", { app: appOf(p2p), port: p2pPort }],
    ]);
  }

  get urls(): Readonly<Record<string, string>> {
    const urlOf = ({ host, port }: ListenerFigures): string =>
      `http://${host.includes(":") ? `[${host}]` : host}:${port}/mcp`;
    return this.#each(urlOf);
  }

  /** All, or none. */
  async #start(): Promise<void> {
    const opened = await Promise.allSettled(
      [...this.#fronts].map(async ([name, front]) => this.#listeners.set(name, await this.#open(front))),
    );
    const failure = opened.find(({ status }) => status === "rejected");
    if (failure?.status === "rejected") throw failure.reason;
  }

  async close(): Promise<void> {
    await Promise.all([...this.#listeners.values()].map((listener) => listener.close()));
    await Promise.all(this.#handlers.map((handler) => handler.close()));
    this.#flushReports();
    await this.#door.close();
  }

  #open({ app, port }: Front): Promise<HttpListener> {
    const handler = createMcpHandler((connection) => createMcpServer(app, connection), {
      maxRequestBodySize: LIMITS.mcp.httpBodyBytes,
    });
    this.#handlers.push(handler);
    return openListener({
      ...this.#options,
      port,
      handler,
      pages: {
        "/health": async (isKnown) => this.#health(isKnown),
        "/ready": () => this.#ready(),
        "/metrics": () => this.#metrics(),
      },
    });
  }

  // --- pages ----------------------------------------------------------------------------------------------------------

  #health(isKnown: boolean): Page {
    const status = this.#isDraining ? "draining" : "healthy";
    const figures = this.#each(healthOf);
    const all = Object.values(figures);
    const body = !isKnown
      ? { status }
      : all.length === 1
        ? { ...all[0], status }
        : { status, listeners: figures };
    return json(200, body);
  }

  async #ready(): Promise<Page> {
    if (this.#isDraining) return json(503, { ready: false, why: "the server is stopping" });
    try {
      await this.#opened();
      return json(200, { ready: true });
    } catch (error) {
      if (!isFault(error)) throw error;
      return json(503, { ready: false, why: sentenceOf(error), code: error.code });
    }
  }

  async #metrics(): Promise<Page> {
    const system = await this.#opened().catch(() => null);
    this.#flushReports();
    const tools = (await system?.actors.router.call.figures().catch(() => [])) ?? [];
    const categories = new Map(this.#options.tools.map(({ name, metadata }) => [name, metadata.category]));
    const body = exposition({
      metrics: system?.metrics() ?? null,
      tools,
      categoryOf: (tool) => categories.get(tool) ?? "other",
      listeners: this.#each((figures) => figures),
    });
    return { status: 200, type: "text/plain; version=0.0.4; charset=utf-8", body };
  }

  #opened(): Promise<System> {
    return failAfter(READY_MS, ({ signal }) => this.#door.opened(signal), { name: "opening the system" });
  }

  #flushReports(): void {
    for (const { app } of this.#fronts.values()) app.services.reports.flush();
  }

  get #isDraining(): boolean {
    return [...this.#listeners.values()].some((listener) => listener.figures().status === "draining");
  }

  #each<T>(read: (figures: ListenerFigures) => T): Record<string, T> {
    return Object.fromEntries(
      [...this.#listeners].map(([name, listener]) => [name, read(listener.figures())]),
    );
  }
}

/** The tools by where they run. */
function partsOf(tools: readonly Tool[]): { readonly general: Tool[]; readonly p2p: Tool[] } {
  const router = new ToolRouter();
  const runsOn = (runtime: string): Tool[] => tools.filter((tool) => router.begin(tool).runtime === runtime);
  return { general: runsOn("general"), p2p: runsOn("p2p") };
}

function healthOf({ host, port, status, uptimeMs, requests, errors, refused }: ListenerFigures): object {
  return {
    status,
    running: status === "healthy",
    uptime_seconds: uptimeMs / 1_000,
    host,
    port,
    request_count: requests,
    error_count: errors,
    refused_count: refused,
    error_rate: requests === 0 ? 0 : errors / requests,
  };
}

const json = (status: number, body: object): Page => ({
  status,
  type: "application/json",
  body: JSON.stringify(body),
});
