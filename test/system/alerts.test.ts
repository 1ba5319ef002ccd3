import { describe, expect, it } from "vitest";
import { openInline } from "../kit/inline-system.ts";
import { temporaryDirectory } from "./kit/directory.ts";
import { ALERT_NAMES, ALERT_RULES, alertsOf, checkThresholds, type Vitals } from "../../src/system/alerts.ts";

const names = (vitals: Vitals, thresholds = {}): string[] =>
  alertsOf(vitals, thresholds).map(({ name }) => name);

describe("an alert", () => {
  it.each(ALERT_NAMES)("%s is raised strictly beyond its threshold, and not at it", (name) => {
    const { threshold, worse } = ALERT_RULES[name];
    const beyond = worse === "above" ? threshold + 0.1 : threshold - 0.1;
    expect(names({ [name]: { value: threshold } })).toEqual([]);
    expect(names({ [name]: { value: beyond } })).toEqual([name]);
    expect(names({ [name]: { value: beyond } }, { [name]: beyond })).toEqual([]);
  });

  it("is not raised by what is not known, or was made from too few", () => {
    const { moreThan } = ALERT_RULES.workflow_failures_high;
    expect(moreThan).toBe(5);
    const failures = (samples: number): Vitals => ({ workflow_failures_high: { value: 100, samples } });
    expect([names(failures(5)), names(failures(6))]).toEqual([[], ["workflow_failures_high"]]);
    expect(names({ cpu_high: { value: null } })).toEqual([]);
    expect(names({})).toEqual([]);
  });

  it("says in one sentence what is beyond what", () => {
    expect(alertsOf({ queue_long: { value: 612 } })).toEqual([
      {
        name: "queue_long",
        severity: "warning",
        component: "queue",
        value: 612,
        threshold: 500,
        unit: "tasks",
        message: "tasks that wait: 612 tasks, above 500",
      },
    ]);
  });

  it("has the thresholds that were promised", () => {
    const thresholds = ALERT_NAMES.map((name) => [
      name,
      ALERT_RULES[name].threshold,
      ALERT_RULES[name].moreThan,
    ]);
    expect(thresholds).toEqual([
      ["cpu_high", 80, 0],
      ["memory_high", 85, 0],
      ["disk_high", 90, 0],
      ["process_memory_high", 1_024, 0],
      ["error_rate_high", 5, 10],
      ["response_time_high", 5_000, 10],
      ["latency_high", 20, 10],
      ["cache_hit_rate_low", 50, 100],
      ["task_success_low", 90, 10],
      ["queue_long", 500, 0],
      ["workflow_failures_high", 20, 5],
      ["discovery_failures_high", 30, 10],
      ["bootstrap_failures_high", 50, 3],
    ]);
  });

  it("takes another threshold for a name that there is, and a number from 0", () => {
    expect(checkThresholds({ queue_long: 10 })).toEqual({ queue_long: 10 });
    expect(() => checkThresholds({ queue_longs: 10 })).toThrow("queue_long (did you mean that?)");
    for (const value of [-1, Number.NaN, "10", null])
      expect(() => checkThresholds({ queue_long: value })).toThrow("the threshold of queue_long");
  });
});

describe("a system", () => {
  it("raises alerts about its tasks and workflows, and about the machine it is on", async () => {
    await using system = await openInline({ data: temporaryDirectory() });
    const calm = { cpu_high: 100, memory_high: 100, disk_high: 100, process_memory_high: 1e9 };
    expect(await system.alerts(calm)).toEqual([]);
    const bad = { stepId: "a", action: "fail", inputs: { message: "no" } };
    for (let run = 0; run < 6; run++) await system.run({ workflowId: `w-${run}`, steps: [bad] });
    expect((await system.alerts(calm)).map(({ name, value }) => [name, value])).toEqual([
      ["workflow_failures_high", 100],
    ]);
    for (let run = 6; run < 12; run++) await system.run({ workflowId: `w-${run}`, steps: [bad] });
    expect((await system.alerts(calm)).map(({ name }) => name)).toEqual([
      "task_success_low",
      "workflow_failures_high",
    ]);
    const machine = await system.alerts({ memory_high: 0, disk_high: 0, process_memory_high: 0 });
    const named = machine.map(({ name }) => name);
    expect(named).toEqual(expect.arrayContaining(["memory_high", "disk_high", "process_memory_high"]));
    await expect(system.alerts({ nothing: 1 } as object)).rejects.toMatchObject({ code: "UNKNOWN_NAME" });
  });
});
