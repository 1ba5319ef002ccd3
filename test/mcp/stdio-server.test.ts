import { execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, open, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { Client, type ClientOptions } from "@modelcontextprotocol/client";
import { StdioClientTransport } from "@modelcontextprotocol/client/stdio";
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from "vitest";
import { selectTools } from "../../src/tools/index.ts";
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

it("a client that finds out the era runs the flights: it submits them, follows them, and gets what the report says", async () => {
  await using connection = await connect(join(directory, "data-auto"), "auto");
  const { client, call } = connection;
  expect(client.getNegotiatedProtocolVersion()).toBe("2026-07-28");
  const { tools } = await client.listTools();
  expect(tools.map(({ name }) => name)).toEqual(selectTools().map(({ name }) => name));

  const workflow_id = "flights";
  const { workflow, report } = await flightsArguments(workflow_id);
  expect(await call("workflow_submit", workflow)).toEqual({
    success: true,
    workflow_id,
    status: "submitted",
    peer_assigned: "local",
    estimated_start_time: null,
    replayed: false,
    message: "9 steps on disk; workflow_status tells how far the run is",
  });
  const result = await call("workflow_result", { workflow_id, wait_seconds: 45 });
  expect(result).toMatchObject({ success: true, status: "completed", failure: null });
  expect(result["result"]).toEqual(JSON.parse(await readFile(report, "utf8")));
  const status = await call("workflow_status", { workflow_id });
  expect(status).toMatchObject({ status: "completed", progress: 100, current_step: null, failure: null });
});

describe("the server process", () => {
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

  it.each(["the end of its input", "SIGTERM", "SIGHUP"] as const)(
    "ends with code 0 at %s while a step runs, and leaves a data directory that can be opened",
    async (how) => {
      const data = join(directory, `data-${how}`);
      await using server = startServer(data);
      await server.initialize();
      const steps = [{ step_id: "wait", action: "sleep", inputs: { ms: 3_600_000 } }];
      await server.call("workflow_submit", { workflow_id: "long", name: "long", steps });
      if (how === "the end of its input") server.end();
      else server.kill(how);
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

  it("ends when the process that started it has died, though another one holds its input open", async () => {
    // A named pipe ends for its reader when nobody has it open for writing.
    const input = join(directory, "input");
    execFileSync("mkfifo", [input]);
    await using held = await open(input, "r+");
    const script = '"$@" < "$INPUT" & echo $! >&2; wait';
    const server = [process.execPath, ...serverArguments(join(directory, "data-orphan"))];
    const env = { ...process.env, INPUT: input };
    const parent = spawn("/bin/sh", ["-c", script, "sh", ...server], { cwd: ROOT, env });
    const ended = once(parent.stdout, "close");
    const [said] = (await once(parent.stderr.setEncoding("utf8"), "data")) as [string];
    onTestFinished(() => {
      try {
        process.kill(Number.parseInt(said, 10), "SIGKILL");
      } catch {
        // It is gone, as it should be.
      }
    });
    // It serves, so that its system and timers are up.
    const answered = once(parent.stdout, "data");
    const call = { name: "workflow_status", arguments: { workflow_id: "w" } };
    await held.write(`${JSON.stringify({ jsonrpc: "2.0", id: 1, method: "tools/call", params: call })}\n`);
    await Promise.race([answered, ended.then(() => expect.unreachable("the server has ended"))]);
    parent.kill("SIGKILL");
    // Nobody else holds its standard output, so that is closed when it is gone and no sooner.
    await ended;
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
