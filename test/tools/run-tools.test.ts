import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { System } from "../../src/system/index.ts";
import { inputSchemaOf } from "../../src/tools/index.ts";
import { openInline } from "../kit/inline-system.ts";
import { callOf, toolNamed } from "./kit/call.ts";

let system: System;

beforeAll(async () => {
  system = await openInline({ data: null, threads: 1 });
});
afterAll(() => system.close());

const call = (name: string, args: unknown) => callOf(name, args, async () => system);
const echo = (step_id: string, more: object = {}) => ({
  step_id,
  action: "echo",
  inputs: { step_id },
  ...more,
});
const endless = (step_id: string, more: object = {}) => ({
  step_id,
  action: "sleep",
  inputs: { ms: 3_600_000 },
  ...more,
});
const submit = (workflow_id: string, steps: object[], more: object = {}) =>
  call("workflow_submit", { workflow_id, name: workflow_id, steps, ...more });
const ended = async (workflowId: string): Promise<void> => {
  await Array.fromAsync(system.watch(workflowId));
};

describe("workflow_submit", () => {
  it("takes all that a workflow may say", async () => {
    const steps = [
      echo("a", { priority: 2, timeout: 5, deadline: "2030-01-01T00:00:00Z" }),
      echo("b", {
        depends_on: ["a"],
        retry_policy: { max_retries: 2, backoff: "fixed", delay_ms: 1 },
        when: "steps.a.output.step_id = 'a'",
        cache: { ttl_seconds: 60 },
      }),
      echo("c", { depends_on: ["a"], for_each: { items: [1, 2], max_items: 5, max_concurrent: 1 } }),
    ];
    await submit("before", [echo("a")]);
    const more = {
      name: "All",
      priority: -3,
      tags: ["x"],
      dependencies: ["before"],
      metadata: { who: "me" },
      on_failure: "fail_fast",
      max_concurrency: 2,
      deadline: "2030-01-01T00:00:00Z",
      timeout: 3_600,
      idempotency_key: "key of all",
    };
    const submitted = await submit("all", steps, more);
    expect(submitted).toMatchObject({ success: true, workflow_id: "all", replayed: false });
    await ended("all");
    expect(await call("workflow_status", { workflow_id: "all" })).toMatchObject({
      status: "completed",
      steps: [
        { step_id: "a" },
        { step_id: "b", attempt: 1 },
        { step_id: "c", items: { total: 2, completed: 2 } },
      ],
    });
    const again = await submit("other", steps, more);
    expect(again).toMatchObject({ workflow_id: "all", status: "completed", replayed: true });
  });

  it("runs the higher number first", async () => {
    const steps = [
      echo("first"),
      echo("low", { depends_on: ["first"], priority: 1 }),
      echo("high", { depends_on: ["first"], priority: 9 }),
    ];
    await submit("order", steps, { max_concurrency: 1 });
    await ended("order");
    const { events } = await call("run_history", { workflow_id: "order" });
    const completed = (events as Record<string, unknown>[])
      .filter(({ step_id, step_status }) => step_id !== null && step_status === "completed")
      .map(({ step_id }) => step_id);
    expect(completed).toEqual(["first", "high", "low"]);
  });
});

describe("workflow_cancel", () => {
  it("answers when nothing runs any more, and how many steps were cancelled", async () => {
    await submit("cancelled", [
      echo("a"),
      endless("b", { depends_on: ["a"] }),
      echo("c", { depends_on: ["b"] }),
    ]);
    for await (const { step } of system.watch("cancelled"))
      if (step?.stepId === "b" && step.state === "running") break;
    const args = { workflow_id: "cancelled", reason: "no longer needed", force: true };
    const answer = {
      success: true,
      workflow_id: "cancelled",
      status: "cancelled",
      cancelled_steps: 2,
      message: "2 of 3 steps were cancelled, 1 had completed",
    };
    expect(await call("workflow_cancel", args)).toEqual(answer);
    expect(await call("workflow_cancel", args)).toEqual(answer);
    expect(await call("workflow_result", { workflow_id: "cancelled" })).toMatchObject({
      result: null,
      failure: expect.stringContaining("no longer needed") as string,
      failure_code: "CANCELLED",
    });
  });

  it("refuses one that has ended otherwise, and one that there is not", async () => {
    await submit("done", [echo("a")]);
    await ended("done");
    expect(await call("workflow_cancel", { workflow_id: "done" })).toEqual({
      success: false,
      error: 'workflow "done" is completed: it cannot be cancelled',
      code: "WORKFLOW_ENDED",
      retryable: false,
      workflow_id: "done",
    });
    const unknown = await call("workflow_cancel", { workflow_id: "nobody" });
    expect(unknown).toMatchObject({ code: "WORKFLOW_NOT_FOUND", workflow_id: "nobody" });
  });
});

describe("workflow_list", () => {
  it("pages in the order of submission, and every filter that is given must hold", async () => {
    for (const [id, tags] of [
      ["l1", ["t"]],
      ["l2", ["t", "u"]],
      ["l3", ["u"]],
      ["l4", ["t", "u"]],
    ] as const) {
      await submit(id, [echo("a")], { tags });
      await ended(id);
    }
    const idsOf = async (args: object): Promise<unknown> => {
      const answer = await call("workflow_list", args);
      const workflows = answer["workflows"] as { workflow_id: string }[];
      const { total_count: total, returned_count: returned, has_more: more } = answer;
      return [workflows.map((each) => each.workflow_id).join(" "), total, returned, more];
    };
    expect(await idsOf({ tag_filter: ["t"] })).toEqual(["l1 l2 l4", 3, 3, false]);
    expect(await idsOf({ tag_filter: ["t", "u"] })).toEqual(["l2 l4", 2, 2, false]);
    expect(await idsOf({ tag_filter: ["t"], limit: 2 })).toEqual(["l1 l2", 3, 2, true]);
    expect(await idsOf({ tag_filter: ["t"], limit: 2, offset: 2 })).toEqual(["l4", 3, 1, false]);
    expect(await idsOf({ tag_filter: ["t"], status_filter: "failed" })).toEqual(["", 0, 0, false]);
    expect(await idsOf({ tag_filter: ["t"], peer_filter: "local" })).toEqual(["l1 l2 l4", 3, 3, false]);
    expect(await idsOf({ tag_filter: ["t"], peer_filter: "12D3Koo" })).toEqual(["", 0, 0, false]);
  });

  it("finds what a peer has run some of, which its steps and tasks tell too", async () => {
    const peer = "12D3KooWAbroad";
    const stop = new AbortController();
    const handlers = { abroad: () => "from afar" };
    const working = system.tasks.work({ workerId: `peer:${peer}`, handlers, signal: stop.signal });
    await expect.poll(async () => (await system.tasks.workers.list()).length).toBe(2);
    const abroad = { step_id: "b", action: "abroad", depends_on: ["a"] };
    await submit("there", [echo("a"), abroad], { tags: ["p"] });
    await submit("here", [echo("a")], { tags: ["p"] });
    await ended("there");
    await ended("here");
    stop.abort();
    await working;
    const idsOf = async (peer_filter: string): Promise<unknown> => {
      const answer = await call("workflow_list", { tag_filter: ["p"], peer_filter });
      const workflows = answer["workflows"] as { workflow_id: string; peer_id: string }[];
      return workflows.map((each) => `${each.workflow_id} ${each.peer_id}`);
    };
    expect(await idsOf(peer)).toEqual([`there ${peer}`]);
    expect(await idsOf("local")).toEqual([`there ${peer}`, "here local"]);
    expect(await call("workflow_status", { workflow_id: "there" })).toMatchObject({
      peer_id: peer,
      steps: [{ peer_id: "local" }, { peer_id: peer }],
    });
    const { tasks } = await call("task_list", { worker_filter: `peer:${peer}` });
    expect(tasks).toMatchObject([{ worker_id: `peer:${peer}`, peer_id: peer }]);
    const [{ task_id = "" } = {}] = tasks as { task_id?: string }[];
    expect(await call("task_status", { task_id })).toMatchObject({ peer_id: peer });
  });

  it.each([
    [{ limit: 0 }, "limit is 0; allowed is at least 1"],
    [{ limit: 1_001 }, "limit is 1001; allowed is at most 1000"],
    [{ offset: -1 }, "offset is -1; allowed is at least 0"],
    [
      { status_filter: "unknown" },
      'status_filter is "unknown"; allowed is one of "submitted", "running", "paused"',
    ],
  ])("refuses %j", async (args, sentence) => {
    const answer = await call("workflow_list", args);
    expect(answer).toMatchObject({ success: false, code: "INPUT_INVALID" });
    expect(answer["error"]).toContain(sentence);
  });
});

describe("workflow_dependencies", () => {
  const steps = [
    echo("fetch"),
    echo("parse", { depends_on: ["fetch"] }),
    echo("check", { depends_on: ["fetch"] }),
    echo("save", { depends_on: ["parse", "check"] }),
  ];

  it("gives nodes with their slack, edges, and a path of no slack from a first step to a last one", async () => {
    await submit("graph", steps);
    await ended("graph");
    const answer = await call("workflow_dependencies", { workflow_id: "graph" });
    const {
      nodes,
      edges,
      critical_path: path,
      dag,
    } = answer as {
      nodes: { id: string; slack: number; critical: boolean; estimated: boolean }[];
      edges: { from: string; to: string }[];
      critical_path: string[];
      dag: unknown;
    };
    expect(nodes.map(({ id }) => id)).toEqual(["fetch", "parse", "check", "save"]);
    expect(edges.map(({ from, to }) => `${from}-${to}`)).toEqual([
      "fetch-parse",
      "fetch-check",
      "parse-save",
      "check-save",
    ]);
    expect([path.at(0), path.at(-1), path.length]).toEqual(["fetch", "save", 3]);
    for (const node of nodes) {
      expect(node.critical).toBe(path.includes(node.id));
      if (node.critical) expect(node.slack).toBe(0);
      expect(node.estimated).toBe(false);
    }
    expect(dag).toMatchObject({ nodes, edges, levels: [["fetch"], ["parse", "check"], ["save"]] });
    expect(answer).toMatchObject({ format: "json", waits_for: [], left_out: { nodes: 0, edges: 0 } });
  });

  it("speaks the languages of Graphviz and Mermaid, and takes fmt and format for the same", async () => {
    await submit("drawn", [echo("a")]);
    const drawn = (args: object) => call("workflow_dependencies", { workflow_id: "drawn", ...args });
    expect((await drawn({ fmt: "dot" }))["dag"]).toMatch(/^digraph \{/);
    expect((await drawn({ format: "mermaid" }))["dag"]).toMatch(/^flowchart LR/);
    expect(await drawn({ fmt: "json", format: "json" })).toMatchObject({ success: true, format: "json" });
    expect((await drawn({ fmt: "json", format: "dot" }))["error"]).toContain("say different things");
    expect((await drawn({ fmt: "xml" }))["error"]).toContain(
      'fmt is "xml"; allowed is one of "json", "dot", "mermaid"',
    );
  });
});

describe("the tools of runs", () => {
  it("pause a workflow, and let it go on", async () => {
    await submit("paused", [endless("a"), echo("b")], { max_concurrency: 1 });
    const paused = await call("run_pause", { workflow_id: "paused", reason: "the source is down" });
    expect(paused).toMatchObject({ success: true, workflow_id: "paused", status: "paused" });
    expect(await call("workflow_list", { status_filter: "paused" })).toMatchObject({ total_count: 1 });
    expect(await call("run_resume", { workflow_id: "paused" })).toMatchObject({ status: "running" });
    await system.cancel("paused", { force: true });
    expect(await call("run_pause", { workflow_id: "paused" })).toMatchObject({ code: "WORKFLOW_ENDED" });
  });

  it("make a new run of what did not complete, and take over the rest", async () => {
    const steps = [
      echo("a"),
      { step_id: "b", action: "fail", inputs: { message: "no luck" }, depends_on: ["a"] },
    ];
    await submit("failed", steps);
    await ended("failed");
    const rerun = await call("run_rerun", { workflow_id: "failed", new_workflow_id: "again" });
    expect(rerun).toMatchObject({
      success: true,
      workflow_id: "failed",
      new_workflow_id: "again",
      origin: "failed",
      total_steps: 2,
      reused_steps: 1,
      replayed: false,
    });
    await ended("again");
    const repeated = await call("run_rerun", { workflow_id: "failed", new_workflow_id: "again" });
    expect(repeated).toMatchObject({ new_workflow_id: "again", status: "failed", replayed: true });
    const wrong = await call("run_rerun", { workflow_id: "failed", from_steps: ["c"] });
    expect(wrong["error"]).toBe('from_steps is "c"; allowed is ids of steps of the workflow');
  });

  it("tell what happened, page by page", async () => {
    await submit("told", [echo("a")]);
    await ended("told");
    const all = await call("run_history", { workflow_id: "told" });
    const events = all["events"] as Record<string, unknown>[];
    expect(events.at(0)).toMatchObject({ step_id: null, status: "running", progress: 0 });
    expect(events.at(-1)).toMatchObject({ step_id: null, status: "completed", progress: 100, error: null });
    const some = await call("run_history", { workflow_id: "told", limit: 1, offset: 1 });
    expect(some).toMatchObject({
      events: [events[1]],
      total_count: events.length,
      returned_count: 1,
      has_more: true,
      dropped_count: 0,
    });
  });

  it("tell what the handler of a step logged, and of which steps there is nothing", async () => {
    await submit("logged", [echo("a"), { step_id: "b", action: "fail", inputs: { message: "no luck" } }]);
    await ended("logged");
    const logs = (step_id: string, more: object = {}) =>
      call("run_logs", { workflow_id: "logged", step_id, ...more });
    expect(await logs("b")).toMatchObject({
      success: true,
      workflow_id: "logged",
      step_id: "b",
      logs: [{ attempt: 1, level: "error", message: expect.stringContaining("no luck") as string }],
      total_count: 1,
      returned_count: 1,
      has_more: false,
      dropped_count: 0,
    });
    expect(await logs("b", { index: 1 })).toMatchObject({ logs: [], total_count: 0 });
    expect(await logs("a")).toMatchObject({ logs: [], total_count: 0 });
    expect(await logs("c")).toMatchObject({
      success: false,
      code: "UNKNOWN_NAME",
      error: 'there is no step "c"; there are: a, b',
      step_id: "c",
    });
  });

  it("play a workflow through with another number of workers, other times and fewer dependencies", async () => {
    await submit("planned", [endless("a"), endless("b", { depends_on: ["a"] })]);
    const planned = (args: object) => call("run_what_if", { workflow_id: "planned", ...args });
    // One second for each of what has not ended, and never ran before.
    expect(await planned({ factors: { a: 0.5 } })).toEqual({
      success: true,
      workflow_id: "planned",
      before: { workers: 2, duration: 2, utilisation: 0.5, work: 2, critical_path: 2, lower_bound: 2 },
      after: expect.objectContaining({ duration: 1.5 }) as object,
      saved: 0.5,
      estimated_steps: 2,
    });
    expect(await planned({ durations: { b: 3 } })).toMatchObject({ saved: -2 });
    const without = [{ step_id: "b", depends_on: "a" }];
    expect(await planned({ without })).toMatchObject({ after: { duration: 1, workers: 2 }, saved: 1 });
    expect(await planned({ without, workers: 2, new_workers: 1 })).toMatchObject({ after: { duration: 2 } });
    expect((await planned({}))["error"]).toContain(
      "at least one of new_workers, durations, factors and without",
    );
    expect((await planned({ factors: { c: 1 } }))["error"]).toContain('factors is "c"');
    await system.cancel("planned", { force: true });
  });
});

it("what a workflow tool changes or reads it says in its hints", () => {
  const reads = ["workflow_status", "workflow_list", "workflow_dependencies", "run_history", "run_what_if"];
  for (const name of reads) expect(toolNamed(name).hints).toMatchObject({ readOnlyHint: true });
  expect(toolNamed("workflow_cancel").hints).toMatchObject({ readOnlyHint: false, destructiveHint: true });
  expect(inputSchemaOf(toolNamed("workflow_cancel"))).toMatchObject({ required: ["workflow_id"] });
});
