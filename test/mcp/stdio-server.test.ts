import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { Client, type ClientOptions } from "@modelcontextprotocol/client";
import { StdioClientTransport } from "@modelcontextprotocol/client/stdio";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { toolsOf } from "../../src/tools/index.ts";
import { openInline } from "../kit/inline-system.ts";
import { FLIGHTS_TASKS, fewFlights, flightsRoots, flightsWorkflow } from "../system/kit/flights.ts";
import { ROOT, serverArguments, startServer } from "./kit/server-process.ts";

const DRILL = resolve(import.meta.dirname, "../cli/modules/drill.tasks.ts");
const ENDED = new Set(["completed", "failed", "cancelled"]);

let directory: string;

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), "mcp-"));
});

afterAll(() => rm(directory, { recursive: true }));

type Era = NonNullable<NonNullable<ClientOptions["versionNegotiation"]>["mode"]>;

/** A client of a server of its own; leaving its scope ends both. */
async function connect(data: string, mode: Era) {
  const client = new Client({ name: "test", version: "1" }, { versionNegotiation: { mode } });
  const flags = flightsRoots(directory).flatMap((root) => ["--root", root]);
  const args = serverArguments(data, "--tasks", FLIGHTS_TASKS, ...flags);
  await client.connect(
    new StdioClientTransport({ command: process.execPath, args, cwd: ROOT, stderr: "ignore" }),
  );
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

/** The example's workflow as a client would write it. */
async function flightsArguments(
  workflow_id: string,
): Promise<{ workflow: Record<string, unknown>; report: string }> {
  const out = join(directory, workflow_id);
  const { name, steps } = flightsWorkflow(workflow_id, { flights: fewFlights(directory), out });
  const written = steps.map(({ stepId, action, inputs, dependsOn, cacheTtlMs }) => ({
    step_id: stepId,
    action,
    inputs,
    depends_on: dependsOn,
    ...(cacheTtlMs === undefined ? {} : { cache: { ttl_seconds: cacheTtlMs / 1_000 } }),
  }));
  return { workflow: { workflow_id, name, steps: written }, report: join(out, "report.json") };
}

describe("a client of either era", () => {
  const ERAS = [
    ["legacy", "legacy"],
    ["auto", "auto"],
    ["modern", { pin: "2026-07-28" }],
  ] as const;

  it.each(ERAS)(
    "lists the tools, submits the flights, follows them, and gets what the report says (%s)",
    async (era, mode) => {
      await using connection = await connect(join(directory, `data-${era}`), mode);
      const { client, call } = connection;
      const { tools } = await client.listTools();
      expect(tools.map(({ name }) => name)).toEqual(toolsOf().map(({ name }) => name));

      const workflow_id = `flights-${era}`;
      const { workflow, report } = await flightsArguments(workflow_id);
      expect(await call("workflow_submit", workflow)).toEqual({
        success: true,
        workflow_id,
        status: "submitted",
        peer_assigned: "local",
        estimated_start_time: null,
        replayed: false,
        message: "9 steps on disk; ask workflow_status for their progress",
      });
      let status;
      do status = await call("workflow_status", { workflow_id });
      while (!ENDED.has(String(status["status"])));
      expect(status).toMatchObject({ status: "completed", progress: 100, current_step: null, failure: null });
      const result = await call("workflow_result", { workflow_id });
      expect(result).toMatchObject({ success: true, status: "completed", failure: null });
      expect(result["result"]).toEqual(JSON.parse(await readFile(report, "utf8")));
    },
  );

  it("is told of every failure in one shape: what, which code, whether to try again, and about what", async () => {
    await using connection = await connect(join(directory, "data-failures"), "legacy");
    const { client, call } = connection;
    expect(await call("workflow_status", { workflow_id: "nobody" })).toEqual({
      success: false,
      error: 'there is no workflow "nobody"',
      code: "WORKFLOW_NOT_FOUND",
      retryable: false,
      workflow_id: "nobody",
    });

    const steps = [
      { step_id: "a", action: "echo", depends_on: ["b"] },
      { step_id: "b", action: "echo", depends_on: ["a", "gone"] },
      { step_id: "c", action: "ecco" },
      { step_id: "c", action: "echo" },
    ];
    const invalid = await call("workflow_submit", { workflow_id: "w", name: "w", steps });
    expect(invalid).toMatchObject({
      success: false,
      code: "WORKFLOW_INVALID",
      retryable: false,
      workflow_id: "w",
    });
    for (const problem of [/"c" is used 2 times/, /"gone"/, /a -> b -> a/, /"ecco"/])
      expect(invalid["error"]).toMatch(problem);

    const unknown = await call("workflow_status", { workflow_id: "w", include_step: false });
    expect(unknown).toEqual({
      success: false,
      error:
        'the input of workflow_status does not fit: unknown key "include_step" (did you mean "include_steps"?); ' +
        "known are workflow_id, include_steps, include_metrics",
      code: "INPUT_INVALID",
      retryable: false,
      workflow_id: "w",
    });
    const wrong = await call("workflow_submit", { workflow_id: 7, name: "w", steps: [] });
    expect(wrong).toMatchObject({ success: false, code: "INPUT_INVALID" });
    expect(wrong["error"]).toContain("workflow_id is 7; allowed is a string");
    expect(wrong["error"]).toContain("steps is an array of 0; allowed is at least 1 item");

    await call("workflow_submit", {
      workflow_id: "long",
      name: "long",
      steps: [{ step_id: "wait", action: "sleep", inputs: { ms: 3_600_000 } }],
    });
    expect(await call("workflow_result", { workflow_id: "long" })).toMatchObject({
      success: false,
      code: "WORKFLOW_NOT_FINISHED",
      retryable: true,
      workflow_id: "long",
    });
    await expect(client.callTool({ name: "constructor", arguments: {} })).rejects.toThrow(/constructor/);
  });
});

describe("the server process", () => {
  it("answers the handshake before its system is up, and a call as soon as it is", async () => {
    await using server = startServer(join(directory, "data-early"));
    expect(await server.initialize()).toMatchObject({ result: { serverInfo: { name: "mcplusplus" } } });
    const answer = await server.call("workflow_status", { workflow_id: "nobody" });
    expect(answer).toMatchObject({
      result: { isError: true, structuredContent: { code: "WORKFLOW_NOT_FOUND" } },
    });
  });

  it("keeps standard output to the protocol, whatever a handler prints, and answers what is no message", async () => {
    await using server = startServer(join(directory, "data-prints"), "--tasks", DRILL);
    await server.initialize();
    server.write("this is no JSON\n");
    expect(await server.next()).toMatchObject({ error: { code: -32700 } });
    const steps = [{ step_id: "print", action: "prints" }];
    await server.call("workflow_submit", { workflow_id: "prints", name: "prints", steps });
    let status = "";
    while (!ENDED.has(status)) {
      // `next` parses every line.
      const { result } = await server.call("workflow_status", { workflow_id: "prints" });
      status = (result as { structuredContent: { status: string } }).structuredContent.status;
    }
    expect(status).toBe("completed");
  });

  it.each(["the end of its input", "SIGTERM"] as const)(
    "ends with code 0 at %s while a step runs, and leaves a data directory that can be opened",
    async (how) => {
      const data = join(directory, how === "SIGTERM" ? "data-term" : "data-end");
      await using server = startServer(data);
      await server.initialize();
      const steps = [{ step_id: "wait", action: "sleep", inputs: { ms: 3_600_000 } }];
      await server.call("workflow_submit", { workflow_id: "long", name: "long", steps });
      if (how === "SIGTERM") server.kill("SIGTERM");
      else server.end();
      expect(await server.exited).toEqual([0, null]);
      expect(server.said()).toBe("");
      expect(() => process.kill(server.pid, 0)).toThrow("ESRCH");
      await using system = await openInline({ data });
      expect((await system.status("long")).state).toBe("running");
      await system.cancel("long");
    },
  );

  it("answers what was asked before the end of its input, and then ends", async () => {
    await using server = startServer(join(directory, "data-pipe"));
    void server.initialize();
    const answer = server.call("workflow_status", { workflow_id: "nobody" });
    server.end();
    await answer;
    expect(await server.exited).toEqual([0, null]);
  });

  it("lives on when its system cannot be opened: every call says why, until it can", async () => {
    const data = join(directory, "data-file");
    await writeFile(data, "in the way");
    await using server = startServer(data);
    await server.initialize();
    const reason = { isError: true, structuredContent: { code: "FILE_UNWRITABLE", workflow_id: "w" } };
    expect(await server.call("workflow_status", { workflow_id: "w" })).toMatchObject({ result: reason });
    expect(await server.call("workflow_result", { workflow_id: "w" })).toMatchObject({ result: reason });
    await rm(data);
    const answer = await server.call("workflow_status", { workflow_id: "w" });
    expect(answer).toMatchObject({ result: { structuredContent: { code: "WORKFLOW_NOT_FOUND" } } });
    server.end();
    expect(await server.exited).toEqual([0, null]);
    expect(server.said()).toBe("");
  });

  it("waits for a data directory that another process is about to give up", async () => {
    const data = join(directory, "data-owned");
    const owner = await openInline({ data });
    await using server = startServer(data);
    await server.initialize();
    const answer = server.call("workflow_status", { workflow_id: "w" });
    await owner.close();
    expect(await answer).toMatchObject({ result: { structuredContent: { code: "WORKFLOW_NOT_FOUND" } } });
  });
});
