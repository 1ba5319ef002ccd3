import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { openSystem, type System, type SystemOptions } from "../../src/system/index.ts";
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
  openSystem({ data: join(directory, "data"), roots: [join(directory, "files")], threads: 1, ...options });

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
});
