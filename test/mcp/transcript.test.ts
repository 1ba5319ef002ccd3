import { createInterface } from "node:readline";
import { PassThrough } from "node:stream";
import { serveStdio } from "@modelcontextprotocol/server/stdio";
import { describe, expect, it, onTestFinished } from "vitest";
import { LIMITS } from "../../src/errors/index.ts";
import { LineTransport } from "../../src/mcp/line-transport.ts";
import { createMcpServer } from "../../src/mcp/mcp-server.ts";
import { z } from "../../src/schema/zod-schema.ts";
import { TOOLS } from "../../src/tools/index.ts";
import { defineTool } from "../../src/tools/tool.ts";
import { ERAS, openApp, type Era } from "./kit/connected-client.ts";

type Members = Record<string, unknown>;

const HINTS = { readOnlyHint: true, destructiveHint: false, idempotentHint: true, openWorldHint: false };
const OUTPUT = z.looseObject({ success: z.boolean(), count: z.int().optional() });

/** Ends when its call is cancelled, and tells the test. */
function openHanging() {
  const began = Promise.withResolvers<void>();
  const ended = Promise.withResolvers<void>();
  const tool = defineTool({
    name: "hangs",
    title: "Hangs",
    description: "Waits for the end of its call.",
    input: z.strictObject({}),
    output: OUTPUT,
    hints: HINTS,
    echo: [],
    run: async (_, { signal }) => {
      began.resolve();
      await new Promise((resolve) => signal.addEventListener("abort", resolve));
      ended.resolve();
      return {};
    },
  });
  return { tool, began: began.promise, ended: ended.promise };
}

const plain = (name: string, run: () => Members) =>
  defineTool({
    name,
    title: name,
    description: name,
    input: z.strictObject({ count: z.int().min(1).optional() }),
    output: OUTPUT,
    hints: HINTS,
    echo: [],
    run: async () => run(),
  });

const META = {
  "io.modelcontextprotocol/protocolVersion": "2026-07-28",
  "io.modelcontextprotocol/clientCapabilities": {},
};

/** A client that writes lines, and reads them. */
async function openKit(era: Era) {
  const hanging = openHanging();
  const throws = plain("throws", () => {
    throw new Error("boom");
  });
  const app = await openApp({
    tools: [
      ...TOOLS,
      hanging.tool,
      throws,
      plain("breaks", () => ({ count: "x" })),
      plain("noop", () => ({})),
    ],
    log: {
      debug: noop,
      info: noop,
      warn: noop,
      error: noop,
      child: () => {
        throw new Error("no child");
      },
    },
  });
  const [input, output] = [new PassThrough(), new PassThrough()];
  const transport = new LineTransport({ input, output });
  const handle = serveStdio((connection) => createMcpServer(app, connection), { transport });
  onTestFinished(() => handle.close());
  const lines = createInterface({ input: output })[Symbol.asyncIterator]();
  const next = async (): Promise<Members> => {
    const { value, done } = await lines.next();
    if (done) throw new Error("the server has ended");
    return JSON.parse(value) as Members;
  };
  const write = (text: string): void => void input.write(`${text}\n`);
  const messageOf = (id: unknown, method: string, params: Members): Members => ({
    jsonrpc: "2.0",
    id,
    method,
    params: era === "modern" ? { ...params, _meta: META } : params,
  });
  const callOf = (id: unknown, name: unknown, args: unknown = {}): string =>
    JSON.stringify(messageOf(id, "tools/call", { name, arguments: args }));
  const cancel = (requestId: unknown): string =>
    JSON.stringify({ jsonrpc: "2.0", method: "notifications/cancelled", params: { requestId } });
  return { hanging, input, next, write, messageOf, callOf, cancel };
}

const noop = (): void => undefined;
const failure = (code: string, sentence: string): Members => ({
  id: "x",
  result: {
    isError: true,
    structuredContent: { success: false, code, error: expect.stringContaining(sentence) as string },
  },
});
const protocolError = (code: number, sentence = ""): Members => ({
  error: { code, message: expect.stringContaining(sentence) as string },
});

describe.each(ERAS)("to a client of the %s era", (era) => {
  it.each<[what: string, name: unknown, args: unknown, answer: Members]>([
    ["an unknown tool", "noopp", {}, protocolError(-32_602, 'did you mean "noop"')],
    ["a name from the prototype of objects", "constructor", {}, protocolError(-32_602, "there is no tool")],
    [
      "an argument out of range",
      "noop",
      { count: 0 },
      failure("INPUT_INVALID", "count is 0; allowed is at least 1"),
    ],
    ["an unknown argument", "noop", { cuont: 1 }, failure("INPUT_INVALID", 'did you mean "count"?')],
    ["arguments that are an array", "noop", [], protocolError(-32_602)],
    ["a call without a name", undefined, {}, protocolError(-32_602)],
    ["a tool that throws", "throws", {}, failure("DEFECT", "boom")],
    ["a tool that breaks its output schema", "breaks", {}, failure("DEFECT", "does not have the shape")],
    ["a tool that has to be confirmed", "cache_clear", {}, failure("CONFIRMATION_REQUIRED", "confirm")],
  ])("%s is answered so that it can be put right", async (_, name, args, answer) => {
    const { write, next, callOf } = await openKit(era);
    write(callOf("x", name, args));
    expect(await next()).toMatchObject({ jsonrpc: "2.0", id: "x", ...answer });
  });

  it.each<[what: string, line: string, answer: Members]>([
    ["malformed JSON", "{", protocolError(-32_700)],
    ["JSON that is no JSON-RPC", '{"hello":1}', protocolError(-32_600)],
    ["a batch", "[]", protocolError(-32_600)],
    ["an id of null", '{"jsonrpc":"2.0","id":null,"method":"tools/list"}', protocolError(-32_600)],
    ["an id with a fraction", '{"jsonrpc":"2.0","id":1.5,"method":"tools/list"}', protocolError(-32_600)],
    [
      "a key that hides",
      '{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"noop","arguments":{"__proto__":{}}}}',
      protocolError(-32_602),
    ],
    ["a line of 11 MiB", "x".repeat(11 * 2 ** 20), protocolError(-32_600, "longer than 10485760 bytes")],
  ])("%s is answered, and the next request is served", async (_, line, answer) => {
    const { write, next, callOf } = await openKit(era);
    write(line);
    expect(await next()).toMatchObject({ jsonrpc: "2.0", ...answer });
    write(callOf("after", "noop"));
    expect(await next()).toMatchObject({ id: "after", result: { structuredContent: { success: true } } });
  });

  it("the second of two requests with one id is refused, and the first goes on", async () => {
    const { write, next, callOf, cancel, hanging } = await openKit(era);
    write(callOf(7, "hangs"));
    await hanging.began;
    write(callOf(7, "noop"));
    expect(await next()).toMatchObject(protocolError(-32_600, "is under way"));
    write(cancel(7));
    await hanging.ended;
    // No answer comes to what was cancelled: the next line belongs to the next request.
    write(callOf(7, "noop"));
    expect(await next()).toMatchObject({ id: 7, result: { structuredContent: { success: true } } });
  });

  it("requests are served at the same time, as many as there may be, and one more is told to come again", async () => {
    const { write, next, callOf } = await openKit(era);
    const { inFlight } = LIMITS.mcp;
    write(callOf("first", "hangs"));
    for (let at = 1; at < inFlight; at++) write(callOf(at, "hangs"));
    write(callOf("surplus", "noop"));
    expect(await next()).toMatchObject({ id: "surplus", ...protocolError(-32_000, "send it again later") });
  });

  it("what was asked before the end of the input is answered", async () => {
    const { input, write, next, callOf, messageOf } = await openKit(era);
    write(JSON.stringify(messageOf(1, "tools/list", {})));
    write(callOf(2, "workflow_status", { workflow_id: "nobody" }));
    input.end();
    const answers = [await next(), await next()];
    expect(new Set(answers.map(({ id }) => id))).toEqual(new Set([1, 2]));
  });

  it("a method that there is not is answered as such", async () => {
    const { write, next, messageOf } = await openKit(era);
    for (const method of ["no/such", "constructor", "logging/setLevel"]) {
      write(JSON.stringify(messageOf(method, method, {})));
      expect(await next(), method).toMatchObject({ id: method, ...protocolError(-32_601) });
    }
  });
});

it("a request of the older era before its handshake is served", async () => {
  const { write, next, messageOf } = await openKit("legacy");
  write(JSON.stringify(messageOf(1, "tools/list", {})));
  expect(await next()).toMatchObject({ id: 1, result: { tools: expect.any(Array) as unknown[] } });
});

it.each(["2024-10-07", "2024-11-05", "2025-03-26", "2025-06-18", "2025-11-25"])(
  "the handshake of %s is answered in its own version",
  async (protocolVersion) => {
    const { write, next, messageOf } = await openKit("legacy");
    const clientInfo = { name: "test", version: "1" };
    write(JSON.stringify(messageOf(1, "initialize", { protocolVersion, capabilities: {}, clientInfo })));
    expect(await next()).toMatchObject({ id: 1, result: { protocolVersion } });
  },
);
