import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { LIMITS } from "../../src/errors/index.ts";
import type { System } from "../../src/system/index.ts";
import { TOOLS, inputSchemaOf } from "../../src/tools/index.ts";
import { openInline } from "../kit/inline-system.ts";
import { callOf, toolNamed } from "./kit/call.ts";

let system: System;

beforeAll(async () => {
  system = await openInline({ data: null, threads: 1 });
});
afterAll(() => system.close());

const call = (name: string, args: unknown) => callOf(name, args, async () => system);
/** A task that waits for its day, so that it stays queued. */
const later = (task_id: string, more: object = {}) =>
  call("task_submit", { task_id, task_type: "echo", payload: { n: 1 }, delay_seconds: 86_400, ...more });
const ISO = expect.stringMatching(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/) as string;

describe("the tools of the queue", () => {
  it.each([
    ["task_submit", { priority: 1, tags: [], metadata: {}, depends_on: [], on_dependency_failure: "cancel" }],
    ["task_status", { include_logs: false, include_metrics: false }],
    ["task_cancel", { force: false }],
    ["task_list", { limit: 100, offset: 0 }],
    ["task_priority", { requeue: true }],
    ["task_result", { include_output: true, include_logs: false }],
    ["queue_stats", { include_worker_stats: false, include_historical: false }],
    ["queue_resume", { reorder_by_priority: true }],
    ["queue_clear", { confirm: false }],
    ["worker_register", { max_concurrent_tasks: 5, resource_limits: {}, metadata: {} }],
    ["worker_unregister", { graceful: true, timeout: 300 }],
    ["worker_status", { include_tasks: false, include_metrics: false }],
  ])("tell the defaults of %s", (name, defaults) => {
    const { properties } = inputSchemaOf(toolNamed(name)) as {
      properties: Record<string, { default?: unknown }>;
    };
    for (const [key, value] of Object.entries(defaults)) expect(properties[key]?.default, key).toEqual(value);
  });

  it.each(TOOLS.map(({ name }) => [name]))("%s refuses an argument that it does not know", async (name) => {
    const answer = await call(name, { surprise: 1 });
    expect(answer).toMatchObject({ success: false, code: "INPUT_INVALID", retryable: false });
    expect(answer["error"]).toContain('unknown key "surprise"');
  });
});

describe("task_submit", () => {
  it("runs a task to its end, of which task_status and task_result tell", async () => {
    const task = { task_id: "one", task_type: "echo", payload: { n: 42 }, tags: ["x", "y"], priority: 7 };
    const submitted = await call("task_submit", task);
    expect(submitted).toMatchObject({ success: true, task_id: "one", replayed: false, deadline: null });
    expect(submitted).toHaveProperty("queue_position");
    expect(submitted).toHaveProperty("estimated_start_time");
    expect(submitted).toHaveProperty("assigned_worker");
    await system.tasks.wait("one");
    expect(await call("task_status", { task_id: "one", include_metrics: true })).toMatchObject({
      success: true,
      task_id: "one",
      status: "completed",
      progress: 100,
      priority: 7,
      tags: ["x", "y"],
      worker_id: "local",
      start_time: ISO,
      end_time: ISO,
      queue_position: null,
      failure: null,
      logs: null,
      metrics: { attempts: 1, interruptions: 0, execution_time: expect.any(Number) as number },
    });
    const result = await call("task_result", { task_id: "one" });
    expect(result).toMatchObject({
      status: "completed",
      result: { n: 42 },
      output: { n: 42 },
      logs: null,
      failure: null,
    });
    expect(result["execution_time"]).toBeGreaterThanOrEqual(0);
    expect(await call("task_result", { task_id: "one", include_output: false })).toMatchObject({
      output: null,
    });
  });

  it("returns the task that is there for the same work and for a used key, and refuses other work", async () => {
    const key = { idempotency_key: "k" };
    expect(await later("first", key)).toMatchObject({ task_id: "first", status: "queued", replayed: false });
    expect(await later("first", key)).toMatchObject({ task_id: "first", replayed: true });
    expect(await later("second", key)).toMatchObject({ task_id: "first", replayed: true });
    expect(await later("first", { payload: { n: 2 } })).toMatchObject({
      success: false,
      code: "ALREADY_EXISTS",
      task_id: "first",
    });
    expect(await later("third", { ...key, payload: { n: 2 } })).toMatchObject({
      code: "IDEMPOTENCY_CONFLICT",
    });
  });

  it("gives the deadline that the task has, not the one that it was asked for again with", async () => {
    const [earlier, later_] = ["2030-01-02T03:04:05.000Z", "2031-01-02T03:04:05.000Z"];
    expect(await later("dated", { deadline: earlier })).toMatchObject({ replayed: false, deadline: earlier });
    expect(await later("dated", { deadline: later_ })).toMatchObject({ replayed: true, deadline: earlier });
    expect(await later("dated")).toMatchObject({ replayed: true, deadline: earlier });
  });

  it("waits for what it depends on, and says for what", async () => {
    await later("before");
    await call("task_submit", { task_id: "after", task_type: "echo", payload: {}, depends_on: ["before"] });
    expect(await call("task_status", { task_id: "after" })).toMatchObject({
      status: "queued",
      blocked_by: ["before"],
    });
    expect(await later("lost", { depends_on: ["nobody"] })).toMatchObject({ code: "UNKNOWN_DEPENDENCY" });
    await call("task_cancel", { task_id: "before" });
    expect(await call("task_status", { task_id: "after" })).toMatchObject({
      status: "cancelled",
      failure: expect.stringContaining("before") as string,
    });
  });

  it("takes retries, pauses between them, a deadline and a delay in the units of tools", async () => {
    await later("tuned", {
      timeout: 2.5,
      deadline: "2030-01-02T03:04:05+01:00",
      retry_policy: { max_retries: 2, backoff: "linear", delay_ms: 10, max_delay_ms: 100, jitter: 0.5 },
    });
    const status = await system.tasks.status("tuned");
    expect(status).toMatchObject({ attempts: 3, deadlineMs: Date.UTC(2030, 0, 2, 2, 4, 5) });
    expect((status.notBeforeMs ?? 0) - status.submittedAtMs).toBe(86_400_000);
  });

  it.each([
    [{ priority: LIMITS.queue.priority + 1 }, "priority is 1000001; allowed is at most 1000000"],
    [{ timeout: 0 }, "timeout is 0; allowed is more than 0"],
    [{ retry_policy: { max_retries: 100 } }, "retry_policy.max_retries is 100; allowed is at most 99"],
    [{ retry_policy: { max_retry: 1 } }, 'unknown key "max_retry" (did you mean "max_retries"?)'],
    [{ retry_policy: { backoff: "quadratic" } }, 'retry_policy.backoff is "quadratic"; allowed is one of'],
    [{ deadline: "tomorrow" }, 'deadline is "tomorrow"; allowed is an ISO-8601 date and time'],
    [{ delay_seconds: -1 }, "delay_seconds is -1; allowed is at least 0"],
    [{ tags: "x" }, 'tags is "x"; allowed is an array'],
    [{ payload: [] }, "payload is an array of 0; allowed is an object"],
    [{ task_id: "" }, 'task_id is ""; allowed is at least 1 character'],
  ])("refuses %j in one sentence", async (wrong, sentence) => {
    const answer = await later("wrong", wrong);
    expect(answer).toMatchObject({ success: false, code: "INPUT_INVALID", retryable: false });
    expect(answer["error"]).toContain(sentence);
  });
});

describe("a refusal by the system", () => {
  it.each([
    [
      "task_submit",
      { task_id: "a\u0000b", task_type: "echo", payload: {} },
      'task_id is "a\\u0000b"; allowed is',
    ],
    ["task_submit", { task_id: "t", task_type: "echo", payload: {}, tags: ["\0"] }, "tags[0] is "],
    [
      "task_submit",
      { task_id: "t", task_type: "echo", payload: {}, required_capabilities: ["\0"] },
      "required_capabilities[0] is ",
    ],
    [
      "task_submit",
      { task_id: "t", task_type: "echo", payload: {}, idempotency_key: "\0" },
      "idempotency_key is ",
    ],
    [
      "worker_register",
      { worker_id: "local", capabilities: ["x"] },
      'worker_id is "local"; allowed is any other id',
    ],
    ["worker_unregister", { worker_id: "local" }, 'worker_id is "local"; allowed is any other id'],
    [
      "quota_set",
      { scope: "action", name: "echo", weight: 2 },
      "weight is 2; allowed is none: only tags share",
    ],
    [
      "quota_set",
      { scope: "tag", name: "x", per_second: 1e9 },
      "per_second is 1000000000; allowed is a number from",
    ],
  ])("of %s names the argument as the tool has it: %j", async (name, args, sentence) => {
    const answer = await call(name, args);
    expect(answer).toMatchObject({ success: false, code: "INVALID_ARGUMENT", retryable: false });
    expect(answer["error"]).toMatch(new RegExp(`^${RegExp.escape(sentence)}`));
  });

  it("of ids that are no dead letters names the argument too", async () => {
    await later("alive");
    expect(await call("deadletter_redrive", { task_ids: ["alive"] })).toMatchObject({
      code: "INVALID_ARGUMENT",
      error: 'task_ids is "alive", which is queued; allowed is ids of dead letters',
    });
  });
});

describe("what a tool is about", () => {
  it.each([
    ["task_status", {}],
    ["task_cancel", {}],
    ["task_priority", { new_priority: 1 }],
    ["task_result", {}],
    ["task_retry", {}],
    ["task_explain", {}],
    ["deadletter_inspect", {}],
  ])("is echoed by %s when there is no such task", async (name, more) => {
    expect(await call(name, { task_id: "nobody", ...more })).toEqual({
      success: false,
      error: 'there is no task "nobody"',
      code: "TASK_NOT_FOUND",
      retryable: false,
      task_id: "nobody",
    });
  });

  it("is echoed when there is no such worker", async () => {
    for (const name of ["worker_status", "worker_unregister"]) {
      expect(await call(name, { worker_id: "nobody" })).toMatchObject({
        code: "UNKNOWN_NAME",
        worker_id: "nobody",
      });
    }
  });
});

describe("task_cancel", () => {
  it("cancels a queued task at once, twice alike, and says so of one that has ended otherwise", async () => {
    await later("idle");
    const cancelled = {
      success: true,
      task_id: "idle",
      status: "cancelled",
      cancelled_at: ISO,
      cleanup_required: false,
    };
    expect(await call("task_cancel", { task_id: "idle", reason: "not now" })).toEqual(cancelled);
    expect(await call("task_cancel", { task_id: "idle" })).toEqual(cancelled);
    expect(await call("task_result", { task_id: "idle" })).toMatchObject({
      status: "cancelled",
      result: null,
      failure: expect.stringContaining("not now") as string,
      failure_code: "CANCELLED",
    });
    await call("task_submit", { task_id: "done", task_type: "echo", payload: {} });
    await system.tasks.wait("done");
    expect(await call("task_cancel", { task_id: "done" })).toMatchObject({
      code: "TASK_ENDED",
      task_id: "done",
    });
  });

  it("tells of a running task that it is being cancelled, and by force that cleanup may be needed", async () => {
    await call("task_submit", { task_id: "busy", task_type: "sleep", payload: { ms: 3_600_000 } });
    while ((await system.tasks.status("busy")).state !== "running");
    const answer = await call("task_cancel", { task_id: "busy", force: true });
    expect(["cancelling", "cancelled"]).toContain(answer["status"]);
    expect(answer["cleanup_required"]).toBe(true);
    expect((await system.tasks.wait("busy")).state).toBe("cancelled");
  });
});

describe("task_list", () => {
  it("lists by every filter, page by page, and says what is left", async () => {
    for (const [at, tags] of [["p"], ["p", "q"], ["p", "q"]].entries())
      await later(`listed-${at}`, { tags, priority: at });
    const page = await call("task_list", { tag_filter: ["p", "q"], status_filter: "queued", limit: 1 });
    expect(page).toMatchObject({
      total_count: 2,
      returned_count: 1,
      has_more: true,
      tasks: [{ task_id: "listed-1" }],
    });
    const rest = await call("task_list", { tag_filter: ["p", "q"], offset: 1 });
    expect(rest).toMatchObject({
      returned_count: 1,
      has_more: false,
      tasks: [{ task_id: "listed-2", priority: 2 }],
    });
    expect(await call("task_list", { tag_filter: ["p"], priority_min: 2 })).toMatchObject({ total_count: 1 });
    expect(await call("task_list", { worker_filter: "nobody" })).toMatchObject({ tasks: [], total_count: 0 });
  });

  it.each([
    [{ limit: 0 }, "limit is 0; allowed is at least 1"],
    [{ limit: 1_001 }, "limit is 1001; allowed is at most 1000"],
    [{ offset: -1 }, "offset is -1; allowed is at least 0"],
    [
      { status_filter: "lost" },
      'status_filter is "lost"; allowed is one of "queued", "running", "cancelling"',
    ],
  ])("refuses %j", async (args, sentence) => {
    expect((await call("task_list", args))["error"]).toContain(sentence);
  });
});

describe("task_priority", () => {
  it("sets a priority or adds to it, and tells the new place", async () => {
    await later("weighed");
    expect(await call("task_priority", { task_id: "weighed", new_priority: 5 })).toMatchObject({
      task_id: "weighed",
      old_priority: 1,
      new_priority: 5,
      new_queue_position: expect.any(Number) as number,
    });
    expect(await call("task_priority", { task_id: "weighed", delta: -7, requeue: false })).toMatchObject({
      old_priority: 5,
      new_priority: -2,
    });
  });

  it("wants exactly one of the two, and a task that has not ended", async () => {
    for (const args of [{}, { new_priority: 1, delta: 1 }]) {
      expect((await call("task_priority", { task_id: "weighed", ...args }))["error"]).toContain(
        "exactly one of",
      );
    }
    await call("task_cancel", { task_id: "weighed" });
    expect(await call("task_priority", { task_id: "weighed", delta: 1 })).toMatchObject({
      code: "TASK_ENDED",
    });
  });
});

describe("a task that failed", () => {
  it("has no result but a reason, is a dead letter, and can be retried and redriven", async () => {
    const failing = { task_type: "fail", payload: { message: "no luck" }, tags: ["luckless"] };
    await call("task_submit", { task_id: "bad", ...failing });
    await call("task_submit", { task_id: "worse", ...failing });
    await Promise.all([system.tasks.wait("bad"), system.tasks.wait("worse")]);
    expect(await call("task_result", { task_id: "bad" })).toMatchObject({
      success: true,
      status: "failed",
      result: null,
      failure: "fail failed: no luck",
      failure_code: "HANDLER_FAILED",
    });
    expect(await call("deadletter_list", { tag_filter: ["luckless"] })).toMatchObject({
      total_count: 2,
      tasks: [{ task_id: "bad", dead_letter: true }, { task_id: "worse" }],
    });
    expect(await call("deadletter_inspect", { task_id: "bad" })).toMatchObject({
      failure: "fail failed: no luck",
      attempts: [
        {
          attempt: 1,
          kind: "failed",
          worker_id: "local",
          code: "HANDLER_FAILED",
          start_time: ISO,
          end_time: ISO,
        },
      ],
    });
    expect(await call("task_retry", { task_id: "bad", retry_config: { max_retries: 1 } })).toMatchObject({
      task_id: "bad",
      retry_task_id: "bad-retry-1",
      retry_count: 1,
    });
    expect((await system.tasks.status("bad-retry-1")).attempts).toBe(2);
    expect(await call("deadletter_redrive", { type_filter: "fail", tag_filter: ["luckless"] })).toMatchObject(
      {
        redriven: [{ task_id: "worse", new_task_id: "worse-retry-1" }],
        redriven_count: 1,
      },
    );
    await Promise.all([system.tasks.wait("bad-retry-1"), system.tasks.wait("worse-retry-1")]);
    expect(await call("deadletter_purge", {})).toMatchObject({
      success: false,
      code: "CONFIRMATION_REQUIRED",
    });
    expect(await call("deadletter_purge", { task_ids: ["bad-retry-1"], confirm: true })).toMatchObject({
      purged_count: 1,
    });
    expect(await call("deadletter_redrive", { task_ids: ["x"], type_filter: "fail" })).toMatchObject({
      code: "INPUT_INVALID",
    });
  });
});

describe("the queue as a whole", () => {
  it("is counted, with what was not asked for as null", async () => {
    const stats = await call("queue_stats", {});
    expect(stats).toMatchObject({
      success: true,
      status: "active",
      order: "priority",
      worker_stats: null,
      historical: null,
    });
    for (const name of ["queued", "running", "completed", "failed"]) {
      expect(stats[`${name}_count`]).toEqual(expect.any(Number));
    }
    const more = await call("queue_stats", { include_worker_stats: true, include_historical: true });
    expect(more["worker_stats"]).toMatchObject([{ worker_id: "local" }]);
    expect(more["historical"]).toMatchObject({ wait_time: { count: expect.any(Number) as number } });
  });

  it("is paused with a reason and resumed, in its order all the while", async () => {
    expect(await call("queue_pause", { reason: "a new disk" })).toMatchObject({
      status: "paused",
      paused_at: ISO,
      queued_tasks: expect.any(Number) as number,
      running_tasks: 0,
    });
    expect(await call("queue_stats", {})).toMatchObject({ status: "paused", pause_reason: "a new disk" });
    await call("task_submit", { task_id: "held", task_type: "echo", payload: {} });
    expect(await call("task_explain", { task_id: "held" })).toMatchObject({
      task_id: "held",
      blockers: [{ cause: "paused", since: ISO, reason: "a new disk" }],
      explanation: [expect.stringContaining("a new disk") as string],
      order: "priority",
    });
    expect(await call("queue_resume", {})).toMatchObject({
      status: "active",
      resumed_at: ISO,
      reordered: false,
    });
    expect((await system.tasks.wait("held")).state).toBe("completed");
  });

  it("is cleared only when that is confirmed, which is looked at before anything is opened", async () => {
    const closed = () => Promise.reject(new Error("opened"));
    expect(await callOf("queue_clear", {}, closed)).toEqual({
      success: false,
      error: "clearing the queue cannot be taken back: confirm it with confirm: true",
      code: "CONFIRMATION_REQUIRED",
      retryable: false,
    });
    await later("cleared");
    const { cleared_count } = await call("queue_clear", { status_filter: "queued", confirm: true });
    expect(cleared_count).toBeGreaterThan(0);
    expect(await call("task_status", { task_id: "cleared" })).toMatchObject({ status: "cancelled" });
    await call("queue_clear", { confirm: true });
    expect(await call("task_status", { task_id: "cleared" })).toMatchObject({ code: "TASK_NOT_FOUND" });
  });
});

describe("a worker", () => {
  it("is registered, asked for, and unregistered", async () => {
    const worker = { worker_id: "w", capabilities: ["paint", "gpu"], resource_limits: { memory_gb: 4 } };
    expect(await call("worker_register", worker)).toEqual({
      success: true,
      worker_id: "w",
      status: "active",
      registered_at: ISO,
      assigned_peers: [],
    });
    await call("task_submit", {
      task_id: "painted",
      task_type: "paint",
      payload: {},
      required_capabilities: ["gpu"],
    });
    const [lease] = (
      await system.actors.queue.call.claim({ workerId: "w", max: 1, leaseMs: 60_000, waitMs: 1_000 })
    ).leases;
    expect(lease?.taskId).toBe("painted");
    expect(
      await call("worker_status", { worker_id: "w", include_tasks: true, include_metrics: true }),
    ).toMatchObject({
      status: "active",
      running_tasks: 1,
      completed_tasks: 0,
      failed_tasks: 0,
      tasks: [{ task_id: "painted", status: "running" }],
      metrics: { load: 0.2, success_rate: null, resource_limits: { memory_gb: 4 } },
    });
    expect(await call("worker_status", { worker_id: "w" })).toMatchObject({ tasks: null, metrics: null });
    expect(await call("worker_unregister", { worker_id: "w", graceful: false })).toEqual({
      success: true,
      worker_id: "w",
      status: "unregistered",
      unregistered_at: ISO,
      completed_tasks: 0,
      abandoned_tasks: 1,
    });
    expect((await system.tasks.status("painted")).state).toBe("queued");
  });

  it("that drains may take longer than its tool, as its argument says", () => {
    const { waitsMs, metadata } = toolNamed("worker_unregister");
    expect(waitsMs?.({ worker_id: "w", graceful: true, timeout: 300 })).toBe(300_000);
    expect(waitsMs?.({ worker_id: "w", graceful: false, timeout: 300 })).toBe(0);
    expect(metadata.timeoutMs).toBe(15_000);
  });
});

describe("quotas", () => {
  it("are set, listed with what they hold, and removed; one that is not there is named", async () => {
    const quota = { scope: "tag", name: "slow", concurrency: 2, per_second: 0.5, weight: 3 };
    expect(await call("quota_set", quota)).toMatchObject({ ...quota, burst: null, queued: null });
    expect(await call("quota_list", {})).toMatchObject({
      total_count: 1,
      quotas: [{ ...quota, running_tasks: 0, waiting_tasks: 0 }],
    });
    expect(await call("quota_remove", { scope: "tag", name: "slow" })).toMatchObject({
      success: true,
      name: "slow",
    });
    expect(await call("quota_remove", { scope: "tag", name: "slow" })).toMatchObject({
      success: false,
      code: "UNKNOWN_NAME",
      scope: "tag",
      name: "slow",
    });
    expect((await call("quota_set", { scope: "tag", name: "slow" }))["error"]).toContain("at least one of");
  });
});
