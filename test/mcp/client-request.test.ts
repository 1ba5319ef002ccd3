import type { Progress, ServerContext } from "@modelcontextprotocol/server";
import { expect, it } from "vitest";
import { canAsk, clientRequest } from "../../src/mcp/client-request.ts";

const CAPABILITIES = "io.modelcontextprotocol/clientCapabilities";

function contextOf(more: Partial<ServerContext["mcpReq"]> = {}) {
  const controller = new AbortController();
  const told: unknown[] = [];
  const mcpReq = {
    signal: controller.signal,
    requestState: () => undefined,
    notify: async (message: { params?: unknown }) => void told.push(message.params),
    ...more,
  };
  // What is looked at of it.
  return { context: { mcpReq } as unknown as ServerContext, controller, told };
}

const progress: Progress = { progress: 1 };

it("a request without a progress token is not told how far it is", () => {
  expect(clientRequest(contextOf().context, undefined).notify).toBeUndefined();
});

it.each(["token", 0])(
  "a request is told how far it is under its token (%j), until it is cancelled",
  async (progressToken) => {
    const { context, controller, told } = contextOf({ _meta: { progressToken } });
    const { notify } = clientRequest(context, undefined);
    await notify?.(progress);
    controller.abort();
    await notify?.(progress);
    expect(told).toEqual([{ progress: 1, progressToken }]);
  },
);

it("a request speaks for itself where it says what its client can, and else for the connection", () => {
  const declared = { elicitation: {} };
  expect(clientRequest(contextOf().context, declared).capabilities).toBe(declared);
  expect(clientRequest(contextOf().context, undefined).capabilities).toEqual({});
  const told = { extensions: { "io.modelcontextprotocol/tasks": {} } };
  const { context } = contextOf({ envelope: { [CAPABILITIES]: told } });
  const request = clientRequest(context, declared);
  expect(request.capabilities).toBe(told);
  expect(request.takesTasks).toBe(true);
  expect(clientRequest(contextOf().context, told).takesTasks).toBe(false);
});

it.each([
  [{}, false],
  [{ elicitation: {} }, true],
  [{ elicitation: { form: {} } }, true],
  [{ elicitation: { form: {}, url: {} } }, true],
  [{ elicitation: { url: {} } }, false],
])("a client that declares %j can ask its user with a form: %j", (capabilities, can) => {
  expect(canAsk(capabilities)).toBe(can);
});
