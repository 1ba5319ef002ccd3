import { McpServer, type CallToolResult, type StandardSchemaWithJSON } from "@modelcontextprotocol/server";
import { serveStdio } from "@modelcontextprotocol/server/stdio";
import { LIMITS } from "../errors/index.ts";
import type { System } from "../system/index.ts";
import { callTool, inputSchemaOf, toolsOf, type Tool } from "../tools/index.ts";
import type { TemplateRegistry } from "../workflow/template.ts";
import { LineTransport } from "./line-transport.ts";
import { openDoor, type SystemDoor } from "./system-door.ts";
import { claimStandardOutput } from "./standard-output.ts";

const INSTRUCTIONS =
  "Runs workflows and single tasks on this machine: workflow_submit or task_submit starts one, workflow_status or " +
  "task_status tells how far it is, workflow_result or task_result gives what came out. Everything submitted is on disk " +
  "and survives a restart.";

export interface StdioServer {
  /** Resolves when the client has closed its side, and what it still waited for has been answered. */
  readonly closed: Promise<void>;
  /** Ends the connection, and closes the system. */
  close(): Promise<void>;
}

/**
 * Serves MCP over standard input and output, in both protocol eras. The system is opened behind the handshake: a tool
 * call waits for it, the handshake does not. When it cannot be opened, every call says why, and the next one tries
 * again.
 *
 * @param open may be called again after it has failed, or after the system has
 * @param tools those that are offered
 * @param templates what the tools of templates are about; default: none
 */
export function openStdioServer(
  open: () => Promise<System>,
  version: string,
  tools: readonly Tool[] = toolsOf(),
  templates?: TemplateRegistry,
): StdioServer {
  const closed = Promise.withResolvers<void>();
  const output = claimStandardOutput();
  const transport = new LineTransport({ input: process.stdin, output });
  const door = openDoor(open);
  const handle = serveStdio(
    () => {
      const server = new McpServer(
        { name: "mcplusplus", title: "mcplusplus", version },
        {
          instructions: INSTRUCTIONS,
          capabilities: { tools: { listChanged: false } },
          maxToolInputElements: LIMITS.mcp.inputElements,
        },
      );
      for (const tool of tools) register(server, tool, door, templates);
      return server;
    },
    { transport: announcing(transport, closed.resolve) },
  );
  return {
    closed: closed.promise,
    async close() {
      await handle.close();
      await door.close();
    },
  };
}

/** Whoever serves a transport takes its `onclose` for itself. */
function announcing(transport: LineTransport, onClosed: () => void): LineTransport {
  const close = transport.close.bind(transport);
  transport.close = async () => {
    await close();
    onClosed();
  };
  return transport;
}

function register(
  server: McpServer,
  tool: Tool,
  door: SystemDoor,
  templates: TemplateRegistry | undefined,
): void {
  const { name, title, description, output, hints } = tool;
  const annotations = { title, ...hints };
  server.registerTool(
    name,
    { title, description, inputSchema: checkedByTheTool(tool), outputSchema: output, annotations },
    async (args, { mcpReq: { signal } }): Promise<CallToolResult> => {
      const startMs = performance.now();
      const answer = await callTool(tool, args, {
        open: () => door.opened(signal),
        signal,
        ...(templates && { templates }),
      });
      const ok = answer["success"] === true;
      const durationMs = performance.now() - startMs;
      door.report(({ actors }) => void actors.router.cast.measured({ tool: name, durationMs, ok }));
      return {
        content: [{ type: "text", text: JSON.stringify(answer) }],
        structuredContent: answer,
        isError: !ok,
      };
    },
  );
}

/** Wrong arguments are answered like every other failure, in the one shape for it, so the check is the tool's own. */
function checkedByTheTool(tool: Tool): StandardSchemaWithJSON<unknown, unknown> {
  const schema = (): Record<string, unknown> => inputSchemaOf(tool);
  return {
    "~standard": {
      version: 1,
      vendor: "mcplusplus",
      validate: (value) => ({ value }),
      jsonSchema: { input: schema, output: schema },
    },
  };
}
