import { describe, expect, it } from "vitest";
import { LIMITS } from "../../../src/errors/index.ts";
import { callPeerTool, listPeerTools } from "../../../src/mcp/p2p/peer-client.ts";
import type { Members } from "../../../src/mcp/p2p/frame.ts";
import { manualClock } from "../../kit/manual-clock.ts";
import { openHost } from "./kit/peer-host.ts";
import { RawPeer } from "./kit/raw-peer.ts";
import { streamPair } from "./kit/stream-pair.ts";

interface Script {
  readonly init?: Members;
  readonly result?: unknown;
  readonly error?: Members;
}

/** A peer that answers the handshake with `init`, and the next request with `result`. */
function scripted({ init = {}, result = {}, error }: Script = {}) {
  const { server, client } = streamPair();
  const theirs = new RawPeer(server);
  const heard: Members[] = [];
  const done = (async () => {
    const first = await theirs.next();
    await theirs.send({ jsonrpc: "2.0", id: first?.["id"], result: init });
    for (let next = await theirs.next(); next !== null; next = await theirs.next()) {
      heard.push(next);
      if ("id" in next)
        await theirs.send({ jsonrpc: "2.0", id: next["id"], ...(error ? { error } : { result }) });
    }
  })().catch(() => undefined);
  return { client, heard, done };
}

const call = { tool: "repeat", args: { text: "a" } };

describe("a call of a peer's tool", () => {
  it("is answered as structure, and its stream is closed", async () => {
    const { connect } = openHost();
    const { client, served } = connect();
    expect(await callPeerTool(client, call)).toEqual({
      isError: false,
      value: { success: true, text: "a" },
      content: [{ type: "text", text: '{"success":true,"text":"a"}' }],
    });
    await served;
    expect(client.isClosed).toBe(true);
  });

  it("that fails over there is an answer that says so", async () => {
    const { client } = openHost().connect();
    expect(await callPeerTool(client, { tool: "fall", args: {} })).toMatchObject({
      isError: true,
      value: { success: false, code: "UNAVAILABLE" },
    });
  });

  it("that the peer does not allow is refused with its words", async () => {
    const { connect } = openHost({ grants: { "peer-a": ["fall"] } });
    await expect(callPeerTool(connect("peer-a").client, call)).rejects.toMatchObject({
      code: "PEER_REFUSED",
      details: { peerId: "node", why: "unauthorized", reply: -32_001 },
    });
    await expect(callPeerTool(connect("peer-c").client, call)).rejects.toMatchObject({
      code: "PEER_REFUSED",
    });
    await expect(listPeerTools(connect("peer-c").client)).rejects.toMatchObject({ code: "PEER_REFUSED" });
  });

  it.each([
    ["an object", { rows: 3 }, { isError: false, value: { rows: 3 } }],
    ["a text", "done", { isError: false, value: "done" }],
    ["a list that is none of blocks", [1, 2], { isError: false, value: [1, 2] }],
    ["an object that says it failed", { ok: false, error: "no" }, { isError: true }],
    ["null", null, { isError: false, value: null }],
  ])("takes the bare content of published peers: %s", async (_, content, answer) => {
    const { client } = scripted({ result: { content } });
    expect(await callPeerTool(client, call)).toMatchObject({ ...answer, content: [] });
  });

  it("takes blocks without structure as their text", async () => {
    const content = [
      { type: "text", text: "one" },
      { type: "image", data: "", mimeType: "image/png" },
      { type: "text", text: "two" },
    ];
    const { client } = scripted({ result: { content, isError: true } });
    expect(await callPeerTool(client, call)).toEqual({ isError: true, value: "one\ntwo", content });
  });

  it.each([
    ["nothing", {}],
    ["no object", 7],
    ["a question", { resultType: "input_required", inputRequests: {} }],
    ["a task", { resultType: "task", taskId: "t", content: [] }],
  ])("takes nothing for a success that has %s", async (_, result) => {
    const { client } = scripted({ result });
    await expect(callPeerTool(client, call)).rejects.toMatchObject({ code: "PEER_PROTOCOL" });
  });

  it.each([
    ["a version that was not asked for", { protocolVersion: "2026-07-28" }],
    ["another transport", { transport: "/mcp+p2p/2.0.0" }],
    ["the name of another peer", { server: { peer_id: "somebody" } }],
  ])("is not made of a peer that answers the handshake with %s", async (_, init) => {
    const { client, heard, done } = scripted({ init });
    await expect(callPeerTool(client, call)).rejects.toMatchObject({ code: "PEER_PROTOCOL" });
    await done;
    expect(heard).toEqual([]);
  });

  it.each([
    [-32_010, "rate_limited", "UNAVAILABLE"],
    [-32_000, "timeout", "UNAVAILABLE"],
    [-32_000, "init_required", "PEER_REFUSED"],
    [-32_002, "unknown_tool", "PEER_REFUSED"],
    ["x", 7, "PEER_REFUSED"],
  ])("that the peer answers with %s %s is %s", async (code, message, expected) => {
    const { client } = scripted({ error: { code, message } });
    await expect(callPeerTool(client, call)).rejects.toMatchObject({ code: expected });
  });

  it("is not sent when it is longer than the peer's frames", async () => {
    const { client, heard, done } = scripted({ init: { limits: { max_frame_bytes: 500 } } });
    const long = { tool: "repeat", args: { text: "x".repeat(500) } };
    await expect(callPeerTool(client, long)).rejects.toMatchObject({
      code: "SIZE_EXCEEDED",
      details: { limit: 500 },
    });
    await done;
    expect(heard.filter((message) => "id" in message)).toEqual([]);
  });

  it("keeps to the number of frames that the peer takes on a stream", async () => {
    const two = scripted({ init: { limits: { max_frames: 2 } }, result: { content: "a" } });
    expect(await callPeerTool(two.client, call)).toMatchObject({ value: "a" });
    expect(two.heard).toHaveLength(1);
    const one = scripted({ init: { limits: { max_frames: 1 } } });
    await expect(callPeerTool(one.client, call)).rejects.toMatchObject({ code: "PEER_PROTOCOL" });
    expect(one.heard).toEqual([]);
  });

  it("refuses an answer that is longer than it takes", async () => {
    const { client } = scripted({ result: { content: "x".repeat(2_000) } });
    await expect(callPeerTool(client, call, { frameBytes: 1_000 })).rejects.toMatchObject({
      code: "PEER_PROTOCOL",
      message: expect.stringContaining("frame_too_large") as string,
    });
  });

  it("hears what it is told on the way, and waits for its answer", async () => {
    const { server, client } = streamPair();
    const theirs = new RawPeer(server);
    const answer = callPeerTool(client, call);
    const init = await theirs.next();
    await theirs.send(
      { jsonrpc: "2.0", method: "notifications/message", params: {} },
      { jsonrpc: "2.0", id: init?.["id"], result: {} },
    );
    await theirs.next();
    const asked = await theirs.next();
    await theirs.send(
      { jsonrpc: "2.0", method: "notifications/progress", params: {} },
      { jsonrpc: "2.0", id: asked?.["id"], result: { content: [] } },
    );
    expect(await answer).toEqual({ isError: false, value: "", content: [] });
  });

  it("is lost when the stream ends, or breaks off, before the answer", async () => {
    for (const graceful of [true, false]) {
      const { server, client } = streamPair();
      const answer = callPeerTool(client, call);
      answer.catch(() => undefined);
      await new RawPeer(server).next();
      await server.close(graceful);
      await expect(answer).rejects.toMatchObject({ code: "PEER_LOST" });
    }
  });

  it("ends with its deadline, and the stream is reset", async () => {
    const clock = manualClock();
    const { server, client } = streamPair();
    const answer = callPeerTool(client, call, { clock });
    answer.catch(() => undefined);
    await clock.advance(LIMITS.mcp.peerRequestMs);
    await expect(answer).rejects.toMatchObject({ code: "DEADLINE_EXCEEDED" });
    await expect(server.read()).rejects.toMatchObject({ code: "PEER_LOST" });
  });

  it("that is cancelled is cancelled over there too", async () => {
    const { connect, held } = openHost();
    const { client, served } = connect();
    const caller = new AbortController();
    const answer = callPeerTool(client, { tool: "hold", args: { name: "a" } }, { signal: caller.signal });
    answer.catch(() => undefined);
    await expect.poll(() => held.size).toBe(1);
    caller.abort(new Error("no need"));
    await expect(answer).rejects.toMatchObject({ code: "CANCELLED" });
    await served;
    expect(held.get("a")?.signal.aborted).toBe(true);
  });
});

describe("the tools of a peer", () => {
  it("are those that its grant for this node names", async () => {
    const { connect } = openHost({ grants: { "peer-a": ["wipe", "repeat"] } });
    const tools = await listPeerTools(connect().client);
    expect(tools.map(({ name }) => name)).toEqual(["repeat", "wipe"]);
    expect(tools[0]).toMatchObject({ description: "Says a text again.", inputSchema: { type: "object" } });
  });

  it.each([[{ tools: 7 }], [{}], [{ tools: [{ name: 7 }] }], [{ tools: [null] }]])(
    "are not taken from what is no list of them: %j",
    async (result) => {
      const { client } = scripted({ result });
      await expect(listPeerTools(client)).rejects.toMatchObject({ code: "PEER_PROTOCOL" });
    },
  );

  it("are asked for page by page, and end at a thousand", async () => {
    const page = Array.from({ length: 300 }, (_, n) => ({ name: `t${n}` }));
    const { client, heard } = scripted({ result: { tools: page, nextCursor: "more" } });
    expect(await listPeerTools(client)).toHaveLength(LIMITS.mcp.peerTools);
    expect(heard.filter(({ method }) => method === "tools/list")).toHaveLength(4);
  });
});
