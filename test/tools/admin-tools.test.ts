import { describe, expect, it } from "vitest";
import type { System } from "../../src/system/index.ts";
import { openInline } from "../kit/inline-system.ts";
import { callOf } from "./kit/call.ts";

const sleeping = { task_id: "sleeping", task_type: "sleep", payload: { ms: 3_600_000 } };

async function openKit(): Promise<{
  readonly system: System;
  call(name: string, args?: unknown): Promise<Record<string, unknown>>;
  [Symbol.asyncDispose](): Promise<void>;
}> {
  const system = await openInline({ data: null, graceMs: 0 });
  return {
    system,
    call: (name, args = {}) => callOf(name, args, async () => system),
    [Symbol.asyncDispose]: () => system.close(),
  };
}

describe("queue_drain", () => {
  it("pauses the queue, and tells when nothing runs any more", async () => {
    await using kit = await openKit();
    await kit.call("task_submit", sleeping);
    while ((await kit.system.tasks.status("sleeping")).state !== "running") await kit.system.queueStats();
    await kit.call("task_submit", { task_id: "waits", task_type: "echo", payload: {}, delay_seconds: 60 });
    expect(await kit.call("queue_drain", { wait_seconds: 0, reason: "a new version" })).toMatchObject({
      success: true,
      status: "paused",
      drained: false,
      queued_tasks: 1,
      running_tasks: 1,
    });
    const draining = kit.call("queue_drain", { wait_seconds: 20 });
    await kit.call("task_cancel", { task_id: "sleeping", force: true });
    expect(await draining).toMatchObject({ drained: true, queued_tasks: 1, running_tasks: 0 });
    expect(await kit.call("queue_stats")).toMatchObject({ status: "paused" });
    await kit.call("queue_resume");
  });
});

describe("system_doctor and alert_list", () => {
  it("say how every actor is, and what is worth a word", async () => {
    await using kit = await openKit();
    const { actors, ...rest } = await kit.call("system_doctor");
    expect(rest).toMatchObject({ success: true, healthy: true, node: process.versions.node });
    expect(
      (actors as { name: string; state: string }[]).map(({ name, state }) => `${name} ${state}`),
    ).toEqual([
      "cache running",
      "queue running",
      "scheduler running",
      "network running",
      "peer-registry running",
      "bootstrap running",
      "remote running",
      "router running",
    ]);
    const { alerts } = await kit.call("alert_list", {
      thresholds: { process_memory_high: 1, memory_high: 0 },
    });
    expect((alerts as { name: string }[]).map(({ name }) => name)).toEqual(
      expect.arrayContaining(["memory_high", "process_memory_high"]),
    );
    expect(await kit.call("alert_list", { thresholds: { nothing: 1 } })).toMatchObject({
      success: false,
      code: "UNKNOWN_NAME",
    });
  });
});
