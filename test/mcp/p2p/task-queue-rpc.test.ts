import { describe, expect, it } from "vitest";
import { packValue } from "../../../src/codec/index.ts";
import { LIMITS } from "../../../src/errors/index.ts";
import type { Members } from "../../../src/mcp/p2p/frame.ts";
import { manualClock } from "../../kit/manual-clock.ts";
import { completed, failedWith } from "../../queue/queue-kit.ts";
import { openHost } from "./kit/peer-host.ts";
import { queueSystem } from "./kit/queue-system.ts";
import { errorOf, resultOf, type RawPeer } from "./kit/raw-peer.ts";

async function openRpc({ grants = undefined as Record<string, string[]> | undefined } = {}) {
  const clock = manualClock();
  const { system, kit } = await queueSystem(clock);
  const taskQueue = { taskTypes: ["render", "text-generation", "echo"] };
  const opened = openHost({ clock, system, taskQueue, ...(grants && { grants }) });
  const meet = async (peerId = "peer-a"): Promise<RawPeer> => {
    const { peer } = opened.connect(peerId);
    await peer.initialize();
    return peer;
  };
  return { ...opened, clock, kit, system, meet };
}

const claimOne = async (peer: RawPeer, args: Members = {}): Promise<Members | null> => {
  const { task } = await peer.rpc("claim", { worker_id: "w1", ...args });
  return task as Members | null;
};

describe("task_queue.rpc", () => {
  it("is no tool unless it is switched on, and needs a grant that names it", async () => {
    const off = openHost().connect().peer;
    await off.initialize();
    expect(errorOf(await off.call("task_queue.rpc", { op: "status" }))).toEqual({
      code: -32_002,
      message: "unknown_tool",
    });
    const { meet } = await openRpc({ grants: { "peer-a": ["repeat"], "peer-b": ["task_queue.rpc"] } });
    const peer = await meet();
    expect(errorOf(await peer.call("task_queue.rpc", { op: "status" }))).toMatchObject({ code: -32_001 });
    const other = await meet("peer-b");
    expect(await other.rpc("status")).toMatchObject({ ok: true, peer_id: "node" });
    const { tools } = resultOf(await other.request("tools/list")) as { tools: Members[] };
    expect(tools.map(({ name }) => name)).toEqual(["task_queue.rpc"]);
  });

  it("has what it submits be part of the trace that the request says, and of none that is invalid", async () => {
    const { meet, kit } = await openRpc();
    const peer = await meet();
    const trace = "00-4bf92f3577b34da6a3ce929d0e0e4736";
    for (const traceparent of [`${trace}-00f067aa0ba902b7-01`, "nonsense", 7]) {
      const args = { op: "submit", task_type: "echo", payload: {} };
      const params = { name: "task_queue.rpc", arguments: args, _meta: { traceparent } };
      const { content } = resultOf(await peer.request("tools/call", params)) as { content: Members };
      expect(content).toMatchObject({ ok: true });
      await kit.end(String(content["task_id"]));
    }
    expect(kit.pool.started.map(({ traceparent }) => traceparent?.slice(0, trace.length))).toEqual([
      trace,
      undefined,
      undefined,
    ]);
  });

  it("answers with the reply itself as content, as published clients expect it", async () => {
    const { meet } = await openRpc();
    const answer = await (await meet()).call("task_queue.rpc", { op: "nothing" });
    expect(answer["result"]).toEqual({ content: { ok: false, error: "unknown_op", peer_id: "node" } });
  });

  it.each([
    ["tool"],
    ["call_tool"],
    ["tool.call"],
    ["cache.get"],
    ["cache_set"],
    ["cache.delete"],
    ["cache"],
  ])("does not offer %s", async (op) => {
    const { meet } = await openRpc();
    const error = op.includes("tool") ? "tools_disabled" : "cache_disabled";
    expect(await (await meet()).rpc(op, { key: "k" })).toMatchObject({ ok: false, error });
  });

  it.each([
    ["claim", {}, "missing_worker_id"],
    ["claim_many", { worker_id: " " }, "missing_worker_id"],
    ["complete", {}, "missing_task_id"],
    ["release", { task_id: "" }, "missing_task_id"],
    ["release", { task_id: "t" }, "missing_worker_id"],
    ["get", {}, "missing_task_id"],
    ["wait", {}, "missing_task_id"],
    ["cancel", {}, "missing_task_id"],
    ["claim", { worker_id: 7 }, "invalid_params"],
    ["claim", { worker_id: "x".repeat(101) }, "invalid_params"],
    ["claim", { worker_id: "w", task_types: [7] }, "invalid_params"],
    ["claim_many", { worker_id: "w", max_tasks: 129 }, "invalid_params"],
    ["list", { limit: 201 }, "invalid_params"],
    ["list", { status: "toString" }, "invalid_params"],
    ["submit", { task_type: "render", payload: { priority: 11 } }, "invalid_params"],
    ["submit", { task_type: "render", payload: { priority: "high" } }, "invalid_params"],
    ["submit", { task_type: "render", payload: { max_attempts: 0 } }, "invalid_params"],
    ["submit", { task_type: "render", payload: { session_id: "x".repeat(101) } }, "invalid_params"],
    ["submit", { task_type: "write_file", payload: {} }, "task_type_not_allowed"],
    ["__proto__", {}, "unknown_op"],
  ])("refuses %s with %j as %s", async (op, args, error) => {
    const { meet } = await openRpc();
    expect(await (await meet()).rpc(op, args)).toMatchObject({ ok: false, error });
  });

  it("takes an op under each of its names, in any case", async () => {
    const { meet } = await openRpc();
    const peer = await meet();
    for (const op of ["status", "capabilities", " DESCRIBE "])
      expect(await peer.rpc(op)).toMatchObject({ ok: true, capabilities: { tools: false, cache: false } });
    for (const op of ["heartbeat", "peer.heartbeat", "peer"])
      expect(await peer.rpc(op, { peer_id: "somebody else" })).toMatchObject({ ok: true, peer: "peer-a" });
    expect(await peer.rpc("status", { detail: true })).toMatchObject({ queue: { queued: 0, running: 0 } });
  });
});

describe("a task that a peer submits", () => {
  it("is claimed and completed by another, and its submitter gets the result", async () => {
    const { meet } = await openRpc();
    const [a, b] = [await meet("peer-a"), await meet("peer-b")];
    const { task_id } = await a.rpc("submit", { model_name: "gpt2", payload: { prompt: "hi" } });
    const task = await claimOne(b, { supported_task_types: "text-generation, other" });
    expect(task).toEqual({
      task_id,
      task_type: "text-generation",
      model_name: "gpt2",
      payload: { prompt: "hi", model_name: "gpt2" },
      created_at: expect.any(Number) as number,
      status: "running",
      assigned_worker: "w1",
      attempt: 1,
    });
    expect(await a.rpc("get", { task_id })).toMatchObject({ task: { status: "running", result: null } });
    expect(await b.rpc("task.complete", { task_id, result: { text: "hello" } })).toMatchObject({
      ok: true,
      task_id,
      status: "completed",
    });
    expect(await a.rpc("wait", { task_id, timeout_s: 1 })).toMatchObject({
      task: { status: "completed", result: { text: "hello" }, error: null },
    });
    expect(await claimOne(b)).toBeNull();
  });

  it("goes by its priority from 1 to 10, a higher number sooner, then by its age", async () => {
    const { meet } = await openRpc();
    const peer = await meet();
    for (const [n, priority] of [undefined, 1, 10, 5, 10].entries())
      await peer.rpc("submit", { task_type: "render", payload: { n, ...(priority && { priority }) } });
    const order: unknown[] = [];
    for (let task = await claimOne(peer); task !== null; task = await claimOne(peer))
      order.push((task["payload"] as Members)["n"]);
    expect(order).toEqual([2, 4, 0, 3, 1]);
  });

  it("is the same one under the same key, of the same peer", async () => {
    const { meet } = await openRpc();
    const [a, b] = [await meet("peer-a"), await meet("peer-b")];
    const args = { task_type: "render", payload: { idempotency_key: "k", n: 1 } };
    const { task_id } = await a.rpc("submit", args);
    expect(await a.rpc("submit", args)).toMatchObject({ task_id, replayed: true });
    expect(await b.rpc("submit", args)).toMatchObject({ ok: true, replayed: false });
    const other = { task_type: "render", payload: { idempotency_key: "k", n: 2 } };
    expect(await a.rpc("submit", other)).toMatchObject({ ok: false, error: "invalid_params" });
  });

  it("does not start before its time, and has its payload wrapped when that is no object", async () => {
    const { meet, clock } = await openRpc();
    const peer = await meet();
    const next_attempt_at = clock.wallNow() / 1_000 + 10;
    await peer.rpc("submit", { task_type: "render", payload: { next_attempt_at } });
    await peer.rpc("submit", { task_type: "render", payload: [1, 2] });
    expect(await claimOne(peer)).toMatchObject({ payload: { payload: [1, 2] } });
    expect(await claimOne(peer)).toBeNull();
    await clock.advance(10_000);
    expect(await claimOne(peer)).toMatchObject({ payload: { next_attempt_at } });
  });

  it("goes only to its session, or to its worker, and never to the node itself", async () => {
    const { meet, kit } = await openRpc();
    const peer = await meet();
    await peer.rpc("submit", { task_type: "echo", payload: { n: 1, session_id: "s1" } });
    await peer.rpc("submit", { task_type: "echo", payload: { n: 2, sticky_worker_id: "w2" } });
    expect(kit.poolOpened && kit.pool.started.length > 0).toBe(false);
    expect(await claimOne(peer)).toBeNull();
    expect(await claimOne(peer, { session_id: "other" })).toBeNull();
    expect(await claimOne(peer, { session_id: "s1" })).toMatchObject({ payload: { n: 1 } });
    expect(await claimOne(peer, { worker_id: "w2" })).toMatchObject({ payload: { n: 2 } });
  });

  it("may be carried out by the node itself, when it has a handler", async () => {
    const { meet, kit } = await openRpc();
    const peer = await meet();
    const { task_id } = await peer.rpc("submit", { task_type: "echo", payload: { n: 1 } });
    const waiting = peer.rpc("wait", { task_id });
    await expect.poll(() => kit.poolOpened && kit.pool.started.length).toBe(1);
    await kit.end(task_id as string, completed({ n: 1 }));
    expect(await waiting).toMatchObject({
      task: { status: "completed", result: { n: 1 }, assigned_worker: "local" },
    });
  });

  it("is waited for no longer than a request may take", async () => {
    const { meet, clock, kit } = await openRpc();
    const peer = await meet();
    const { task_id } = await peer.rpc("submit", { task_type: "render", payload: {} });
    const waiting = peer.rpc("wait", { task_id, timeout_s: 3_600 });
    for (let s = 0; s < 26; s++) {
      await clock.advance(1_000);
      await kit.turns();
    }
    expect(await waiting).toMatchObject({ ok: true, task: { status: "queued" } });
  });

  it("is cancelled by its submitter alone, also when it runs", async () => {
    const { meet } = await openRpc();
    const [a, b] = [await meet("peer-a"), await meet("peer-b")];
    const { task_id } = await a.rpc("submit", { task_type: "render", payload: {} });
    await claimOne(b);
    expect(await b.rpc("cancel", { task_id })).toMatchObject({ ok: true, cancelled: false });
    expect(await a.rpc("cancel", { task_id, reason: "enough" })).toMatchObject({ ok: true, cancelled: true });
    expect(await b.rpc("heartbeat")).toMatchObject({ cancelling: [task_id] });
    await b.rpc("release", { task_id, worker_id: "w1" });
    expect(await a.rpc("get", { task_id })).toMatchObject({ task: { status: "cancelled" } });
    expect(await a.rpc("cancel", { task_id })).toMatchObject({ cancelled: false });
  });
});

describe("a peer", () => {
  it("sees its own tasks alone, as if there were no others", async () => {
    const { meet, kit } = await openRpc();
    const [a, b] = [await meet("peer-a"), await meet("peer-b")];
    await kit.submitAlone({ taskId: "of-the-node" });
    const { task_id } = await a.rpc("submit", { task_type: "render", payload: {} });
    for (const id of [task_id, "of-the-node", "no-such-task"]) {
      expect(await b.rpc("get", { task_id: id })).toMatchObject({ ok: true, task: null });
      expect(await b.rpc("wait", { task_id: id })).toMatchObject({ ok: true, task: null });
      expect(await b.rpc("cancel", { task_id: id })).toMatchObject({ ok: true, cancelled: false });
      expect(await b.rpc("complete", { task_id: id })).toMatchObject({ ok: false, error: "lease_lost" });
    }
    expect(await b.rpc("list")).toMatchObject({ ok: true, tasks: [] });
    expect(await a.rpc("list")).toMatchObject({ tasks: [{ task_id, status: "queued" }] });
    expect(await kit.status(task_id as string)).toMatchObject({ state: "queued" });
  });

  it("lists what it submitted by state and type", async () => {
    const { meet } = await openRpc();
    const peer = await meet();
    await peer.rpc("submit", { task_type: "render", payload: {} });
    await peer.rpc("submit", { payload: {} });
    await claimOne(peer, { task_types: ["render"] });
    const typesOf = async (args: Members): Promise<unknown> =>
      ((await peer.rpc("queue.list", args))["tasks"] as Members[]).map((task) => task["task_type"]);
    expect(await typesOf({})).toEqual(["render", "text-generation"]);
    expect(await typesOf({ status: "running" })).toEqual(["render"]);
    expect(await typesOf({ status: "queued" })).toEqual(["text-generation"]);
    expect(await typesOf({ task_types: "text-generation,other", limit: 1 })).toEqual(["text-generation"]);
  });

  it("claims under the id that its connection has, whatever it calls itself", async () => {
    const { meet, kit } = await openRpc();
    const [a, b] = [await meet("peer-a"), await meet("peer-b")];
    const { task_id } = await a.rpc("submit", { task_type: "render", payload: {} });
    await claimOne(a, { worker_id: "peer-b", peer_id: "peer-b", peer: "peer-b" });
    expect(await kit.status(task_id as string)).toMatchObject({ workerId: "peer:peer-a" });
    const forged = { task_id, peer_id: "peer-a", worker_id: "peer-b" };
    expect(await b.rpc("complete", forged)).toMatchObject({ ok: false, error: "lease_lost" });
    expect(await b.rpc("release", forged)).toMatchObject({ ok: false, error: "lease_lost" });
  });

  it("claims tasks of the named types alone", async () => {
    const { meet, kit } = await openRpc();
    const peer = await meet();
    await kit.answer(
      kit.queue.registerWorker(
        { worker: { workerId: "other", capabilities: ["secret"] } },
        {
          signal: new AbortController().signal,
          deadlineMs: Infinity,
          traceparent: undefined,
          caller: "host",
        },
      ),
    );
    await kit.submitAlone({ taskId: "s", action: "secret" });
    expect(await claimOne(peer, { task_types: ["secret"] })).toBeNull();
    expect(await claimOne(peer)).toBeNull();
  });

  it("claims many at once, of one type unless it says otherwise, and no more than it may have", async () => {
    const { meet } = await openRpc();
    const peer = await meet();
    for (let n = 0; n < 3; n++) {
      await peer.rpc("submit", { task_type: "render", payload: { n } });
      await peer.rpc("submit", { payload: { n } });
    }
    const types = async (args: Members): Promise<unknown> => {
      const { tasks } = await peer.rpc("claim_batch", { worker_id: "w", ...args });
      return (tasks as Members[]).map((task) => task["task_type"]);
    };
    expect(await types({ max_tasks: 2 })).toEqual(["render", "render"]);
    expect(await types({ limit: 3, same_task_type: false })).toEqual([
      "text-generation",
      "text-generation",
      "render",
    ]);
    expect(await types({})).toEqual(["text-generation"]);
    expect(await types({})).toEqual([]);
  });

  it("may claim from several streams at a time, each for its own types", async () => {
    const { meet } = await openRpc();
    const peer = await meet();
    for (let n = 0; n < 4; n++) {
      await peer.rpc("submit", { task_type: "render", payload: { n } });
      await peer.rpc("submit", { payload: { n } });
    }
    const streams = await Promise.all([meet(), meet(), meet(), meet()]);
    const claimed = await Promise.all(
      streams.map((each, at) =>
        claimOne(each, { task_types: [at % 2 === 0 ? "render" : "text-generation"] }),
      ),
    );
    expect(claimed.map((task) => task?.["task_type"])).toEqual([
      "render",
      "text-generation",
      "render",
      "text-generation",
    ]);
    expect(new Set(claimed.map((task) => task?.["task_id"])).size).toBe(4);
  });

  it("gives back what it releases, as the worker that has it, and somebody else may take it", async () => {
    const { meet } = await openRpc();
    const [a, b] = [await meet("peer-a"), await meet("peer-b")];
    const { task_id } = await a.rpc("submit", { task_type: "render", payload: {} });
    await claimOne(a);
    expect(await a.rpc("release", { task_id, worker_id: "w2" })).toMatchObject({ error: "lease_lost" });
    expect(await a.rpc("release", { task_id, worker_id: "w1" })).toMatchObject({
      ok: true,
      status: "queued",
    });
    expect(await claimOne(b)).toMatchObject({ task_id, attempt: 1 });
  });

  it("keeps what it has by its heartbeats, and loses it without", async () => {
    const { meet, clock, kit } = await openRpc();
    const peer = await meet();
    const { task_id } = await peer.rpc("submit", { task_type: "render", payload: {} });
    await claimOne(peer);
    await clock.advance(LIMITS.mcp.peerLeaseMs - 1_000);
    expect(await (await meet()).rpc("heartbeat")).toMatchObject({ held: [task_id] });
    await clock.advance(LIMITS.mcp.peerLeaseMs - 1_000);
    await kit.turns();
    expect(await kit.status(task_id as string)).toMatchObject({ state: "running" });
    await clock.advance(1_001);
    await kit.turns();
    expect(await kit.status(task_id as string)).toMatchObject({ state: "queued" });
    expect(await (await meet()).rpc("heartbeat")).toMatchObject({ held: [] });
  });

  it("that fails a task has used an attempt of it", async () => {
    const { meet, clock } = await openRpc();
    const peer = await meet();
    const payload = { max_attempts: 2 };
    const { task_id } = await peer.rpc("submit", { task_type: "render", payload });
    await claimOne(peer);
    expect(await peer.rpc("complete", { task_id, status: "failed", error: "no ink" })).toMatchObject({
      ok: true,
      status: "queued",
    });
    await clock.advance(2_000);
    expect(await claimOne(peer)).toMatchObject({ task_id, attempt: 2 });
    expect(await peer.rpc("complete", { task_id, status: "odd" })).toMatchObject({
      ok: true,
      status: "failed",
    });
    expect(await peer.rpc("get", { task_id })).toMatchObject({
      task: { status: "failed", result: null, error: expect.stringContaining("odd") as string },
    });
  });

  it("whose request is gone gets nothing, and what it would have got is free", async () => {
    const { meet, kit, connect } = await openRpc();
    const peer = await meet();
    await peer.rpc("submit", { task_type: "render", payload: {} });
    const { peer: gone, client, served } = connect();
    await gone.initialize();
    const claim = { name: "task_queue.rpc", arguments: { op: "claim", worker_id: "w" } };
    await gone.send({ jsonrpc: "2.0", id: 1, method: "tools/call", params: claim });
    await gone.send({ jsonrpc: "2.0", method: "notifications/cancelled", params: { requestId: 1 } });
    client.endWriting();
    await served;
    await kit.turns();
    await expect.poll(() => claimOne(peer)).toMatchObject({ attempt: 1 });
  });

  it("is not told what a message cannot carry: a result is cut, a payload fails its attempt", async () => {
    const clock = manualClock();
    const { system, kit } = await queueSystem(clock);
    const limits = { frameBytes: 20_000 };
    const { connect } = openHost({ clock, system, limits, taskQueue: { taskTypes: ["echo", "render"] } });
    const { peer } = connect();
    await peer.initialize();
    const { task_id } = await peer.rpc("submit", { task_type: "echo", payload: {} });
    await expect.poll(() => kit.poolOpened && kit.pool.started.length).toBe(1);
    await kit.end(task_id as string, completed("x".repeat(30_000)));
    expect(await peer.rpc("get", { task_id })).toMatchObject({
      task: { status: "completed", result: { truncated: true, size_bytes: 30_002 } },
    });
    await kit.submitAlone({ taskId: "large", action: "render", input: packValue("x".repeat(30_000)) });
    expect(await claimOne(peer)).toBeNull();
    expect(await kit.status("large")).toMatchObject({ state: "failed", deadLetter: true });
  });

  it("hears of no defect and no secret of this node", async () => {
    const { meet, kit } = await openRpc();
    const peer = await meet();
    const { task_id } = await peer.rpc("submit", { task_type: "echo", payload: { max_attempts: 1 } });
    await expect.poll(() => kit.poolOpened && kit.pool.started.length).toBe(1);
    await kit.end(task_id as string, failedWith("\u001b[31mBearer abcdefghijklmnopqrstuvwxyz"));
    const { task } = await peer.rpc("get", { task_id });
    expect(JSON.stringify(task)).not.toMatch(/abcdefghij|\\u001b/);
    expect((task as Members)["error"]).toContain("[redacted]");
  });
});

it("a server that stops gives back what peers have", async () => {
  const { meet, kit, host, clock } = await openRpc();
  const peer = await meet();
  const { task_id } = await peer.rpc("submit", { task_type: "render", payload: {} });
  await claimOne(peer);
  const closed = host.close();
  await clock.advance(LIMITS.mcp.endGraceMs);
  await closed;
  expect(await kit.status(task_id as string)).toMatchObject({ state: "queued" });
});

it("refuses a list of task types that names none", () => {
  expect(() => openHost({ taskQueue: { taskTypes: [] } })).toThrow("taskQueue.taskTypes");
});
