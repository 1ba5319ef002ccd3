import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import {
  LIMITS,
  Reference,
  fault,
  openSystem,
  type RunEvent,
  type System,
  type SystemOptions,
} from "../../src/index.ts";
import type { Wire } from "../../src/schema/index.ts";
import { openInline } from "../kit/inline-system.ts";
import { failOnLeaks } from "../kit/leak-check.ts";
import { STEPS, linesOf, temporaryDirectory } from "./kit/directory.ts";

const DRILL = join(import.meta.dirname, "../cli/modules/drill.tasks.ts");

interface KitOptions {
  readonly tasks?: string[];
  readonly durable?: boolean;
  readonly heapMb?: number;
  /** Default: in one thread, which is enough for whatever does not speak of messages or deaths. */
  readonly open?: (options: SystemOptions) => Promise<System>;
}

/** A system in a directory of its own, and a way to write and await the files that its handlers look at. */
async function openKit(options: KitOptions = {}) {
  const directory = temporaryDirectory();
  const { tasks = [STEPS], durable = true, open = openInline, ...limits } = options;
  const data = durable ? join(directory, "data") : null;
  const system = await open({ data, tasks, threads: 2, roots: [directory], graceMs: 100, ...limits });
  return {
    directory,
    system,
    lines: () => linesOf(join(directory, "log")),
    put: (name: string) => writeFileSync(join(directory, name), ""),
    /** A step that waits for the file of its name. */
    waiting: (stepId: string, ...dependsOn: string[]) => ({
      stepId,
      action: "wait_for",
      inputs: { log: "log", line: stepId, file: stepId },
      dependsOn,
    }),
    [Symbol.asyncDispose]: () => system.close(),
  };
}

const isRunning =
  (stepId: string) =>
  (event: RunEvent): boolean =>
    event.step?.stepId === stepId && event.step.state === "running";

/** Resolves when a step of the run has been seen running. */
async function untilRunning(system: System, workflowId: string, stepId: string): Promise<void> {
  for await (const event of system.watch(workflowId)) if (isRunning(stepId)(event)) return;
}

describe("a run", () => {
  failOnLeaks();

  it("tells its submission once, then every step in the order of its life, then its end", async () => {
    await using kit = await openKit({ open: openSystem });
    const events: RunEvent[] = [];
    const submitted: string[] = [];
    const note = (stepId: string, ...dependsOn: string[]) => ({
      stepId,
      action: "note",
      inputs: { log: "log", line: stepId },
      dependsOn,
    });
    const { status } = await kit.system.run(
      { workflowId: "w", steps: [note("a"), note("b", "a"), note("c", "a"), note("d", "b", "c")] },
      {
        onSubmitted: ({ workflowId }) => void submitted.push(workflowId),
        onEvent: (event) => void events.push(event),
      },
    );
    expect(status.state).toBe("completed");
    expect(submitted).toEqual(["w"]);
    expect(kit.lines().toSorted((a, b) => a.localeCompare(b))).toEqual(["a", "b", "c", "d"]);
    const ends = events.filter(({ step }) => step?.state === "completed").map(({ step }) => step?.stepId);
    expect(new Set(ends)).toEqual(new Set(["a", "b", "c", "d"]));
    expect([ends[0], ends[3]]).toEqual(["a", "d"]);
    expect(events.at(-1)).toMatchObject({ step: null, state: "completed", progress: 1 });
    const progress = events.map((event) => event.progress);
    expect(progress).toEqual(progress.toSorted((one, other) => one - other));
  });

  it("is found again by its id, with the same definition; another one is refused", async () => {
    await using kit = await openKit({ durable: false });
    const { system } = kit;
    const steps = [{ stepId: "a", action: "echo", inputs: { n: 1 } }];
    await system.run({ workflowId: "w", steps });
    expect((await system.submit({ workflowId: "w", steps })).state).toBe("completed");
    await expect(
      system.submit({ workflowId: "w", steps: [{ stepId: "a", action: "echo", inputs: { n: 2 } }] }),
    ).rejects.toMatchObject({ code: "ALREADY_EXISTS" });
    expect(await system.list({ limit: 10 })).toMatchObject({ total: 1, runs: [{ workflowId: "w" }] });
    const events = [];
    for await (const event of system.watch("w")) events.push(event);
    expect(events.map(({ step, state }) => [step?.stepId, state])).toEqual([
      ["a", "completed"],
      [undefined, "completed"],
    ]);
    const actions = (await system.actions()).map(({ name }) => name);
    expect(actions).toEqual(expect.arrayContaining(["echo", "note", "wait_for"]));
  });

  it("is told of beside hundreds of others at once, over the one subscription that all of them share", async () => {
    await using kit = await openKit({ durable: false, tasks: [], open: openSystem });
    const count = LIMITS.actor.subscriptions + 44;
    const ends: string[] = [];
    const runs = Array.from({ length: count }, async (_, index) => {
      const workflowId = `w${index}`;
      const { status, outputs } = await kit.system.run(
        { workflowId, steps: [{ stepId: "a", action: "echo", inputs: { index } }] },
        {
          onEvent: (event) => {
            expect(event.workflowId).toBe(workflowId);
            if (event.step === null && event.state === "completed") ends.push(event.workflowId);
          },
        },
      );
      expect(status.state).toBe("completed");
      expect(outputs).toEqual({ a: { index } });
    });
    await Promise.all(runs);
    expect(new Set(ends).size).toBe(count);
    expect(ends).toHaveLength(count);
  });

  it("is listed by its state and by all of its tags", async () => {
    await using kit = await openKit({ durable: false, tasks: [] });
    const { system } = kit;
    const step = (action: string) => [{ stepId: "a", action }];
    await system.run({ workflowId: "good", steps: step("echo"), tags: ["x", "y"] });
    await system.run({ workflowId: "bad", steps: step("fail"), tags: ["x"] });
    const listed = async (...[filter]: Parameters<System["list"]>): Promise<unknown> => {
      const { runs, total } = await system.list(filter);
      expect(total).toBe(runs.length);
      return runs.map(({ workflowId }) => workflowId);
    };
    expect(await listed()).toEqual(["good", "bad"]);
    expect(await listed({ states: ["failed"] })).toEqual(["bad"]);
    expect(await listed({ tags: ["x"] })).toEqual(["good", "bad"]);
    expect(await listed({ tags: ["x", "y"], states: ["completed", "failed"] })).toEqual(["good"]);
    expect(await listed({ states: ["running"] })).toEqual([]);
  });

  it("gives the same outputs to whoever only waits for its end, whatever they are", async () => {
    await using kit = await openKit({ tasks: [] });
    const echo = (stepId: string, inputs: Record<string, Wire>, more: object = {}) => ({
      stepId,
      action: "echo",
      inputs,
      ...more,
    });
    const items = [1, 2, 3];
    const runs = {
      small: [echo("a", { n: 1 }), echo("b", { of: "${{ steps.a.output.n }}" }, { dependsOn: ["a"] })],
      large: [echo("a", { text: "x".repeat(LIMITS.workflow.endBytes) })],
      fanned: [echo("a", { item: "${{ item }}" }, { forEach: { items } })],
      many: Array.from({ length: LIMITS.workflow.endSteps + 1 }, (_, n) => echo(`s${n}`, { n })),
      none: [echo("a", {}, { when: "false" })],
    };
    for (const [workflowId, steps] of Object.entries(runs)) {
      const { status, outputs } = await kit.system.run({ workflowId, steps });
      expect(status.state).toBe("completed");
      expect({ status, outputs }).toEqual(await kit.system.result(workflowId));
      const heard = await kit.system.run({ workflowId: `${workflowId} again`, steps }, { onEvent: () => {} });
      expect(outputs).toEqual(heard.outputs);
    }
  });

  it("of more steps than may be is refused before anything is sent, and the sentence of a long id says so", async () => {
    await using kit = await openKit({ durable: false, tasks: [] });
    const { steps: stepsMax, idChars } = LIMITS.workflow;
    const step = { stepId: "a", action: "echo" };
    const many = Array.from({ length: stepsMax + 1 }, () => step);
    await expect(kit.system.submit({ workflowId: "w", steps: many })).rejects.toMatchObject({
      details: { problems: [`it has ${stepsMax + 1} steps; at most ${stepsMax} are allowed`] },
    });
    await expect(kit.system.submit({ workflowId: "x".repeat(100_000), steps: [step] })).rejects.toThrow(
      `the workflow id needs 1 to ${idChars} characters`,
    );
    expect(await kit.system.list()).toEqual({ runs: [], total: 0 });
  });

  it("that is not there is not found, watched or waited for", async () => {
    await using kit = await openKit({ durable: false, tasks: [] });
    const { system } = kit;
    const gone = { code: "WORKFLOW_NOT_FOUND" };
    await expect(system.status("w")).rejects.toMatchObject(gone);
    await expect(system.result("w")).rejects.toMatchObject(gone);
    await expect(system.cancel("w")).rejects.toMatchObject(gone);
    await expect(system.watch("w").next()).rejects.toMatchObject(gone);
  });

  it("keeps a large output as a reference that the system loads, also in part", async () => {
    await using kit = await openKit();
    const { outputs } = await kit.system.run({
      workflowId: "w",
      steps: [
        { stepId: "a", action: "large" },
        {
          stepId: "b",
          action: "echo",
          inputs: { name: "${{ steps.a.output.rows[1].name }}" },
          dependsOn: ["a"],
        },
      ],
    });
    const reference = outputs["a"] as Reference;
    expect(reference).toBeInstanceOf(Reference);
    expect(outputs["b"]).toEqual({ name: "second" });
    expect(await kit.system.load(reference.at("rows", 0, "name"))).toBe("first");
    expect(await kit.system.load(reference.at("rows", 7, "name"))).toBeUndefined();
    await using other = await openKit({ durable: false });
    await expect(other.system.load(reference)).rejects.toMatchObject({ code: "BLOB_MISSING" });
  });

  it.each([
    ["throws", "HANDLER_FAILED", 5_000],
    ["loops", "HANDLER_TIMEOUT", 200],
    ["exits", "HANDLER_EXITED", 5_000],
    ["growsArray", "HANDLER_OUT_OF_MEMORY", 60_000],
    ["growsBuffers", "HANDLER_OUT_OF_MEMORY", 60_000],
  ])("fails with one reason when a handler %s, and its neighbours go on", async (action, code, timeoutMs) => {
    await using kit = await openKit({ durable: false, tasks: [DRILL], heapMb: 32 });
    const { status, outputs } = await kit.system.run({
      workflowId: "w",
      steps: [
        { stepId: "bad", action, timeoutMs },
        { stepId: "good", action: "echo", inputs: { n: 1 } },
        { stepId: "after", action: "echo", dependsOn: ["bad"] },
      ],
    });
    expect(status.state).toBe("failed");
    expect(status.error).toMatchObject({ code: "WORKFLOW_FAILED", details: { step: "bad" } });
    expect(status.steps.map(({ state }) => state)).toEqual(["failed", "completed", "skipped"]);
    expect(status.steps[0]?.error?.code).toBe(code);
    expect(outputs).toEqual({ good: { n: 1 } });
    expect((await kit.system.health()).healthy).toBe(true);
  });
});

describe("a run that was in vain", () => {
  failOnLeaks();

  it("is undone in reverse before it ends, each step with what it had returned", async () => {
    await using kit = await openKit({ tasks: [STEPS, DRILL] });
    const noted = (stepId: string, ...dependsOn: string[]) => ({
      stepId,
      action: "note",
      inputs: { log: "log", line: stepId },
      dependsOn,
      compensate: { action: "note", inputs: { log: "log", line: `not \${{ steps.${stepId}.output }}` } },
    });
    const steps = [
      noted("book"),
      noted("pay", "book"),
      { stepId: "send", action: "throws", dependsOn: ["pay"] },
    ];
    const events: RunEvent[] = [];
    const { status } = await kit.system.run(
      { workflowId: "w", steps },
      { onEvent: (event) => void events.push(event) },
    );
    const ends = events.filter(({ step }) => step?.compensation === "completed");
    expect(ends.map(({ step }) => step?.stepId)).toEqual(["pay", "book"]);
    expect(kit.lines()).toEqual(["book", "pay", "not pay", "not book"]);
    expect(status).toMatchObject({ state: "failed", error: { code: "WORKFLOW_FAILED" } });
    expect(status.steps.map(({ state, compensation }) => [state, compensation])).toEqual([
      ["completed", "completed"],
      ["completed", "completed"],
      ["failed", null],
    ]);
  });
});

describe("a run that is withdrawn", () => {
  failOnLeaks();

  it("before it begins never happens", async () => {
    await using kit = await openKit({ durable: false, tasks: [] });
    const signal = AbortSignal.abort(new Error("changed my mind"));
    const run = kit.system.run({ workflowId: "w", steps: [{ stepId: "a", action: "echo" }] }, { signal });
    await expect(run).rejects.toMatchObject({
      code: "CANCELLED",
      message: expect.stringMatching(/changed my mind$/) as string,
    });
    await expect(kit.system.status("w")).rejects.toMatchObject({ code: "WORKFLOW_NOT_FOUND" });
  });

  it("while a step runs has run that step's finally when it returns, and says why it was cancelled", async () => {
    await using kit = await openKit();
    const controller = new AbortController();
    const { status } = await kit.system.run(
      { workflowId: "w", steps: [kit.waiting("a"), kit.waiting("b", "a")] },
      {
        signal: controller.signal,
        onEvent(event) {
          if (isRunning("a")(event))
            controller.abort(fault("CANCELLED", { what: "it", reason: "seen running" }));
        },
      },
    );
    expect(status).toMatchObject({ state: "cancelled", error: { code: "CANCELLED" } });
    expect(status.error?.message).toMatch(/seen running$/);
    expect(status.steps.map(({ state }) => state)).toEqual(["cancelled", "cancelled"]);
    // A handler that had not yet begun has nothing to leave.
    expect([[], ["a begins", "a is left"]]).toContainEqual(kit.lines());
  });

  it("in the instant of its submission is cancelled all the same", async () => {
    await using kit = await openKit({ durable: false, tasks: [] });
    const controller = new AbortController();
    const steps = [{ stepId: "a", action: "sleep", inputs: { ms: 3_600_000 } }];
    const run = kit.system.run({ workflowId: "w", steps }, { signal: controller.signal });
    controller.abort();
    expect((await run).status.state).toBe("cancelled");
  });

  it("while its submission is stuck in a module that never loads is given up", async () => {
    await using kit = await openKit({ tasks: [join(import.meta.dirname, "modules/never-loads.ts")] });
    const controller = new AbortController();
    const workflow = { workflowId: "w", steps: [{ stepId: "a", action: "never" }] };
    const run = kit.system.run(workflow, { signal: controller.signal });
    controller.abort("enough");
    await expect(run).rejects.toMatchObject({
      code: "CANCELLED",
      details: { reason: "the caller withdrew it" },
    });
  });

  it("ends the loop of whoever watches it when that one leaves, and goes on itself", async () => {
    await using kit = await openKit();
    await kit.system.submit({ workflowId: "w", steps: [kit.waiting("a")] });
    const controller = new AbortController();
    const events: RunEvent[] = [];
    for await (const event of kit.system.watch("w", controller.signal)) {
      events.push(event);
      if (isRunning("a")(event)) controller.abort();
    }
    expect(events.at(-1)?.step?.state).toBe("running");
    expect((await kit.system.status("w")).state).toBe("running");
    kit.put("a");
    for await (const event of kit.system.watch("w")) events.push(event);
    expect(events.at(-1)).toMatchObject({ step: null, state: "completed" });
  });

  it("with force does not wait for handlers that do not listen", async () => {
    await using kit = await openKit({ tasks: [DRILL] });
    await kit.system.submit({ workflowId: "w", steps: [{ stepId: "a", action: "loops" }] });
    await untilRunning(kit.system, "w", "a");
    const { state, error } = await kit.system.cancel("w", { force: true, reason: "no patience" });
    expect(state).toBe("cancelled");
    expect(error?.message).toMatch(/no patience/);
    expect((await kit.system.cancel("w")).state).toBe("cancelled");
  });
});

describe("a run under fire", () => {
  failOnLeaks();

  it("tells each step's end once, and its own end, when the scheduler is killed in the middle", async () => {
    await using kit = await openKit({ open: openSystem });
    const events: RunEvent[] = [];
    let killing: Promise<void> | undefined;
    const { status } = await kit.system.run(
      { workflowId: "w", steps: [kit.waiting("a"), kit.waiting("b", "a"), kit.waiting("c", "b")] },
      {
        onEvent(event) {
          events.push(event);
          if (isRunning("a")(event)) kit.put("a");
          if (isRunning("b")(event)) {
            killing ??= kit.system.kill("scheduler").then(() => kit.put("b"));
            kit.put("c");
          }
        },
      },
    );
    await killing;
    expect(status.state).toBe("completed");
    const ends = events.filter(({ step }) => step?.state === "completed").map(({ step }) => step?.stepId);
    expect(ends).toEqual(["a", "b", "c"]);
    expect(events.at(-1)).toMatchObject({ step: null, state: "completed" });
    expect(kit.lines().filter((line) => line.endsWith("begins"))).toEqual([
      "a begins",
      "b begins",
      "c begins",
    ]);
  });

  it("is not harmed by a death of the queue: what was under way is run again, what had ended is not", async () => {
    await using kit = await openKit({ open: openSystem });
    let killing: Promise<void> | undefined;
    kit.put("a");
    const { status } = await kit.system.run(
      { workflowId: "w", steps: [kit.waiting("a"), kit.waiting("b", "a")] },
      {
        onEvent(event) {
          if (isRunning("b")(event)) killing ??= kit.system.kill("queue").then(() => kit.put("b"));
        },
      },
    );
    await killing;
    expect(status.state).toBe("completed");
    expect(kit.lines().filter((line) => line === "a begins")).toHaveLength(1);
    expect((await kit.system.health()).actors.find(({ name }) => name === "queue")?.epoch).toBe(2);
  });
});

it("a run reports the progress of its steps on the way", async () => {
  await using kit = await openKit();
  const seen: number[] = [];
  await kit.system.run(
    { workflowId: "w", steps: [{ stepId: "a", action: "reports" }] },
    { onEvent: ({ step }) => void (step && seen.push(step.progress)) },
  );
  expect(seen).toContain(0.75);
  expect(existsSync(join(kit.directory, "reported"))).toBe(true);
  expect(readFileSync(join(kit.directory, "reported"), "utf8")).toBe("");
});
