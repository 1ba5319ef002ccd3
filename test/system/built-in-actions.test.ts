import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import type { System, SystemOptions } from "../../src/system/index.ts";
import { openInline } from "../kit/inline-system.ts";
import { closeStandIns, standIn } from "../compute/actions/http-kit.ts";

let directory = "";
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), "built-in-"));
  mkdirSync(join(directory, "files"));
});
afterEach(async () => {
  await closeStandIns();
  rmSync(directory, { recursive: true, force: true });
});

const open = (options: SystemOptions = {}): Promise<System> =>
  openInline({ data: join(directory, "data"), roots: [join(directory, "files")], threads: 1, ...options });

describe("the built-in actions of a system", () => {
  it("fetch from the hosts that its options allow, and from no other", async () => {
    const { origin } = await standIn((_request, response) => response.end("here"));
    await using system = await open({ allowedHosts: ["127.0.0.1"] });
    expect(await system.tasks.run({ action: "http_fetch", input: { url: origin } })).toMatchObject({
      status: 200,
      body: "here",
    });
    const other = { action: "http_fetch", input: { url: "http://127.0.0.2/" } };
    await expect(system.tasks.run(other)).rejects.toMatchObject({ code: "HOST_NOT_ALLOWED" });
  });

  it("work on each other's results as steps of a workflow, large ones included", async () => {
    const rows = Array.from({ length: 20_000 }, (_, at) => `${at},${at % 7}`);
    writeFileSync(join(directory, "files/numbers.csv"), `id,rest\n${rows.join("\n")}\n`);
    await using system = await open();
    const outcome = await system.run({
      workflowId: "sums",
      name: "Sums",
      steps: [
        { stepId: "rows", action: "parse", inputs: { format: "csv", path: "numbers.csv" } },
        {
          stepId: "sum",
          action: "transform",
          dependsOn: ["rows"],
          inputs: {
            expression: "{ 'rows': count, 'first': rows[0].id, 'last': rows[-1].rest }",
            input: { rows: "${{ steps.rows.output.rows }}", count: "${{ steps.rows.output.row_count }}" },
          },
        },
        {
          stepId: "written",
          action: "write_file",
          dependsOn: ["sum"],
          inputs: { path: "out/sum.txt", content: "${{ steps.sum.output.rows }} rows" },
        },
        { stepId: "read", action: "read_file", dependsOn: ["written"], inputs: { path: "out/sum.txt" } },
      ],
    });
    expect(outcome.status.state).toBe("completed");
    expect(outcome.outputs).toMatchObject({
      sum: { rows: 20_000, first: "0", last: "0" },
      read: { content: "20000 rows" },
    });
  });

  it("run on a condition, and for each row of what a step returned, however large that is", async () => {
    const rows = Array.from({ length: 40 }, (_, at) => `${at},${"x".repeat(2_000)}`);
    writeFileSync(join(directory, "files/numbers.csv"), `id,pad\n${rows.join("\n")}\n`);
    await using system = await open();
    const workflow = {
      workflowId: "each",
      metadata: { least: 40 },
      steps: [
        { stepId: "rows", action: "parse", inputs: { format: "csv", path: "numbers.csv" } },
        {
          stepId: "double",
          action: "transform",
          dependsOn: ["rows"],
          when: "steps.rows.output.row_count >= metadata.least",
          forEach: { items: "${{ steps.rows.output.rows }}", maxConcurrent: 4 },
          inputs: {
            expression: "$number(row.id) * 2 + at",
            input: { row: "${{ item }}", at: "${{ index }}" },
          },
        },
        {
          stepId: "none",
          action: "transform",
          dependsOn: ["rows"],
          when: "steps.rows.output.row_count > metadata.least",
          inputs: { expression: "1" },
        },
        {
          stepId: "sum",
          action: "transform",
          dependsOn: ["double"],
          inputs: { expression: "$sum(all)", input: { all: "${{ steps.double.output }}" } },
        },
      ],
    };
    const { status, outputs } = await system.run(workflow);
    expect(status.state).toBe("completed");
    const { double, sum } = outputs;
    expect(double).toEqual(rows.map((_, at) => at * 3));
    expect(sum).toBe(2_340);
    expect(status.steps.map(({ stepId, state, items }) => [stepId, state, items?.completed])).toEqual([
      ["rows", "completed", undefined],
      ["double", "completed", 40],
      ["none", "skipped", undefined],
      ["sum", "completed", undefined],
    ]);
  });
});
