import { expect, it } from "vitest";
import { TemplateRegistry } from "../../src/workflow/template.ts";
import { ERAS, connectTo, openApp } from "./kit/connected-client.ts";

const REPORT = {
  template_id: "report",
  name: "Report",
  parameters: [{ name: "rows", type: "array" }],
  steps: [
    { step_id: "load", action: "echo", inputs: { rows: "${rows}" } },
    { step_id: "sum", action: "fail", inputs: { message: "no luck", times: 1 }, depends_on: ["load"] },
  ],
};

/** The client holds each answer against the tool's output schema. */
it.each(ERAS)(
  "a client runs a template, reads its graph and history, repeats what failed, and empties the cache (%s)",
  async (era) => {
    const templates = new TemplateRegistry();
    templates.importText(JSON.stringify(REPORT), "report.json");
    const { client, call } = await connectTo(await openApp({ templates }), era);
    await client.listTools();
    expect(await call("template_list")).toMatchObject({ total_count: 1 });
    const run = { template_id: "report", parameters: { rows: [1, 2] }, workflow_id: "r" };
    expect(await call("template_run", run)).toMatchObject({ success: true, workflow_id: "r" });
    const ended = (workflow_id: string) => call("workflow_result", { workflow_id, wait_seconds: 45 });
    expect(await ended("r")).toMatchObject({ status: "failed", failure_code: "WORKFLOW_FAILED" });
    expect(await call("workflow_dependencies", { workflow_id: "r", fmt: "mermaid" })).toMatchObject({
      critical_path: ["load", "sum"],
      dag: expect.stringMatching(/^flowchart LR/) as string,
    });
    const { events } = await call("run_history", { workflow_id: "r" });
    expect((events as unknown[]).length).toBeGreaterThan(5);
    expect(await call("run_what_if", { workflow_id: "r", factors: { load: 2 } })).toMatchObject({
      success: true,
    });
    expect(await call("run_rerun", { workflow_id: "r" })).toMatchObject({
      new_workflow_id: "r~2",
      reused_steps: 1,
    });
    await ended("r~2");
    expect(await call("workflow_list", { limit: 1, offset: 1 })).toMatchObject({
      workflows: [{ workflow_id: "r~2", origin: "r" }],
      total_count: 2,
      has_more: false,
    });
    expect(await call("cache_stats")).toMatchObject({ success: true, entries: 0 });
    expect(await call("cache_clear")).toMatchObject({ success: false, code: "CONFIRMATION_REQUIRED" });
    expect(await call("cache_clear", { confirm: true })).toEqual({ success: true, removed_count: 0 });
  },
);
