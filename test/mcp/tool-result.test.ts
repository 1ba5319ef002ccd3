import { describe, expect, it } from "vitest";
import { z } from "../../src/schema/zod-schema.ts";
import { createLog } from "../../src/telemetry/index.ts";
import { defineTool, type Tool } from "../../src/tools/tool.ts";
import { ERAS, connectTo, openApp } from "./kit/connected-client.ts";

const answering = (answer: () => Record<string, unknown>): Tool =>
  defineTool({
    name: "answers",
    title: "Answers",
    description: "Gives what the test says.",
    input: z.strictObject({ rows: z.array(z.unknown()).optional() }),
    output: z.looseObject({ success: z.boolean(), count: z.int().optional(), text: z.string().optional() }),
    hints: { readOnlyHint: true, destructiveHint: false, idempotentHint: true, openWorldHint: false },
    echo: [],
    run: async () => answer(),
  });

describe.each(ERAS)("a client of the %s era", (era) => {
  it("sees no escapes, no hidden signs and no secrets, in the text as in the structure", async () => {
    const text = "\u001b[31mred\u001b[0m \u202ehid\u200bden the-value-of-a-key";
    const app = await openApp({
      tools: [answering(() => ({ text }))],
      environment: { API_KEY: "the-value-of-a-key" },
    });
    const { client } = await connectTo(app, era);
    const { content, structuredContent } = await client.callTool({ name: "answers", arguments: {} });
    const answer = { success: true, text: "red hidden [redacted]" };
    expect(structuredContent).toEqual(answer);
    expect(content).toEqual([{ type: "text", text: JSON.stringify(answer) }]);
  });

  it("never gets what breaks its tool's own schema: that is logged, and told without its content", async () => {
    const lines: string[] = [];
    const clock = { wallNow: () => 0 };
    const app = await openApp({
      tools: [answering(() => ({ count: "/secret/path" }))],
      log: createLog({ component: "mcp", clock, sink: (line) => void lines.push(line) }),
    });
    const { client } = await connectTo(app, era);
    const { structuredContent, isError } = await client.callTool({ name: "answers", arguments: {} });
    expect(isError).toBe(true);
    expect(structuredContent).toEqual({
      success: false,
      error: "the answer of answers does not have the shape that it declares",
      code: "DEFECT",
      retryable: false,
    });
    expect(lines).toEqual([expect.stringContaining("does not fit its output schema")]);
  });

  it("is refused arguments with more than 100,000 items and members", async () => {
    const { client } = await connectTo(await openApp({ tools: [answering(() => ({}))] }), era);
    const call = async (count: number): Promise<unknown> =>
      (await client.callTool({ name: "answers", arguments: { rows: Array(count).fill(1) } }))
        .structuredContent;
    expect(await call(99_999)).toEqual({ success: true });
    expect(await call(100_000)).toMatchObject({ success: false, code: "INPUT_INVALID" });
  });
});
