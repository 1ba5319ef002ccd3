import { describe, expect, it } from "vitest";
import { fault } from "../../src/errors/index.ts";
import { ToolRouter, type ToolMeasurement } from "../../src/router/index.ts";
import type { System } from "../../src/system/index.ts";
import { defineTool, type ToolMetadataInput } from "../../src/tools.ts";
import { callTool, type Tool } from "../../src/tools/index.ts";
import { openInline } from "../kit/inline-system.ts";
import { manualClock } from "../kit/manual-clock.ts";

const open = async (): Promise<System> => ({}) as System;
const { signal } = new AbortController();

const tool = (run: () => unknown, metadata: ToolMetadataInput = {}): Tool =>
  defineTool({
    name: "work",
    description: "Works.",
    input: { type: "object" },
    metadata,
    run: run as () => Record<string, unknown>,
  });

describe("a call of a tool", () => {
  it("is measured whatever becomes of it, and by the runtime that the router found", async () => {
    const reports: ToolMeasurement[] = [];
    const clock = manualClock();
    const router = new ToolRouter({ clock, report: (measurement) => void reports.push(measurement) });
    const work = tool(() => ({}), { runtime: "p2p" });
    router.register([work]);
    await callTool(work, {}, { open, signal, router });
    await callTool(work, { unknown: 1 }, { open, signal, router });
    await callTool(work, {}, { open: () => Promise.reject(new Error("no disk")), signal, router });
    expect(reports).toEqual(
      [true, false, false].map((ok, at) => ({
        tool: "work",
        runtime: "p2p",
        by: at === 0 ? "registry" : "cache",
        durationMs: 0,
        ok,
      })),
    );
  });

  it.each([
    [{}, 1],
    [{ retryPolicy: "exponential" }, 1],
    [{ idempotent: true }, 1],
    [{ idempotent: true, retryPolicy: "linear" }, 4],
  ] as const)("that fails with what may pass is made with %j so many times: %i", async (metadata, times) => {
    const clock = manualClock();
    let attempts = 0;
    const work = tool(() => {
      attempts += 1;
      throw fault("ACTOR_RESTARTING", { actor: "queue" });
    }, metadata);
    const call = callTool(work, {}, { open, signal, router: new ToolRouter({ clock }) });
    await clock.advance(600);
    expect(await call).toMatchObject({ success: false, code: "ACTOR_RESTARTING", retryable: true });
    expect(attempts).toBe(times);
  });

  it("is answered although its tool ignores that its time is over", async () => {
    const clock = manualClock();
    const work = tool(() => new Promise(() => undefined), { timeoutMs: 50 });
    const call = callTool(work, {}, { open, signal, router: new ToolRouter({ clock }) });
    await clock.advance(2_000);
    expect(await call).toMatchObject({ success: false, code: "DEADLINE_EXCEEDED" });
  });
});

it("the router actor tells what was reported to it, by tool, by runtime and by detection", async () => {
  await using system = await openInline({ data: null });
  const router = new ToolRouter({
    report: (measurement) => void system.actors.router.cast.measured([measurement]),
  });
  const caller = { open: async () => system, signal, router };
  await callTool(
    tool(() => ({})),
    {},
    caller,
  );
  await callTool(
    tool(() => ({})),
    { unknown: 1 },
    caller,
  );
  const { figures, runtimes, detections } = system.actors.router.call;
  expect(await figures()).toMatchObject([{ tool: "work", calls: 2, failures: 1 }]);
  expect(await runtimes()).toMatchObject([{ runtime: "general", percent: 100, calls: 2 }]);
  expect(await detections()).toMatchObject({ detections: 2, cacheHits: 1, byStep: { default: 1 } });
});
