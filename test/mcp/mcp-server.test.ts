import { describe, expect, it } from "vitest";
import { TOOLS } from "../../src/tools/index.ts";
import { ERAS, connectTo, openApp } from "./kit/connected-client.ts";
import { rawClient } from "./kit/raw-client.ts";

describe.each(ERAS)("a client of the %s era", (era) => {
  it("is told of tools, resources and prompts, and that their lists do not change", async () => {
    const { client } = await connectTo(await openApp(), era);
    const capabilities = client.getServerCapabilities();
    expect(capabilities).toMatchObject({
      tools: { listChanged: false },
      resources: { listChanged: false },
      prompts: { listChanged: false },
      completions: {},
    });
    expect(capabilities?.extensions !== undefined).toBe(era === "modern");
    const { tools } = await client.listTools();
    expect(tools.map(({ name }) => name)).toEqual(TOOLS.map(({ name }) => name));
    expect((client.getInstructions() ?? "").length).toBeLessThan(2_000);
  });

  it.each([
    ["workflow_sttus", 'did you mean \\"workflow_status\\"?'],
    ["constructor", 'there is no tool \\"constructor\\"'],
    ["__proto__", 'there is no tool \\"__proto__\\"'],
  ])("is told that there is no tool %s", async (name, sentence) => {
    const { client } = await connectTo(await openApp(), era);
    const error: unknown = await client.callTool({ name, arguments: {} }).catch((reason: unknown) => reason);
    expect(error).toMatchObject({ code: -32_602 });
    expect(JSON.stringify((error as Error).message)).toContain(sentence);
  });

  it("is told of every failure in one shape: what, which code, whether to try again, and about what", async () => {
    const { client, call } = await connectTo(await openApp(), era);
    expect(await call("workflow_status", { workflow_id: "nobody" })).toEqual({
      success: false,
      error: 'there is no workflow "nobody"',
      code: "WORKFLOW_NOT_FOUND",
      retryable: false,
      workflow_id: "nobody",
    });

    const steps = [
      { step_id: "a", action: "echo", depends_on: ["b"] },
      { step_id: "b", action: "echo", depends_on: ["a", "gone"] },
      { step_id: "c", action: "ecco" },
      { step_id: "c", action: "echo" },
    ];
    const invalid = await call("workflow_submit", { workflow_id: "w", name: "w", steps });
    expect(invalid).toMatchObject({
      success: false,
      code: "WORKFLOW_INVALID",
      retryable: false,
      workflow_id: "w",
    });
    for (const problem of [/"c" is used 2 times/, /"gone"/, /a -> b -> a/, /"ecco"/])
      expect(invalid["error"]).toMatch(problem);

    const unknown = await call("workflow_status", { workflow_id: "w", include_step: false });
    expect(unknown).toEqual({
      success: false,
      error:
        'the input of workflow_status does not fit: unknown key "include_step" (did you mean "include_steps"?); ' +
        "known are workflow_id, include_steps, include_metrics",
      code: "INPUT_INVALID",
      retryable: false,
      workflow_id: "w",
    });
    const wrong = await call("workflow_submit", { workflow_id: 7, name: "w", steps: [] });
    expect(wrong).toMatchObject({ success: false, code: "INPUT_INVALID" });
    expect(wrong["error"]).toContain("workflow_id is 7; allowed is a string");
    expect(wrong["error"]).toContain("steps is an array of 0; allowed is at least 1 item");

    await call("workflow_submit", {
      workflow_id: "long",
      name: "long",
      steps: [{ step_id: "wait", action: "sleep", inputs: { ms: 3_600_000 } }],
    });
    expect(await call("workflow_result", { workflow_id: "long" })).toMatchObject({
      success: false,
      code: "WORKFLOW_NOT_FINISHED",
      retryable: true,
      workflow_id: "long",
    });
    await expect(client.callTool({ name: "constructor", arguments: {} })).rejects.toThrow(/constructor/);
  });
});

it.each([
  ["tools/list", { cursor: 5 }],
  ["prompts/list", { cursor: {} }],
  ["resources/list", { cursor: [] }],
  ["resources/templates/list", { cursor: true }],
  ["resources/read", { uri: 7 }],
  ["prompts/get", { name: "plan_workflow", arguments: { goal: 1 } }],
  ["completion/complete", { ref: { type: "ref/other" } }],
])("a request for %s with parameters of a wrong type is told that they are wrong", async (method, params) => {
  const { request } = await rawClient(await openApp());
  expect(await request(method, params)).toMatchObject({ error: { code: -32_602 } });
});
