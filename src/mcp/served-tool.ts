import type { CallToolResult, InputRequiredResult, Tool as ListedTool } from "@modelcontextprotocol/server";
import { isInputRequiredResult } from "@modelcontextprotocol/server";
import { LIMITS } from "../errors/index.ts";
import { answerSchemaOf, callTool, inputSchemaOf, type Tool } from "../tools/index.ts";
import { CallProgress } from "./call-progress.ts";
import type { ClientRequest } from "./client-request.ts";
import { confirmedCall, isConfirmable } from "./confirmed-call.ts";
import { workStartedBy } from "./durable-work.ts";
import { hasMoreElements } from "./element-count.ts";
import { refusal, toolResult } from "./tool-result.ts";
import type { ToolServices } from "./tool-services.ts";
import type { WorkDesk } from "./work-desk.ts";

type Members = Record<string, unknown>;

/** A tool as clients see it. */
export interface ServedTool {
  readonly listing: ListedTool;
  /** What went wrong with the call is its result; rejects with a ProtocolError when the request itself is wrong. */
  call(args: Members, request: ClientRequest): Promise<CallToolResult | InputRequiredResult>;
}

/** @param desk where work that the tool starts is followed */
export function servedTool(tool: Tool, services: ToolServices, desk: WorkDesk): ServedTool {
  return {
    listing: listingOf(tool),
    async call(args, request) {
      const { inputElements } = LIMITS.mcp;
      if (hasMoreElements(args, inputElements)) {
        const problems = [`it has more than ${inputElements} items and members`];
        return refusal("INPUT_INVALID", { what: tool.name, problems });
      }
      const answer = await confirmedCall(tool, args, request, services, (given) =>
        carryOut(tool, given, request, services),
      );
      if (isInputRequiredResult(answer)) return answer;
      const work = request.takesTasks ? workStartedBy(tool.name, answer) : undefined;
      return work ? desk.started(work, request) : toolResult(tool, args, answer, services);
    },
  };
}

async function carryOut(
  tool: Tool,
  args: Members,
  { signal, notify, traceparent }: ClientRequest,
  { door, router, templates, clock, callMs, log }: ToolServices,
): Promise<Members> {
  const progress =
    notify &&
    new CallProgress(notify, clock, (why) => log.debug("progress was not told", { tool: tool.name, why }));
  try {
    return await callTool(tool, args, {
      open: () => door.opened(signal),
      signal,
      router,
      timeoutMsMax: callMs,
      traceparent,
      ...(progress && { onProgress: (fraction, message) => progress.report(fraction, message) }),
      ...(templates && { templates }),
    });
  } finally {
    await progress?.end();
  }
}

function listingOf(tool: Tool): ListedTool {
  const { name, title, description, hints } = tool;
  const input = inputSchemaOf(tool);
  return {
    name,
    title,
    description,
    // It is JSON, which its type cannot say.
    inputSchema: (isConfirmable(tool) ? withToken(input) : input) as ListedTool["inputSchema"],
    outputSchema: answerSchemaOf(tool),
    annotations: { title, ...hints },
  };
}

/** A client that cannot ask its user confirms with what the refusal gave it. */
function withToken(schema: Members): Members {
  const confirm_token = { type: "string", description: "Instead of confirm: what the refusal gave" };
  return { ...schema, properties: { ...(schema["properties"] as Members), confirm_token } };
}
