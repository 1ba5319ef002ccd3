import {
  MissingRequiredClientCapabilityError,
  ProtocolError,
  ProtocolErrorCode,
  inputRequired,
  type CallToolResult,
  type InputRequiredResult,
  type Tool as ListedTool,
} from "@modelcontextprotocol/server";
import { fault } from "../../src/errors/index.ts";
import type { ClientRequest } from "../../src/mcp/client-request.ts";
import { TASKS_EXTENSION } from "../../src/mcp/durable-work.ts";
import type { McpApp } from "../../src/mcp/mcp-app.ts";
import type { ServedTool } from "../../src/mcp/served-tool.ts";
import { z } from "../../src/schema/zod-schema.ts";
import { defineTool, type Tool } from "../../src/tools/tool.ts";
import { CONTENTS } from "./fixture-content.ts";
import {
  CHOICES,
  COLOR,
  DEFAULTS,
  DELETE,
  NAME,
  ROOTS,
  areAnswered,
  ask,
  askable,
  mustSample,
  sample,
  textOf,
  type Questions,
} from "./fixture-questions.ts";
import { FOREIGN_SCHEMA, HEADER_SCHEMA } from "./fixture-schemas.ts";

type Members = Record<string, unknown>;
type Answer = CallToolResult | InputRequiredResult;

const READS = { readOnlyHint: true, destructiveHint: false, idempotentHint: true, openWorldHint: false };
const DESTROYS = { readOnlyHint: false, destructiveHint: true, idempotentHint: false, openWorldHint: false };

const plain = (name: string, run: Tool["run"]): Tool =>
  defineTool({
    name,
    title: name,
    description: "A fixture.",
    input: z.strictObject({}),
    output: z.looseObject({ success: z.boolean() }),
    hints: READS,
    echo: [],
    run,
  });

/** It is asked about before it is done, as whatever here cannot be taken back. */
const confirmed = (name: string): Tool =>
  defineTool({
    name,
    title: name,
    description: "A fixture that destroys nothing.",
    input: z.strictObject({ confirm: z.boolean().default(false) }),
    output: z.looseObject({ success: z.boolean() }),
    hints: DESTROYS,
    echo: [],
    refuse({ confirm }, { confirmation }) {
      if (!confirm) throw fault("CONFIRMATION_REQUIRED", { what: name, how: confirmation });
    },
    run: async () => ({ done: true }),
  });

/** Fixtures that are tools like all others. */
export const TOOLS_LIKE_OURS: readonly Tool[] = [
  plain("test_simple_text", async () => ({ text: "This is a simple text response for testing." })),
  plain("test_error_handling", async () => {
    throw new Error("this tool fails whenever it is called");
  }),
  plain("test_tool_with_progress", async (_, { report }) => {
    for (const fraction of [0.25, 0.5, 1]) {
      report?.(fraction, `${fraction * 100} %`);
      // One word is on its way before the next: what comes faster is merged.
      await new Promise(setImmediate);
    }
    return { done: true };
  }),
  confirmed("test_input_required_result_request_state"),
  confirmed("test_input_required_result_tampered_state"),
];

/** What answers in ways that no tool of ours does: with pictures, or with questions. */
interface Fixture {
  readonly input?: ListedTool["inputSchema"];
  answer(args: Members, request: ClientRequest, app: McpApp): Answer | Promise<Answer>;
}

const said = (text: string): CallToolResult => ({ content: [{ type: "text", text }] });
const strings = (...names: readonly string[]): ListedTool["inputSchema"] => ({
  type: "object",
  properties: Object.fromEntries(names.map((name) => [name, { type: "string" }])),
  required: [...names],
});

const asks = (questionsFor: (args: Members) => Questions, input?: ListedTool["inputSchema"]): Fixture => ({
  ...(input && { input }),
  answer(args, request) {
    const questions = questionsFor(args);
    if (!areAnswered(questions, request)) return inputRequired({ inputRequests: questions });
    return said(`The client answered: ${JSON.stringify(request.responses)}`);
  },
});

/** One round after the other. What the client brings back says which one it was, and is taken once. */
const asksInTurn = (tool: string, rounds: readonly Questions[]): Fixture => ({
  answer(_, request, { services: { confirmations } }) {
    const [at = "0", token = ""] = request.state?.split(".") ?? [];
    if (request.state !== undefined && !confirmations.redeem(token, { tool, args: { at } }))
      throw new ProtocolError(
        ProtocolErrorCode.InvalidParams,
        "the requestState was not given for this call",
      );
    const asked = rounds[Number(at)] ?? {};
    const next = request.state !== undefined && areAnswered(asked, request) ? Number(at) + 1 : Number(at);
    const inputRequests = rounds[next];
    if (inputRequests === undefined) return said("Everything was answered.");
    const requestState = `${next}.${confirmations.ask({ tool, args: { at: String(next) } })}`;
    return inputRequired({ inputRequests, requestState });
  },
});

/** Work on disk: a task for a client that takes them, and waited for by any other. */
async function starts(
  task: { readonly action: string; readonly input?: unknown },
  request: ClientRequest,
  { services, work }: McpApp,
): Promise<Answer> {
  const { tasks } = await services.door.opened(request.signal);
  if (!request.takesTasks) return said(JSON.stringify(await tasks.run(task, request)));
  const { taskId: id } = await tasks.submit(task);
  return work.started({ kind: "task", id }, request);
}

const FIXTURES: Readonly<Record<string, Fixture>> = {
  ...Object.fromEntries(
    Object.entries(CONTENTS).map(([name, content]) => [name, { answer: () => ({ content: [...content] }) }]),
  ),
  test_sampling: asks(({ prompt }) => sample(String(prompt)), strings("prompt")),
  test_elicitation: asks(({ message }) => ask(String(message)), strings("message")),
  test_elicitation_sep1034_defaults: asks(() => DEFAULTS),
  test_elicitation_sep1330_enums: asks(() => CHOICES),
  test_streaming_elicitation: asks(() => NAME),
  test_input_required_result_elicitation: asks(() => NAME),
  test_input_required_result_sampling: asks(() => sample("What is the capital of France?")),
  test_input_required_result_list_roots: asks(() => ROOTS),
  test_input_required_result_multiple_inputs: asksInTurn("multiple_inputs", [
    { ...NAME, ...sample("Greet somebody."), ...ROOTS },
  ]),
  test_input_required_result_multi_round: asksInTurn("multi_round", [NAME, COLOR]),
  test_input_required_result_capabilities: {
    answer: (_, request) =>
      inputRequired({ inputRequests: askable({ ...NAME, ...sample("Greet.") }, request) }),
  },
  test_missing_capability: {
    answer(_, request) {
      mustSample(request);
      return said("The client can be asked for a text.");
    },
  },
  test_custom_header: { input: HEADER_SCHEMA, answer: () => said("It was called.") },
  json_schema_2020_12_tool: { input: FOREIGN_SCHEMA, answer: () => said("It was called.") },
  greet: { input: strings("name"), answer: ({ name }) => said(`Hello, ${String(name)}!`) },
  slow_compute: {
    input: { type: "object", properties: { seconds: { type: "number" }, label: { type: "string" } } },
    answer: ({ seconds }, request, app) =>
      starts({ action: "sleep", input: { ms: Number(seconds) * 1_000 } }, request, app),
  },
  failing_job: {
    answer(_, request, app) {
      if (request.takesTasks) return starts({ action: "fail" }, request, app);
      const requiredCapabilities = { extensions: { [TASKS_EXTENSION]: {} } };
      throw new MissingRequiredClientCapabilityError({ requiredCapabilities });
    },
  },
  confirm_delete: asks(() => DELETE, strings("filename")),
  test_tool_with_task: {
    answer(_, request, app) {
      if (!areAnswered(NAME, request)) return inputRequired({ inputRequests: NAME });
      return starts({ action: "echo", input: textOf(request, "user_name", "name") }, request, app);
    },
  },
};

/** The fixtures by name, laid over an app. */
export const fixturesOn = (app: McpApp): readonly [name: string, tool: ServedTool][] =>
  Object.entries(FIXTURES).map(([name, { input, answer }]) => [
    name,
    {
      listing: { name, description: "A fixture.", inputSchema: input ?? { type: "object" } },
      call: async (args, request) => answer(args, request, app),
    },
  ]);
