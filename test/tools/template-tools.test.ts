import { afterAll, beforeAll, expect, it } from "vitest";
import type { System } from "../../src/system/index.ts";
import { callTool } from "../../src/tools/index.ts";
import { TemplateRegistry } from "../../src/workflow/template.ts";
import { openInline } from "../kit/inline-system.ts";
import { callOf, toolNamed } from "./kit/call.ts";

const GREET = `
template_id: greet
name: Greeting
version: VERSION
description: Greets somebody
tags: [polite]
parameters:
  - { name: who, type: string, description: Whom to greet, validation: '\\w+$' }
  - { name: loud, type: boolean, default: false, required: false }
steps:
  - { step_id: say, action: echo, inputs: { text: "hello \${who}", loud: "\${loud}" } }
`;
const WHOLE = `
template_id: whole
name: Whole
includes: [greet]
steps:
  - { step_id: end, action: echo, depends_on: [greet_say], inputs: {} }
`;

let system: System;
const templates = new TemplateRegistry();

beforeAll(async () => {
  for (const version of ["1.0.0", "1.2.0"])
    templates.importText(GREET.replace("VERSION", version), "greet.yaml");
  templates.importText(WHOLE, "whole.yaml");
  system = await openInline({ data: null, threads: 1 });
});
afterAll(() => system.close());

const call = (name: string, args: unknown) => callOf(name, args, async () => system, { templates });

it("template_list lists what the server has, by id, the latest version first", async () => {
  const answer = await call("template_list", { limit: 2 });
  expect(answer).toEqual({
    success: true,
    templates: [
      {
        template_id: "greet",
        name: "Greeting",
        version: "1.2.0",
        description: "Greets somebody",
        parameter_count: 2,
        step_count: 1,
        includes: [],
      },
      expect.objectContaining({ template_id: "greet", version: "1.0.0" }),
    ],
    total_count: 3,
    returned_count: 2,
    has_more: true,
  });
});

it("template_show gives parameters and steps, those of its includes too", async () => {
  expect(await call("template_show", { template_id: "whole" })).toMatchObject({
    version: "1.0.0",
    parameters: [
      { name: "who", type: "string", required: true, validation: "\\w+$" },
      { name: "loud", type: "boolean", required: false, default: false },
    ],
    steps: [{ step_id: "greet_say" }, { step_id: "end", depends_on: ["greet_say"] }],
  });
  expect(await call("template_show", { template_id: "greet", version: "1.0.0" })).toMatchObject({
    version: "1.0.0",
  });
  expect(await call("template_show", { template_id: "great" })).toMatchObject({
    success: false,
    code: "UNKNOWN_NAME",
    error: 'there is no template "great"; there are: greet, whole',
    template_id: "great",
  });
});

it("template_check says every problem with its place, knows what the server has, and keeps nothing", async () => {
  const wrong = await call("template_check", { text: WHOLE.replace("greet]", "gret]"), format: "yaml" });
  expect(wrong).toMatchObject({ success: true, valid: false, templates: [] });
  expect(wrong["problems"]).toEqual([
    expect.stringMatching(/^template\.yaml:4:\d+: there is no template "gret" to include$/),
  ]);
  const no = await call("template_check", { text: "{" });
  expect((no["problems"] as string[])[0]).toMatch(/^template\.json:1:\d+: it is no JSON/);
  const right = await call("template_check", { text: GREET.replace("VERSION", "2.0.0"), format: "yaml" });
  expect(right).toEqual({
    success: true,
    valid: true,
    problems: [],
    templates: [{ template_id: "greet", version: "2.0.0" }],
  });
  expect(templates.get("greet")?.version).toBe("1.2.0");
});

it("template_run makes a workflow of a version, with values for its parameters, and starts it", async () => {
  const args = {
    template_id: "greet",
    version: "^1.0",
    parameters: { who: "you" },
    workflow_id: "hello",
    priority: 5,
    idempotency_key: "hello to you",
  };
  const answer = await call("template_run", args);
  expect(answer).toMatchObject({
    success: true,
    workflow_id: "hello",
    template_id: "greet",
    template_version: "1.2.0",
    peer_assigned: "local",
    replayed: false,
  });
  await Array.fromAsync(system.watch("hello"));
  expect((await system.result("hello")).outputs).toEqual({ say: { text: "hello you", loud: false } });
  expect(await system.list({ tags: ["polite"] })).toMatchObject({ total: 1 });
  const again = await call("template_run", { ...args, workflow_id: "hello2" });
  expect(again).toMatchObject({ workflow_id: "hello", replayed: true });
  const named = await call("template_run", { template_id: "greet", parameters: { who: "me" } });
  expect(named["workflow_id"]).toMatch(/^greet-[\da-f]{8}$/);
});

it("template_run refuses values that do not fit, all at once", async () => {
  const answer = await call("template_run", {
    template_id: "greet",
    parameters: { who: "!", loud: 1, to: 2 },
  });
  expect(answer).toMatchObject({ success: false, code: "TEMPLATE_INVALID", template_id: "greet" });
  for (const problem of ['"who" does not match', '"loud" is no boolean', 'no parameter "to"'])
    expect(answer["error"]).toContain(problem);
});

it("a server that was started without templates says so", async () => {
  const { signal } = new AbortController();
  const open = async (): Promise<System> => system;
  const answer = await callTool(toolNamed("template_run"), { template_id: "greet" }, { open, signal });
  expect(answer).toMatchObject({
    code: "UNKNOWN_NAME",
    error: 'there is no template "greet"; there are: none',
  });
});
