import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { DRILL, MODULES, oneStep, run, templateFile, temporaryDirectory } from "./kit/command.ts";

const version = (JSON.parse(readFileSync("package.json", "utf8")) as { version: string }).version;

describe("the command line", () => {
  it("says what there is, and how each command is used", async () => {
    for (const argv of [[], ["help"], ["--help"], ["-h"], ["help", "help"]]) {
      const { code, out, err } = await run(...argv);
      expect([code, err]).toEqual([0, ""]);
      expect(out).toMatch(/^mcplusplus: .*\n\nUsage: /);
      expect(out).toMatch(/run {2,}run a workflow/);
    }
    for (const argv of [
      ["help", "run"],
      ["run", "--help"],
      ["run", "-h"],
    ]) {
      const { code, out } = await run(...argv);
      expect(code).toBe(0);
      expect(out).toContain("Usage: mcplusplus run <template> [options]");
      for (const flag of [
        "tasks",
        "param",
        "out",
        "page",
        "data",
        "root",
        "threads",
        "json",
        "chaos",
        "help",
      ]) {
        expect(out).toContain(`  --${flag}`);
      }
    }
    expect((await run("help", "mcp")).out).toContain("Examples:");
    expect(await run("--version")).toEqual({ code: 0, out: `${version}\n`, err: "" });
  });

  it.each([
    [["rnu"], `there is no command "rnu"; there are: run (did you mean that?), `],
    [["frobnicate"], `there is no command "frobnicate"; there are: run, `],
    [["help", "mpc"], `there is no command "mpc"; there are: mcp (did you mean that?), run, `],
    [
      ["run", "x.json", "--thread", "2"],
      `there is no option "--thread"; there are: --threads (did you mean that?),`,
    ],
    [["run", "x.json", "-x"], `there is no option "-x"; there are: --tasks,`],
    [["run", "x.json", "--__proto__"], `there is no option "--__proto__"; there are:`],
    [["run"], "<template> is missing; allowed is mcplusplus run <template>"],
    [["run", "", "--json"], "<template> is empty; allowed is mcplusplus run <template>"],
    [["run", "a.json", "b.json"], '"b.json" is one operand too many; allowed is mcplusplus run <template>'],
    [
      ["run", "x.json", "-5"],
      "-5 is no option; allowed is -- -5: after two dashes nothing is taken for an option",
    ],
    [["run", "x.json", "--out"], "--out is without a value; allowed is --out <dir>"],
    [["run", "x.json", "--out", "--json"], "--out is without a value; allowed is --out <dir>"],
    [["run", "x.json", "--out", "a", "--out", "b"], "--out is given twice; allowed is one value"],
    [["run", "x.json", "--json=yes"], `--json is given "yes"; allowed is --json alone`],
    [["run", "x.json", "--chaos", "cook@40%"], `--chaos is "cook@40%"; allowed is <actor>@<percent>% with`],
    [["run", "x.json", "--chaos", "queue@101%"], `--chaos is "queue@101%"; allowed is`],
    [["run", "x.json", "--threads", "abc"], `--threads is "abc"; allowed is a whole number`],
    [["run", "x.json", "--threads", "65"], "--threads is 65; allowed is an integer from 1 to 64"],
    [["run", "x.json", "--heap-mb", "8"], "--heap-mb is 8; allowed is an integer from 16 to 65536"],
    [["mcp", "x.json"], `"x.json" is one operand too many; allowed is mcplusplus mcp`],
    [["mcp", "--threads", "-1"], `--threads is "-1"; allowed is a whole number`],
    [["mcp", "--threads", "0"], "--threads is 0; allowed is an integer from 1 to 64"],
    [["load", "--threads", "0"], "--threads is 0; allowed is an integer from 1 to 64"],
    [["load", "--pace", "fast"], `--pace is "fast"; allowed is one of timer, spin`],
    [["backup"], "<directory> is missing; allowed is mcplusplus backup <directory>"],
    [["export", "x", "--out", "-"], `"x" is one operand too many; allowed is mcplusplus export`],
    [["bckup", "--json"], `there is no command "bckup"; there are: backup (did you mean that?), run`],
  ])("refuses %j with exit code 2 and one sentence", async (argv, sentence) => {
    const { code, out, err } = await run(...argv);
    expect(code).toBe(2);
    expect(err).toMatch(/^mcplusplus: [^\n]+\n$/);
    expect(err).toContain(sentence);
    const json = argv.includes("--json");
    expect(json ? JSON.parse(out) : out).toEqual(
      json
        ? { success: false, error: err.slice(12, -1), code: expect.any(String) as string, retryable: false }
        : "",
    );
  });
});

describe("a run that cannot begin", () => {
  const refused = async (
    sentence: string | RegExp,
    code: number,
    template: object | string,
    ...flags: string[]
  ) => {
    const directory = temporaryDirectory();
    const [data, out] = [join(directory, "data"), join(directory, "out")];
    const path = templateFile(directory, template);
    const place = flags.includes("--out") ? [] : ["--out", out];
    const ended = await run("run", path, "--data", data, ...place, ...flags, "--json");
    expect(ended.err).toMatch(/^mcplusplus: [^\n]+\n$/);
    const said = ended.err.replaceAll(directory, "DIR").replaceAll(MODULES, "MODULES").slice(12, -1);
    if (typeof sentence === "string") expect(said).toBe(sentence);
    else expect(said).toMatch(sentence);
    expect(ended.code).toBe(code);
    expect(JSON.parse(ended.out)).toMatchObject({ success: false, error: ended.err.slice(12, -1) });
    expect(ended.out).toMatch(/^[^\n]+\n$/);
    expect(existsSync(out)).toBe(false);
  };

  it("names the place in a template that is no JSON", () =>
    refused(
      /cannot be used: DIR\/template\.json:2:3: it is no JSON: there is "x}"; allowed is a key in double quotes$/,
      1,
      `{\n  x}`,
    ));

  it("lists what is wrong with a template", () =>
    refused(
      /steps\[0\]\.action is missing; allowed is a string; DIR\/template\.json:1:\d+: steps\[0\]: unknown key "act"; known are step_id,/,
      1,
      {
        template_id: "t",
        name: "t",
        steps: [{ step_id: "a", act: "echo" }],
      },
    ));

  it("names an action that there is not, and those that there are", () =>
    refused(
      /step "only": there is no action "ecco"; there are: counts, echo,/,
      1,
      oneStep("ecco"),
      "--tasks",
      DRILL,
    ));

  it("names a parameter that there is not", () =>
    refused(/there is no parameter "x"; there are: none$/, 1, oneStep("echo"), "--param", "x=1"));

  it.each([
    ["without a value", ["--param", "nonsense"], `--param is "nonsense"; allowed is <name>=<value>`],
    ["given twice", ["--param", "x=1", "--param", "x=2"], "--param x is given twice; allowed is one value"],
    [
      "that says another place for results",
      ["--param", "out=x", "--out", "y"],
      /^--out is given beside another --param out/,
    ],
    [
      "for a number of threads out of range",
      ["--threads", "0"],
      /^--threads is 0; allowed is .* from 1 to 64$/,
    ],
  ])("refuses a flag %s", (_, flags, sentence) => refused(sentence, 2, oneStep("echo"), ...flags));

  it.each([
    ["is missing", "gone.tasks.ts", "there is no such file"],
    ["is a directory", "", "it is no file"],
    ["throws when it is loaded", "throws.page.ts", "this page cannot be loaded"],
    ["exports no handlers", "number.page.ts", "it exports nothing that defineTasks returned"],
  ])("says of a task module that it %s", (_, name, why) => {
    const module = join(MODULES, name);
    const sentence = new RegExp(`^the module MODULES/?${name} cannot be used: ${why}$`);
    return refused(sentence, 1, oneStep("mine"), "--tasks", module);
  });

  it("says of a task module where it has to lie to find this package", () => {
    const module = join(temporaryDirectory(), "astray.tasks.ts");
    writeFileSync(module, 'export { defineTasks } from "mcplusplus";');
    return refused(
      /astray\.tasks\.ts cannot be used: .*'mcplusplus' .*: it has to lie in a project that has the package installed,/,
      1,
      oneStep("mine"),
      "--tasks",
      module,
    );
  });

  it("says of a task module that it has a syntax error", () => {
    // Written here, because no tool of ours would leave such a file alone.
    const module = join(temporaryDirectory(), "broken.tasks.mjs");
    writeFileSync(module, "export default {");
    return refused(
      /broken\.tasks\.mjs cannot be used: SyntaxError: .+$/,
      1,
      oneStep("mine"),
      "--tasks",
      module,
    );
  });

  it.each([
    ["is missing", "gone.page.ts", "there is no such file"],
    ["throws when it is loaded", "throws.page.ts", "this page cannot be loaded"],
    ["exports no function", "number.page.ts", "its default export is no function"],
  ])("says of a page module that it %s", (_, module, why) =>
    refused(
      new RegExp(`^the module MODULES/${module.replace(".", "\\.")}.* cannot be used: ${why}$`),
      1,
      oneStep("echo"),
      "--page",
      join(MODULES, module),
    ),
  );

  it("names a template that is missing or a directory", async () => {
    const directory = temporaryDirectory();
    const missing = join(directory, "gone.json");
    expect(await run("run", missing)).toMatchObject({
      code: 1,
      err: `mcplusplus: ${missing} cannot be read: there is no such file\n`,
    });
    expect((await run("run", directory)).err).toBe(
      `mcplusplus: ${directory} cannot be read: it is a directory\n`,
    );
  });

  it("names a place for results where nothing can be written, before anything has run", async () => {
    const directory = temporaryDirectory();
    const file = join(directory, "file");
    writeFileSync(file, "");
    const data = join(directory, "data");
    const template = templateFile(directory, oneStep("echo"));
    const into = (out: string) => run("run", template, "--data", data, "--out", out);
    expect((await into(file)).err).toBe(`mcplusplus: ${file} cannot be written: it is no directory\n`);
    expect((await into(join(file, "below"))).err).toBe(
      `mcplusplus: ${join(file, "below")} cannot be written: ${file} is no directory\n`,
    );
    expect(existsSync(data)).toBe(false);
  });

  // A directory that is there, takes nothing, and says that it is not there.
  it.runIf(existsSync("/proc/self"))(
    "ends also where a place cannot be made for reasons that nobody tells",
    async () => {
      const template = templateFile(temporaryDirectory(), oneStep("echo"));
      const data = await run("run", template, "--data", "/proc/nowhere/data");
      expect([data.code, data.err]).toEqual([
        1,
        expect.stringMatching(/^mcplusplus: \/proc\/nowhere\/data cannot be written: /),
      ]);
      const out = await run(
        "load",
        "--rate",
        "1",
        "--duration",
        "1",
        "--warmup",
        "0",
        "--out",
        "/proc/nowhere/out",
      );
      expect([out.code, out.err]).toEqual([
        1,
        expect.stringMatching(/^mcplusplus: \/proc\/nowhere\/out\/load.json cannot be written: /),
      ]);
    },
  );

  it("names a data directory that is a file", async () => {
    const directory = temporaryDirectory();
    const data = join(directory, "data");
    writeFileSync(data, "");
    const { code, err } = await run("run", templateFile(directory, oneStep("echo")), "--data", data);
    expect([code, err]).toEqual([1, `mcplusplus: ${data} cannot be written: a file is in the way\n`]);
  });
});
