import type { HttpServer, HttpServerOptions } from "./http-server.ts";

/**
 * Serves MCP over HTTP. What that needs is loaded here: a server over standard input answers its first request sooner
 * without it.
 *
 * @throws INVALID_ARGUMENT, UNAVAILABLE when a listener cannot be opened; then none is, and neither is the system
 */
export async function openHttpServer(options: HttpServerOptions): Promise<HttpServer> {
  const { HttpServing } = await import("./http-server.ts");
  return HttpServing.open(options);
}
