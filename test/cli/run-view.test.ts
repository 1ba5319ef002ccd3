import { expect, it, onTestFinished, vi } from "vitest";
import { liveView, plainView, seconds, silentView } from "../../src/cli/run-view.ts";
import type { RunEvent, RunStatus, StepStatus } from "../../src/workflow/workflow.protocol.ts";

const step = (stepId: string, rest: Partial<StepStatus> = {}): StepStatus => ({
  stepId,
  action: "echo",
  dependsOn: [],
  state: "pending",
  cached: false,
  reused: false,
  compensation: null,
  workerId: null,
  items: null,
  progress: 0,
  attempt: 0,
  startedAtMs: null,
  endedAtMs: null,
  error: null,
  ...rest,
});

const status = (...steps: StepStatus[]): RunStatus =>
  ({ workflowId: "w", name: "A run\x1b[31m", state: "running", steps }) as unknown as RunStatus;

const event = (changed: StepStatus | null, progress = 0.5): RunEvent =>
  ({ workflowId: "w", state: "running", progress, step: changed }) as unknown as RunEvent;

const failed = step("bad", {
  state: "failed",
  error: {
    code: "HANDLER_FAILED",
    message: "bad failed: it\nfailed \x1b[2J",
    details: { text: "it\nfailed \x1b[2J" },
  },
});
const skipped = step("next", {
  state: "skipped",
  error: { code: "CANCELLED", message: "step was cancelled: of that", details: { reason: "of that" } },
});

function recorder() {
  const written: string[] = [];
  return { write: (text: string) => void written.push(text), text: () => written.splice(0).join("") };
}

it("durations are told in the unit that suits them", () => {
  expect([seconds(0), seconds(999.4), seconds(1_000), seconds(61_234)]).toEqual([
    "0 ms",
    "999 ms",
    "1.00 s",
    "61.23 s",
  ]);
});

it("what becomes of undoing a step is told once each", () => {
  const { write, text } = recorder();
  const view = plainView(write);
  for (const compensation of [null, "pending", "running", "running", "completed"] as const)
    view.tell(event(step("a", { state: "completed", compensation })));
  view.tell(event(step("b", { state: "completed", cached: true, compensation: "failed" })));
  expect(text().split("\n")).toEqual([
    "✓ a done",
    "✓ a done, to be undone",
    "✓ a done, being undone",
    "✓ a done, undone",
    "✓ b from cache, could not be undone",
    "",
  ]);
});

it("a pipe gets one line when a step starts and one when it ends, whatever repeats", () => {
  const { write, text } = recorder();
  const view = plainView(write);
  view.begin(status(step("a"), step("b")));
  for (const each of [
    step("a", { state: "ready" }),
    step("a", { state: "running" }),
    step("a", { state: "running", progress: 0.5 }),
    step("a", { state: "completed", startedAtMs: 0, endedAtMs: 12 }),
    step("a", { state: "completed", startedAtMs: 0, endedAtMs: 12 }),
    step("b", { state: "completed", cached: true }),
    failed,
    skipped,
    step("gone", { state: "cancelled" }),
    step("odd", { state: "completed" }),
  ]) {
    view.tell(event(each));
  }
  view.tell(event(null));
  view.note("by the way");
  view.end();
  expect(text().split("\n")).toEqual([
    "run w: 2 steps",
    "▸ a started",
    "✓ a 12 ms",
    "✓ b from cache",
    "✗ bad failed: it failed [2J",
    "- next skipped: of that",
    "○ gone cancelled",
    "✓ odd done",
    "by the way",
    "",
  ]);
});

it("a terminal gets one line per step, redrawn in place at the end of a frame, and the last state at the end", () => {
  vi.useFakeTimers();
  onTestFinished(() => void vi.useRealTimers());
  const { write, text } = recorder();
  const view = liveView(write, () => ({ columns: 40, rows: 24 }));
  view.note("before");
  expect(text()).toBe("before\n");
  view.begin(status(step("a"), step("b")));
  expect(text()).toContain("A run [31m (w)\n");
  view.tell(event(step("a", { state: "running", progress: 0.5 })));
  view.tell(event(failed));
  expect(text()).toBe("");
  vi.advanceTimersByTime(50);
  const frame = text();
  expect(frame.startsWith("\x1b[3A\x1b[2K  ▸ a")).toBe(true);
  expect(frame).toContain(`${"█".repeat(10)}${"░".repeat(10)} 50 %\n`);
  expect(frame).toContain("  50 % of 2 steps\n");
  view.note("on the way");
  expect(text().startsWith("\x1b[3A\x1b[0Jon the way\n\x1b[2K  ▸ a")).toBe(true);
  view.tell(event(null, 1));
  view.end();
  expect(text()).toContain("  100 % of 2 steps\n");
  view.end();
  vi.runAllTimers();
  expect(text()).toBe("");
});

it("what does not fit on a terminal is cut or counted, and what runs or failed is shown first", () => {
  const { write, text } = recorder();
  const done = Array.from({ length: 5 }, (_, n) => step(`done${n}`, { state: "completed", cached: true }));
  const view = liveView(write, () => ({ columns: 16, rows: 5 }));
  view.begin(status(...done, failed, step("busy", { state: "running" })));
  const lines = text()
    .split("\n")
    .map((line) => line.replace("\x1b[2K", ""));
  expect(lines.slice(1, 4)).toEqual(["  ✗ bad       …", "  ▸ busy      …", "  0 % of 7 ste…"]);
});

it("for a summary nothing is shown", () => {
  silentView.begin(status());
  silentView.tell(event(null));
  silentView.note("nothing");
  silentView.end();
});
