import { describe, expect, it } from "vitest";

import { LIMITS } from "../../src/errors/index.ts";
import { checkDefinition } from "../../src/workflow/definition.ts";
import type { WorkflowDefinition } from "../../src/workflow/workflow.protocol.ts";
import { step, workflow } from "./kit/definitions.ts";

const problems = (definition: WorkflowDefinition, actions?: ReadonlySet<string>): readonly string[] => {
  const checked = checkDefinition(definition, actions);
  return checked.ok ? [] : checked.problems;
};

describe("a definition", () => {
  it("that is sound gives its graph", () => {
    const checked = checkDefinition(workflow([step("a"), step("b", ["a"])]), new Set(["echo"]));
    expect(checked.ok && checked.dag.levels).toEqual([[0], [1]]);
  });

  it("is held against the limits, just over and just under", () => {
    const { idChars, nameChars, tags, tagChars } = LIMITS.workflow;
    const { attempts, timeoutMs, priority } = LIMITS.queue;
    const cacheTtlMs = LIMITS.cache.ttlMs;
    const text = (chars: number): string => "x".repeat(chars);
    const at = workflow([step("a", [], { attempts, timeoutMs, cacheTtlMs, priority })], {
      workflowId: text(idChars - 10),
      name: text(nameChars),
      tags: Array.from({ length: tags }, () => text(tagChars)),
      priority: -priority,
    });
    expect(problems(at)).toEqual([]);
    const over = workflow(
      [
        step("a", [], {
          action: "",
          attempts: 0,
          timeoutMs: timeoutMs + 1,
          cacheTtlMs: 0.5,
          priority: priority + 1,
        }),
      ],
      { workflowId: text(idChars + 1), name: "", tags: [...at.tags, "x"], priority: -priority - 1 },
    );
    expect(problems(over)).toEqual([
      "the workflow id needs 1 to 256 characters of well-formed text without NUL",
      "the name needs 1 to 1000 characters of well-formed text without NUL",
      "the priority is -1000001; allowed is a number from -1000000 to 1000000",
      "it has 101 tags; at most 100 are allowed",
      'step "a": the priority is 1000001; allowed is a number from -1000000 to 1000000',
      'step "a": the timeout in milliseconds is 604800001; allowed is a whole number from 1 to 604800000',
      'step "a": the attempts is 0; allowed is a whole number from 1 to 100',
      'step "a": the cache lifetime in milliseconds is 0.5; allowed is a whole number from 0 to 315360000000',
      'step "a": the action needs 1 to 512 characters of well-formed text without NUL',
    ]);
  });

  it("has ids that make a task id which the queue takes", () => {
    const definition = workflow([step("ü".repeat(60))], { workflowId: "ü".repeat(60) });
    expect(problems(definition)).toEqual([
      expect.stringContaining("have 725 characters; at most 512 are allowed"),
    ]);
  });

  it("has tags of well-formed text and a known policy", () => {
    const odd = workflow([step("a")], { tags: ["a\0"], onFailure: "explode" as "ignore" });
    expect(problems(odd)).toEqual([
      'on_failure is "explode"; allowed is skip_dependents, fail_fast, ignore',
      "each tag needs 1 to 256 characters of well-formed text without NUL",
    ]);
  });

  it("names only actions that there are", () => {
    const definition = workflow([step("a"), step("b", [], { action: "shout" })]);
    expect(problems(definition, new Set(["sleep", "echo"]))).toEqual([
      'step "b": there is no action "shout"; there are: echo, sleep',
    ]);
  });

  it("refers only to steps that it depends on, directly or not", () => {
    const to = (...ids: string[]): { inputs: { x: string[] } } => ({
      inputs: { x: ids.map((id) => `\${{ steps.${id}.output }}`) },
    });
    const definition = workflow([
      step("a"),
      step("b", ["a"], to("a")),
      step("c", ["b"], to("a", "b", "c", "d", "zz")),
      step("d", [], { inputs: { x: "${{ steps }}" } }),
    ]);
    expect(problems(definition)).toEqual([
      'step "c": inputs.x[2] refers to step "c", which is itself',
      'step "c": inputs.x[4] refers to step "zz", which is no step of this workflow',
      expect.stringContaining('step "d": inputs.x: a reference at character 1 needs'),
      'step "c": inputs.x[3] refers to step "d" without depending on it; name it in depends_on',
    ]);
  });

  it("with problems everywhere is told all of them at once, up to a bound", () => {
    const many = Array.from({ length: 300 }, (_, at) => step(`s${at}`, ["nobody"]));
    const found = problems(workflow(many));
    expect(found.length).toBe(LIMITS.workflow.problems + 1);
    expect(found.at(-1)).toBe("and 200 more problems");
    const tooMany = Array.from({ length: LIMITS.workflow.steps + 1 }, (_, at) => step(`s${at}`));
    expect(problems(workflow(tooMany))).toEqual(["it has 100001 steps; at most 100000 are allowed"]);
  });

  it("of a program that ignores types is refused, not tripped over", () => {
    const wrong = (value: unknown): readonly string[] => problems(value as WorkflowDefinition);
    expect(wrong(null)).toEqual(["it is no object"]);
    expect(wrong({ workflowId: 1, name: 2, tags: [3], metadata: [], steps: {} })).toEqual([
      "the workflow id is no text",
      "the name is no text",
      "the tags are no array of texts",
      "the metadata is no object",
      "the steps are no array",
    ]);
    const good = step("a");
    const steps = [
      5,
      { ...good, stepId: 1 },
      { ...good, action: null },
      { ...good, inputs: undefined },
      { ...good, dependsOn: "a" },
    ];
    expect(wrong({ ...workflow([]), steps })).toEqual([
      "the step at position 0 is no object",
      "the id of the step at position 1 is no text",
      "the action of the step at position 2 is no text",
      "the inputs of the step at position 3 are no object",
      "the dependencies of the step at position 4 are no array of texts",
    ]);
    expect(wrong(workflow([{ ...good, attempts: "3" as unknown as number }]))).toEqual([
      'step "a": the attempts is 3; allowed is a whole number from 1 to 100',
    ]);
  });
});
