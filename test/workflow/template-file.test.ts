import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";

import { LIMITS, isFault } from "../../src/errors/index.ts";
import { instantiate, parseTemplate, parseTemplates, templateFrom } from "../../src/workflow/template.ts";

function problems(text: string, source: string): readonly string[] {
  try {
    parseTemplates(text, source);
  } catch (error) {
    if (isFault(error, "TEMPLATE_INVALID")) return error.details.problems;
    throw error;
  }
  return [];
}

const YAML = `
template_id: tell
name: Tell
parameters:
  - { name: to, type: string }
steps:
  - step_id: greet
    action: echo
    inputs:
      text: hello \${to}
  - step_id: twice
    action: echo
    depends_on: [greet]
    inputs: { text: "\${{ steps.greet.output.text }}" }
`;

describe("a template in YAML", () => {
  it("means what the same says in JSON", () => {
    const template = parseTemplate(YAML, "t.yaml");
    const { parameters, steps } = template;
    const json = JSON.stringify({ template_id: "tell", name: "Tell", parameters, steps });
    expect(parseTemplate(json, "t.json")).toEqual(template);
    expect(instantiate(template, { to: "you" }, "w").steps[0]?.inputs).toEqual({ text: "hello you" });
  });

  it("points at the line of every problem, in the order of the file", () => {
    const broken = YAML.replace("name: Tell", "name: 1\ncolour: red")
      .replace("action: echo", "action: 5")
      .replace("${to}", "${too}")
      .replace("type: string", "type: text");
    expect(problems(broken, "t.yaml")).toEqual([
      "t.yaml:3:1: name is 1; allowed is a string",
      expect.stringMatching(/^t\.yaml:4:1: unknown key "colour"; known are /),
      'parameters[0].type is "text"; allowed is one of "string", "number", "boolean", "array", "object"'.replace(
        /^/,
        "t.yaml:6:17: ",
      ),
    ]);
    const inside = YAML.replace("action: echo", "action: 5").replace("${to}", "${too}");
    expect(problems(inside, "t.yaml")).toEqual([
      "t.yaml:8:5: steps[0].action is 5; allowed is a string",
      't.yaml:10:7: steps[0].inputs.text refers to parameter "too"; there are: to',
    ]);
  });

  it("points at the step that is wrong in the graph, before anything is filled in", () => {
    expect(problems(YAML.replace("[greet]", "[gone]"), "t.yaml")).toContain(
      't.yaml:11:5: step "twice" depends on "gone", which is no step of this workflow',
    );
    expect(
      problems(YAML.replace("step_id: greet", "step_id: greet\n    depends_on: [twice]"), "t.yaml"),
    ).toEqual([expect.stringContaining("greet -> twice -> greet")]);
  });

  it.each([
    ["a key that is there twice", "name: x\nname: y\n", 't.yaml:2:1: the key "name" is there twice'],
    ["a tag", "name: !!binary aGk=\n", /^t\.yaml:1:7: it is no YAML: Unresolved tag/],
    [
      "a second document",
      "a: 1\n---\nb: 2\n",
      /^t\.yaml:2:1: it is no YAML: Source contains multiple documents/,
    ],
    ["an alias of nothing", "a: *b\n", 't.yaml:1:4: there is no anchor "b" before the alias'],
    ["a value that holds itself", "a: &a [*a]\n", /^t\.yaml:1:\d+: it is nested deeper than 128 levels$/],
    ["a key that is no text", "? [a]\n: 1\n", "t.yaml:1:3: a key is a text"],
    ["an endless number", "a: .inf\n", "t.yaml:1:4: a number that JSON cannot say"],
    ["a key of prototypes", "__proto__: {}\n", 't.yaml:1:1: the key "__proto__" is not allowed'],
    ["broken indentation", "a:\n  b\n c: 1\n", /^t\.yaml:2:3: it is no YAML: /],
  ])("is refused with %s, at its place", (_, text, problem) => {
    const [first] = problems(text, "t.yaml");
    if (typeof problem === "string") expect(first).toBe(problem);
    else expect(first).toMatch(problem);
  });

  it("has aliases, but only so many that they cannot fill the memory", () => {
    const shared = YAML.replace("inputs:\n      text: hello ${to}", "inputs: &i { text: hello }").replace(
      'inputs: { text: "${{ steps.greet.output.text }}" }',
      "inputs: *i",
    );
    expect(parseTemplate(shared, "t.yaml").steps[1]?.["inputs"]).toEqual({ text: "hello" });
    const names = "abcdefghi".split("");
    const bomb = names.map((name, at) => {
      const item = at === 0 ? "x" : `*${names[at - 1]}`;
      return `${name}: &${name} [${Array<string>(10).fill(item).join(", ")}]`;
    });
    expect(problems(bomb.join("\n"), "t.yaml")).toEqual([
      expect.stringMatching(/^t\.yaml:\d+:\d+: the aliases repeat more than 10000 values$/),
    ]);
  });
});

describe("a template in JSON", () => {
  it.each([
    [
      '{ "name": 1,\n}',
      't.json:2:1: it is no JSON: there is "}"; allowed is a key in double quotes after the comma',
    ],
    ['{\n  "a": 1,\n  "a": 2 }', 't.json:3:3: the key "a" is there twice'],
    ['{ "a" 1 }', 't.json:1:7: it is no JSON: there is "1"; allowed is ":" after the key'],
    ["[01]", 't.json:1:2: it is no JSON: there is "01]"; allowed is a value'],
    ["[1, 2", 't.json:1:6: it is no JSON: the text ends; allowed is "," or "]"'],
    ["", "t.json:1:1: it is no JSON: the text ends; allowed is a value"],
    ["{} {}", 't.json:1:4: it is no JSON: there is "{}"; allowed is nothing more after the value'],
    ["{ name: 1 }", 't.json:1:3: it is no JSON: there is "name:"; allowed is a key in double quotes'],
    ['"\\x"', 't.json:1:1: it is no JSON: there is "\\"\\\\x\\""; allowed is a value'],
    ["[".repeat(200), "t.json:1:130: it is nested deeper than 128 levels"],
  ])("%j is refused at the place where it is broken", (text, problem) => {
    expect(problems(text, "t.json")).toEqual([problem]);
  });

  it("is read as JSON.parse reads it", () => {
    const text = readFileSync(new URL("../../docs/examples/flights.json", import.meta.url), "utf8");
    const { steps } = JSON.parse(text) as { steps: unknown };
    expect(parseTemplate(text, "flights.json").steps).toEqual(steps);
    const metadata = {
      text: 'a "b" \\ \n \u{1F600}',
      number: -1.5e-3,
      none: null,
      yes: true,
      list: [[], {}],
    };
    const odd = { template_id: "t", name: "t", steps: [{ step_id: "a", action: "echo" }], metadata };
    expect(parseTemplate(JSON.stringify(odd, null, "\t"), "t.json").metadata).toEqual(metadata);
  });

  it("may name its schema, which is not looked at", () => {
    const text =
      '{"$schema": "x", "template_id": "t", "name": "t", "steps": [{"step_id": "a", "action": "echo"}]}';
    expect(parseTemplate(text, "t.json").templateId).toBe("t");
  });

  it("is refused when it is larger than allowed, before it is read", () => {
    const { templateBytes } = LIMITS.workflow;
    const text = '{"template_id":"t","name":"t","steps":[{"step_id":"a","action":"echo"}]}';
    expect(problems(text.padEnd(templateBytes), "t.json")).toEqual([]);
    expect(problems(text.padEnd(templateBytes + 1), "t.json")).toEqual([
      `it has ${templateBytes + 1} bytes; at most ${templateBytes} are allowed`,
    ]);
  });
});

describe("a template from a value", () => {
  const file = { template_id: "t", name: "t", steps: [{ step_id: "a", action: "echo" }] };

  it("is the same as from a text", () => {
    expect(templateFrom(file, "here")).toEqual(parseTemplate(JSON.stringify(file), "t.json"));
    expect(() => templateFrom({ ...file, name: 1 }, "here")).toThrow(
      "template here cannot be used: name is 1; allowed is a string",
    );
  });

  it.each([
    ["a key of prototypes", { inputs: JSON.parse('{"__proto__": {}}') as object }],
    ["a function", { inputs: { run: () => 1 } }],
  ])("with %s is refused", (_, more) => {
    expect(() => templateFrom({ ...file, steps: [{ ...file.steps[0], ...more }] }, "here")).toThrow(
      "it holds a",
    );
  });
});

describe("a collection of templates", () => {
  const template = {
    template_id: "a",
    name: "A",
    version: "1.2.0",
    steps: [{ step_id: "s", action: "echo" }],
  };

  it("holds them by id and version", () => {
    const text = JSON.stringify({ templates: { a: { "1.2.0": template } } });
    expect(parseTemplates(text, "all.json").map(({ templateId, version }) => [templateId, version])).toEqual([
      ["a", "1.2.0"],
    ]);
  });

  it("is refused whole, with the place of every problem in any of its templates", () => {
    const templates = { a: { "1.0.0": template }, b: { "1.2.0": { ...template, name: 1 } } };
    const text = JSON.stringify({ templates }, null, 1);
    expect(problems(text, "all.json")).toEqual([
      'all.json:7:5: version is "1.2.0" under "1.0.0"',
      "all.json:19:5: name is 1; allowed is a string",
    ]);
  });
});
