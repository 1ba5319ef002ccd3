import { Client, StreamableHTTPClientTransport } from "@modelcontextprotocol/client";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, it, onTestFinished } from "vitest";
import { z } from "zod";
import { tokenFrom } from "../../src/mcp/bearer-token.ts";
import { exposition } from "../../src/mcp/exposition.ts";
import type { HttpServerOptions } from "../../src/mcp/http-server.ts";
import { openHttpServer } from "../../src/mcp/open-http-server.ts";
import { selectTools } from "../../src/tools/index.ts";
import { defineOwnTool } from "../../src/tools/own-tool.ts";
import { defineTool } from "../../src/tools/tool.ts";
import { openInline } from "../kit/inline-system.ts";

const hostTool = defineTool({
  name: "add",
  title: "Add",
  description: "Adds two numbers.",
  input: z.strictObject({ a: z.number(), b: z.number() }),
  output: z.looseObject({ sum: z.number() }),
  hints: { readOnlyHint: true, destructiveHint: false, idempotentHint: true, openWorldHint: false },
  metadata: { runtime: "general" },
  echo: [],
  run: async ({ a, b }) => ({ sum: a + b }),
});

async function serve(options: Partial<HttpServerOptions> = {}) {
  const server = await openHttpServer({
    open: () => openInline({ data: null }),
    version: "1.2.3",
    tools: selectTools({ own: [hostTool] }),
    port: 0,
    ...options,
  });
  onTestFinished(() => server.close());
  return server;
}

type Mode = "legacy" | { readonly pin: "2026-07-28" };

async function connected(url: string, mode: Mode): Promise<Client> {
  const client = new Client({ name: "test", version: "1" }, { versionNegotiation: { mode } });
  await client.connect(new StreamableHTTPClientTransport(new URL(url)));
  onTestFinished(() => client.close());
  return client;
}

const pageOf = async (url: string, path: string): Promise<Record<string, unknown>> =>
  (await (await fetch(new URL(path, url))).json()) as Record<string, unknown>;

describe("the server over HTTP", () => {
  it.each(["legacy", { pin: "2026-07-28" }] as Mode[])(
    "serves the same tools to a client of era %j",
    async (mode) => {
      const { urls } = await serve();
      const client = await connected(urls["mcp"] ?? "", mode);
      const { tools } = await client.listTools();
      expect(tools.map(({ name }) => name)).toEqual(expect.arrayContaining(["workflow_submit", "add"]));
      const steps = [{ step_id: "a", action: "echo", inputs: { n: 1 } }];
      const args = { workflow_id: "w", name: "W", steps };
      const submitted = await client.callTool({ name: "workflow_submit", arguments: args });
      expect(submitted.structuredContent).toMatchObject({ success: true, workflow_id: "w" });
      const result = await client.callTool({
        name: "workflow_result",
        arguments: { workflow_id: "w", wait_seconds: 20 },
      });
      expect(result.structuredContent).toMatchObject({ success: true, result: { n: 1 } });
    },
  );

  it("tells of its health, and is ready when tools can be called", async () => {
    const { urls } = await serve();
    const url = urls["mcp"] ?? "";
    expect(await pageOf(url, "/ready")).toEqual({ ready: true });
    expect(await pageOf(url, "/health")).toMatchObject({
      status: "healthy",
      running: true,
      host: "127.0.0.1",
      request_count: 2,
      error_count: 0,
      error_rate: 0,
    });
    const broken = await serve({ open: () => Promise.reject(new Error("no system today")) });
    const ready = await fetch(new URL("/ready", broken.urls["mcp"]));
    expect([ready.status, await ready.text()]).toEqual([500, expect.stringContaining("no system today")]);
  });

  it("tells every figure as Prometheus reads it", async () => {
    const { urls } = await serve();
    const url = urls["mcp"] ?? "";
    const client = await connected(url, "legacy");
    await client.callTool({ name: "queue_stats", arguments: {} });
    const text = await (await fetch(new URL("/metrics", url))).text();
    for (const line of text.trimEnd().split("\n"))
      expect(line).toMatch(/^(# (HELP|TYPE) \w+ .+|\w+(\{(\w+="[^"]*",?)+\})? (NaN|-?[\d.e+-]+))$/);
    expect(text).toMatch(/\nmcplusplus_tasks_submitted_total \d+\n/);
    expect(text).toMatch(/\nmcp_tool_calls_total\{category="\w+",tool="queue_stats",status="success"\} 1\n/);
    expect(text).toMatch(/\nmcp_requests_total\{listener="mcp"\} \d+\n/);
    const labelled = exposition({
      metrics: null,
      tools: [],
      categoryOf: () => "",
      listeners: { 'a"\\\n': { requests: 0, errors: 0 } as never },
    });
    expect(labelled).toContain(String.raw`mcp_requests_total{listener="a\"\\\n"} 0`);
  });

  it("refuses an argument that its tool tells in a header too when the header says something else", async () => {
    const routed = defineOwnTool({
      name: "routed",
      description: "Says where it was sent.",
      input: { type: "object", properties: { region: { type: "string", "x-mcp-header": "Region" } } },
      run: ({ region }) => ({ region }),
    });
    const { urls } = await serve({ tools: [routed] });
    const client = await connected(urls["mcp"] ?? "", { pin: "2026-07-28" });
    const call = { name: "routed", arguments: { region: "north" } };
    await client.listTools();
    expect((await client.callTool(call)).structuredContent).toMatchObject({ region: "north" });
    const _meta = {
      "io.modelcontextprotocol/protocolVersion": "2026-07-28",
      "io.modelcontextprotocol/clientCapabilities": {},
    };
    const response = await fetch(urls["mcp"] ?? "", {
      method: "POST",
      headers: {
        accept: "application/json, text/event-stream",
        "content-type": "application/json",
        "mcp-protocol-version": "2026-07-28",
        "mcp-method": "tools/call",
        "mcp-name": "routed",
        "mcp-param-region": "south",
      },
      body: JSON.stringify({ jsonrpc: "2.0", id: 1, method: "tools/call", params: { ...call, _meta } }),
    });
    expect([response.status, await response.json()]).toMatchObject([400, { error: { code: -32_020 } }]);
  });

  it("has two listeners where that is asked for, each with the tools that run there", async () => {
    const { urls } = await serve({ p2pPort: 0 });
    const general = await connected(urls["general"] ?? "", "legacy");
    const p2p = await connected(urls["p2p"] ?? "", "legacy");
    expect((await general.listTools()).tools.map(({ name }) => name)).toEqual(["add"]);
    expect((await p2p.listTools()).tools).toHaveLength(26);
    const added = await general.callTool({ name: "add", arguments: { a: 1, b: 2 } });
    expect(added.structuredContent).toMatchObject({ sum: 3 });
    const health = await pageOf(urls["p2p"] ?? "", "/health");
    expect(health).toMatchObject({
      status: "healthy",
      listeners: { general: { running: true }, p2p: { running: true } },
    });
  });

  it("stops the first listener when the second cannot be opened", async () => {
    const { urls } = await serve();
    const taken = Number(new URL(urls["mcp"] ?? "").port);
    let closed = 0;
    const open = async () => {
      const system = await openInline({ data: null });
      const close = system.close.bind(system);
      system.close = () => {
        closed += 1;
        return close();
      };
      return system;
    };
    const failing = openHttpServer({
      open,
      version: "1",
      tools: selectTools({ own: [hostTool] }),
      port: 0,
      p2pPort: taken,
    });
    await expect(failing).rejects.toMatchObject({ code: "UNAVAILABLE" });
    expect(closed).toBe(1);
  });
});

describe("a token file", () => {
  it("gives its first line as the token, and is refused when that is none", () => {
    const directory = mkdtempSync(join(tmpdir(), "token-"));
    onTestFinished(() => rmSync(directory, { recursive: true }));
    const path = join(directory, "token");
    writeFileSync(path, "0123456789abcdef\nsomething else\n");
    expect(tokenFrom(path).isIn("Bearer 0123456789abcdef")).toBe(true);
    for (const content of ["", "short", "with spaces in it, and long", "x".repeat(5_000)]) {
      writeFileSync(path, content);
      expect(() => tokenFrom(path)).toThrow("its first line is no token");
    }
    expect(() => tokenFrom(join(directory, "none"))).toThrow("ENOENT");
  });
});
