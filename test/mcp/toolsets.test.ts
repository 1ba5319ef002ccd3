import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Client } from "@modelcontextprotocol/client";
import { StdioClientTransport } from "@modelcontextprotocol/client/stdio";
import { expect, it, onTestFinished } from "vitest";
import { TOOLS, TOOLSET_NAMES } from "../../src/tools/index.ts";
import { ROOT, serverArguments } from "./kit/server-process.ts";

const REPORT = {
  template_id: "report",
  name: "Report",
  parameters: [{ name: "rows", type: "array" }],
  steps: [
    { step_id: "load", action: "echo", inputs: { rows: "${rows}" } },
    { step_id: "sum", action: "fail", inputs: { message: "no luck", times: 1 }, depends_on: ["load"] },
  ],
};

/** A client of a server that offers all its tools. The client holds each answer against the tool's output schema. */
async function connect() {
  const directory = await mkdtemp(join(tmpdir(), "mcp-"));
  onTestFinished(() => rm(directory, { recursive: true }));
  const file = join(directory, "report.json");
  await writeFile(file, JSON.stringify(REPORT));
  const flags = ["--toolsets", TOOLSET_NAMES.join(), "--templates", file];
  const args = serverArguments(join(directory, "data"), ...flags);
  const client = new Client({ name: "test", version: "1" });
  await client.connect(
    new StdioClientTransport({ command: process.execPath, args, cwd: ROOT, stderr: "ignore" }),
  );
  return {
    client,
    async call(name: string, given: Record<string, unknown> = {}): Promise<Record<string, unknown>> {
      const { structuredContent } = await client.callTool({ name, arguments: given });
      return structuredContent as Record<string, unknown>;
    },
    [Symbol.asyncDispose]: () => client.close(),
  };
}

it("a client is offered the tools of the toolsets that were asked for, in one order", async () => {
  await using connection = await connect();
  const { tools } = await connection.client.listTools();
  expect(tools.map(({ name }) => name)).toEqual(TOOLS.map(({ name }) => name));
});

it("a client runs a template, reads its graph and history, repeats what failed, and empties the cache", async () => {
  await using connection = await connect();
  const { call } = connection;
  expect(await call("template_list")).toMatchObject({ total_count: 1 });
  const run = { template_id: "report", parameters: { rows: [1, 2] }, workflow_id: "r" };
  expect(await call("template_run", run)).toMatchObject({ success: true, workflow_id: "r" });
  const ended = async (workflow_id: string): Promise<Record<string, unknown>> => {
    for (;;) {
      const status = await call("workflow_status", { workflow_id });
      if (["completed", "failed"].includes(String(status["status"]))) return status;
    }
  };
  expect(await ended("r")).toMatchObject({ status: "failed", failure_code: "WORKFLOW_FAILED" });
  expect(await call("workflow_dependencies", { workflow_id: "r", fmt: "mermaid" })).toMatchObject({
    critical_path: ["load", "sum"],
    dag: expect.stringMatching(/^flowchart LR/) as string,
  });
  const { events } = await call("run_history", { workflow_id: "r" });
  expect((events as unknown[]).length).toBeGreaterThan(5);
  expect(await call("run_what_if", { workflow_id: "r", factors: { load: 2 } })).toMatchObject({
    success: true,
  });
  expect(await call("run_rerun", { workflow_id: "r" })).toMatchObject({
    new_workflow_id: "r~2",
    reused_steps: 1,
  });
  await ended("r~2");
  expect(await call("workflow_list", { limit: 1, offset: 1 })).toMatchObject({
    workflows: [{ workflow_id: "r~2", origin: "r" }],
    total_count: 2,
    has_more: false,
  });
  expect(await call("cache_stats")).toMatchObject({ success: true, entries: 0 });
  expect(await call("cache_clear")).toMatchObject({ success: false, code: "CONFIRMATION_REQUIRED" });
  expect(await call("cache_clear", { confirm: true })).toEqual({ success: true, removed_count: 0 });
});
