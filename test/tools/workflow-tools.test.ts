import { describe, expect, it } from "vitest";
import { Reference } from "../../src/codec/index.ts";
import { LIMITS, fault } from "../../src/errors/index.ts";
import type { RunOutcome, System } from "../../src/system/index.ts";
import { TOOLS, callTool, inputSchemaOf, type Tool } from "../../src/tools/index.ts";
import type { RunStatus, StepStatus } from "../../src/workflow/workflow.protocol.ts";

const START_MS = Date.UTC(2026, 0, 2, 3, 4, 5, 678);
const tool = (name: string): Tool => {
  const found = TOOLS.find((each) => each.name === name);
  if (!found) throw new Error(`there is no tool ${name}`);
  return found;
};

/** Calls a tool of a system that has only what the test gives it. */
const call = (name: string, args: unknown, system: Partial<System> = {}) =>
  callTool(tool(name), args, { open: async () => system as System, signal: new AbortController().signal });

const step = (stepId: string, rest: Partial<StepStatus> = {}): StepStatus => ({
  stepId,
  action: "echo",
  dependsOn: [],
  state: "completed",
  cached: false,
  reused: false,
  compensation: null,
  workerId: null,
  items: null,
  progress: 1,
  attempt: 1,
  startedAtMs: START_MS,
  endedAtMs: START_MS + 250,
  error: null,
  ...rest,
});

const run = (rest: Partial<RunStatus> = {}): RunStatus => ({
  workflowId: "w",
  name: "W",
  state: "completed",
  progress: 1,
  stepsTotal: 1,
  stepsEnded: 1,
  tags: [],
  origin: null,
  submittedAtMs: START_MS - 5,
  startedAtMs: START_MS,
  endedAtMs: START_MS + 1_500,
  deadlineMs: null,
  waitsFor: [],
  workerIds: ["local"],
  handlersChanged: [],
  error: null,
  steps: [step("a")],
  ...rest,
});

const resultOf = (status: RunStatus, outputs: RunOutcome["outputs"]): Partial<System> => ({
  result: async () => ({ status, outputs }),
});

describe("the tools of workflows", () => {
  it.each([
    [
      "workflow_submit",
      { priority: 1, tags: [], dependencies: [], metadata: {}, on_failure: "skip_dependents" },
    ],
    ["workflow_status", { include_steps: true, include_metrics: false }],
    ["workflow_cancel", { force: false }],
    ["workflow_list", { limit: 50, offset: 0 }],
    ["workflow_result", { include_outputs: true, include_logs: false }],
    ["run_history", { limit: 100, offset: 0 }],
    ["template_list", { limit: 100, offset: 0 }],
    ["template_show", { version: "latest" }],
    ["template_run", { version: "latest", parameters: {}, priority: 1 }],
    ["cache_clear", { confirm: false }],
  ])("tell the defaults of %s", (name, defaults) => {
    const { properties } = inputSchemaOf(tool(name)) as { properties: Record<string, { default?: unknown }> };
    for (const [key, value] of Object.entries(defaults)) expect(properties[key]?.default, key).toEqual(value);
  });
});

describe("every tool", () => {
  it.each(TOOLS.map((each) => [each.name, each] as const))(
    "%s tells a client all that it may assume",
    (_, each) => {
      expect(each.name).toMatch(/^[a-z][a-z0-9_]{0,39}$/);
      expect(each.title.length).toBeGreaterThan(0);
      expect(each.description.length).toBeGreaterThan(40);
      expect(Object.keys(each.hints).toSorted()).toEqual([
        "destructiveHint",
        "idempotentHint",
        "openWorldHint",
        "readOnlyHint",
      ]);
      const schema = inputSchemaOf(each);
      expect(schema).toMatchObject({ type: "object", additionalProperties: false });
      expect(Object.keys(schema)).not.toContain("$schema");
      expect(JSON.stringify(schema).length).toBeLessThan(5_000);
      expect(each.metadata.category).not.toBe("general");
      expect(each.metadata.timeoutMs).toBeGreaterThan(0);
      expect(each.hints.readOnlyHint && each.hints.destructiveHint).toBe(false);
    },
  );

  it("answers a failure with its code, whether to try again, and the id it is about", async () => {
    const unavailable = fault("UNAVAILABLE", { what: "the scheduler", why: "it is being drained" });
    const status = (): Promise<never> => Promise.reject(unavailable);
    expect(await call("workflow_status", { workflow_id: "w" }, { status })).toEqual({
      success: false,
      error: unavailable.message,
      code: "UNAVAILABLE",
      retryable: true,
      workflow_id: "w",
    });
    const broken = (): Promise<never> => Promise.reject(new TypeError("x is not a function"));
    const defect = await call("workflow_status", { workflow_id: "w" }, { status: broken });
    expect(defect).toMatchObject({ success: false, code: "DEFECT", retryable: false });
    expect(JSON.stringify(defect)).not.toContain("    at ");
  });

  it("checks its arguments before a system is opened, and echoes only an id that is a text", async () => {
    const signal = new AbortController().signal;
    const open = (): Promise<never> => Promise.reject(new Error("opened"));
    const refused = (args: unknown) => callTool(tool("workflow_status"), args, { open, signal });
    for (const args of [undefined, null, [], 7, { workflow_id: 7 }, { workflow_id: "" }]) {
      expect(await refused(args)).toMatchObject({ success: false, code: "INPUT_INVALID", retryable: false });
    }
    expect(await refused({ workflow_id: 7 })).not.toHaveProperty("workflow_id");
    const long = "x".repeat(LIMITS.workflow.idChars);
    expect(await refused({ workflow_id: long })).toMatchObject({ error: "opened" });
    expect(await refused({ workflow_id: `${long}x` })).toMatchObject({ code: "INPUT_INVALID" });
  });
});

describe("workflow_submit", () => {
  const steps = [{ step_id: "a", action: "echo" }];

  it("hands the workflow on with its defaults, and answers with the state it has", async () => {
    const submitted: unknown[] = [];
    const submit: System["submit"] = async (workflow) => {
      submitted.push(workflow);
      return { ...run({ state: "submitted" }), replayed: false };
    };
    expect(await call("workflow_submit", { workflow_id: "w", name: "W", steps }, { submit })).toEqual({
      success: true,
      workflow_id: "w",
      status: "submitted",
      peer_assigned: "local",
      estimated_start_time: null,
      replayed: false,
      message: "1 step on disk; workflow_status tells how far the run is",
    });
    expect(submitted).toMatchObject([
      { workflowId: "w", name: "W", priority: 1, onFailure: "skip_dependents", tags: [], metadata: {} },
    ]);
  });

  it("says where a run is that was there already", async () => {
    const there = run({ state: "running", workerIds: ["local", "peer:12D3P"] });
    const submit: System["submit"] = async () => ({ ...there, replayed: true });
    const answer = await call("workflow_submit", { workflow_id: "w", name: "W", steps }, { submit });
    expect(answer).toMatchObject({ peer_assigned: "12D3P", replayed: true });
  });

  it("names each wrong argument, what it is and what is allowed, all at once", async () => {
    const { error } = await call("workflow_submit", {
      workflow_id: "w",
      name: "W",
      steps: [{ step_id: "a", action: "echo", depends_on: "b" }],
      priority: 1_000_001,
      tag: ["x"],
    });
    expect(error).toContain('steps[0].depends_on is "b"; allowed is an array');
    expect(error).toContain("priority is 1000001; allowed is at most 1000000");
    expect(error).toContain('unknown key "tag" (did you mean "tags"?)');
  });
});

describe("workflow_status", () => {
  it("tells where each step ran: a peer by its id, and this machine whatever worker of it had the step", async () => {
    const workers = [null, "local", "gpu", "peer:12D3P"];
    const steps = workers.map((workerId, at) => step(`s${at}`, { workerId }));
    const placed = async (workerIds: string[]) =>
      call("workflow_status", { workflow_id: "w" }, { status: async () => run({ steps, workerIds }) });
    const answer = await placed(["local", "peer:12D3P"]);
    const told = (answer["steps"] as { peer_id: string | null }[]).map((each) => each.peer_id);
    expect([answer["peer_id"], ...told]).toEqual(["12D3P", null, "local", "local", "12D3P"]);
    expect(await placed(["peer:12D3P", "gpu"])).toMatchObject({ peer_id: "local" });
    expect(await placed([])).toMatchObject({ peer_id: "local" });
  });

  it("tells percent, the step that runs, and times in ISO-8601", async () => {
    const running = step("b", { state: "running", endedAtMs: null, progress: 0.3 });
    const status = run({
      state: "running",
      progress: 1 / 3,
      endedAtMs: null,
      steps: [step("a", { cached: true }), running],
    });
    const system = { status: async () => status };
    expect(await call("workflow_status", { workflow_id: "w", include_metrics: true }, system)).toEqual({
      success: true,
      workflow_id: "w",
      name: "W",
      status: "running",
      progress: 33.33,
      total_steps: 1,
      ended_steps: 1,
      current_step: "b",
      peer_id: "local",
      tags: [],
      origin: null,
      waits_for: [],
      handlers_changed: [],
      submitted_time: "2026-01-02T03:04:05.673Z",
      deadline: null,
      start_time: "2026-01-02T03:04:05.678Z",
      end_time: null,
      failure: null,
      failure_code: null,
      steps: [
        expect.objectContaining({
          step_id: "a",
          status: "completed",
          cached: true,
          execution_time: 0.25,
          error: null,
        }),
        expect.objectContaining({ step_id: "b", status: "running", end_time: null, execution_time: null }),
      ],
      metrics: {
        total_steps: 2,
        completed_steps: 1,
        failed_steps: 0,
        skipped_steps: 0,
        cancelled_steps: 0,
        running_steps: 1,
        cached_steps: 1,
        reused_steps: 0,
        attempts: 2,
        execution_time: null,
      },
    });
    const short = await call("workflow_status", { workflow_id: "w", include_steps: false }, system);
    expect(Object.keys(short)).not.toContain("steps");
    expect(Object.keys(short)).not.toContain("metrics");
  });
});

describe("workflow_result", () => {
  it("is the output of the one last step, and of several by step", async () => {
    const chain = run({ steps: [step("a"), step("b", { dependsOn: ["a"] })] });
    const outputs = { a: 1, b: 2 };
    expect(await call("workflow_result", { workflow_id: "w" }, resultOf(chain, outputs))).toEqual({
      success: true,
      workflow_id: "w",
      status: "completed",
      result: 2,
      failure: null,
      failure_code: null,
      execution_time: 1.5,
      outputs: [
        { step_id: "a", output: 1 },
        { step_id: "b", output: 2 },
      ],
    });
    const apart = run({ steps: [step("a"), step("b")] });
    const answer = await call(
      "workflow_result",
      { workflow_id: "w", include_outputs: false },
      resultOf(apart, outputs),
    );
    expect(answer["result"]).toEqual({ a: 1, b: 2 });
    expect(answer).not.toHaveProperty("outputs");
  });

  it("of a failed workflow is null, with the reason and what had been completed", async () => {
    const error = { code: "WORKFLOW_FAILED", message: 'step "b" failed: no luck', details: {} } as const;
    const steps = [step("a"), step("b", { state: "failed", dependsOn: ["a"], attempt: 3, error })];
    const failed = run({ state: "failed", error, steps });
    const answer = await call(
      "workflow_result",
      { workflow_id: "w", include_logs: true },
      resultOf(failed, { a: 1 }),
    );
    expect(answer).toMatchObject({
      success: true,
      status: "failed",
      result: null,
      failure: 'step "b" failed: no luck',
      outputs: [{ step_id: "a", output: 1 }],
    });
  });

  it("has on record when each step began and how it ended, in the order of time", async () => {
    const error = { code: "CANCELLED", message: "it was cancelled", details: {} } as const;
    const steps = [
      step("late", { startedAtMs: START_MS + 300, endedAtMs: START_MS + 400, attempt: 2 }),
      step("first"),
      step("kept", { cached: true, startedAtMs: null, endedAtMs: START_MS + 1 }),
      step("never", { state: "skipped", startedAtMs: null, endedAtMs: null, error }),
      step("bad", { state: "failed", startedAtMs: START_MS + 2, endedAtMs: START_MS + 3, error }),
    ];
    const { logs } = await call(
      "workflow_result",
      { workflow_id: "w", include_logs: true },
      resultOf(run({ steps }), {}),
    );
    const lines = (logs as Record<string, string>[]).map(
      ({ step_id, level, message }) => `${step_id} ${level} ${message}`,
    );
    expect(lines).toEqual([
      "first info started",
      "kept info completed, from the cache",
      "bad info started",
      "bad error failed: it was cancelled",
      "first info completed",
      "late info started 2 times",
      "late info completed",
      "never warn skipped: it was cancelled",
    ]);
    expect(logs).toMatchObject([
      { time: "2026-01-02T03:04:05.678Z" },
      {},
      {},
      {},
      {},
      {},
      {},
      { time: null },
    ]);
  });

  it("puts what JSON cannot say into words", async () => {
    const outputs = {
      a: { big: 2n ** 60n, bytes: Uint8Array.of(1, 2), at: new Date(START_MS), ref: new Reference("ab", 9) },
    };
    const answer = await call("workflow_result", { workflow_id: "w" }, resultOf(run(), outputs));
    expect(answer["result"]).toEqual({
      big: "1152921504606846976",
      bytes: { base64: "AQI=" },
      at: "2026-01-02T03:04:05.678Z",
      ref: { reference: "ab", sizeBytes: 9 },
    });
  });
});
