import { Client, StreamableHTTPClientTransport } from "@modelcontextprotocol/client";
import { describe, expect, it, onTestFinished } from "vitest";
import { openHttpServer } from "../../src/mcp/open-http-server.ts";
import { TOOLS, selectTools } from "../../src/tools/index.ts";
import { defineOwnTool } from "../../src/tools/own-tool.ts";
import { openInline } from "../kit/inline-system.ts";
import { ERAS, connectTo, openApp } from "./kit/connected-client.ts";

const TRACE_ID = "4bf92f3577b34da6a3ce929d0e0e4736";
const CALLERS = `00-${TRACE_ID}-00f067aa0ba902b7-01`;
const OTHER = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
const TRACED = new URL("../system/modules/traced.tasks.ts", import.meta.url);

/** Says what it is told of the trace of its caller. */
const told = defineOwnTool({
  name: "told",
  description: "Says which trace its caller is part of.",
  input: { type: "object" },
  hints: { readOnlyHint: true },
  run: (_, { traceparent }) => ({ traceparent: traceparent ?? null }),
});

const tools = selectTools({ own: [told] });

/** What the tool was told, of a call with this in `_meta`. */
async function heard(client: Client, meta: Record<string, unknown> | undefined): Promise<unknown> {
  const { structuredContent } = await client.callTool({
    name: "told",
    arguments: {},
    ...(meta && { _meta: meta }),
  });
  return (structuredContent as Record<string, unknown>)["traceparent"];
}

describe.each(ERAS)("a call of a client of the %s era", (era) => {
  it("tells its tool the trace that it says it is part of, and nothing of one that is invalid", async () => {
    const { client } = await connectTo(await openApp({ tools }), era);
    expect(await heard(client, { traceparent: CALLERS })).toBe(CALLERS);
    expect(await heard(client, undefined)).toBeNull();
    for (const traceparent of ["nonsense", CALLERS.toUpperCase(), `${CALLERS}-more`])
      expect(await heard(client, { traceparent })).toBeNull();
  });

  it("starts work whose handlers are part of that trace, each with a span of its own", async () => {
    const app = await openApp({ tools: TOOLS, system: { tasks: [TRACED], threads: 1, graceMs: 0 } });
    const { client, call } = await connectTo(app, era);
    const traced = async (name: string, args: Record<string, unknown>): Promise<void> => {
      const { structuredContent } = await client.callTool({
        name,
        arguments: args,
        _meta: { traceparent: CALLERS },
      });
      expect(structuredContent).toMatchObject({ success: true });
    };
    const steps = [{ step_id: "a", action: "traced" }];
    await traced("workflow_submit", { workflow_id: "w", name: "w", steps });
    await traced("task_submit", { task_id: "t", task_type: "traced", payload: {} });
    const failing = { task_type: "traced", payload: { failures: 1 } };
    await call("task_submit", { task_id: "f", ...failing });
    await call("task_result", { task_id: "f", wait_seconds: 20 });
    await traced("task_retry", { task_id: "f", retry_config: { max_retries: 1 } });
    const retried = await call("task_result", { task_id: "f-retry-1", wait_seconds: 20 });
    const run = await call("workflow_result", { workflow_id: "w", wait_seconds: 20 });
    const task = await call("task_result", { task_id: "t", wait_seconds: 20 });
    const outputs = [run["result"], task["result"], retried["result"]];
    for (const each of outputs) expect(each).toMatch(new RegExp(`^00-${TRACE_ID}-[0-9a-f]{16}-01$`));
    expect(new Set([CALLERS, ...outputs]).size).toBe(4);
    const rerun = { workflow_id: "w", new_workflow_id: "w2", from_steps: ["a"] };
    await client.callTool({ name: "run_rerun", arguments: rerun, _meta: { traceparent: OTHER } });
    const again = await call("workflow_result", { workflow_id: "w2", wait_seconds: 20 });
    expect(String(again["result"]).slice(0, 36)).toBe(OTHER.slice(0, 36));
  });
});

describe.each(["legacy", { pin: "2026-07-28" }] as const)("over HTTP, in era %j,", (mode) => {
  it("the header says the trace of a call, unless its message does", async () => {
    const server = await openHttpServer({
      open: () => openInline({ data: null }),
      version: "1.2.3",
      tools,
      port: 0,
    });
    onTestFinished(() => server.close());
    const connected = async (headers: Record<string, string>): Promise<Client> => {
      const client = new Client({ name: "test", version: "1" }, { versionNegotiation: { mode } });
      const url = new URL(server.urls["mcp"] ?? "");
      await client.connect(new StreamableHTTPClientTransport(url, { requestInit: { headers } }));
      onTestFinished(() => client.close());
      return client;
    };
    const client = await connected({ traceparent: CALLERS });
    expect(await heard(client, undefined)).toBe(CALLERS);
    expect(await heard(client, { traceparent: OTHER })).toBe(OTHER);
    const other = await connected({});
    expect(await heard(other, undefined)).toBeNull();
  });
});
