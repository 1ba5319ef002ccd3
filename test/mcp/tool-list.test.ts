import { Client, InMemoryTransport, type Tool } from "@modelcontextprotocol/client";
import { serveStdio } from "@modelcontextprotocol/server/stdio";
import { beforeAll, describe, expect, it } from "vitest";
import { createMcpApp } from "../../src/mcp/mcp-app.ts";
import { createMcpServer } from "../../src/mcp/mcp-server.ts";
import { TOOLSETS, selectTools } from "../../src/tools/index.ts";

/** Every host that shows the list to a model pays so much for it, in each conversation; roughly four bytes are a token. */
const BUDGET_TOKENS = 12_250;

let tools: readonly Tool[];

beforeAll(async () => {
  const never = new Promise<never>(() => undefined);
  const door = { opened: () => never, report: () => undefined, close: async () => undefined };
  const app = createMcpApp({ door, version: "1.2.3", tools: selectTools(), environment: {} });
  const [ours, theirs] = InMemoryTransport.createLinkedPair();
  const handle = serveStdio((connection) => createMcpServer(app, connection), { transport: theirs });
  const client = new Client({ name: "test", version: "1" });
  await client.connect(ours);
  ({ tools } = await client.listTools());
  await client.close();
  await handle.close();
});

describe("the list of tools that a client is given by default", () => {
  it("stays within its budget", () => {
    const tokens = Buffer.byteLength(JSON.stringify(tools)) / 4;
    expect(tokens).toBeLessThan(BUDGET_TOKENS);
  });

  it("has its 26 tools in one order", () => {
    const { workflow, taskqueue, peers } = TOOLSETS;
    expect(tools.map(({ name }) => name)).toEqual(
      [...workflow, ...taskqueue, ...peers].map(({ name }) => name),
    );
    expect(tools).toHaveLength(26);
  });

  it("names and describes each so that every host can show it", () => {
    for (const { name, title, description = "" } of tools) {
      expect(name).toMatch(/^[a-z][a-z0-9_]{0,39}$/);
      expect(title, name).toMatch(/^[A-Z]/);
      expect(description.length, name).toBeGreaterThan(40);
    }
  });

  it("tells of each all that may be assumed about a call", () => {
    for (const { name, title, annotations } of tools) {
      expect(annotations, name).toEqual({
        title,
        readOnlyHint: expect.any(Boolean) as boolean,
        destructiveHint: expect.any(Boolean) as boolean,
        idempotentHint: expect.any(Boolean) as boolean,
        openWorldHint: expect.any(Boolean) as boolean,
      });
    }
  });

  it("has schemas with an object at the root, and no choice there, which some clients cannot read", () => {
    for (const { name, inputSchema, outputSchema } of tools) {
      for (const schema of [inputSchema, outputSchema]) {
        expect(schema, name).toMatchObject({ type: "object", properties: expect.any(Object) as object });
        for (const keyword of ["oneOf", "anyOf", "allOf", "$ref", "$schema"])
          expect(schema, name).not.toHaveProperty(keyword);
      }
      expect(inputSchema, name).toHaveProperty("additionalProperties", false);
    }
  });
});
