import { resolve } from "node:path";
import { describe, expect, it } from "vitest";
import { resourceUri } from "../../src/mcp/resource-uri.ts";
import { ERAS, connectTo, openApp, type Era } from "./kit/connected-client.ts";

const DRILL = resolve(import.meta.dirname, "../cli/modules/drill.tasks.ts");

/** A workflow that has completed, under an id with signs that have a meaning in addresses. */
const ID = "a/b ..%";

async function openKit(era: Era = "legacy") {
  const app = await openApp({ system: { tasks: [DRILL] } });
  const { client, call } = await connectTo(app, era);
  const steps = [
    { step_id: "first", action: "echo", inputs: { rows: 3 } },
    {
      step_id: "last step",
      action: "echo",
      inputs: { all: "${{ steps.first.output }}" },
      depends_on: ["first"],
    },
  ];
  await call("workflow_submit", { workflow_id: ID, name: "Named", steps });
  await call("workflow_result", { workflow_id: ID, wait_seconds: 45 });
  const read = async (...names: string[]): Promise<{ text: string; mimeType: string | undefined }> => {
    const { contents } = await client.readResource({ uri: resourceUri(...names) });
    const [first] = contents;
    if (!first || !("text" in first)) throw new Error("no text");
    return { text: first.text, mimeType: first.mimeType };
  };
  return { app, client, call, read };
}

describe.each(ERAS)("a client of the %s era", (era) => {
  it("lists what there is to read, in one order, and reads it", async () => {
    const { client, read } = await openKit(era);
    const { resources } = await client.listResources();
    expect(resources.map(({ uri }) => uri)).toEqual([
      "mcplusplus://runs",
      "mcplusplus://health",
      "mcplusplus://metrics",
    ]);
    const { resourceTemplates } = await client.listResourceTemplates();
    expect(resourceTemplates.map(({ uriTemplate }) => uriTemplate)).toContain(
      "mcplusplus://runs/{workflow_id}/logs/{step_id}",
    );
    expect(JSON.parse((await read("runs")).text)).toMatchObject({
      total_count: 1,
      workflows: [{ workflow_id: ID, status: "completed" }],
    });
    expect(JSON.parse((await read("health")).text)).toMatchObject({ healthy: true });
    expect(JSON.parse((await read("metrics")).text)).toBeTypeOf("object");
  });

  it("is told of an address that leads nowhere, as the fault of its request", async () => {
    const { client } = await openKit(era);
    for (const uri of [
      "mcplusplus://nothing",
      "mcplusplus://runs/nobody",
      "mcplusplus://runs//result",
      "mcplusplus://tasks/nobody/output",
      resourceUri("runs", ID, "logs", "no step"),
      "file:///etc/passwd",
      "constructor",
    ])
      await expect(client.readResource({ uri }), uri).rejects.toMatchObject({ code: -32_602 });
  });
});

it("a workflow can be read: its state, result, graph, picture, diagram, and the logs of a step", async () => {
  const { read } = await openKit();
  expect(JSON.parse((await read("runs", ID)).text)).toMatchObject({ status: "completed", metrics: {} });
  expect(JSON.parse((await read("runs", ID, "result")).text)).toMatchObject({
    outputs: { "last step": { all: { rows: 3 } } },
  });
  expect(JSON.parse((await read("runs", ID, "dag.json")).text)).toMatchObject({
    critical_path: ["first", "last step"],
  });
  expect(await read("runs", ID, "dag.svg")).toMatchObject({
    mimeType: "image/svg+xml",
    text: expect.stringMatching(/^<svg[\s\S]*<\/svg>\s*$/) as string,
  });
  expect((await read("runs", ID, "dag.mmd")).text).toMatch(/^flowchart LR/);
  expect((await read("runs", ID, "logs", "first")).text).toBe("");
});

it("a task can be read: its state, its output however large, and what its handler printed", async () => {
  const { app, call, read } = await openKit();
  await call("task_submit", { task_id: "prints", task_type: "prints", payload: {} });
  await call("task_result", { task_id: "prints", wait_seconds: 45 });
  expect(JSON.parse((await read("tasks", "prints")).text)).toMatchObject({ status: "completed" });
  expect((await read("tasks", "prints", "logs")).text).toMatch(/^\d{4}-\S+Z \w+ /);

  const rows = Array.from({ length: 30_000 }, (_, at) => `row ${at}`);
  const system = await app.system();
  await system.tasks.run({ id: "large", action: "echo", input: { rows } });
  const { result } = await call("task_result", { task_id: "large" });
  expect(result).toHaveProperty("reference");
  expect(JSON.parse((await read("tasks", "large", "output")).text)).toEqual({ rows });
});

it("an answer that is too long says where the whole can be read, and there it is", async () => {
  const { client, call, read } = await openKit();
  const steps = Array.from({ length: 3 }, (_, at) => ({
    step_id: `s${at}`,
    action: "echo",
    inputs: { text: "x".repeat(50_000) },
  }));
  await call("workflow_submit", { workflow_id: "long", name: "long", steps });
  const answer = await client.callTool({
    name: "workflow_result",
    arguments: { workflow_id: "long", wait_seconds: 45 },
  });
  const [text, link] = answer.content as { type: string; text?: string; uri?: string }[];
  expect(text?.text?.length).toBeLessThanOrEqual(100_000);
  expect(JSON.parse(text?.text ?? "")).toEqual(answer.structuredContent);
  expect(link).toMatchObject({ type: "resource_link", uri: "mcplusplus://runs/long/result" });
  expect(answer.structuredContent).toMatchObject({ truncated: true, result: { truncated: true } });
  expect(JSON.parse((await read("runs", "long", "result")).text)).toMatchObject({
    outputs: { s2: { text: "x".repeat(50_000) } },
  });
});

it("a page that is too long ends early, and the next one begins where it ended", async () => {
  const { call } = await openKit();
  const tags = Array.from({ length: 32 }, (_, at) => `${at}`.padStart(128, "x"));
  const names = Array.from({ length: 40 }, (_, at) => `t${at}`);
  const task = { task_type: "sleep", payload: { ms: 3_600_000 }, tags };
  for (const task_id of names) await call("task_submit", { task_id, ...task });
  const ids: unknown[] = [];
  let offset = 0;
  for (let pages = 0; pages < 5; pages++) {
    const { tasks, has_more, next_offset } = await call("task_list", {
      limit: 1_000,
      offset,
      tag_filter: tags.slice(0, 1),
    });
    ids.push(...(tasks as { task_id: string }[]).map(({ task_id }) => task_id));
    if (has_more !== true) break;
    offset = Number(next_offset);
  }
  expect(offset).toBeGreaterThan(0);
  expect(ids).toEqual(names);
});

it("what is read is as clean as what is answered", async () => {
  const app = await openApp({ environment: { API_KEY: "the-value-of-a-key" } });
  const { client } = await connectTo(app, "legacy");
  const system = await app.system();
  const text = "\u001b[31mred \u202ehid\u200bden the-value-of-a-key";
  await system.tasks.run({ id: "t", action: "echo", input: { text } });
  const uri = resourceUri("tasks", "t", "output");
  const { contents } = await client.readResource({ uri });
  expect(contents).toEqual([
    { uri, mimeType: "application/json", text: JSON.stringify({ text: "red hidden [redacted]" }) },
  ]);
});

it("a resource of more than 8 MiB is refused, and nothing of it is sent", async () => {
  const app = await openApp();
  const { client } = await connectTo(app, "legacy");
  const system = await app.system();
  // Two references below the bound, which are above it together.
  for (const id of ["a", "b"])
    await system.tasks.run({ id, action: "echo", input: { rows: "x".repeat(900_000) } });
  const { output } = await system.tasks.result("a");
  const rows = Array.from({ length: 10 }, () => output);
  await system.tasks.submit({ id: "many", action: "echo", input: { rows } });
  expect(await system.tasks.wait("many")).toMatchObject({ state: "completed" });
  const reading = client.readResource({ uri: resourceUri("tasks", "many", "output") });
  await expect(reading).rejects.toMatchObject({ code: -32_602, data: { code: "SIZE_EXCEEDED" } });
});
