import { once } from "node:events";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { hostHeaderValidation, originValidation, toNodeHandler } from "@modelcontextprotocol/node";
import type { McpHttpHandler } from "@modelcontextprotocol/server";
import { LIMITS, fault, sentenceOf } from "../errors/index.ts";
import { systemClock, type Clock } from "../scope/index.ts";
import type { BearerToken } from "./bearer-token.ts";
import { compressed } from "./compressed-response.ts";
import { isLoopback } from "./loopback.ts";

/** Where a listener listens, and what it allows. */
export interface ListenSettings {
  /** Default 127.0.0.1. */
  readonly host?: string;
  /** 0 = one that is free. */
  readonly port: number;
  /** Default: nobody is asked for one, which only a host that is the machine itself allows. */
  readonly token?: BearerToken;
  /** Host names by which it may be called, besides those of the machine itself and `host`. */
  readonly allowedHosts?: readonly string[];
  /** Default 100. */
  readonly connectionsMax?: number;
  /** How long one request may take; default 30,000. */
  readonly requestMs?: number;
  /** Default true. */
  readonly compress?: boolean;
}

/** One of the paths beside `/mcp`. */
export interface Page {
  readonly status: number;
  readonly type: "application/json" | "text/plain; version=0.0.4; charset=utf-8";
  readonly body: string;
}

export interface ListenerOptions extends ListenSettings {
  /** Serves `/mcp`. */
  readonly handler: Pick<McpHttpHandler, "fetch">;
  /** By path. `isKnown`: the token was there, or none is asked for. `/health` alone is answered without it. */
  readonly pages: Readonly<Record<string, (isKnown: boolean) => Promise<Page>>>;
  readonly clock?: Clock;
}

export interface ListenerFigures {
  readonly host: string;
  readonly port: number;
  readonly status: "healthy" | "draining";
  readonly uptimeMs: number;
  readonly connections: number;
  readonly requests: number;
  /** Answered with 500 or more, or not at all. */
  readonly errors: number;
  /** Answered with 400 to 499, or dropped since there were too many connections. */
  readonly refused: number;
}

export interface HttpListener {
  readonly port: number;
  figures(): ListenerFigures;
  /** Accepts nothing from now on; resolves when what is under way is answered, or its time to do so is over. */
  close(): Promise<void>;
}

const MCP_PATH = "/mcp";
const OPEN_PATH = "/health";
const LOCAL_NAMES = ["localhost", "127.0.0.1", "[::1]"];

/**
 * Opens a listener. Resolves when it listens.
 *
 * @throws INVALID_ARGUMENT (another host than the machine itself without a token), UNAVAILABLE (the port)
 */
export async function openListener(options: ListenerOptions): Promise<HttpListener> {
  const { host = "127.0.0.1", port, token, clock = systemClock } = options;
  if (token === undefined && !isLoopback(host)) {
    const allowed = "127.0.0.1, ::1 or localhost, unless a token file is named";
    throw fault("INVALID_ARGUMENT", { argument: "--host", got: `"${host}"`, allowed });
  }
  const listener = new Listener({ ...options, host }, clock);
  await listener.listen(host, port);
  return listener;
}

class Listener implements HttpListener {
  readonly #options: ListenerOptions & { readonly host: string };
  readonly #clock: Clock;
  readonly #server: Server;
  readonly #guards: readonly ((request: IncomingMessage, response: ServerResponse) => boolean)[];
  readonly #serve: ReturnType<typeof toNodeHandler>;
  readonly #startedMs: number;
  readonly #requestMs: number;
  #connections = 0;
  #requests = 0;
  #errors = 0;
  #refused = 0;
  #closing: Promise<void> | undefined;

  constructor(options: ListenerOptions & { readonly host: string }, clock: Clock) {
    this.#options = options;
    this.#clock = clock;
    this.#startedMs = clock.now();
    const names = [...LOCAL_NAMES, nameInUrl(options.host), ...(options.allowedHosts ?? [])];
    this.#guards = [hostHeaderValidation(names), originValidation(names)];
    this.#serve = toNodeHandler(
      { fetch: (request, more) => this.#inTime(request, more) },
      { maxRequestBodySize: LIMITS.mcp.httpBodyBytes },
    );
    const { httpHeadMs, httpIdleMs, httpConnections, httpRequestMs } = LIMITS.mcp;
    const requestMs = options.requestMs ?? httpRequestMs;
    this.#requestMs = requestMs;
    this.#server = createServer(
      {
        headersTimeout: Math.min(httpHeadMs, requestMs),
        requestTimeout: requestMs,
        keepAliveTimeout: httpIdleMs,
        connectionsCheckingInterval: 1_000,
      },
      (request, response) => this.#receive(request, response),
    );
    this.#server.maxConnections = options.connectionsMax ?? httpConnections;
    this.#server.on("drop", () => (this.#refused += 1));
    this.#server.on("connection", (socket) => {
      this.#connections += 1;
      socket.once("close", () => (this.#connections -= 1));
    });
  }

  get port(): number {
    return (this.#server.address() as AddressInfo | null)?.port ?? 0;
  }

  figures(): ListenerFigures {
    return {
      host: this.#options.host,
      port: this.port,
      status: this.#closing === undefined ? "healthy" : "draining",
      uptimeMs: this.#clock.now() - this.#startedMs,
      connections: this.#connections,
      requests: this.#requests,
      errors: this.#errors,
      refused: this.#refused,
    };
  }

  async listen(host: string, port: number): Promise<void> {
    this.#server.listen({ host, port });
    try {
      await once(this.#server, "listening");
    } catch (error) {
      throw fault("UNAVAILABLE", { what: `${host}:${port}`, why: sentenceOf(error) }, { cause: error });
    }
  }

  close(): Promise<void> {
    this.#closing ??= this.#drain();
    return this.#closing;
  }

  async #drain(): Promise<void> {
    const closed = once(this.#server, "close");
    this.#server.close();
    this.#server.closeIdleConnections();
    const { httpDrainMs } = LIMITS.mcp;
    const timer = this.#clock.at(this.#clock.now() + httpDrainMs, () => this.#server.closeAllConnections());
    await closed;
    timer.cancel();
  }

  // --- one request --------------------------------------------------------------------------------------------------

  #receive(request: IncomingMessage, response: ServerResponse): void {
    this.#requests += 1;
    response.once("close", () => {
      if (!response.writableEnded || response.statusCode >= 500) this.#errors += 1;
      else if (response.statusCode >= 400) this.#refused += 1;
      // Its connection has nothing more to wait for.
      if (this.#closing !== undefined) this.#server.closeIdleConnections();
    });
    response.setTimeout(this.#requestMs, () => endUnread(response));
    // Of several, which one counts is not the same for everyone on the way. @see RFC 9112, 3.2
    if ((request.headersDistinct["host"] ?? []).length > 1)
      return refuse(response, 400, "one header Host is allowed, and there are several");
    if (!this.#guards.every((allows) => allows(request, response))) return;
    if (this.#closing !== undefined) {
      response.setHeader("connection", "close");
      response.setHeader("retry-after", "1");
    }
    const path = (request.url ?? "/").split("?", 1)[0] ?? "/";
    const isKnown = this.#options.token?.isIn(request.headers.authorization) ?? true;
    if (!isKnown && path !== OPEN_PATH) {
      response.setHeader("www-authenticate", "Bearer");
      return refuse(response, 401, "a bearer token is needed, and the right one");
    }
    if (path === MCP_PATH) return this.#mcp(request, response);
    const page = Object.hasOwn(this.#options.pages, path) ? this.#options.pages[path] : undefined;
    if (page === undefined)
      return refuse(response, 404, `there is nothing at this path; there is ${MCP_PATH}`);
    if (request.method !== "GET" && request.method !== "HEAD")
      return refuse(response.setHeader("allow", "GET, HEAD"), 405, "only GET is answered here");
    void page(isKnown).then(
      ({ status, type, body }) => void response.writeHead(status, { "content-type": type }).end(body),
      (error: unknown) => refuse(response, 500, sentenceOf(error)),
    );
  }

  #mcp(request: IncomingMessage, response: ServerResponse): void {
    if (this.#closing !== undefined) return refuse(response, 503, "the server is stopping");
    if (request.method !== "POST")
      return refuse(response.setHeader("allow", "POST"), 405, "only POST is answered here");
    // By their type they may be absent; that is so only where a client gets a message.
    const received = request as IncomingMessage & { method: string; url: string };
    this.#serve(received, response).catch((error: unknown) => {
      if (!response.headersSent) refuse(response, 500, sentenceOf(error));
      else response.destroy();
    });
  }

  /** The answer, or its beginning where it is a stream, comes in time; else the call sees its signal. */
  async #inTime(request: Request, more: Parameters<McpHttpHandler["fetch"]>[1]): Promise<Response> {
    const { handler, compress = true } = this.#options;
    const requestMs = this.#requestMs;
    const over = new AbortController();
    const late = Promise.withResolvers<Response>();
    const timer = this.#clock.at(this.#clock.now() + requestMs, () => {
      over.abort(fault("DEADLINE_EXCEEDED", { what: "the request", timeoutMs: requestMs }));
      late.resolve(problem(504, `the request took longer than ${requestMs} ms`));
    });
    const signal = AbortSignal.any([request.signal, over.signal]);
    try {
      const answer = handler.fetch(new Request(request, { signal }), more);
      const first = await Promise.race([answer, late.promise]);
      // Nobody reads what comes of it later.
      if (over.signal.aborted) answer.catch(() => undefined);
      return compress ? compressed(first, request.headers.get("accept-encoding")) : first;
    } finally {
      timer.cancel();
    }
  }
}

/** Nothing has moved for a while. A stream that has nothing to say may be quiet; one whose client does not read is over. */
function endUnread({ socket }: ServerResponse): void {
  if (socket !== null && socket.writableLength > 0) socket.destroy();
}

/** As a URL and the header `Host` have it. */
const nameInUrl = (host: string): string => (host.includes(":") ? `[${host}]` : host);

/** An error of the server itself, below the protocol's own range. */
const SERVER_ERROR = -32_000;

const errorBody = (why: string): string =>
  JSON.stringify({ jsonrpc: "2.0", error: { code: SERVER_ERROR, message: why }, id: null });

function refuse(response: ServerResponse, status: number, why: string): void {
  response.writeHead(status, { "content-type": "application/json" }).end(errorBody(why));
}

const problem = (status: number, why: string): Response =>
  new Response(errorBody(why), { status, headers: { "content-type": "application/json" } });
