import { InMemoryTransport, type JSONRPCMessage } from "@modelcontextprotocol/client";
import { serveStdio } from "@modelcontextprotocol/server/stdio";
import { onTestFinished } from "vitest";
import type { McpApp } from "../../../src/mcp/mcp-app.ts";
import { createMcpServer } from "../../../src/mcp/mcp-server.ts";

type Members = Record<string, unknown>;

/** A client of the newer era that says exactly what it is told to, and takes what comes. */
export async function rawClient(app: McpApp, clientCapabilities: Members = {}) {
  const [ours, theirs] = InMemoryTransport.createLinkedPair();
  const handle = serveStdio((connection) => createMcpServer(app, connection), { transport: theirs });
  onTestFinished(() => handle.close());
  const waiting = new Map<unknown, (message: Members) => void>();
  ours.onmessage = (message: JSONRPCMessage) => {
    if ("id" in message && !("method" in message)) waiting.get(message.id)?.({ ...message });
  };
  await ours.start();
  const _meta = {
    "io.modelcontextprotocol/protocolVersion": "2026-07-28",
    "io.modelcontextprotocol/clientCapabilities": clientCapabilities,
  };
  let id = 0;
  const request = async (method: string, params: Members = {}): Promise<Members> => {
    const answer = Promise.withResolvers<Members>();
    waiting.set(++id, answer.resolve);
    await ours.send({ jsonrpc: "2.0", id, method, params: { ...params, _meta } });
    return answer.promise;
  };
  return {
    request,
    /** The result of a request that must not fail. */
    async result(method: string, params: Members = {}): Promise<Members> {
      const { result, error } = await request(method, params);
      if (result === undefined) throw new Error(JSON.stringify(error));
      return result as Members;
    },
  };
}
