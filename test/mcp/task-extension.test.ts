import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, it, onTestFinished } from "vitest";
import { openApp } from "./kit/connected-client.ts";
import { rawClient } from "./kit/raw-client.ts";

const EXTENSION = "io.modelcontextprotocol/tasks";
const TAKES_TASKS = { extensions: { [EXTENSION]: {} } };
const HOUR_MS = 3_600_000;

type Members = Record<string, unknown>;
type Raw = Awaited<ReturnType<typeof rawClient>>;

const run = (workflow_id: string, action: string, inputs: Members): Members => ({
  name: "workflow_submit",
  arguments: { workflow_id, name: workflow_id, steps: [{ step_id: "only", action, inputs }] },
});

/** Asks until it has ended, as a client does. */
async function ended({ result }: Raw, taskId: unknown): Promise<Members> {
  for (;;) {
    const view = await result("tasks/get", { taskId });
    if (view["status"] !== "working") return view;
  }
}

it("is announced by the newer era", async () => {
  const { result } = await rawClient(await openApp());
  const { capabilities } = await result("server/discover");
  expect(capabilities).toMatchObject({ extensions: { [EXTENSION]: {} } });
});

it("a submit is answered with a task, which ends with the result of its workflow", async () => {
  const client = await rawClient(await openApp(), TAKES_TASKS);
  const started = await client.result("tools/call", run("w", "echo", { rows: 3 }));
  expect(started).toMatchObject({ resultType: "task", pollIntervalMs: 1_000, ttlMs: 604_800_000 });
  const { taskId, createdAt } = started;
  const view = await ended(client, taskId);
  expect(view).toMatchObject({
    taskId,
    createdAt,
    status: "completed",
    result: { isError: false, structuredContent: { success: true, result: { rows: 3 } } },
  });
  // Final states do not change, whatever is asked.
  expect(await client.result("tasks/cancel", { taskId })).not.toHaveProperty("status");
  expect(await client.result("tasks/get", { taskId })).toMatchObject({ status: "completed" });
});

it("a task that failed has completed, and its result says why", async () => {
  const client = await rawClient(await openApp(), TAKES_TASKS);
  const submit = {
    name: "task_submit",
    arguments: { task_id: "t", task_type: "fail", payload: { message: "no luck" } },
  };
  const { taskId } = await client.result("tools/call", submit);
  expect(await ended(client, taskId)).toMatchObject({
    status: "completed",
    result: { isError: true, structuredContent: { status: "failed", failure: "fail failed: no luck" } },
  });
});

it("a task is cancelled with the work that it stands for, and cancelling it again is no error", async () => {
  const app = await openApp();
  const client = await rawClient(app, TAKES_TASKS);
  const submit = {
    name: "task_submit",
    arguments: { task_id: "t", task_type: "sleep", payload: { ms: HOUR_MS } },
  };
  for (const call of [run("w", "sleep", { ms: HOUR_MS }), submit]) {
    const { taskId } = await client.result("tools/call", call);
    await client.result("tasks/cancel", { taskId });
    expect(await ended(client, taskId)).toMatchObject({ status: "cancelled" });
    await client.result("tasks/cancel", { taskId });
  }
  const system = await app.system();
  expect((await system.status("w")).state).toBe("cancelled");
  expect((await system.tasks.status("t")).state).toBe("cancelled");
});

it("a task outlives the server that started it", async () => {
  const data = await mkdtemp(join(tmpdir(), "mcp-"));
  onTestFinished(() => rm(data, { recursive: true }));
  const first = await openApp({ system: { data } });
  const { taskId } = await (
    await rawClient(first, TAKES_TASKS)
  ).result("tools/call", run("w", "echo", { rows: 3 }));
  await first.door.close();
  const second = await rawClient(await openApp({ system: { data } }), TAKES_TASKS);
  expect(await ended(second, taskId)).toMatchObject({
    taskId,
    status: "completed",
    result: { structuredContent: { result: { rows: 3 } } },
  });
});

it("a client that does not know tasks gets the answer of the tool, and no task", async () => {
  const client = await rawClient(await openApp());
  const answer = await client.result("tools/call", run("w", "echo", {}));
  expect(answer).toMatchObject({ resultType: "complete", structuredContent: { workflow_id: "w" } });
  expect(await client.request("tasks/get", { taskId: "w.w" })).toMatchObject({ error: { code: -32_021 } });
});

it("a submit that is refused is no task", async () => {
  const client = await rawClient(await openApp(), TAKES_TASKS);
  expect(await client.result("tools/call", run("w", "ecco", {}))).toMatchObject({
    resultType: "complete",
    isError: true,
    structuredContent: { code: "WORKFLOW_INVALID" },
  });
});

it.each(["w.nobody", "t.nobody", "t.", "x.w", "constructor", ""])("there is no task %j", async (taskId) => {
  const client = await rawClient(await openApp(), TAKES_TASKS);
  for (const method of ["tasks/get", "tasks/cancel", "tasks/update"])
    expect(await client.request(method, { taskId })).toMatchObject({ error: { code: -32_602 } });
});
