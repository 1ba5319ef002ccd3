import { join } from "node:path";
import { describe, expect, it } from "vitest";
import type { System } from "../../src/index.ts";
import { createLog, parseTraceparent } from "../../src/telemetry/index.ts";
import { systemClock } from "../../src/scope/index.ts";
import { openInline, inlined } from "../kit/inline-system.ts";
import { openSystem } from "../../src/index.ts";
import { failOnLeaks } from "../kit/leak-check.ts";
import { temporaryDirectory } from "./kit/directory.ts";

const TRACED = join(import.meta.dirname, "modules", "traced.tasks.ts");
const TRACE_ID = "4bf92f3577b34da6a3ce929d0e0e4736";
const SPAN_ID = "00f067aa0ba902b7";
const CALLERS = `00-${TRACE_ID}-${SPAN_ID}-01`;
const traceparent = CALLERS;

const open = (data: string | null, options: { attach?: boolean } = {}): Promise<System> =>
  openInline({ data, threads: 1, graceMs: 0, tasks: [TRACED], ...options });

const traceOf = (told: unknown) => parseTraceparent(String(told));

describe("the trace of whoever submits", () => {
  failOnLeaks();

  it("reaches the handler of a task, which has a span of its own", async () => {
    await using system = await open(null);
    const told = await system.tasks.run({ action: "traced", traceparent });
    expect(traceOf(told)).toMatchObject({ traceId: TRACE_ID, flags: 1 });
    expect(traceOf(told)?.spanId).not.toBe(SPAN_ID);
    expect(await system.tasks.run({ action: "traced" })).toBeNull();
    expect(await system.tasks.run({ action: "traced", traceparent: "nonsense" })).toBeNull();
    expect(await system.tasks.run({ action: "traced", traceparent: 7 as unknown as string })).toBeNull();
  });

  it("reaches every step of a workflow, and each of its items, on whichever thread they run", async () => {
    await using system = await open(null);
    const steps = [
      { stepId: "a", action: "traced" },
      { stepId: "b", action: "traced", dependsOn: ["a"], forEach: { items: [1, 2] } },
    ];
    const { outputs } = await system.run({ workflowId: "w", steps, traceparent });
    const told = [outputs["a"], ...(outputs["b"] as unknown[])];
    expect(told.map((each) => traceOf(each)?.traceId)).toEqual([TRACE_ID, TRACE_ID, TRACE_ID]);
    expect(new Set([CALLERS, ...told]).size).toBe(4);
    expect((await system.run({ workflowId: "w2", steps })).outputs).toEqual({ a: null, b: [null, null] });
  });

  it("outlives the process that took the work in, and reaches it through a guest", async () => {
    const data = join(temporaryDirectory(), "data");
    {
      await using owner = await open(data, { attach: true });
      await using guest = await open(data, { attach: true });
      expect(guest.role).toBe("guest");
      await owner.tasks.pause();
      await guest.tasks.submit({ id: "t", action: "traced", traceparent });
      await guest.submit({ workflowId: "w", steps: [{ stepId: "a", action: "traced" }], traceparent });
    }
    await using system = await open(data, { attach: true });
    await system.tasks.resume();
    const { output } = await system.tasks.wait("t");
    const run = await system.run({ workflowId: "w", steps: [{ stepId: "a", action: "traced" }] });
    expect([output, run.outputs["a"]].map((each) => traceOf(each)?.traceId)).toEqual([TRACE_ID, TRACE_ID]);
  });

  it("reaches a worker in a process of one's own", async () => {
    await using system = await open(null);
    const stop = new AbortController();
    const heard: unknown[] = [];
    const handlers = {
      render: (_: unknown, { traceparent: told }: { traceparent: unknown }) => void heard.push(told),
    };
    const working = system.tasks.work({ workerId: "w", handlers, signal: stop.signal });
    await expect.poll(async () => (await system.tasks.workers.list()).length).toBe(2);
    await system.tasks.run({ action: "render", traceparent });
    await system.tasks.run({ action: "render" });
    stop.abort();
    await working;
    expect(heard.map((each) => each && traceOf(each)?.traceId)).toEqual([TRACE_ID, undefined]);
  });

  it("is in the log of the system beside what handlers log, with the span of the attempt", async () => {
    const lines: Record<string, unknown>[] = [];
    const sink = (line: string): void => void lines.push(JSON.parse(line) as Record<string, unknown>);
    const { simulation, ...options } = inlined({ data: null, threads: 1, graceMs: 0, tasks: [TRACED] });
    const log = createLog({ component: "test", clock: systemClock, sink });
    await using system = await openSystem({ ...options, simulation: { ...simulation!, log } });
    const told = await system.tasks.run({ id: "t", action: "traced", traceparent });
    await expect
      .poll(() => lines.filter(({ message }) => message === "traced"))
      .toMatchObject([{ task: "t", trace: TRACE_ID, span: traceOf(told)?.spanId }]);
  });
});
