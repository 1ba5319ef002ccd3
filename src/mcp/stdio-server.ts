import { McpServer, type CallToolResult } from "@modelcontextprotocol/server";
import { serveStdio } from "@modelcontextprotocol/server/stdio";
import type { System } from "../system/index.ts";
import { TOOLS, callTool, type Tool } from "../tools/index.ts";

const INSTRUCTIONS =
  "Runs workflows on this machine: workflow_submit starts one, workflow_status tells how far it is, workflow_result " +
  "gives what came out. Everything submitted is on disk and survives a restart.";

/** Elements of one tool's arguments, nested ones included; a larger workflow comes from a file. */
const INPUT_ELEMENTS_MAX = 100_000;

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
      { instructions: INSTRUCTIONS, capabilities: { tools: { listChanged: false } }, maxToolInputElements: INPUT_ELEMENTS_MAX },
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
