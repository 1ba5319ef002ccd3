import { mkdirSync, mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { main } from "../../src/cli/main.ts";

/** The command in this process, so that what it prints can be caught; everything of a test is in its own folder. */
let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "cli-"));
});
afterEach(() => {
  vi.restoreAllMocks();
  rmSync(folder, { recursive: true, force: true });
});

interface Printed {
  readonly code: number;
  readonly out: string;
  readonly err: string;
}

async function command(...argv: readonly string[]): Promise<Printed> {
  const printed = { out: "", err: "" };
  const into = (key: "out" | "err") => (chunk: unknown) => {
    printed[key] += String(chunk);
    return true;
  };
  vi.spyOn(process.stdout, "write").mockImplementation(into("out"));
  vi.spyOn(process.stderr, "write").mockImplementation(into("err"));
  const code = await main(argv);
  vi.restoreAllMocks();
  return { code, ...printed };
}

function file(name: string, content: string): string {
  const path = join(folder, name);
  writeFileSync(path, content);
  return path;
}

const template = (...steps: readonly object[]): string =>
  file("t.json", JSON.stringify({ template_id: "t", name: "T", version: "1.0.0", parameters: [], steps }));

const run = (path: string, ...more: readonly string[]): Promise<Printed> =>
  command("run", path, "--data", join(folder, "data"), "--out", join(folder, "out"), ...more);

const ECHO = { step_id: "say", action: "echo", inputs: { word: "hello" } };

describe("the command line", () => {
  it("explains itself, its commands and its version", async () => {
    expect(await command()).toMatchObject({
      code: 0,
      out: expect.stringContaining("Usage: mcplusplus") as string,
    });
    expect(await command("help", "run")).toMatchObject({
      code: 0,
      out: expect.stringContaining("--chaos") as string,
    });
    expect(await command("mcp", "--help")).toMatchObject({
      code: 0,
      out: expect.stringContaining("--data") as string,
    });
    const { version } = JSON.parse(readFileSync("package.json", "utf8")) as { version: string };
    expect(await command("--version")).toMatchObject({ code: 0, out: `${version}\n` });
  });

  it.each([
    ["an unknown command", ["runn"], 'there is no command "runn"'],
    ["an unknown option", ["run", "t.json", "--dat", "x"], "did you mean"],
    ["an option without its value", ["run", "t.json", "--data"], "--data"],
    ["a value where none belongs", ["run", "t.json", "--json=yes"], "--json"],
    ["a missing template", ["run"], "the template is missing"],
    ["two templates", ["run", "a.json", "b.json"], "2 files"],
    ["a drill of nobody", ["run", "t.json", "--chaos", "nobody@40%"], "--chaos"],
    ["a number of threads that is none", ["run", "t.json", "--threads", "abc"], "threads"],
  ])("refuses %s in one sentence, with exit code 2", async (_, argv, words) => {
    const { code, out, err } = await command(...argv);
    expect({ code, out }).toEqual({ code: 2, out: "" });
    expect(err).toContain(words);
    expect(err.trimEnd().split("\n")).toHaveLength(1);
  });
});

describe("running a template", () => {
  it("tells each step and its end, and exits with 0", async () => {
    const { code, out, err } = await run(template(ECHO));
    expect(err).toBe("");
    expect(code).toBe(0);
    expect(out).toMatch(/^run t-\w+: 1 steps?\n/);
    expect(out).toMatch(/say/);
    expect(out).toMatch(/completed in /);
  });

  it("prints one JSON summary and nothing else", async () => {
    const { code, out } = await run(template(ECHO), "--json");
    expect(code).toBe(0);
    expect(JSON.parse(out)).toMatchObject({
      success: true,
      status: "completed",
      cached_steps: 0,
      steps: [{ step_id: "say", status: "completed" }],
      files: [],
      restarted: [],
    });
  });

  it("reuses cached steps in a second run and says so", async () => {
    const path = template({ ...ECHO, cache: { ttl_seconds: 60 } });
    await run(path);
    const { out } = await run(path);
    expect(out).toContain("1 of 1 steps from the cache");
  });

  it("comes to the same end when an actor is killed on the way, and names it", async () => {
    const path = template(ECHO, {
      step_id: "again",
      action: "echo",
      inputs: { was: "${{ steps.say.output.word }}" },
      depends_on: ["say"],
    });
    const { code, out } = await run(path, "--json", "--chaos", "queue@40%");
    expect(code).toBe(0);
    expect(JSON.parse(out)).toMatchObject({ success: true, restarted: ["queue"] });
  });

  it("writes the page of a finished run as a whole, and lists it", async () => {
    const page = file(
      "page.mjs",
      'export default ({ run, outputs }) => ({ file: "p.html", html: run.state + outputs.say.word });',
    );
    const { out, code } = await run(template(ECHO), "--json", "--page", page);
    expect(code).toBe(0);
    expect(JSON.parse(out)).toMatchObject({ files: [join(folder, "out", "p.html")] });
    expect(readFileSync(join(folder, "out", "p.html"), "utf8")).toBe("completedhello");
    expect(readdirSync(join(folder, "out"))).toEqual(["p.html"]);
  });
});

describe("a run that cannot succeed", () => {
  const fails = async (path: string, ...more: readonly string[]): Promise<string> => {
    const { code, out, err } = await run(path, ...more);
    expect(code).toBe(1);
    expect(err.trimEnd().split("\n")).toHaveLength(1);
    expect(err).not.toMatch(/^\s+at /m);
    const summary = await run(path, "--json", ...more);
    expect(JSON.parse(summary.out)).toMatchObject({ success: false, error: expect.any(String) as string });
    return out + err;
  };

  it("names the step and the reason when a handler fails", async () => {
    expect(await fails(template({ step_id: "bad", action: "fail", inputs: { message: "no luck" } }))).toMatch(
      /bad.*no luck/s,
    );
  });

  it("names the step that ran too long", async () => {
    const slow = { step_id: "slow", action: "sleep", inputs: { ms: 60_000 }, timeout: 0.2 };
    expect(await fails(template(slow))).toMatch(/slow.*0\.2 s/s);
  });

  it("names an action that nobody has", async () => {
    expect(await fails(template({ step_id: "who", action: "unheard_of", inputs: {} }))).toContain(
      "unheard_of",
    );
  });

  it.each([
    ["there is no such template", "missing.json", undefined, "missing.json"],
    ["the template is broken JSON", "broken.json", "{ nope", "broken.json"],
    ["the template has problems", "empty.json", "{}", "template_id"],
  ])("says so when %s", async (_, name, content, words) => {
    const path = content === undefined ? join(folder, name) : file(name, content);
    expect(await fails(path)).toContain(words);
  });

  it.each([
    ["there is none", undefined, "tasks.mjs"],
    ["it has a syntax error", "export default {", "tasks.mjs"],
    ["it throws", 'throw new Error("not today")', "not today"],
    ["it exports no handlers", "export default 1", "tasks.mjs"],
  ])("names the module of handlers when %s", async (_, content, words) => {
    const module = content === undefined ? join(folder, "tasks.mjs") : file("tasks.mjs", content);
    const step = { step_id: "mine", action: "mine", inputs: {} };
    expect(await fails(template(step), "--tasks", module)).toContain(words);
  });

  it("finds a page module that is missing or none before anything runs", async () => {
    expect(await fails(template(ECHO), "--page", join(folder, "none.mjs"))).toContain("none.mjs");
    expect(await fails(template(ECHO), "--page", file("one.mjs", "export default 1"))).toContain("one.mjs");
  });

  it("says that a data directory is a file, or is damaged", async () => {
    const { err, code } = await command(
      "run",
      template(ECHO),
      "--data",
      file("data-file", "x"),
      "--out",
      folder,
    );
    expect({ code, lines: err.trimEnd().split("\n").length }).toEqual({ code: 1, lines: 1 });
    mkdirSync(join(folder, "data"));
    writeFileSync(
      join(folder, "data", "queue.sqlite"),
      "this is no database, and long enough to look like one".repeat(40),
    );
    expect(await fails(template(ECHO))).toContain("queue.sqlite");
  });
});
