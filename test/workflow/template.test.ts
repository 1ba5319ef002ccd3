import { describe, expect, it } from "vitest";

import { check } from "../../src/schema/zod-schema.ts";
import { resolveInputs } from "../../src/workflow/reference.ts";
import {
  definitionFromTool,
  instantiate,
  parseTemplate,
  toolWorkflowShape,
} from "../../src/workflow/template.ts";
import { templateProblems as problems } from "./kit/template-problems.ts";

const file = (more: Record<string, unknown> = {}): string =>
  JSON.stringify({
    template_id: "t",
    name: "a template",
    steps: [{ step_id: "a", action: "echo" }],
    ...more,
  });

/** A template with these parameters and one step with these inputs. */
const withInputs = (inputs: unknown, parameters: unknown[] = []): string =>
  file({ parameters, steps: [{ step_id: "a", action: "echo", inputs }] });

/** The places are a law of their own; here they are left out. */
const parseProblems = (text: string): readonly string[] =>
  problems(() => parseTemplate(text, "t.json")).map((each) => each.replace(/^t\.json:\d+:\d+: /, ""));

const ALL_TYPES = ["string", "number", "boolean", "array", "object"].map((type) => ({ name: type, type }));

/** A step that reads anything fails. */
const NOTHING = { outputOf: () => ({ missing: "nothing may be read" }), item: null };

describe("a template file", () => {
  it("is read with its defaults", () => {
    expect(parseTemplate(file({ parameters: [{ name: "p", type: "string" }] }), "t.json")).toEqual({
      templateId: "t",
      name: "a template",
      description: "",
      version: "1.0.0",
      parameters: [
        {
          name: "p",
          type: "string",
          description: "",
          default: undefined,
          required: true,
          validation: undefined,
        },
      ],
      steps: [{ step_id: "a", action: "echo" }],
      onFailure: "skip_dependents",
      tags: [],
      metadata: {},
      includes: [],
    });
  });

  it("that is no JSON, or of another shape, is refused with all problems at once", () => {
    expect(parseProblems("{")).toEqual([expect.stringMatching(/^it is no JSON: /)]);
    expect(parseProblems(file({ name: 1, steps: [], surprise: 1, version: "1.0", on_failure: "x" }))).toEqual(
      [
        "name is 1; allowed is a string",
        "steps is an array of 0; allowed is at least 1 item",
        expect.stringContaining('unknown key "surprise"'),
        "version: a semantic version is needed, such as 1.2.0 or 2.0.0-beta.1",
        'on_failure is "x"; allowed is one of "skip_dependents", "fail_fast", "ignore"',
      ],
    );
  });

  it("has parameters with names of their own, real patterns, and defaults that fit", () => {
    const parameters = [
      { name: "a", type: "number", default: "1" },
      { name: "a", type: "string", validation: "(" },
      { name: "b", type: "string", validation: "x+", default: "y" },
      { name: "c", type: "array", default: null },
    ];
    expect(parseProblems(file({ parameters }))).toEqual([
      'the default of parameter "a" is no number: a number is needed, string was given',
      'parameter "a" is declared twice',
      'the validation of parameter "a" is no regular expression: (',
      'the default of parameter "b" does not match x+',
    ]);
  });

  it("is checked as far as it can be before the blanks are filled", () => {
    const steps = [
      { step_id: "${p}", action: 5, timeout: "${p}", priority: "high", oops: "${p}" },
      {
        action: "echo",
        inputs: { x: "${q} ${p} ${} ${{ steps.a.output }}" },
        depends_on: ["${{ steps.a.output }}"],
      },
    ];
    expect(parseProblems(file({ steps, parameters: [{ name: "p", type: "number" }] }))).toEqual([
      "steps[0].action is 5; allowed is a string",
      'steps[0].priority is "high"; allowed is a number',
      expect.stringContaining('steps[0]: unknown key "oops"'),
      "steps[1].step_id is missing; allowed is a string",
      'steps[1].inputs.x refers to parameter "q"; there are: p',
      "steps[1].inputs.x has a ${ that names no parameter; write $${ for the text itself",
      "steps[1].depends_on[0] holds a reference; only inputs may",
    ]);
  });
});

describe("instantiating", () => {
  it("makes a workflow of it: seconds become milliseconds, retries become attempts", () => {
    const steps = [
      {
        step_id: "${p}_1",
        action: "echo",
        timeout: "${t}",
        priority: 3,
        retry_policy: { max_retries: 2 },
        cache: { ttl_seconds: 0.5 },
      },
      { step_id: "b", action: "echo", depends_on: ["${p}_1"], retry_policy: {}, timeout: 0.0001 },
    ];
    const parameters = [
      { name: "p", type: "string" },
      { name: "t", type: "number", default: 1.5 },
    ];
    const text = file({
      steps,
      parameters,
      on_failure: "ignore",
      tags: ["x"],
      metadata: { m: 1 },
      version: "2.0.0",
    });
    expect(instantiate(parseTemplate(text, "t.json"), { p: "load" }, "run-1")).toEqual({
      workflowId: "run-1",
      name: "a template",
      onFailure: "ignore",
      priority: 1,
      tags: ["x"],
      metadata: { m: 1, template_id: "t", template_version: "2.0.0", instantiated_from_template: true },
      steps: [
        {
          stepId: "load_1",
          action: "echo",
          inputs: {},
          dependsOn: [],
          timeoutMs: 1_500,
          priority: 3,
          attempts: 3,
          cacheTtlMs: 500,
        },
        { stepId: "b", action: "echo", inputs: {}, dependsOn: ["load_1"], attempts: 1, timeoutMs: 1 },
      ],
    });
  });

  it("keeps the type of a value that is a whole string, and puts text into longer ones", () => {
    const values = { string: "s", number: 1.5, boolean: true, array: [1, "a"], object: { k: null } };
    const inputs = Object.fromEntries(
      Object.keys(values).map((name) => [name, [`\${${name}}`, `<\${${name}}>`]]),
    );
    const template = parseTemplate(withInputs(inputs, ALL_TYPES), "t.json");
    expect(instantiate(template, values, "w").steps[0]?.inputs).toEqual({
      string: ["s", "<s>"],
      number: [1.5, "<1.5>"],
      boolean: [true, "<true>"],
      array: [[1, "a"], '<[1,"a"]>'],
      object: [{ k: null }, '<{"k":null}>'],
    });
  });

  it("substitutes once: what is put in is never looked at again, neither as placeholder nor as reference", () => {
    const evil = "${p} ${{ steps.a.output }} $${ $${{";
    const inputs = { whole: "${p}", part: "<${p}>", list: "${l}" };
    const parameters = [
      { name: "p", type: "string" },
      { name: "l", type: "array" },
    ];
    const template = parseTemplate(withInputs(inputs, parameters), "t.json");
    const { steps } = instantiate(template, { p: evil, l: [{ deep: evil }] }, "w");
    const read = resolveInputs("a", steps[0]?.inputs ?? {}, NOTHING);
    expect(read).toEqual({ whole: evil, part: `<${evil}>`, list: [{ deep: evil }] });
  });

  it("writes $${ as a literal ${, so that it is no placeholder and no reference either", () => {
    const template = parseTemplate(withInputs({ x: "$${p} $${{ steps.a.output }} $5" }), "t.json");
    const { steps } = instantiate(template, {}, "w");
    const read = resolveInputs("a", steps[0]?.inputs ?? {}, NOTHING);
    expect(read).toEqual({ x: "${p} ${{ steps.a.output }} $5" });
    const named = parseTemplate(file({ steps: [{ step_id: "$${x} $${{", action: "echo" }] }), "t.json");
    expect(instantiate(named, {}, "w").steps[0]?.stepId).toBe("${x} ${{");
  });

  it("refuses a value that would make a reference or hide one together with what follows it", () => {
    const parameters = [{ name: "p", type: "string" }];
    const steps = [
      { step_id: "b", action: "echo" },
      {
        step_id: "a",
        action: "echo",
        depends_on: ["b"],
        inputs: { x: "${p}${{ steps.b.output }}", y: "${p}{{ z" },
      },
    ];
    const template = parseTemplate(file({ parameters, steps }), "t.json");
    expect(problems(() => instantiate(template, { p: "$" }, "w"))).toEqual([
      'steps[1].inputs.x: the value of parameter "p" ends in "$" right before a "{"; put something between',
      'steps[1].inputs.y: the value of parameter "p" ends in "$" right before a "{"; put something between',
    ]);
  });

  it("says everything that is wrong with the parameters at once", () => {
    const parameters = [
      { name: "need", type: "string" },
      { name: "num", type: "number" },
      { name: "pat", type: "string", validation: "[a-z]+" },
      { name: "opt", type: "object", required: false, default: { a: 1 } },
    ];
    const template = parseTemplate(file({ parameters }), "t.json");
    expect(problems(() => instantiate(template, { num: true, pat: "9a", opt: null, extra: 1 }, "w"))).toEqual(
      [
        'there is no parameter "extra"; there are: need, num, pat, opt',
        'parameter "need" is required',
        'parameter "num" is no number: a number is needed, boolean was given',
        'parameter "pat" does not match [a-z]+',
      ],
    );
    expect(problems(() => instantiate(template, { need: "x", num: 1, pat: "abc9", opt: null }, "w"))).toEqual(
      [],
    );
    expect(problems(() => instantiate(parseTemplate(file(), "t"), { x: 1 }, "w"))).toEqual([
      'there is no parameter "x"; there are: none',
    ]);
  });

  it("stops a pattern that backtracks for ever, and counts it as not matched", () => {
    const parameters = [{ name: "p", type: "string", validation: "(a+)+$" }];
    const template = parseTemplate(file({ parameters }), "t.json");
    expect(problems(() => instantiate(template, { p: `${"a".repeat(40)}!` }, "w"))).toEqual([
      'parameter "p" does not match (a+)+$',
    ]);
  });

  it("refuses what the filled steps make", () => {
    const parameters = [{ name: "p", type: "number" }];
    const steps = [{ step_id: "a", action: "echo", timeout: "${p}", depends_on: ["b"] }];
    const template = parseTemplate(file({ parameters, steps }), "t.json");
    expect(problems(() => instantiate(template, { p: -1 }, "w"))).toEqual([
      "steps[0].timeout is -1; allowed is more than 0",
    ]);
    expect(problems(() => instantiate(template, { p: 1 }, "w"))).toEqual([
      'step "a" depends on "b", which is no step of this workflow',
    ]);
  });

  it("does not change the template", () => {
    const template = parseTemplate(withInputs({ x: ["${p}"] }, [{ name: "p", type: "array" }]), "t.json");
    const before = structuredClone(template);
    instantiate(template, { p: [1] }, "w");
    expect(template).toEqual(before);
  });
});

describe("the arguments of a tool", () => {
  it("become a workflow", () => {
    const args = { workflow_id: "w", name: "n", steps: [{ step_id: "a", action: "echo", inputs: { x: 1 } }] };
    const checked = check(toolWorkflowShape, args);
    expect(checked.problems ?? definitionFromTool(checked.value)).toEqual({
      workflowId: "w",
      name: "n",
      steps: [{ stepId: "a", action: "echo", inputs: { x: 1 }, dependsOn: [] }],
      onFailure: "skip_dependents",
      priority: 1,
      tags: [],
      metadata: {},
    });
  });

  it("write retries, deadlines and bounds of the whole run as the protocol does", () => {
    const args = {
      workflow_id: "w",
      name: "n",
      steps: [
        {
          step_id: "a",
          action: "echo",
          deadline: "2026-01-02T03:04:05Z",
          retry_policy: {
            max_retries: 2,
            backoff: "linear",
            backoff_factor: 3,
            delay_ms: 10,
            max_delay_ms: 40,
            jitter: 0.5,
          },
        },
      ],
      max_concurrency: 4,
      deadline: "2026-01-02T05:04:05+02:00",
      timeout: 1.5,
      dependencies: ["v"],
      idempotency_key: "k",
    };
    const checked = check(toolWorkflowShape, args);
    const atMs = Date.UTC(2026, 0, 2, 3, 4, 5);
    expect(checked.problems ?? definitionFromTool(checked.value)).toMatchObject({
      steps: [
        {
          attempts: 3,
          backoff: { shape: "linear", factor: 3, delayMs: 10, maxDelayMs: 40, jitter: 0.5 },
          deadlineMs: atMs,
        },
      ],
      maxConcurrency: 4,
      deadlineMs: atMs,
      timeoutMs: 1_500,
      dependencies: ["v"],
      idempotencyKey: "k",
    });
  });

  it("write conditions, fan-outs and compensations as the protocol does", () => {
    const rows = { items: ["x", "${{ steps.a.output }}"], max_items: 7, max_concurrent: 2 };
    const args = {
      workflow_id: "w",
      name: "n",
      steps: [
        { step_id: "a", action: "echo", when: "metadata.ok" },
        { step_id: "b", action: "echo", depends_on: ["a"], for_each: rows },
        { step_id: "c", action: "echo", for_each: { items: [] }, compensate: { action: "echo" } },
      ],
    };
    const checked = check(toolWorkflowShape, args);
    expect(checked.problems ?? definitionFromTool(checked.value)).toMatchObject({
      steps: [
        { when: "metadata.ok" },
        { forEach: { items: rows.items, maxItems: 7, maxConcurrent: 2 } },
        { forEach: { items: [] }, compensate: { action: "echo", inputs: {} } },
      ],
    });
  });

  it("are strict", () => {
    const args = {
      workflow_id: "",
      name: "n",
      steps: [{ step_id: "a", action: "echo", if: 1 }],
      timeout: 0,
    };
    expect(check(toolWorkflowShape, args).problems).toEqual([
      'workflow_id is ""; allowed is at least 1 character',
      expect.stringContaining('steps[0]: unknown key "if"'),
      "timeout is 0; allowed is more than 0",
    ]);
  });
});
