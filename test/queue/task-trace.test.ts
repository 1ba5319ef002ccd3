import { describe, expect, it } from "vitest";
import { packValue } from "../../src/codec/index.ts";
import type { TaskSpec } from "../../src/queue/queue.protocol.ts";
import { parseTraceparent } from "../../src/telemetry/index.ts";
import { fakeMessage } from "../kit/actor-context.ts";
import { completed, failedWith, openKit, specOf, temporaryDirectory, type QueueKit } from "./queue-kit.ts";

const TRACE_ID = "4bf92f3577b34da6a3ce929d0e0e4736";
const SPAN_ID = "00f067aa0ba902b7";
const CALLERS = `00-${TRACE_ID}-${SPAN_ID}-01`;
const OTHER = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-00";

const traceIdOf = (traceparent: string | undefined): string | undefined =>
  parseTraceparent(traceparent ?? "")?.traceId;

/** What each attempt that was started was told. */
const told = (kit: QueueKit): (string | undefined)[] =>
  kit.pool.started.map(({ traceparent }) => traceparent);

const submitted = async (kit: QueueKit, spec: Partial<TaskSpec> & { taskId: string }) => {
  const { tasks } = await kit.answer(kit.queue.submit({ tasks: [specOf(spec)] }, fakeMessage()));
  return tasks[0];
};

describe("a task that is submitted with a trace", () => {
  it("has attempts that are part of that trace, each with a span of its own", async () => {
    const kit = await openKit();
    const backoff = { shape: "none" } as const;
    await kit.submit({ taskId: "a", traceparent: CALLERS, attempts: 2, backoff });
    await kit.end("a", failedWith("boom"));
    await kit.end("a");
    expect(told(kit).map(traceIdOf)).toEqual([TRACE_ID, TRACE_ID]);
    const spans = told(kit).map((traceparent) => parseTraceparent(traceparent ?? "")?.spanId);
    expect(new Set([SPAN_ID, ...spans]).size).toBe(3);
    expect(told(kit).map((traceparent) => traceparent?.slice(-3))).toEqual(["-01", "-01"]);
  });

  it("is still part of it in another life, and after many tasks that are not", async () => {
    const directory = temporaryDirectory();
    const first = await openKit({ directory, init: { threads: 0, sharedPerThread: 0 } });
    await first.submit({ taskId: "before" }, { taskId: "a", traceparent: CALLERS }, { taskId: "after" });
    first.actor.crash();
    const kit = await openKit({ directory, init: { threads: 3 } });
    expect(kit.pool.started.map(({ taskId, traceparent }) => [taskId, traceIdOf(traceparent)])).toEqual([
      ["before", undefined],
      ["a", TRACE_ID],
      ["after", undefined],
    ]);
  });

  it("is the same task with another trace, or with none, and keeps its own", async () => {
    const kit = await openKit({ init: { threads: 2 } });
    await kit.submit({ taskId: "a", traceparent: CALLERS, idempotencyKey: "k" });
    for (const trace of [{ traceparent: OTHER }, {}]) {
      const again = { ...trace, idempotencyKey: "k" };
      expect(await submitted(kit, { taskId: "a", ...again })).toMatchObject({ replayed: true });
      expect(await submitted(kit, { taskId: "b", ...again })).toMatchObject({ taskId: "a", replayed: true });
    }
    expect(told(kit).map(traceIdOf)).toEqual([TRACE_ID]);
  });

  it("says it to a worker outside with the lease", async () => {
    const kit = await openKit();
    const worker = { workerId: "w", capabilities: ["render"] };
    await kit.answer(kit.queue.registerWorker({ worker }, fakeMessage()));
    await kit.submit(
      { taskId: "a", action: "render", traceparent: CALLERS },
      { taskId: "b", action: "render" },
    );
    const { leases } = await kit.answer(
      kit.queue.claim({ workerId: "w", max: 2, leaseMs: 1_000, waitMs: 0 }, fakeMessage()),
    );
    expect(leases.map(({ taskId, traceparent }) => [taskId, traceIdOf(traceparent)])).toEqual([
      ["a", TRACE_ID],
      ["b", undefined],
    ]);
    expect(leases[0]?.traceparent).not.toContain(SPAN_ID);
    expect(Object.keys(leases[1] ?? {})).not.toContain("traceparent");
  });

  it("is retried in the trace of whoever asks for that, else in its own", async () => {
    const kit = await openKit();
    await kit.submit({ taskId: "a", traceparent: CALLERS });
    await kit.end("a", failedWith("boom"));
    const retry = async (taskId: string, traceparent: string | undefined): Promise<void> => {
      await kit.answer(kit.queue.retry({ taskId }, fakeMessage({ traceparent })));
    };
    await retry("a", undefined);
    await kit.end("a-retry-1", failedWith("boom"));
    await retry("a", OTHER);
    await kit.end("a-retry-2", failedWith("boom"));
    await retry("a", "nonsense");
    expect(told(kit).map(traceIdOf)).toEqual([TRACE_ID, TRACE_ID, traceIdOf(OTHER), TRACE_ID]);
  });

  it("has it in the records of what its handler logs, and a task without one has nothing of it", async () => {
    const kit = await openKit({ init: { threads: 2 } });
    await kit.submit({ taskId: "a", traceparent: CALLERS }, { taskId: "b" });
    for (const { taskId, token, attempt, traceparent } of kit.pool.started) {
      const by = { taskId, token, attempt, ...(traceparent !== undefined && { traceparent }) };
      kit.pool.options.onLog?.(by, "info", `line of ${taskId}`, { n: 1 });
    }
    const records = kit.actor.logged.filter(({ message }) => message.startsWith("line of"));
    expect(records).toMatchObject([
      { message: "line of a", task: "a", trace: TRACE_ID, n: 1 },
      { message: "line of b", task: "b", n: 1 },
    ]);
    expect(records[0]?.["span"]).toBe(parseTraceparent(told(kit)[0] ?? "")?.spanId);
    expect(Object.keys(records[1] ?? {})).not.toContain("trace");
    const { lines } = await kit.answer(kit.queue.logs({ taskId: "a", offset: 0, limit: 9 }, fakeMessage()));
    // What the task's own log has is about that task alone.
    expect(lines).toMatchObject([{ message: "line of a", fields: { n: 1 } }]);
  });
});

describe("a task without a trace", () => {
  it.each([
    ["none", undefined],
    ["one of zeros", `00-${"0".repeat(32)}-${SPAN_ID}-01`],
    ["one in capitals", CALLERS.toUpperCase()],
    ["one that is cut short", CALLERS.slice(0, -1)],
    ["no text", 7 as unknown as string],
  ])("was given %s, and its handler is told of none", async (_, traceparent) => {
    const kit = await openKit();
    await kit.submit({ taskId: "a", ...(traceparent !== undefined && { traceparent }) });
    expect(kit.pool.started).toMatchObject([{ taskId: "a" }]);
    expect(Object.keys(kit.pool.started[0] ?? {})).not.toContain("traceparent");
  });

  it("of a later version of the format is handed on by what is known of it", async () => {
    const kit = await openKit();
    await kit.submit({ taskId: "a", traceparent: `cc-${TRACE_ID}-${SPAN_ID}-01-what-the-future-brings` });
    expect(told(kit)[0]).toMatch(new RegExp(`^00-${TRACE_ID}-[0-9a-f]{16}-01$`));
  });
});

describe("an attempt beside tasks", () => {
  it.each(["attempt", "compute"] as const)("(%s) is part of the trace of its call", async (member) => {
    const kit = await openKit();
    const input = packValue(1);
    const spec = { attemptId: "P\0t", action: "echo", input, attempt: 1, timeoutMs: null };
    const ask = async (traceparent?: string): Promise<unknown> => {
      const message = fakeMessage({ traceparent });
      const answer =
        member === "attempt"
          ? kit.queue.attempt({ spec }, message)
          : kit.queue.compute({ action: "echo", input }, message);
      await kit.turns();
      kit.pool.end(kit.pool.started.at(-1)?.taskId ?? "", completed());
      return kit.answer(answer);
    };
    await ask(CALLERS);
    await ask();
    await ask("nonsense");
    expect(told(kit).map(traceIdOf)).toEqual([TRACE_ID, undefined, undefined]);
    expect(told(kit)[0]).not.toContain(SPAN_ID);
  });

  it("logs with its trace, though no task is known by its name", async () => {
    const kit = await openKit();
    const spec = { attemptId: "P\0t", action: "echo", input: packValue(1), attempt: 1, timeoutMs: null };
    const ended = kit.queue.attempt({ spec }, fakeMessage({ traceparent: CALLERS }));
    await kit.turns();
    const [started] = kit.pool.started;
    if (started) kit.pool.options.onLog?.(started, "error", "oh", {});
    expect(kit.actor.logged.at(-1)).toMatchObject({ level: "warn", message: "oh", trace: TRACE_ID });
    kit.pool.end(started?.taskId ?? "", completed());
    await kit.answer(ended);
  });
});
