import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, it, onTestFinished } from "vitest";
import { startServer } from "./kit/server-process.ts";

const structured = (answer: Record<string, unknown>): unknown =>
  (answer["result"] as { readonly structuredContent: unknown }).structuredContent;

it("two servers on one data directory are one system, also after the first is killed", async () => {
  const directory = mkdtempSync(join(tmpdir(), "mcp-"));
  onTestFinished(() => rmSync(directory, { recursive: true }));
  const data = join(directory, "data");
  await using first = startServer(data, "--threads", "1");
  await first.initialize();
  const submit = { task_id: "t", task_type: "echo", payload: { n: 1 }, delay_seconds: 3_600 };
  expect(structured(await first.call("task_submit", submit))).toMatchObject({ success: true });
  await using second = startServer(data, "--threads", "1");
  await second.initialize();
  const known = { success: true, task_id: "t", status: "queued" };
  expect(structured(await second.call("task_status", { task_id: "t" }))).toMatchObject(known);
  first.kill("SIGKILL");
  expect(structured(await second.call("task_status", { task_id: "t" }))).toMatchObject(known);
  await first.exited;
  expect(structured(await second.call("task_cancel", { task_id: "t" }))).toMatchObject({ success: true });
  second.end();
  expect(await second.exited).toEqual([0, null]);
  expect(second.said()).toBe("");
});
