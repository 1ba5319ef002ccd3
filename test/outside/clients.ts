import assert from "node:assert/strict";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Client, type ClientOptions, type Progress } from "@modelcontextprotocol/client";
import { StdioClientTransport } from "@modelcontextprotocol/client/stdio";
import { sentenceOf } from "../../src/errors/index.ts";
import { failAfter } from "../../src/scope/index.ts";
import { ROOT, serverArguments } from "../mcp/kit/server-process.ts";
import { installed } from "./outside-program.ts";

type Members = Record<string, unknown>;

/** What both generations of the client have in common. */
interface CommonClient {
  listTools(): Promise<{ readonly tools: readonly { readonly name: string }[] }>;
  readResource(params: { uri: string }): Promise<object>;
  getPrompt(params: { name: string; arguments: Record<string, string> }): Promise<object>;
  complete(params: {
    ref: { type: "ref/prompt"; name: string };
    argument: { name: string; value: string };
  }): Promise<{ readonly completion: { readonly values: readonly string[] } }>;
  close(): Promise<void>;
}

type OnProgress = (progress: Progress) => void;

interface Connected {
  readonly client: CommonClient;
  call(name: string, args: Members, onprogress?: OnProgress): Promise<Members>;
}

/** The 1.x client, as far as the script goes. Its package is not ours, so neither are its types. */
interface OldPackage {
  readonly Client: new (info: { name: string; version: string }) => CommonClient & {
    connect(transport: object): Promise<void>;
    callTool(
      params: { name: string; arguments: Members },
      schema: undefined,
      options: { onprogress: OnProgress },
    ): Promise<{ structuredContent?: Members }>;
  };
}
interface OldTransports {
  readonly StdioClientTransport: new (server: ReturnType<typeof serverOver>) => object;
}

export interface ClientResult {
  readonly client: string;
  /** Null: it completed the script. */
  readonly failure: string | null;
}

const INFO = { name: "outside", version: "1" };
const SCRIPT_MS = 60_000;

const serverOver = (data: string) => ({
  command: process.execPath,
  args: serverArguments(data),
  cwd: ROOT,
  // The configuration of whoever runs this is none of its business.
  env: { XDG_CONFIG_HOME: join(data, "..", "config") },
  stderr: "ignore" as const,
});

async function connectOld(data: string): Promise<Connected> {
  const package_ = (await import(
    installed("@modelcontextprotocol/sdk/dist/esm/client/index.js")
  )) as OldPackage;
  const { StdioClientTransport: Transport } = (await import(
    installed("@modelcontextprotocol/sdk/dist/esm/client/stdio.js")
  )) as OldTransports;
  const client = new package_.Client(INFO);
  await client.connect(new Transport(serverOver(data)));
  return {
    client,
    async call(name, args, onprogress = () => undefined) {
      const { structuredContent } = await client.callTool({ name, arguments: args }, undefined, {
        onprogress,
      });
      return structuredContent ?? {};
    },
  };
}

type Mode = NonNullable<NonNullable<ClientOptions["versionNegotiation"]>["mode"]>;

const connectNew =
  (mode: Mode) =>
  async (data: string): Promise<Connected> => {
    const client = new Client(INFO, { versionNegotiation: { mode } });
    await client.connect(new StdioClientTransport(serverOver(data)));
    return {
      client,
      async call(name, args, onprogress = () => undefined) {
        const { structuredContent } = await client.callTool({ name, arguments: args }, { onprogress });
        return (structuredContent ?? {}) as Members;
      },
    };
  };

const CLIENTS: readonly { readonly client: string; connect(data: string): Promise<Connected> }[] = [
  { client: "@modelcontextprotocol/sdk 1.32.2", connect: connectOld },
  { client: "@modelcontextprotocol/client 2.4.0, legacy", connect: connectNew("legacy") },
  { client: "@modelcontextprotocol/client 2.4.0, auto", connect: connectNew("auto") },
  {
    client: "@modelcontextprotocol/client 2.4.0, pinned to 2026-07-28",
    connect: connectNew({ pin: "2026-07-28" }),
  },
];

/** Every client does the same with a server of its own. */
export async function runClients(): Promise<readonly ClientResult[]> {
  const results: ClientResult[] = [];
  for (const { client, connect } of CLIENTS) {
    const directory = await mkdtemp(join(tmpdir(), "outside-client-"));
    try {
      const connecting = connect(join(directory, "data"));
      await failAfter(SCRIPT_MS, ({ signal }) => withClient(connecting, signal), { name: client });
      results.push({ client, failure: null });
    } catch (error) {
      results.push({ client, failure: sentenceOf(error) });
    } finally {
      await rm(directory, { recursive: true });
    }
  }
  return results;
}

/** @param signal when it aborts the client is closed, which ends whatever it waits for */
async function withClient(connecting: Promise<Connected>, signal: AbortSignal): Promise<void> {
  const connected = await connecting;
  const close = (): Promise<void> => connected.client.close();
  signal.addEventListener("abort", () => void close());
  try {
    await script(connected);
  } finally {
    await close();
  }
}

const steps = (ms: number) => [
  { step_id: "wait", action: "sleep", inputs: { ms } },
  { step_id: "tell", action: "echo", inputs: { said: "done" }, depends_on: ["wait"] },
];

async function script({ client, call }: Connected): Promise<void> {
  const done = async (...asked: Parameters<typeof call>): Promise<Members> => {
    const answer = await call(...asked);
    assert.equal(answer["success"], true, JSON.stringify(answer));
    return answer;
  };
  const { tools } = await client.listTools();
  const names = tools.map(({ name }) => name);
  assert.ok(names.includes("workflow_submit"), `listed are ${names.join(", ")}`);

  await done("workflow_submit", { workflow_id: "main", name: "Main", steps: steps(500) });
  const told: number[] = [];
  const result = await done("workflow_result", { workflow_id: "main", wait_seconds: 20 }, ({ progress }) => {
    told.push(progress);
  });
  assert.deepEqual(result["result"], { said: "done" });
  assert.ok(told.length > 1, `progress was ${told.join(", ")}`);
  assert.deepEqual(
    told,
    [...new Set(told)].toSorted((one, other) => one - other),
    "progress grows",
  );

  await done("workflow_submit", { workflow_id: "other", name: "Other", steps: steps(600_000) });
  const cancelled = await done("workflow_cancel", { workflow_id: "other" });
  assert.equal(cancelled["status"], "cancelled");

  const resource = JSON.stringify(await client.readResource({ uri: "mcplusplus://runs/main" }));
  assert.match(resource, /completed/);
  const prompt = { name: "diagnose_workflow", arguments: { workflow_id: "main" } };
  assert.match(JSON.stringify(await client.getPrompt(prompt)), /workflow \\"main\\"/);
  const { completion } = await client.complete({
    ref: { type: "ref/prompt", name: "diagnose_workflow" },
    argument: { name: "workflow_id", value: "ma" },
  });
  assert.deepEqual(completion.values, ["main"]);
}
