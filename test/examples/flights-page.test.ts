import { beforeAll, describe, expect, it } from "vitest";
import page, { flightsPage } from "../../docs/examples/flights.page.ts";
import type { FlightsReport } from "../../docs/examples/flights.tasks.ts";
import type { RunStatus, StepStatus } from "../../src/workflow/workflow.protocol.ts";
import { runFlightsJob, steps } from "./flights-job.ts";

const START = Date.UTC(2026, 0, 2, 3, 4, 5);

function runWith(change: (step: StepStatus, index: number) => Partial<StepStatus> = () => ({})): RunStatus {
  const statuses = steps.map((step, index): StepStatus => {
    const status: StepStatus = {
      stepId: step.step_id,
      action: step.action,
      dependsOn: step.depends_on,
      state: "completed",
      cached: false,
      reused: false,
      compensation: null,
      workerId: null,
      items: null,
      progress: 1,
      attempt: 1,
      startedAtMs: START + index * 10,
      endedAtMs: START + index * 10 + 8,
      error: null,
    };
    return { ...status, ...change(status, index) };
  });
  return {
    workflowId: "flights-1",
    name: "Flight delays",
    state: "completed",
    progress: 1,
    stepsTotal: statuses.length,
    stepsEnded: statuses.length,
    steps: statuses,
    tags: [],
    origin: null,
    submittedAtMs: START,
    startedAtMs: START,
    endedAtMs: START + 1_234,
    deadlineMs: null,
    waitsFor: [],
    workerIds: ["local"],
    handlersChanged: [],
    error: null,
  };
}

let report: FlightsReport;

beforeAll(async () => {
  report = (await runFlightsJob()).outputs["report"] as FlightsReport;
});

/** What a reader sees: no markup, no style. */
const textOf = (html: string): string =>
  html
    .replace(/<style>.*?<\/style>/gs, "")
    .replace(/<[^>]*>/g, " ")
    .replace(/\s+/g, " ");

describe("the page of the flights job", () => {
  it("is one file named report.html, made of the report that the last step gave", () => {
    expect(page({ run: runWith(), outputs: { report, split: {} } })).toEqual({
      file: "report.html",
      html: flightsPage({ report, run: runWith() }),
    });
  });

  it("loads nothing from elsewhere and runs nothing", () => {
    const html = flightsPage({ report, run: runWith() });
    expect(html).not.toMatch(/https?:|src=|url\(|@import|<script|javascript:|\son\w+=/i);
    expect([...html.matchAll(/href="([^"]*)"/g)].map(([, target]) => target)).toEqual(["data:,"]);
    expect(html).toContain("default-src 'none'");
  });

  it("shows every hour, every airport and every step with its time", () => {
    const text = textOf(flightsPage({ report, run: runWith() }));
    for (const { hour, flights } of report.delay_by_hour) {
      expect(text).toContain(`${String(hour).padStart(2, "0")}:00 ${flights.toLocaleString("en-US")} `);
    }
    for (const { iata, city, total } of report.busiest_airports) {
      expect(text).toContain(iata);
      expect(text).toContain(city);
      expect(text).toContain(total.toLocaleString("en-US"));
    }
    for (const { step_id, action } of steps) {
      expect(text).toContain(`${step_id}, action ${action}: 8 ms`);
    }
    expect(text).toContain("9 steps in 1,234 ms");
    expect(text).toContain("2026-01-02T03:04:05.000Z");
  });

  it("says which steps came from the cache", () => {
    const run = runWith((step) => (step.action === "aggregate" ? { cached: true } : {}));
    const text = textOf(flightsPage({ report, run }));
    expect(text).toContain("4 of them from the cache");
    expect(text).toContain("aggregate_2, action aggregate: from cache");
  });

  it("shows a run that failed, and why, without a report", () => {
    const error = { code: "DEFECT", message: "flights.json is empty", details: {} } as const;
    const run = runWith((step, index) => {
      if (index === 0) return {};
      if (step.stepId === "split") return { state: "failed", error };
      if (step.stepId === "airports") return { state: "running", endedAtMs: null };
      return { state: "skipped", startedAtMs: null, endedAtMs: null };
    });
    const { html } = page({ run: { ...run, state: "failed" }, outputs: { fingerprint: {} } });
    const text = textOf(html);
    expect(text).toContain("Run failed");
    expect(text).toContain("split failed: flights.json is empty");
    expect(text).not.toMatch(/undefined|NaN|busiest/);
  });

  it("has no timeline when no step ever started", () => {
    const run = runWith(() => ({ state: "cancelled", startedAtMs: null, endedAtMs: null }));
    const text = textOf(
      flightsPage({ report: null, run: { ...run, state: "cancelled", startedAtMs: null } }),
    );
    expect(text).toContain("the run is cancelled");
    expect(text).not.toContain("When each step ran");
  });

  it("escapes every text that comes from the data or the run", () => {
    const evil = `<script>alert("1")</script>&'`;
    const error = { code: "DEFECT", message: evil, details: {} } as const;
    const steps = runWith().steps.map((step) => ({
      ...step,
      stepId: evil,
      action: evil,
      state: "failed" as const,
      error,
    }));
    const run = { ...runWith(), workflowId: evil, name: evil, steps };
    const airport = { iata: evil, name: evil, city: evil, state: evil, departures: 1, arrivals: 1, total: 2 };
    for (const html of [
      flightsPage({ report: { ...report, busiest_airports: [airport] }, run }),
      flightsPage({ report: null, run }),
    ]) {
      expect(html).not.toContain("<script");
      expect(html).not.toContain(`alert("1")`);
      expect(textOf(html)).toContain("alert(&#34;1&#34;)");
    }
  });

  it("has headings in order, a caption and a table for each figure, and a name for each picture", () => {
    const html = flightsPage({ report, run: runWith() });
    expect([...html.matchAll(/<h(\d)/g)].map(([, level]) => Number(level))).toEqual([1, 2, 2, 2, 3]);
    expect(html.match(/<figcaption>/g)).toHaveLength(html.match(/<figure/g)?.length ?? 0);
    expect(html.match(/<details><summary>/g)).toHaveLength(3);
    expect(html.match(/<svg[^>]* aria-label="[^"]+"/g)).toHaveLength(html.match(/<svg/g)?.length ?? 0);
  });

  it("bears a report with one quiet hour and no airports", () => {
    const quiet = { hour: 3, flights: 1, mean_delay: 0, p95_delay: 0 };
    const html = flightsPage({
      report: { rows: 1, delay_by_hour: [quiet], busiest_airports: [] },
      run: runWith(),
    });
    expect(html).not.toMatch(/NaN|Infinity|undefined/);
  });
});
