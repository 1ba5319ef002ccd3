import { McpServer, type CallToolResult } from "@modelcontextprotocol/server";
import { serveStdio } from "@modelcontextprotocol/server/stdio";
import { LIMITS } from "../errors/index.ts";
import type { System } from "../system/index.ts";
import { TOOLS, callTool, type Tool } from "../tools/index.ts";

const INSTRUCTIONS =
  "Runs workflows on this machine: workflow_submit starts one, workflow_status tells how far it is, workflow_result " +
  "gives what came out. Everything submitted is on disk and survives a restart.";

export interface StdioServer {
  /** Resolves when the client has closed its side. */
  readonly closed: Promise<void>;
  close(): Promise<void>;
}

/**
 * Serves MCP over standard input and output, in both protocol eras. The system may still be opening: a tool call
 * waits for it, the handshake does not.
 */
export function openStdioServer(system: Promise<System>, version: string): StdioServer {
  const closed = Promise.withResolvers<void>();
  const handle = serveStdio(() => {
    const server = new McpServer(
      { name: "mcplusplus", title: "mcplusplus", version },
      { instructions: INSTRUCTIONS, capabilities: { tools: { listChanged: false } }, maxToolInputElements: LIMITS.mcp.inputElements },
    );
    for (const tool of TOOLS) register(server, tool, system);
    return server;
  });
  process.stdin.once("end", () => closed.resolve());
  process.stdin.once("close", () => closed.resolve());
  return { closed: closed.promise, close: () => handle.close() };
}

function register(server: McpServer, tool: Tool, system: Promise<System>): void {
  const { name, title, description, input, output, hints } = tool;
  server.registerTool(
    name,
    { title, description, inputSchema: input, outputSchema: output, annotations: { title, ...hints } },
    async (args, context): Promise<CallToolResult> => {
      const startMs = performance.now();
      const opened = await system;
      const answer = await callTool(tool, args, { system: opened, signal: context.mcpReq.signal });
      const ok = answer["success"] === true;
      opened.actors.router.cast.measured({ tool: name, durationMs: performance.now() - startMs, ok });
      // What JSON cannot say (a reference, bytes) is put into words by the same rules for text and structure.
      const structuredContent = JSON.parse(JSON.stringify(answer)) as Record<string, unknown>;
      return { content: [{ type: "text", text: JSON.stringify(structuredContent) }], structuredContent, isError: !ok };
    },
  );
}
