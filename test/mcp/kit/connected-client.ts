import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import {
  Client,
  InMemoryTransport,
  type ClientCapabilities,
  type ElicitResult,
} from "@modelcontextprotocol/client";
import { serveStdio } from "@modelcontextprotocol/server/stdio";
import { onTestFinished } from "vitest";
import { createMcpApp, type McpApp, type McpAppOptions } from "../../../src/mcp/mcp-app.ts";
import { createMcpServer } from "../../../src/mcp/mcp-server.ts";
import { openDoor, type SystemDoor } from "../../../src/mcp/system-door.ts";
import type { System, SystemOptions } from "../../../src/system/index.ts";
import { TOOLS } from "../../../src/tools/index.ts";
import { openInline } from "../../kit/inline-system.ts";

export const ERAS = ["legacy", "modern"] as const;
export type Era = (typeof ERAS)[number];

/** A server as far as its connections look at it, with a system on this thread that opens when it is asked for. */
export async function openApp(
  options: Partial<McpAppOptions> & { readonly system?: SystemOptions } = {},
): Promise<McpApp & { readonly system: () => Promise<System>; readonly door: SystemDoor }> {
  const directory = await mkdtemp(join(tmpdir(), "mcp-"));
  onTestFinished(() => rm(directory, { recursive: true }));
  const door = openDoor(() => openInline({ data: join(directory, "data"), ...options.system }));
  onTestFinished(() => door.close());
  const app = createMcpApp({ door, version: "1.2.3", tools: TOOLS, environment: {}, ...options });
  return { ...app, door, system: () => door.opened(new AbortController().signal) };
}

/** The official client, connected to a server of this app in its own process. */
export async function connectTo(
  app: McpApp,
  era: Era,
  {
    capabilities = {},
    elicit,
  }: { capabilities?: ClientCapabilities; elicit?: (message: string) => Answered } = {},
) {
  const [ours, theirs] = InMemoryTransport.createLinkedPair();
  const handle = serveStdio((connection) => createMcpServer(app, connection), { transport: theirs });
  const mode = era === "legacy" ? "legacy" : { pin: "2026-07-28" };
  const client = new Client({ name: "test", version: "1" }, { capabilities, versionNegotiation: { mode } });
  if (elicit) client.setRequestHandler("elicitation/create", ({ params }) => elicit(params.message));
  await client.connect(ours);
  onTestFinished(async () => {
    await client.close();
    await handle.close();
  });
  return {
    client,
    async call(name: string, args: Record<string, unknown> = {}): Promise<Record<string, unknown>> {
      const { structuredContent } = await client.callTool({ name, arguments: args });
      return structuredContent as Record<string, unknown>;
    },
  };
}

export type Answered = Pick<ElicitResult, "action" | "content">;
