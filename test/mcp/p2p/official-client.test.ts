import { Client, type JSONRPCMessage, type Transport } from "@modelcontextprotocol/client";
import { expect, it, onTestFinished } from "vitest";
import { FrameReader, frameOf } from "../../../src/mcp/p2p/frame.ts";
import { openHost } from "./kit/peer-host.ts";
import type { StreamEnd } from "./kit/stream-pair.ts";

/** Frames for the official client, which knows nothing of them. */
class FrameTransport implements Transport {
  onmessage?: (message: JSONRPCMessage) => void;
  onclose?: () => void;
  onerror?: (error: Error) => void;
  readonly #stream: StreamEnd;

  constructor(stream: StreamEnd) {
    this.#stream = stream;
  }

  async start(): Promise<void> {
    void this.#read();
  }

  async send(message: JSONRPCMessage): Promise<void> {
    await this.#stream.write(frameOf(message));
  }

  async close(): Promise<void> {
    await this.#stream.close(true);
    this.onclose?.();
  }

  async #read(): Promise<void> {
    const reader = new FrameReader(2 ** 20);
    for (let bytes = await this.#stream.read(); bytes !== null; bytes = await this.#stream.read())
      for (const frame of reader.feed(bytes))
        if (frame.kind === "message") this.onmessage?.(frame.message as unknown as JSONRPCMessage);
    this.onclose?.();
  }
}

it.each([
  ["with a handshake", "legacy" as const],
  ["statelessly", { pin: "2026-07-28" }],
  ["finding out by itself", "auto" as const],
])("the official client speaks with a peer's server %s", async (_, mode) => {
  const { connect, host, faults } = openHost();
  const { client: stream, served } = connect();
  const client = new Client({ name: "test", version: "1" }, { versionNegotiation: { mode } });
  await client.connect(new FrameTransport(stream));
  onTestFinished(() => client.close());
  const { tools } = await client.listTools();
  expect(tools.map(({ name }) => name)).toEqual(["fall", "hold", "repeat", "wipe"]);
  const answer = await client.callTool({ name: "repeat", arguments: { text: "a", times: 3 } });
  expect(answer).toMatchObject({ structuredContent: { success: true, text: "aaa" } });
  expect(await client.callTool({ name: "fall", arguments: {} })).toMatchObject({ isError: true });
  await expect(client.callTool({ name: "no", arguments: {} })).rejects.toMatchObject({ code: -32_002 });
  await client.close();
  await served;
  expect(host.figures()).toMatchObject({ frameErrors: 0, refused: 0, internalErrors: 0 });
  expect(faults).toEqual([]);
});
