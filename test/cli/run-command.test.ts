import { existsSync, readFileSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { FLIGHTS_PAGE, FLIGHTS_TASKS, FLIGHTS_TEMPLATE, fewFlights } from "../system/kit/flights.ts";
import { DRILL, MODULES, oneStep, run, templateFile, temporaryDirectory } from "./kit/command.ts";

const PAGE = join(MODULES, "drill.page.ts");

interface Summary {
  readonly success: boolean;
  readonly cached_steps: number;
  readonly files: string[];
  readonly restarted: string[];
}

/** The flights example over few of the flights. */
function flights(directory: string, ...flags: string[]) {
  const places = ["--data", join(directory, "data"), "--out", join(directory, "out")];
  const parameters = ["--param", `flights=${fewFlights(directory)}`];
  return run("run", FLIGHTS_TEMPLATE, "--tasks", FLIGHTS_TASKS, ...places, ...parameters, ...flags);
}

describe("a run from a template", () => {
  it("tells each step in a pipe, lists what it wrote, and reuses kept steps the next time and says so", async () => {
    const directory = temporaryDirectory();
    const first = await flights(directory, "--page", FLIGHTS_PAGE);
    expect([first.code, first.err]).toEqual([0, ""]);
    expect(first.out).toMatch(/^run flights-\w+: 9 steps\n▸ fingerprint started\n✓ fingerprint /);
    const files = ["report.html", "report.json"].map((name) => join(directory, "out", name));
    expect(first.out).toMatch(/\ncompleted in [\d.]+ m?s\nwrote .*report\.html\nwrote .*report\.json\n$/);
    expect(readdirSync(join(directory, "out"))).toEqual(["report.html", "report.json"]);
    const report = readFileSync(join(directory, "out/report.json"), "utf8");

    const again = await flights(directory, "--page", FLIGHTS_PAGE);
    expect(again.out).toMatch(/✓ split from cache\n/);
    expect(again.out).toMatch(/, 7 of 9 steps from the cache\n/);

    const third = await flights(directory, "--json", "--chaos", "scheduler@40%");
    expect([third.code, third.err]).toEqual([0, ""]);
    expect(third.out).toMatch(/^[^\n]+\n$/);
    const summary = JSON.parse(third.out) as Summary;
    expect(summary).toMatchObject({ success: true, cached_steps: 7, restarted: ["scheduler"] });
    expect(summary.files).toEqual([files[1]]);
    expect(readFileSync(join(directory, "out/report.json"), "utf8")).toBe(report);
  });

  it("fails with the step and its reason, once, on one line, and writes nothing", async () => {
    const directory = temporaryDirectory();
    const missing = join(directory, "gone.json");
    const { code, out, err } = await flights(directory, "--json", "--param", `routes=${missing}`);
    expect(err).toBe(
      `mcplusplus: step "fingerprint" failed: ${missing} cannot be read: there is no such file\n`,
    );
    expect(code).toBe(1);
    expect(JSON.parse(out)).toMatchObject({
      success: false,
      status: "failed",
      code: "WORKFLOW_FAILED",
      files: [],
    });
    expect(existsSync(join(directory, "out"))).toBe(false);

    const data = join(directory, "drill");
    const template = templateFile(directory, oneStep("throws"));
    const plain = await run("run", template, "--data", data, "--tasks", DRILL);
    expect(plain.err).toBe(`mcplusplus: step "only" failed: TypeError: the first line and a second one\n`);
    expect(plain.out).toContain("✗ only failed: TypeError: the first line and a second one\n");
    expect(plain.out).toMatch(/\nfailed in [\d.]+ m?s\n$/);
  });

  it("says in one sentence that a step used up its memory, and ends in order", async () => {
    const directory = temporaryDirectory();
    const template = templateFile(directory, oneStep("growsBuffers"));
    const options = ["--data", join(directory, "data"), "--tasks", DRILL, "--heap-mb", "64"];
    const { code, out, err } = await run("run", template, ...options);
    const reason = "growsBuffers used more than 64 MB of memory and was stopped";
    expect([code, err]).toEqual([1, `mcplusplus: step "only" failed: ${reason}\n`]);
    expect(out).toMatch(/\nfailed in [\d.]+ m?s\n$/);
  }, 60_000);

  it("opens to its handlers what the command line names, and nothing else", async () => {
    const directory = temporaryDirectory();
    const log = join(directory, "log");
    const counts = {
      ...oneStep("counts", { file: "${file}", line: "here" }),
      parameters: [{ name: "file", type: "string" }],
    };
    const template = templateFile(directory, counts);
    const data = join(temporaryDirectory(), "data");
    const named = await run("run", template, "--data", data, "--tasks", DRILL, "--param", `file=${log}`);
    expect(named.code).toBe(0);
    const fixed = templateFile(directory, oneStep("counts", { file: log, line: "again" }));
    const refused = await run("run", fixed, "--data", data, "--tasks", DRILL);
    expect(refused.err).toContain("which leads outside");
    const rooted = await run("run", fixed, "--data", data, "--tasks", DRILL, "--root", directory);
    expect(rooted.code).toBe(0);
    expect(readFileSync(log, "utf8")).toBe("here\nagain\n");
  });

  it("keeps standard output to the summary when a page prints, and says when a page cannot be made", async () => {
    const directory = temporaryDirectory();
    const page = async (templateId: string) => {
      const template = templateFile(directory, oneStep("echo", { n: 1 }, templateId));
      const places = ["--data", join(directory, "data"), "--out", join(directory, "out")];
      const { code, out, err } = await run("run", template, ...places, "--page", PAGE, "--json");
      return { code, summary: JSON.parse(out) as Summary, err };
    };
    expect(await page("fine")).toMatchObject({
      code: 0,
      summary: { success: true, files: [join(directory, "out/page.html")] },
      err: "printed by the page\n",
    });
    const thrown = await page("throws");
    expect(thrown).toMatchObject({ code: 1, summary: { success: false, status: "completed", files: [] } });
    expect(thrown.err).toMatch(/drill\.page\.ts cannot be used: it threw: this page cannot be made\n$/);
    expect((await page("escapes")).err).toMatch(/it returned no \{ file, html \}/);
    expect(existsSync(join(directory, "page.html"))).toBe(false);
  });

  it("says when a drill's place in the run never comes", async () => {
    const directory = temporaryDirectory();
    const template = templateFile(directory, oneStep("fail", { message: "no" }));
    const { out } = await run("run", template, "--data", join(directory, "data"), "--chaos", "router@99%");
    expect(out).toContain("drill: the run never reached 99 %\n");
  });
});
