import { beforeEach, describe, expect, it } from "vitest";

import { TemplateRegistry, parseTemplate, templateFrom, type Template } from "../../src/workflow/template.ts";
import { templateProblems as problems } from "./kit/template-problems.ts";

const template = (templateId: string, more: Record<string, unknown> = {}): Template =>
  templateFrom(
    { template_id: templateId, name: templateId, steps: [{ step_id: "s", action: "echo" }], ...more },
    templateId,
  );

let registry: TemplateRegistry;
beforeEach(() => {
  registry = new TemplateRegistry();
});

describe("versions", () => {
  beforeEach(() => {
    for (const version of ["9.0.0", "10.0.0", "1.4.0", "1.10.1", "11.0.0-beta.1"])
      registry.register(template("a", { version }));
  });

  it("latest is the highest by semantic versioning, and not by text", () => {
    expect(registry.get("a")?.version).toBe("11.0.0-beta.1");
    registry.delete("a", "11.0.0-beta.1");
    expect(registry.get("a")?.version).toBe("10.0.0");
    expect(registry.get("a", "latest")?.version).toBe("10.0.0");
  });

  it("a range means the highest version in it, early ones left out unless it names one", () => {
    expect(registry.get("a", "^1.2.0")?.version).toBe("1.10.1");
    expect(registry.get("a", "1.4.0")?.version).toBe("1.4.0");
    expect(registry.get("a", ">=9")?.version).toBe("10.0.0");
    expect(registry.get("a", ">=11.0.0-beta.0")?.version).toBe("11.0.0-beta.1");
    expect(registry.get("a", "^2")).toBeUndefined();
    expect(registry.get("a", "no range")).toBeUndefined();
    expect(registry.get("b")).toBeUndefined();
  });

  it("are listed by id, the latest first", () => {
    registry.register(template("A", { description: "d", includes: ["a@9.0.0"] }));
    expect(registry.list().map(({ templateId, version }) => `${templateId}@${version}`)).toEqual([
      "A@1.0.0",
      "a@11.0.0-beta.1",
      "a@10.0.0",
      "a@9.0.0",
      "a@1.10.1",
      "a@1.4.0",
    ]);
    expect(registry.list()[0]).toEqual({
      templateId: "A",
      name: "A",
      version: "1.0.0",
      description: "d",
      parameterCount: 0,
      stepCount: 1,
      includes: ["a@9.0.0"],
    });
  });

  it("one is taken again only when it is to be overwritten", () => {
    expect(() => registry.register(template("a", { version: "9.0.0" }))).toThrow(
      'template "a@9.0.0" exists already',
    );
    registry.register(template("a", { version: "9.0.0", name: "new" }), { overwrite: true });
    expect(registry.get("a", "9.0.0")?.name).toBe("new");
  });

  it("go one by one or all together, and the last takes the id with it", () => {
    expect(registry.delete("a", "2.0.0")).toBe(false);
    expect(registry.delete("a")).toBe(true);
    expect(registry.delete("a")).toBe(false);
    expect(registry.list()).toEqual([]);
    registry.register(template("b"));
    expect(registry.delete("b", "1.0.0")).toBe(true);
    expect(() => registry.compose("b")).toThrow('there is no template "b"');
  });

  it.each(["1.0", "v1.0.0", "1.0.0+build", "latest", ""])("%j is no version", (version) => {
    expect(problems(() => template("x", { version }))).toEqual([expect.stringContaining("semantic version")]);
  });
});

describe("includes", () => {
  const step = (step_id: string, depends_on: string[] = [], more: object = {}): object => ({
    step_id,
    action: "echo",
    depends_on,
    ...more,
  });

  it("come first, each step under the id of its template, references and conditions too", () => {
    const inner = [
      step("load rows"),
      step("sum", ["load rows"], {
        inputs: { a: ['${{ steps["load rows"].output.n }}', "$${{ steps.sum", "${file}"] },
        when: 'steps."load rows".output.n > ${least} and "steps.other" != ""',
      }),
    ];
    const parameters = [
      { name: "file", type: "string" },
      { name: "least", type: "number", default: 1 },
    ];
    registry.register(template("in", { steps: inner, parameters }));
    registry.register(
      template("out", {
        includes: ["in"],
        steps: [step("tell", ["in_sum"], { inputs: { t: "${{ steps.in_sum.output }}" } })],
      }),
    );
    const { steps } = registry.instantiate("out", { file: "f" }, { workflowId: "w" });
    expect(steps.map(({ stepId, dependsOn }) => [stepId, dependsOn])).toEqual([
      ["in_load rows", []],
      ["in_sum", ["in_load rows"]],
      ["tell", ["in_sum"]],
    ]);
    expect(steps[1]?.inputs).toEqual({
      a: ['${{ steps["in_load rows"].output.n }}', "$${{ steps.sum", "f"],
    });
    expect(steps[1]?.when).toBe('steps.`in_load rows`.output.n > 1 and "steps.other" != ""');
  });

  it("are resolved through all levels, and a template that is reached on two ways comes twice", () => {
    registry.register(template("d", { steps: [step("x")] }));
    registry.register(template("b", { includes: ["d"], steps: [step("y", ["d_x"])] }));
    registry.register(template("c", { includes: ["d"], steps: [step("y", ["d_x"])] }));
    registry.register(template("a", { includes: ["b", "c"], steps: [step("z", ["b_y", "c_y"])] }));
    expect(registry.compose("a").steps.map(({ step_id }) => step_id)).toEqual([
      "b_d_x",
      "b_y",
      "c_d_x",
      "c_y",
      "z",
    ]);
    expect(registry.compose("a").includes).toEqual([]);
  });

  it("own definitions win, then those of the earlier include", () => {
    const declare = (...names: [string, number][]): Record<string, unknown> => ({
      parameters: names.map(([name, value]) => ({ name, type: "number", default: value })),
    });
    registry.register(template("b", declare(["p", 1], ["q", 1], ["r", 1])));
    registry.register(template("c", declare(["p", 2], ["q", 2], ["s", 2])));
    registry.register(template("a", { ...declare(["p", 0]), includes: ["b", "c"] }));
    const { parameters } = registry.compose("a");
    expect(parameters.map((each) => [each.name, each.default])).toEqual([
      ["p", 0],
      ["q", 1],
      ["r", 1],
      ["s", 2],
    ]);
  });

  it("are the latest when they are used, or the one that is named", () => {
    registry.register(template("b", { version: "1.0.0", steps: [step("one")] }));
    registry.register(template("a", { includes: ["b"] }));
    registry.register(template("c", { includes: ["b@^1.0.0"] }));
    const first = (id: string): unknown => registry.compose(id).steps[0]?.["step_id"];
    expect(first("a")).toBe("b_one");
    registry.register(template("b", { version: "2.0.0", steps: [step("two")] }));
    expect([first("a"), first("c")]).toEqual(["b_two", "b_one"]);
    registry.delete("b");
    expect(problems(() => registry.compose("a"))).toEqual(['there is no template "b" to include']);
  });

  it("that lead back to a template are refused, and the way is printed", () => {
    registry.register(template("c"));
    registry.register(template("b", { includes: ["c"] }));
    registry.register(template("a", { includes: ["b"] }));
    const back = template("c", { includes: ["a"] });
    expect(problems(() => registry.register(back, { overwrite: true }))).toEqual([
      expect.stringContaining("templates include one another: c -> a -> b -> c"),
    ]);
    expect(registry.get("c")?.includes).toEqual([]);
    expect(problems(() => registry.register(template("d", { includes: ["d"] })))).toEqual([
      "templates include one another: d -> d",
    ]);
  });

  it("that are missing or twice are refused at the line that names them", () => {
    const text =
      "template_id: a\nname: a\nincludes:\n  - b\n  - c\n  - b@1\nsteps:\n  - {step_id: s, action: echo}\n";
    registry.register(template("b"));
    expect(problems(() => registry.register(parseTemplate(text, "a.yaml")))).toEqual([
      'a.yaml:5:5: there is no template "c" to include',
      'a.yaml:6:5: "b" is included twice',
    ]);
    expect(registry.get("a")).toBeUndefined();
  });

  it("what is wrong together is told at the line of the one that includes", () => {
    const text =
      "template_id: a\nname: a\nincludes: [b]\nsteps:\n  - step_id: s\n    action: echo\n    depends_on: [b_x]\n";
    registry.register(template("b"));
    expect(problems(() => registry.register(parseTemplate(text, "a.yaml")))).toEqual([
      'a.yaml:5:5: step "s" depends on "b_x", which is no step of this workflow',
    ]);
  });

  it("a tower of includes that doubles at every level ends soon, with a refusal", () => {
    const steps = [step("s")];
    const templates: Record<string, object> = {};
    for (let level = 30; level >= 0; level -= 1) {
      const includes = level === 0 ? [] : [`x${level - 1}`, `y${level - 1}`];
      for (const template_id of [`x${level}`, `y${level}`])
        templates[template_id] = { "1.0.0": { template_id, name: "n", includes, steps } };
    }
    expect(problems(() => registry.importText(JSON.stringify({ templates }), "tower.json")).join()).toMatch(
      /^tower.json:1:\d+: "x13" cannot be included: it has 16383 steps with its includes; at most 10000 are allowed/,
    );
  });

  it("whose dependencies only a parameter knows cannot be included", () => {
    const parameters = [{ name: "list", type: "array", default: [] }];
    registry.register(template("b", { parameters, steps: [{ ...step("x"), depends_on: "${list}" }] }));
    expect(problems(() => registry.register(template("a", { includes: ["b"] })))).toEqual([
      '"b" cannot be included: one parameter is all that its step "x" depends on',
    ]);
  });
});

describe("export and import", () => {
  it("give back the same templates", () => {
    const parameters = [{ name: "p", type: "string", validation: "x+", required: false, default: "xx" }];
    registry.register(
      template("b", { parameters, steps: [{ step_id: "${p}", action: "echo" }], tags: ["t"] }),
    );
    registry.register(template("a", { version: "2.0.0", includes: ["b"], metadata: { m: [1] } }));
    const other = new TemplateRegistry();
    expect(other.importText(registry.exportText(), "all.json")).toBe(2);
    expect(other.exportText()).toBe(registry.exportText());
    expect(other.get("b")).toEqual(registry.get("b"));
  });

  it("are all or nothing, whatever order the templates come in", () => {
    const files = {
      a: {
        "1.0.0": { template_id: "a", name: "a", includes: ["z"], steps: [{ step_id: "s", action: "echo" }] },
      },
      z: { "1.0.0": { template_id: "z", name: "z", steps: [{ step_id: "s", action: "echo" }] } },
    };
    const lone = JSON.stringify({
      templates: { ok: { "1.0.0": { ...files.z["1.0.0"], template_id: "ok" } }, a: files.a },
    });
    expect(problems(() => registry.importText(lone, "all.json"))).toEqual([
      expect.stringMatching(/^all\.json:1:\d+: there is no template "z" to include$/),
    ]);
    expect(registry.list()).toEqual([]);
    registry.importText(JSON.stringify({ templates: files }), "all.json");
    expect(registry.list().length).toBe(2);
  });
});
