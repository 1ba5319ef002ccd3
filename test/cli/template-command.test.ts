import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { oneStep, run, temporaryDirectory } from "./kit/command.ts";

const PART = `
template_id: part
name: Part
version: 1.1.0
parameters:
  - { name: who, type: string, description: Whom to greet }
steps:
  - { step_id: greet, action: echo, inputs: { text: "hello \${who}" } }
`;
const WHOLE = `
template_id: whole
name: Whole
includes: [part]
steps:
  - { step_id: tell, action: echo, depends_on: [part_greet], inputs: { text: "\${{ steps.part_greet.output.text }}" } }
`;

/** Both files in a directory of their own. */
function files({ part = PART, whole = WHOLE } = {}): { part: string; whole: string; directory: string } {
  const directory = temporaryDirectory();
  const paths = { part: join(directory, "part.yaml"), whole: join(directory, "whole.yml") };
  writeFileSync(paths.part, part);
  writeFileSync(paths.whole, whole);
  return { ...paths, directory };
}

describe("template files on the command line", () => {
  it("are checked together, so that one may include the other in whatever order they are named", async () => {
    const { part, whole } = files();
    expect(await run("template", "check", whole, part)).toEqual({
      code: 0,
      out: `${whole}: whole@1.0.0 is sound: 2 steps, 1 parameter\n${part}: part@1.1.0 is sound: 1 step, 1 parameter\n`,
      err: "",
    });
    const { out } = await run("template", "check", "--json", whole, part);
    expect(JSON.parse(out)).toEqual({ success: true, templates: ["whole@1.0.0", "part@1.1.0"] });
  });

  it("that are broken are refused with every problem of every file, at its line", async () => {
    const { part, whole } = files({
      part: PART.replace("name: Part", "name: 7"),
      whole: WHOLE.replace("echo", "5"),
    });
    const { code, out, err } = await run("template", "check", part, whole);
    expect([code, out]).toEqual([1, ""]);
    expect(err).toContain(`${part}:3:1: name is 7; allowed is a string`);
    expect(err).toContain(`${whole}:6:22: steps[0].action is 5; allowed is a string`);
  });

  it("say where an include cannot be found", async () => {
    const { whole } = files();
    const { code, err } = await run("template", "check", whole);
    expect([code, err]).toEqual([
      1,
      `mcplusplus: template whole cannot be used: ${whole}:4:12: there is no template "part" to include\n`,
    ]);
  });

  it("are listed, and shown with what they include", async () => {
    const { part, whole } = files();
    const listed = await run("template", "list", whole, part);
    expect(listed.out.split("\n").map((line) => line.split(/ {2,}/))).toEqual([
      ["template", "version", "steps", "parameters", "name"],
      ["part", "1.1.0", expect.stringMatching(/^ *1$/), "1", "Part"].map((cell) => cell as string),
      ["whole", "1.0.0", expect.stringMatching(/^ *1$/), "0", "Whole"].map((cell) => cell as string),
      [""],
    ]);
    const shown = await run("template", "show", whole, part);
    expect(shown.out).toContain("who        string  has to be given  Whom to greet");
    expect(shown.out).toMatch(/step +action +depends on\npart_greet +echo +-\ntell +echo +part_greet\n/);
    const { out } = await run("template", "list", "--json", part);
    expect(JSON.parse(out)).toMatchObject({
      success: true,
      templates: [{ template_id: "part", step_count: 1 }],
    });
  });
});

describe("a run from template files", () => {
  it("takes YAML, and what it includes from the files that are named", async () => {
    const { part, whole, directory } = files();
    const options = ["--include", part, "--param", "who=you", "--data", join(directory, "data"), "--json"];
    const { code, out, err } = await run("run", whole, ...options);
    expect([code, err]).toEqual([0, ""]);
    expect(JSON.parse(out)).toMatchObject({
      success: true,
      status: "completed",
      steps: [{ step_id: "part_greet" }, { step_id: "tell" }],
    });
  });

  it("refuses a file of several templates, since it cannot know which one is meant", async () => {
    const directory = temporaryDirectory();
    const path = join(directory, "all.json");
    const templates = { a: { "1.0.0": oneStep("echo", {}, "a") }, b: { "1.0.0": oneStep("echo", {}, "b") } };
    writeFileSync(path, JSON.stringify({ templates }));
    expect(await run("run", path)).toMatchObject({
      code: 2,
      err: `mcplusplus: ${path} is with 2 templates; allowed is a file of one template\n`,
    });
  });
});
