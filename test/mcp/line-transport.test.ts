import { PassThrough, Writable } from "node:stream";
import type { JSONRPCMessage } from "@modelcontextprotocol/server";
import { expect, it, onTestFinished } from "vitest";
import { LineTransport } from "../../src/mcp/line-transport.ts";
import { manualClock } from "../kit/manual-clock.ts";
import { microtasksDrained } from "../kit/microtasks.ts";

async function openKit({ lineBytesMax = 1_000 } = {}) {
  const clock = manualClock();
  const input = new PassThrough();
  const output = new PassThrough();
  const transport = new LineTransport({ input, output, clock, lineBytesMax, endGraceMs: 1_000 });
  const received: JSONRPCMessage[] = [];
  const errors: Error[] = [];
  const closed = Promise.withResolvers<void>();
  let isClosed = false;
  transport.onmessage = (message) => void received.push(message);
  transport.onerror = (error) => void errors.push(error);
  transport.onclose = () => {
    isClosed = true;
    closed.resolve();
  };
  await transport.start();
  onTestFinished(() => transport.close());
  return {
    clock,
    input,
    output,
    transport,
    received,
    errors,
    closed: closed.promise,
    isClosed: () => isClosed,
    /** Writes, and gives the answers that this brought about at once. */
    async write(...chunks: (string | Uint8Array)[]): Promise<unknown[]> {
      for (const chunk of chunks) input.write(chunk);
      await microtasksDrained();
      const text = String((output.read() as Buffer | null) ?? "");
      return text
        .split("\n")
        .filter(Boolean)
        .map((line) => JSON.parse(line) as unknown);
    },
  };
}

const request = (id: number | string, method = "tools/list"): string =>
  `${JSON.stringify({ jsonrpc: "2.0", id, method })}\n`;

it("hands out each message once, however the bytes are cut", async () => {
  const { write, received } = await openKit();
  const bytes = Buffer.from(`${request(1, "größe")}\n  \n${request("b")}`);
  for (const byte of bytes) await write(Uint8Array.of(byte));
  expect(received).toEqual([
    { jsonrpc: "2.0", id: 1, method: "größe" },
    { jsonrpc: "2.0", id: "b", method: "tools/list" },
  ]);
});

it.each([
  ["no JSON", "{", { error: { code: -32_700, message: "invalid message: the line is no JSON" } }],
  ["a batch", "[]", { error: { code: -32_600 } }],
  ["a number", "7", { error: { code: -32_600 } }],
  ["another protocol", `{"jsonrpc":"1.0","id":1,"method":"x"}`, { id: 1, error: { code: -32_600 } }],
  ["a request without a method", `{"jsonrpc":"2.0","id":"a"}`, { id: "a", error: { code: -32_600 } }],
  ["an id of null", `{"jsonrpc":"2.0","id":null,"method":"x"}`, { error: { code: -32_600 } }],
  ["an id with a fraction", `{"jsonrpc":"2.0","id":1.5,"method":"x"}`, { error: { code: -32_600 } }],
  ["a line that is too long", "x".repeat(1_001), { error: { code: -32_600 } }],
])("answers %s with an error, and goes on", async (_, line, answer) => {
  const { write, received } = await openKit();
  const answers = await write(`${line}\n`);
  expect(answers).toEqual([expect.objectContaining({ jsonrpc: "2.0" })]);
  expect(answers).toMatchObject([answer]);
  expect("id" in (answers[0] as object)).toBe("id" in answer);
  expect(received).toEqual([]);
  await write(request(2));
  expect(received).toHaveLength(1);
});

it("takes a line of exactly the longest length", async () => {
  const { write, received } = await openKit({ lineBytesMax: request(1).length - 1 });
  expect(await write(request(1))).toEqual([]);
  expect(received).toHaveLength(1);
});

it("never answers an answer, and passes on those with an id", async () => {
  const { write, received } = await openKit();
  const answer = { jsonrpc: "2.0", id: 1, result: {} };
  expect(
    await write(`{"jsonrpc":"2.0","error":{}}\n{"id":1,"result":{}}\n${JSON.stringify(answer)}\n`),
  ).toEqual([]);
  expect(received).toEqual([answer]);
});

it("refuses an id that is under way, and takes it again after its answer or its cancellation", async () => {
  const { write, received, transport } = await openKit();
  expect(await write(request(1), request(1))).toMatchObject([{ error: { code: -32_600 } }]);
  await transport.send({ jsonrpc: "2.0", id: 1, result: {} });
  expect(await write(request(1))).toEqual([{ jsonrpc: "2.0", id: 1, result: {} }]);
  const cancelled = { jsonrpc: "2.0", method: "notifications/cancelled", params: { requestId: 1 } };
  expect(await write(`${JSON.stringify(cancelled)}\n`, request(1))).toEqual([]);
  expect(received).toHaveLength(4);
});

it("refuses more than 256 requests at a time, with the id of the one that is too many", async () => {
  const { write, received } = await openKit();
  const all = Array.from({ length: 257 }, (_, id) => request(id)).join("");
  expect(await write(all)).toMatchObject([{ id: 256, error: { code: -32_000 } }]);
  expect(received).toHaveLength(256);
});

it("closes at the end of the input when nothing is under way, and reads a last line without a line end", async () => {
  const { write, input, closed, received } = await openKit();
  await write(`{"jsonrpc":"2.0","method":"notifications/initialized"}`);
  input.end();
  await closed;
  expect(received).toHaveLength(1);
});

it("closes after the last answer to what came before the end of the input", async () => {
  const { write, input, isClosed, transport, clock } = await openKit();
  await write(request(1));
  input.end();
  await clock.advance(999);
  expect(isClosed()).toBe(false);
  await transport.send({ jsonrpc: "2.0", id: 1, result: {} });
  expect(isClosed()).toBe(true);
  expect(await write()).toEqual([{ jsonrpc: "2.0", id: 1, result: {} }]);
  expect(clock.pending).toBe(0);
  await expect(transport.send({ jsonrpc: "2.0", id: 2, result: {} })).rejects.toThrow("closed");
});

it("does not wait at the end of the input for a request that has no end", async () => {
  const { write, input, closed } = await openKit();
  await write(request(1, "subscriptions/listen"));
  input.end();
  await closed;
});

it("closes when the answers do not come in time", async () => {
  const { write, input, isClosed, clock } = await openKit();
  await write(request(1));
  input.end();
  await microtasksDrained();
  await clock.advance(1_000);
  expect(isClosed()).toBe(true);
});

it("closes at once when its input has ended before it starts", async () => {
  const input = new PassThrough().end();
  input.resume();
  await new Promise((resolve) => input.once("end", resolve));
  const transport = new LineTransport({ input, output: new PassThrough() });
  const closed = new Promise<void>((resolve) => (transport.onclose = resolve));
  await transport.start();
  await closed;
});

it("closes, and says why, when nobody reads its output any more", async () => {
  const { output, closed, errors, received, write } = await openKit();
  output.destroy(new Error("broken pipe"));
  await closed;
  expect(errors).toEqual([new Error("broken pipe")]);
  await write(request(1));
  expect(received).toEqual([]);
});

it("waits for room in the output before it takes the next answer", async () => {
  const { output, transport } = await openKit();
  const large = "x".repeat(output.writableHighWaterMark);
  let sent = false;
  const sending = transport.send({ jsonrpc: "2.0", id: 1, result: { large } }).then(() => (sent = true));
  await microtasksDrained();
  expect(sent).toBe(false);
  output.resume();
  await sending;
});

it("reads no further request while a client does not read, so that what waits for it has a bound", async () => {
  const { input, output, received, transport, isClosed } = await openKit();
  transport.onmessage = (message) => {
    received.push(message);
    // Answers at once, as a tool that has nothing to do.
    if ("id" in message)
      void transport.send({ jsonrpc: "2.0", id: message.id ?? 0, result: { text: "x".repeat(500) } });
  };
  let sent = 0;
  while (sent < 10_000 && input.write(request(sent))) {
    sent += 1;
    if (sent % 100 === 0) await microtasksDrained();
  }
  await microtasksDrained();
  expect(sent).toBeLessThan(10_000);
  // As much as the two buffers of a stream hold, and one answer.
  expect(output.writableLength + output.readableLength).toBeLessThan(
    2 * output.writableHighWaterMark + 1_000,
  );
  const before = received.length;
  expect(before).toBeLessThan(sent);
  output.resume();
  while (received.length < sent) await microtasksDrained();
  expect(isClosed()).toBe(false);
});

it("gives up what it is telling a client that has gone", async () => {
  const { output, transport, closed } = await openKit();
  const large = "x".repeat(output.writableHighWaterMark);
  const sending = transport.send({ jsonrpc: "2.0", id: 1, result: { large } });
  output.destroy();
  await sending;
  await transport.close();
  await closed;
});

it("gives up what it is telling a client that does not read, when the connection is closed", async () => {
  const { output, transport, closed } = await openKit();
  const large = "x".repeat(output.writableHighWaterMark);
  const sending = transport.send({ jsonrpc: "2.0", id: 1, result: { large } });
  await transport.close();
  await sending;
  await closed;
});

it.each([
  [
    "with a member that no request has",
    { method: "tools/list", _meta: {} },
    -32_600,
    /unknown member "_meta"/,
  ],
  [
    "with a result beside its method",
    { method: "tools/list", result: {} },
    -32_600,
    /unknown member "result"/,
  ],
  [
    "whose parameters are no object",
    { method: "tools/list", params: [1] },
    -32_600,
    /params is not an object/,
  ],
  ["whose _meta is no object", { method: "tools/list", params: { _meta: 7 } }, -32_600, /_meta/],
  [
    "whose progress token is neither text nor number",
    { method: "tools/list", params: { _meta: { progressToken: {} } } },
    -32_600,
    /_meta/,
  ],
  ["to initialize that says no version", { method: "initialize", params: {} }, -32_602, /protocolVersion/],
])("a request %s is answered at once, and its id is free again", async (_, parts, code, why) => {
  const { write, received } = await openKit();
  const line = `${JSON.stringify({ jsonrpc: "2.0", id: 5, ...parts })}\n`;
  const answer = { jsonrpc: "2.0", id: 5, error: { code, message: expect.stringMatching(why) as string } };
  expect(await write(line, line)).toEqual([answer, answer]);
  expect(received).toEqual([]);
});

it("answers that are ready in the same turn leave in one piece, in their order, and before it is closed", async () => {
  const pieces: string[] = [];
  const output = new Writable({
    decodeStrings: false,
    write(chunk: string, _encoding, done) {
      pieces.push(chunk);
      done();
    },
    writev(chunks: { chunk: string }[], done) {
      pieces.push(chunks.map(({ chunk }) => chunk).join(""));
      done();
    },
  });
  const transport = new LineTransport({ input: new PassThrough(), output });
  onTestFinished(() => transport.close());
  await transport.start();
  const answers = [1, 2, 3].map((id) => ({ jsonrpc: "2.0", id, result: {} }) as const);
  const piece = answers.map((answer) => `${JSON.stringify(answer)}\n`).join("");
  await Promise.all(answers.map((answer) => transport.send(answer)));
  await microtasksDrained();
  expect(pieces).toEqual([piece]);
  for (const answer of answers) void transport.send(answer);
  void transport.close();
  expect(pieces).toEqual([piece, piece]);
});

it("a notification is never answered, whatever it holds", async () => {
  const { write } = await openKit();
  const params = '{"arguments":{"__proto__":{}},"_meta":7}';
  expect(await write(`{"jsonrpc":"2.0","method":"tools/call","params":${params}}\n`)).toEqual([]);
});
