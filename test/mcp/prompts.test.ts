import { describe, expect, it } from "vitest";
import { TOOLS } from "../../src/tools/index.ts";
import { TemplateRegistry } from "../../src/workflow/template.ts";
import { ERAS, connectTo, openApp } from "./kit/connected-client.ts";

describe.each(ERAS)("a client of the %s era", (era) => {
  it("is offered prompts for the commonest jobs, which name tools that there are", async () => {
    const { client } = await connectTo(await openApp(), era);
    const { prompts } = await client.listPrompts();
    expect(prompts.map(({ name }) => name)).toEqual(["plan_workflow", "diagnose_workflow", "review_queue"]);
    const known = new Set(TOOLS.map(({ name }) => name));
    for (const { name, arguments: taken = [] } of prompts) {
      const args = Object.fromEntries(taken.map((each) => [each.name, `the ${each.name}`]));
      const { messages } = await client.getPrompt({ name, arguments: args });
      const [message] = messages;
      const text = message?.content.type === "text" ? message.content.text : "";
      for (const value of Object.values(args)) expect(text).toContain(value);
      const named = text.match(/\b(?:workflow|task|queue|run)_[a-z]+\b/g) ?? [];
      const arguments_ = new Set(["workflow_id", "task_id"]);
      for (const tool of named.filter((each) => !arguments_.has(each))) expect(known).toContain(tool);
    }
  });

  it.each([
    ["diagnose_workflow", {}, "needs the argument workflow_id"],
    ["diagnose_workflow", { workflow_id: "w", step: "s" }, 'has no argument "step"'],
    ["diagnose_workflows", {}, 'did you mean "diagnose_workflow"'],
    ["constructor", {}, 'there is no prompt "constructor"'],
  ])("is told what is wrong with %s %j", async (name, args, sentence) => {
    const { client } = await connectTo(await openApp(), era);
    const asked = client.getPrompt({ name, arguments: args });
    await expect(asked).rejects.toMatchObject({
      code: -32_602,
      message: expect.stringContaining(sentence) as string,
    });
  });

  it("is helped with ids, steps, templates and actions", async () => {
    const templates = new TemplateRegistry();
    const text = JSON.stringify({
      template_id: "report",
      name: "Report",
      steps: [{ step_id: "load", action: "echo" }],
    });
    templates.importText(text, "report.json");
    const app = await openApp({ templates });
    const { client, call } = await connectTo(app, era);
    for (const workflow_id of ["alpha", "beta", "alpine"])
      await call("workflow_submit", {
        workflow_id,
        name: workflow_id,
        steps: [{ step_id: "only", action: "echo" }],
      });
    await call("task_submit", { task_id: "task-1", task_type: "echo", payload: {} });
    const complete = async (uri: string, name: string, value: string, args = {}): Promise<string[]> => {
      const ref = { type: "ref/resource", uri } as const;
      const { completion } = await client.complete({
        ref,
        argument: { name, value },
        context: { arguments: args },
      });
      return completion.values;
    };
    const run = "mcplusplus://runs/{workflow_id}";
    expect(await complete(run, "workflow_id", "al")).toEqual(["alpine", "alpha"]);
    const logs = `${run}/logs/{step_id}`;
    expect(await complete(logs, "step_id", "", { workflow_id: "beta" })).toEqual(["only"]);
    expect(await complete(logs, "step_id", "", { workflow_id: "nobody" })).toEqual([]);
    expect(await complete("mcplusplus://tasks/{task_id}", "task_id", "task-")).toEqual(["task-1"]);
    expect(await complete(run, "constructor", "")).toEqual([]);
    const ref = { type: "ref/prompt", name: "plan_workflow" } as const;
    const actions = await client.complete({ ref, argument: { name: "action", value: "ec" } });
    expect(actions.completion.values).toEqual(["echo"]);
    const found = await client.complete({ ref, argument: { name: "template_id", value: "" } });
    expect(found.completion.values).toEqual(["report"]);
  });
});

it("a completion suggests a hundred names at most, and says how many there are", async () => {
  const app = await openApp();
  const { client } = await connectTo(app, "legacy");
  const system = await app.system();
  await system.tasks.submitMany(
    Array.from({ length: 101 }, (_, at) => ({ id: `t${at}`, action: "echo", input: {} })),
  );
  const ref = { type: "ref/resource", uri: "mcplusplus://tasks/{task_id}" } as const;
  const { completion } = await client.complete({ ref, argument: { name: "task_id", value: "t" } });
  expect(completion).toMatchObject({ total: 101, hasMore: true });
  expect(completion.values).toHaveLength(100);
});
