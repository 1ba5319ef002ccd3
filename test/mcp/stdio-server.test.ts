import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { Client, type ClientOptions } from "@modelcontextprotocol/client";
import { StdioClientTransport } from "@modelcontextprotocol/client/stdio";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { FLIGHTS_TASKS, fewFlights, flightsWorkflow } from "../system/kit/flights.ts";

const ROOT = resolve(import.meta.dirname, "../..");
const DRILL = resolve(import.meta.dirname, "../cli/modules/drill.tasks.ts");
const ENDED = new Set(["completed", "failed", "cancelled"]);

let directory: string;

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), "mcp-"));
});

afterAll(() => rm(directory, { recursive: true }));

const commandLine = (data: string): string[] => [
  "--conditions=mcplusplus-source",
  "bin/mcplusplus.cjs",
  "mcp",
  ...["--data", data, "--tasks", FLIGHTS_TASKS, "--tasks", DRILL, "--root", directory],
];

type Era = NonNullable<NonNullable<ClientOptions["versionNegotiation"]>["mode"]>;

/** A client of a server of its own; leaving its scope ends both. */
async function connect(data: string, mode: Era = "legacy") {
  const client = new Client({ name: "test", version: "1" }, { versionNegotiation: { mode } });
  const transport = new StdioClientTransport({
    command: process.execPath,
    args: commandLine(data),
    cwd: ROOT,
    stderr: "ignore",
  });
  await client.connect(transport);
  return {
    client,
    /** What a tool answers, after a look at the promise that its text says the same as its structure. */
    async call(name: string, args: Record<string, unknown>): Promise<Record<string, unknown>> {
      const { content, structuredContent, isError } = await client.callTool({ name, arguments: args });
      const [first] = content as { type: string; text: string }[];
      expect(JSON.parse(first?.text ?? "")).toEqual(structuredContent);
      const answer = structuredContent as Record<string, unknown>;
      expect(isError ?? false).toBe(answer["success"] !== true);
      return answer;
    },
    [Symbol.asyncDispose]: () => client.close(),
  };
}

type Connection = Awaited<ReturnType<typeof connect>>;

async function untilEnded({ call }: Connection, workflow_id: string): Promise<Record<string, unknown>> {
  for (;;) {
    const status = await call("workflow_status", { workflow_id });
    expect(status).toMatchObject({ success: true });
    if (ENDED.has(String(status["status"]))) return status;
  }
}

/** The example's workflow as a client would write it. */
async function flightsArguments(
  workflow_id: string,
): Promise<{ arguments: Record<string, unknown>; report: string }> {
  const out = join(directory, workflow_id);
  const { name, steps } = flightsWorkflow(workflow_id, { flights: fewFlights(directory), out });
  const written = steps.map(({ stepId, action, inputs, dependsOn, cacheTtlMs }) => ({
    step_id: stepId,
    action,
    inputs,
    depends_on: dependsOn,
    ...(cacheTtlMs === undefined ? {} : { cache: { ttl_seconds: cacheTtlMs / 1_000 } }),
  }));
  return { arguments: { workflow_id, name, steps: written }, report: join(out, "report.json") };
}

describe.each(["legacy", "auto", { pin: "2026-07-28" }] as const)("a client in the era %j", (mode) => {
  it("lists the tools, submits the flights, follows them, and gets what the report says", async () => {
    const era = typeof mode === "string" ? mode : "pinned";
    await using connection = await connect(join(directory, `data-${era}`), mode);
    const { client, call } = connection;
    const { tools } = await client.listTools();
    expect(tools.map(({ name }) => name)).toEqual(["workflow_submit", "workflow_status", "workflow_result"]);

    const { arguments: workflow, report } = await flightsArguments(`flights-${era}`);
    const workflow_id = `flights-${era}`;
    expect(await call("workflow_submit", workflow)).toEqual({
      success: true,
      workflow_id,
      status: "submitted",
      peer_assigned: "local",
      estimated_start_time: null,
      message: "9 steps on disk; ask workflow_status for their progress",
    });
    const status = await untilEnded(connection, workflow_id);
    expect(status).toMatchObject({ status: "completed", progress: 100, current_step: null, failure: null });
    const result = await call("workflow_result", { workflow_id, include_logs: true });
    expect(result).toMatchObject({ success: true, status: "completed", failure: null });
    expect(result["result"]).toEqual(JSON.parse(await readFile(report, "utf8")));
  });
});
