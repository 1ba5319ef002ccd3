import { describe, expect, it } from "vitest";

import { checkExpression } from "../../src/compute/expression.ts";
import { LIMITS } from "../../src/errors/index.ts";
import { checkDefinition } from "../../src/workflow/definition.ts";
import type {
  Compensation,
  ForEach,
  StepDefinition,
  WorkflowDefinition,
} from "../../src/workflow/workflow.protocol.ts";
import { step, workflow } from "./kit/definitions.ts";

const problems = (definition: WorkflowDefinition, actions?: ReadonlySet<string>): readonly string[] => {
  const checked = checkDefinition(definition, { ...(actions && { actions }) });
  return checked.ok ? [] : checked.problems;
};

describe("a definition", () => {
  it("that is sound gives its graph", () => {
    const checked = checkDefinition(workflow([step("a"), step("b", ["a"])]), {
      actions: new Set(["echo"]),
    });
    expect(checked.ok && checked.dag.levels).toEqual([[0], [1]]);
  });

  it("is held against the limits, just over and just under", () => {
    const { idChars, nameChars, tags, tagChars } = LIMITS.workflow;
    const { attempts, timeoutMs, priority } = LIMITS.queue;
    const cacheTtlMs = LIMITS.cache.ttlMs;
    const text = (chars: number): string => "x".repeat(chars);
    const at = workflow([step("a", [], { attempts, timeoutMs, cacheTtlMs, priority })], {
      workflowId: text(idChars - 30),
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

  it("has retries, deadlines and bounds of the whole run within theirs", () => {
    const { delayMs, backoffFactor, nameChars } = LIMITS.queue;
    const within = workflow(
      [
        step("a", [], {
          deadlineMs: 8.64e15,
          backoff: { shape: "linear", delayMs, maxDelayMs: 0, factor: backoffFactor, jitter: 1 },
        }),
      ],
      {
        maxConcurrency: 1,
        deadlineMs: 0,
        timeoutMs: LIMITS.workflow.timeoutMs,
        idempotencyKey: "k".repeat(nameChars),
      },
    );
    expect(problems(within)).toEqual([]);
    const backoff = { shape: "sometimes" as "fixed", delayMs: -1, maxDelayMs: NaN, factor: 0.5, jitter: 2 };
    const outside = workflow([step("a", [], { deadlineMs: -1, backoff })], {
      maxConcurrency: 0,
      deadlineMs: 9e15,
      timeoutMs: 0.5,
      idempotencyKey: "",
    });
    expect(problems(outside)).toEqual([
      "the maximum of tasks at a time is 0; allowed is a whole number from 1 to 1000000",
      "the deadline in milliseconds is 9000000000000000; allowed is a number from 0 to 8640000000000000",
      "the timeout in milliseconds is 0.5; allowed is a whole number from 1 to 31622400000",
      "the idempotency key needs 1 to 512 characters of well-formed text without NUL",
      'step "a": the backoff\'s delay in milliseconds is -1; allowed is a number from 0 to 31622400000',
      'step "a": the backoff\'s longest delay in milliseconds is NaN; allowed is a number from 0 to 31622400000',
      'step "a": the backoff\'s factor is 0.5; allowed is a number from 1 to 100',
      'step "a": the backoff\'s jitter is 2; allowed is a number from 0 to 1',
      'step "a": the backoff\'s shape is "sometimes"; allowed is none, fixed, linear, exponential',
      'step "a": the deadline in milliseconds is -1; allowed is a number from 0 to 8640000000000000',
    ]);
  });

  it("waits only for workflows that there are, and not for too many", () => {
    const waiting = (dependencies: string[]): readonly string[] => {
      const checked = checkDefinition(workflow([step("a")], { dependencies }), { isRun: (id) => id === "v" });
      return checked.ok ? [] : checked.problems;
    };
    expect(waiting(["v", "v"])).toEqual([]);
    expect(waiting(["v", "u", "u", "t"])).toEqual([
      'it waits for the workflow "u", which there is not',
      'it waits for the workflow "t", which there is not',
    ]);
    const many = Array.from({ length: LIMITS.workflow.dependencies + 1 }, () => "v");
    expect(waiting(many)).toEqual(["it waits for 101 workflows; at most 100 are allowed"]);
  });

  it("has ids that make a task id which the queue takes", () => {
    const definition = workflow([step("ü".repeat(60))], { workflowId: "ü".repeat(60) });
    expect(problems(definition)).toEqual([
      expect.stringContaining("have up to 742 characters; at most 512 are allowed"),
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

  it("has steps whose outputs can have their names", () => {
    expect(problems(workflow([step("__proto__")]))).toEqual([
      'step "__proto__": its id cannot be the name of an output',
    ]);
  });

  it("has conditions that can be read, and are not too long", () => {
    const when = (text: string): readonly string[] => {
      const definition = workflow([step("a", [], { when: text })]);
      const checked = checkDefinition(definition, { checkExpression });
      return checked.ok ? [] : checked.problems;
    };
    expect(when("$count(steps.a.output) > 1 and metadata.x = 'y'")).toEqual([]);
    expect(when("1 +")).toEqual([expect.stringContaining('step "a": the condition cannot be read: line 1')]);
    expect(when("")).toEqual(['step "a": the condition has 0 characters; allowed is 1 to 2048']);
    expect(when("1".repeat(2_049))).toEqual([expect.stringContaining("has 2049 characters")]);
  });

  it("fans out over lists that are given or referred to, within bounds", () => {
    const fan = (forEach: unknown, inputs: StepDefinition["inputs"] = {}): readonly string[] =>
      problems(workflow([step("a"), step("b", ["a"], { forEach: forEach as ForEach, inputs })]));
    expect(fan({ items: [1, { x: "${{ steps.a.output }}" }] }, { x: "${{ item.x }} ${{ index }}" })).toEqual(
      [],
    );
    expect(fan({ items: "${{ steps.a.output.rows }}", maxItems: 10_000, maxConcurrent: 1 })).toEqual([]);
    const notOne = 'step "b": the items are neither a list nor a text that is exactly one reference';
    expect(fan({ items: "rows" })).toEqual([notOne]);
    expect(fan({ items: "${{ steps.a.output }} " })).toEqual([notOne]);
    expect(fan({})).toEqual([notOne]);
    expect(fan({ items: [1, 2, 3], maxItems: 2 })).toEqual([
      'step "b": it has 3 items; at most 2 are allowed',
    ]);
    expect(fan({ items: [], maxItems: 10_001, maxConcurrent: 0 })).toEqual([
      'step "b": the most items is 10001; allowed is a whole number from 1 to 10000',
      'step "b": the maximum of items at a time is 0; allowed is a whole number from 1 to 10000',
    ]);
    expect(fan({ items: "${{ steps.zz.output }}" })).toEqual([
      'step "b": for_each.items refers to step "zz", which is no step of this workflow',
    ]);
    expect(fan({ items: "${{ steps." })[0]).toContain('step "b": for_each.items: a reference at character 1');
    expect(fan({ items: ["${{ item }}"] })).toEqual([
      'step "b": for_each.items[0] refers to ${{ item }}, which only the inputs of a fan-out can',
    ]);
    expect(problems(workflow([step("a", [], { inputs: { x: ["${{ index }}"] } })]))).toEqual([
      'step "a": inputs.x[0] refers to ${{ index }}, which only the inputs of a fan-out can',
    ]);
  });

  it("is undone by an action that there is, over itself and what it depends on", () => {
    const undo = (compensate: unknown): readonly string[] => {
      const b = step("b", ["a"], { compensate: compensate as Compensation });
      const checked = checkDefinition(workflow([step("a"), b, step("c", ["b"])]), {
        actions: new Set(["echo"]),
      });
      return checked.ok ? [] : checked.problems;
    };
    const of = (...texts: string[]): unknown => ({ action: "echo", inputs: { x: texts } });
    expect(undo(of("${{ steps.b.output.id }}", "${{ steps.a.output }}"))).toEqual([]);
    expect(undo(of("${{ steps.c.output }}", "${{ steps.zz.output }}", "${{ item }}", "${{ steps."))).toEqual([
      'step "b": compensate.inputs.x[2] refers to ${{ item }}, which only the inputs of a fan-out can',
      expect.stringContaining('step "b": compensate.inputs.x[3]: a reference at character 1 needs'),
      'step "b": compensate.inputs.x[1] refers to step "zz", which is no step of this workflow',
      'step "b": compensate.inputs.x[0] refers to step "c" without depending on it; name it in depends_on',
    ]);
    expect(undo({ action: "shout", inputs: {} })).toEqual([
      'step "b": there is no action "shout"; there are: echo',
    ]);
    expect(undo({ action: "", inputs: {} })[0]).toContain('step "b": the action of its compensation needs');
    expect(undo([])).toEqual(["the compensation of the step at position 1 is no object"]);
    expect(undo({})).toEqual([
      "the action of the compensation of the step at position 1 is no text",
      "the inputs of the compensation of the step at position 1 are no object",
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
    expect(wrong({ workflowId: 1, name: 2, tags: [3], metadata: [], steps: {}, dependencies: [4] })).toEqual([
      "the workflow id is no text",
      "the name is no text",
      "the tags are no array of texts",
      "the dependencies of the workflow are no array of texts",
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
      { ...good, backoff: "linear" },
      { ...good, when: true },
      { ...good, forEach: [1] },
    ];
    expect(wrong({ ...workflow([]), steps })).toEqual([
      "the step at position 0 is no object",
      "the id of the step at position 1 is no text",
      "the action of the step at position 2 is no text",
      "the inputs of the step at position 3 are no object",
      "the dependencies of the step at position 4 are no array of texts",
      "the backoff of the step at position 5 is no object",
      "the condition of the step at position 6 is no text",
      "the fan-out of the step at position 7 is no object",
    ]);
    expect(wrong(workflow([{ ...good, attempts: "3" as unknown as number }]))).toEqual([
      'step "a": the attempts is "3"; allowed is a whole number from 1 to 100',
    ]);
  });
});
