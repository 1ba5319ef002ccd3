import { describe, expect, it } from "vitest";
import { LIMITS } from "../../src/errors/index.ts";
import { CallReports, type ToolMeasurement } from "../../src/router/index.ts";
import { manualClock } from "../kit/manual-clock.ts";

const CALL: ToolMeasurement = { tool: "a", runtime: "p2p", by: "cache", durationMs: 1, ok: true };

function openKit() {
  const sent: number[] = [];
  const clock = manualClock();
  const reports = new CallReports((measured) => sent.push(measured.length), clock);
  return { reports, sent, clock };
}

describe("reports of calls", () => {
  it("travel together, a while after the first of them at the latest", async () => {
    const { reports, sent, clock } = openKit();
    reports.add(CALL);
    await clock.advance(LIMITS.router.reportMs - 1);
    reports.add(CALL);
    expect(sent).toEqual([]);
    await clock.advance(1);
    expect(sent).toEqual([2]);
    await clock.advance(LIMITS.router.reportMs);
    expect(sent).toEqual([2]);
  });

  it("travel at once when they are many, and when somebody is about to ask", async () => {
    const { reports, sent, clock } = openKit();
    for (let call = 0; call <= LIMITS.router.reportCalls; call++) reports.add(CALL);
    expect(sent).toEqual([LIMITS.router.reportCalls]);
    reports.flush();
    reports.flush();
    expect(sent).toEqual([LIMITS.router.reportCalls, 1]);
    await clock.advance(LIMITS.router.reportMs);
    expect(sent).toHaveLength(2);
  });
});
