import {
  ProtocolError,
  ProtocolErrorCode,
  inputRequired,
  inputResponse,
  type InputRequiredResult,
} from "@modelcontextprotocol/server";
import { fault } from "../errors/index.ts";
import { callTool, type Tool } from "../tools/index.ts";
import { canAsk, type ClientRequest } from "./client-request.ts";
import type { ToolServices } from "./tool-services.ts";

type Members = Record<string, unknown>;

/** The question in an answer that asks for input, and the answer in the one that brings it. */
const QUESTION = "confirm";

/** Carries out a call with these arguments. */
type Carry = (args: Members) => Promise<Members>;

/**
 * Carries out a call of a tool that may have to be confirmed. `confirm: true` is enough. Without it a client that can ask
 * its user is made to; any other is told what would happen, and gets a token with which the same call is carried out, once
 * and within ten minutes. Nothing is done before.
 *
 * @throws ProtocolError when the client brings back a state that it was not given for this call
 */
export async function confirmedCall(
  tool: Tool,
  given: Members,
  request: ClientRequest,
  services: ToolServices,
  carry: Carry,
): Promise<Members | InputRequiredResult> {
  const { confirm_token: token, ...args } = given;
  if (!isConfirmable(tool)) return carry(given);
  if (args["confirm"] === true) return carry(args);
  const { confirm: _, ...rest } = args;
  const call = { tool: tool.name, args: rest };
  const answered = inputResponse(request.responses, QUESTION);
  if (request.state !== undefined) {
    if (!services.confirmations.redeem(request.state, call)) throw foreignState(tool);
    if (answered.kind === "elicit") {
      const isConfirmed = answered.action === "accept" && answered.content?.["confirm"] === true;
      return isConfirmed ? carry({ ...rest, confirm: true }) : declined(tool);
    }
  }
  if (typeof token === "string" && services.confirmations.redeem(token, call))
    return carry({ ...rest, confirm: true });
  // Arguments that are wrong are told at once, and nobody is asked about them.
  const refused = await carry(rest);
  if (refused["code"] !== "CONFIRMATION_REQUIRED") return refused;
  const preview = await previewOf(tool, rest, request, services);
  if (canAsk(request.capabilities)) return question(tool, preview, services.confirmations.ask(call));
  const next = `call ${tool.name} again with the same arguments and this confirm_token, within ten minutes`;
  return {
    ...refused,
    preview,
    confirm_token: services.confirmations.ask(call),
    next: token === undefined ? next : `the confirm_token is not, or no longer, for this call: ${next}`,
  };
}

/** Whether a call of it needs `confirm: true`. */
export function isConfirmable({ hints, input }: Tool): boolean {
  const { properties } = input.json();
  return (
    hints.destructiveHint && typeof properties === "object" && properties !== null && "confirm" in properties
  );
}

function question(tool: Tool, preview: string | undefined, requestState: string): InputRequiredResult {
  const message = [`${tool.title}?`, preview, "This cannot be taken back."].filter(Boolean).join(" ");
  const confirm = { type: "boolean", title: tool.title, description: "Do it" } as const;
  return inputRequired({
    requestState,
    inputRequests: {
      [QUESTION]: inputRequired.elicit({
        message,
        requestedSchema: { type: "object", properties: { confirm }, required: ["confirm"] },
      }),
    },
  });
}

/** @see https://modelcontextprotocol.io/specification/2026-07-28/basic/patterns/mrtr such a state must be refused */
const foreignState = ({ name }: Tool): ProtocolError =>
  new ProtocolError(
    ProtocolErrorCode.InvalidParams,
    `this requestState is not, or no longer, for this call of ${name}: call it again without one`,
  );

function declined({ name }: Tool): Members {
  const { message, code, retryable } = fault("CANCELLED", {
    what: name,
    reason: "the user did not confirm it",
  });
  return { success: false, error: message, code, retryable };
}

/** What the call would do, in one sentence; undefined: its tool does not say, or cannot now. */
async function previewOf(
  tool: Tool,
  args: Members,
  { signal }: ClientRequest,
  { door, templates }: ToolServices,
): Promise<string | undefined> {
  const { refuse: _, preview, ...rest } = tool;
  if (!preview) return undefined;
  const looking: Tool = { ...rest, run: async (...call) => ({ preview: await preview(...call) }) };
  const answer = await callTool(looking, args, {
    open: () => door.opened(signal),
    signal,
    ...(templates && { templates }),
  });
  return typeof answer["preview"] === "string" ? answer["preview"] : undefined;
}
