import { randomUUID } from "node:crypto";
import {
  WebStandardStreamableHTTPServerTransport,
  createMcpHandler,
  inputRequired,
  isLegacyRequest,
  type McpHttpHandler,
  type McpRequestContext,
  type McpServer,
} from "@modelcontextprotocol/server";
import { openListener } from "../../src/mcp/http-listener.ts";
import { clientRequest, type ClientRequest } from "../../src/mcp/client-request.ts";
import { createMcpApp, type McpApp } from "../../src/mcp/mcp-app.ts";
import { createMcpServer } from "../../src/mcp/mcp-server.ts";
import { promptOf } from "../../src/mcp/prompts.ts";
import { ResourceDesk } from "../../src/mcp/resource-desk.ts";
import { openDoor } from "../../src/mcp/system-door.ts";
import { openSystem } from "../../src/system/index.ts";
import { TOOLS } from "../../src/tools/index.ts";
import { PROMPTS, resourceOf } from "./fixture-content.ts";
import { CONTEXT, areAnswered } from "./fixture-questions.ts";
import { TOOLS_LIKE_OURS, fixturesOn } from "./fixture-tools.ts";

/**
 * The product's server with the tools, prompts and resources that other people's suites ask for by name. How it is served
 * in the older era differs: `perRequest` as `mcplusplus serve --http` serves it, `sessions` with one server for each
 * client, which it can ask, as over standard input and output.
 */
export interface FixtureServer {
  readonly urls: { readonly perRequest: string; readonly sessions: string };
  close(): Promise<void>;
}

export async function openFixtureServer(data: string): Promise<FixtureServer> {
  const door = openDoor(() => openSystem({ data }));
  const app = withFixtures(createMcpApp({ door, version: "0.0.0", tools: [...TOOLS, ...TOOLS_LIKE_OURS] }));
  const serverFor = (connection: Pick<McpRequestContext, "era">): McpServer =>
    withPrompts(createMcpServer(app, connection));
  const perRequest = createMcpHandler(serverFor);
  const sessions = withSessions(serverFor);
  const listen = (handler: Pick<McpHttpHandler, "fetch">) => openListener({ port: 0, handler, pages: {} });
  const listeners = [await listen(perRequest), await listen(sessions)] as const;
  const urlOf = ({ port }: { readonly port: number }): string => `http://127.0.0.1:${port}/mcp`;
  return {
    urls: { perRequest: urlOf(listeners[0]), sessions: urlOf(listeners[1]) },
    async close() {
      await Promise.all([perRequest.close(), sessions.close()]);
      await Promise.all(listeners.map((listener) => listener.close()));
      await door.close();
    },
  };
}

class FixtureResources extends ResourceDesk {
  override async read(uri: string, request: ClientRequest) {
    return resourceOf(uri) ?? super.read(uri, request);
  }
}

function withFixtures(app: McpApp): McpApp {
  const over: McpApp = {
    ...app,
    loaded: () => over,
    resources: new FixtureResources(app.services),
    tools: new Map([...app.tools, ...fixturesOn(app)]),
  };
  return over;
}

function withPrompts(mcp: McpServer): McpServer {
  mcp.server.setRequestHandler("prompts/get", ({ params: { name, arguments: args = {} } }, context) => {
    const request = clientRequest(context, undefined);
    if (name === "test_input_required_result_prompt" && !areAnswered(CONTEXT, request))
      return inputRequired({ inputRequests: CONTEXT });
    const prompt =
      name === "test_input_required_result_prompt" ? PROMPTS["test_simple_prompt"] : PROMPTS[name];
    return prompt?.(args) ?? promptOf(name, args);
  });
  return mcp;
}

/** The older era with sessions, and the newer one as it is. */
function withSessions(serverFor: (connection: Pick<McpRequestContext, "era">) => McpServer) {
  const modern = createMcpHandler(serverFor, { legacy: "reject" });
  const sessions = new Map<string, WebStandardStreamableHTTPServerTransport>();
  const opened = async (): Promise<WebStandardStreamableHTTPServerTransport> => {
    const transport = new WebStandardStreamableHTTPServerTransport({
      sessionIdGenerator: randomUUID,
      onsessioninitialized: (id) => void sessions.set(id, transport),
      onsessionclosed: (id) => void sessions.delete(id),
    });
    await serverFor({ era: "legacy" }).connect(transport);
    return transport;
  };
  return {
    async fetch(request: Request, more?: Parameters<McpHttpHandler["fetch"]>[1]): Promise<Response> {
      const id = request.headers.get("mcp-session-id");
      if (id === null && !(await isLegacyRequest(request))) return modern.fetch(request, more);
      const session = id === null ? await opened() : sessions.get(id);
      return session?.handleRequest(request, more) ?? new Response("no such session", { status: 404 });
    },
    async close(): Promise<void> {
      await Promise.all([modern.close(), ...[...sessions.values()].map((session) => session.close())]);
    },
  };
}
