import type { CallToolResult } from "@modelcontextprotocol/server";
import { LIMITS, fault, toWireError } from "../errors/index.ts";
import { validate } from "../schema/index.ts";
import { answerSchemaOf, type Tool } from "../tools/index.ts";
import { capAnswer } from "./result-cap.ts";
import { resourceOfAnswer } from "./tool-resources.ts";
import type { ToolServices } from "./tool-services.ts";

type Members = Record<string, unknown>;

/** Of a call that took too long: it is left to itself, since what is on disk, or waits for others, does not end with it. */
const WENT_ON = "what it began may go on: ask for the state of what it is about before it is called again";

/**
 * What a client gets of a tool's answer: the same JSON as structure and as text, held against the schema that the tool
 * declares, without what people cannot see or should not, and short enough to be read.
 */
export async function toolResult(
  tool: Tool,
  args: Members,
  answer: Members,
  { hygiene, log }: Pick<ToolServices, "hygiene" | "log">,
): Promise<CallToolResult> {
  if (answer["success"] !== true) {
    const next = answer["code"] === "DEADLINE_EXCEEDED" ? { next: WENT_ON } : {};
    return resultOf(hygiene.cleanValue({ ...answer, ...next }));
  }
  const problem = await problemOf(tool, answer);
  if (problem !== undefined) {
    log.error("a tool's answer does not fit its output schema", { tool: tool.name, problem });
    return resultOf(failure("DEFECT", `the answer of ${tool.name} does not have the shape that it declares`));
  }
  const { value, text } = hygiene.cleanJson(answer);
  if (Buffer.byteLength(text) <= LIMITS.mcp.resultBytes) return resultOf(value, text);
  const resource = resourceOfAnswer(tool.name, args);
  try {
    const capped = capAnswer(value, {
      schema: answerSchemaOf(tool),
      what: tool.name,
      resource,
      offset: typeof args["offset"] === "number" ? args["offset"] : 0,
    });
    return linkedTo(resource, resultOf(capped));
  } catch (error) {
    const { code, message } = toWireError(error);
    return resultOf(failure(code, message));
  }
}

const failure = (code: string, error: string): Members => ({ success: false, error, code, retryable: false });

/** The failure of a call that never reached its tool. */
export const refusal = (
  code: "INPUT_INVALID",
  details: { what: string; problems: string[] },
): CallToolResult => resultOf(failure(code, fault(code, details).message));

const resultOf = (answer: Members, text = JSON.stringify(answer)): CallToolResult => ({
  content: [{ type: "text", text }],
  structuredContent: answer,
  isError: answer["success"] !== true,
});

function linkedTo(uri: string | undefined, result: CallToolResult): CallToolResult {
  if (uri === undefined) return result;
  const link = { type: "resource_link", uri, name: uri, description: "The whole answer" } as const;
  return { ...result, content: [...result.content, link] };
}

async function problemOf(tool: Tool, answer: Members): Promise<string | undefined> {
  const { problems } = await validate(tool.output, answer, tool.name);
  return problems?.join("; ");
}
