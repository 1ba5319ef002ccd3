import { McpServer } from "@modelcontextprotocol/server";
import { serveStdio } from "@modelcontextprotocol/server/stdio";
import { z } from "zod";

/** The same tool on the bare SDK, and nothing else. */
serveStdio(() => {
  const server = new McpServer({ name: "bare", version: "1" }, { capabilities: { tools: {} } });
  server.registerTool(
    "noop",
    {
      description: "Does nothing.",
      inputSchema: z.strictObject({}),
      outputSchema: z.object({ ok: z.boolean() }),
    },
    async () => ({ content: [{ type: "text", text: '{"ok":true}' }], structuredContent: { ok: true } }),
  );
  return server;
});
