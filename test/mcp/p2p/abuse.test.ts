import { afterEach, expect, it } from "vitest";
import { LIMITS, type Fault } from "../../../src/errors/index.ts";
import { frameOf, type Members } from "../../../src/mcp/p2p/frame.ts";
import type { PeerFigures } from "../../../src/mcp/p2p/peer-figures.ts";
import { callPeerTool } from "../../../src/mcp/p2p/peer-client.ts";
import { TOOLS } from "../../../src/tools/index.ts";
import { manualClock } from "../../kit/manual-clock.ts";
import { openHost } from "./kit/peer-host.ts";
import { queueSystem } from "./kit/queue-system.ts";
import { RawPeer, STATELESS, errorOf, resultOf } from "./kit/raw-peer.ts";
import { streamPair } from "./kit/stream-pair.ts";

/** The cases of the published suite, each with our own words: refused, counted, and harmless to the next. */

type Kit = ReturnType<typeof openHost>;

let kit: Kit | undefined;
afterEach(() => {
  expect(kit?.faults ?? []).toEqual([]);
  kit = undefined;
});

function open(options: Parameters<typeof openHost>[0] = {}): Kit {
  kit = openHost({ clock: manualClock(), ...options });
  return kit;
}

async function expectHarmless(counted: Partial<PeerFigures>): Promise<void> {
  expect(await kit?.honestCall()).toBe("ja");
  expect(kit?.host.figures()).toMatchObject({ ...counted, internalErrors: 0 });
}

const prefix = (length: number): Buffer => {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(length);
  return bytes;
};

it("1: a frame that is too long is refused by its length, and ends the stream", async () => {
  const { peer, served } = open().connect();
  await peer.initialize();
  await peer.sendBytes(prefix(LIMITS.mcp.peerFrameBytes + 1));
  expect(await peer.rest()).toEqual([
    { jsonrpc: "2.0", id: null, error: { code: -32_003, message: "frame_too_large" } },
  ]);
  await served;
  await expectHarmless({ frameErrors: 1, sessionsClosed: 2 });
});

it("2: a frame that breaks off is for nobody", async () => {
  const { peer, client, served } = open().connect();
  await peer.initialize();
  const call = frameOf({
    jsonrpc: "2.0",
    id: 1,
    method: "tools/call",
    params: { name: "wipe", arguments: { rows: 1, confirm: true } },
  });
  await peer.sendBytes(call.subarray(0, -1));
  client.endWriting();
  expect(await peer.rest()).toEqual([]);
  await served;
  expect(kit?.wiped).toEqual([]);
  await expectHarmless({ frameErrors: 1, requests: 3 });
});

it("3: a length that is none, and text that is no object, end the stream", async () => {
  const { connect } = open();
  for (const [bytes, message] of [
    [prefix(0), "invalid_json"],
    [Buffer.concat([prefix(5), Buffer.from("[1,2]")]), "invalid_message"],
    [Buffer.from("GET / HTTP/1.1\r\n\r\n"), "frame_too_large"],
  ] as const) {
    const { peer, served } = connect();
    await peer.sendBytes(bytes);
    expect(await peer.rest()).toMatchObject([{ id: null, error: { code: -32_003, message } }]);
    await served;
  }
  await expectHarmless({ frameErrors: 3, refused: 0 });
});

it("4: a request before the handshake is refused, and ends the stream", async () => {
  const { peer, served } = open().connect();
  expect(errorOf(await peer.call("wipe", { rows: 1, confirm: true }))).toEqual({
    code: -32_000,
    message: "init_required",
  });
  expect(await peer.next()).toBeNull();
  await served;
  expect(kit?.wiped).toEqual([]);
  await expectHarmless({ refused: 1 });
});

it("5: a version that is not spoken is refused with those that are, and nothing is served instead", async () => {
  const { peer } = open().connect();
  const _meta = { ...STATELESS, "io.modelcontextprotocol/protocolVersion": "9999-01-01" };
  const params = { name: "wipe", arguments: { rows: 1, confirm: true }, _meta };
  expect(errorOf(await peer.request("tools/call", params))).toMatchObject({
    code: -32_022,
    data: { supported: ["2026-07-28"], requested: "9999-01-01" },
  });
  expect(errorOf(await peer.call("wipe", { rows: 1, confirm: true }))).toMatchObject({ code: -32_602 });
  expect(await peer.initialize({ protocolVersion: "9999-01-01" })).toMatchObject({
    protocolVersion: "2025-11-25",
  });
  expect(kit?.wiped).toEqual([]);
  await expectHarmless({});
});

it("6: an unknown method is an error, and the stream goes on", async () => {
  const { peer } = open().connect();
  await peer.initialize();
  for (const method of ["mcp++/execute", "tools/__proto__", "", "constructor"])
    expect(errorOf(await peer.request(method))).toEqual({ code: -32_601, message: "method_not_found" });
  expect(await peer.tool("repeat", { text: "a" })).toMatchObject({ text: "a" });
  await expectHarmless({});
});

it("7: what looks like a success on a stream that fails is none", async () => {
  const success = { content: [{ type: "text", text: "done" }], isError: false };
  const bodies: ((id: unknown) => Members | Buffer)[] = [
    (id) => ({ jsonrpc: "2.0", id, result: success, error: { code: -32_603, message: "transport" } }),
    (id) => ({ id, result: success }),
    (id) => ({ jsonrpc: "2.0", id, result: { ok: false, error: "transport", ...success } }),
    (id) => ({ jsonrpc: "2.0", id, ok: true, ...success }),
    (id) => frameOf({ jsonrpc: "2.0", id, result: success }).subarray(0, -1),
  ];
  for (const body of bodies) {
    const { server, client } = streamPair();
    const theirs = new RawPeer(server);
    const answer = callPeerTool(client, { tool: "repeat", args: {} });
    const settled = answer.then(
      () => "a success",
      (error: { code: string }) => error.code,
    );
    const init = await theirs.next();
    await theirs.send({ jsonrpc: "2.0", id: init?.["id"], result: { ok: true } });
    let call = await theirs.next();
    if (call?.["method"] === "notifications/initialized") call = await theirs.next();
    const told = body(call?.["id"]);
    await (Buffer.isBuffer(told) ? theirs.sendBytes(told) : theirs.send(told));
    server.endWriting();
    expect(["PEER_PROTOCOL", "PEER_LOST", "PEER_REFUSED"]).toContain(await settled);
  }
});

it("8: a frame that is sent again is not served again, and ends the stream", async () => {
  const { peer, served } = open().connect();
  await peer.initialize();
  const call = {
    jsonrpc: "2.0",
    id: 7,
    method: "tools/call",
    params: { name: "wipe", arguments: { rows: 1, confirm: true } },
  };
  await peer.send(call);
  expect(await peer.next()).toMatchObject({ id: 7, result: { isError: false } });
  await peer.send(call);
  expect(await peer.rest()).toEqual([
    { jsonrpc: "2.0", id: null, error: { code: -32_600, message: "replayed" } },
  ]);
  await served;
  expect(kit?.wiped).toEqual([1]);
  await expectHarmless({ replayed: 1 });
});

it("9: a flood of frames is stopped where the peer's bucket is empty, over all its streams", async () => {
  const { connect } = open({ limits: { rateCapacity: 20, ratePerSecond: 1 } });
  const first = connect();
  await first.peer.initialize();
  const ping = (id: number) => ({ jsonrpc: "2.0", id, method: "ping" });
  await first.peer.send(...Array.from({ length: 30 }, (_, id) => ping(id)));
  const answers = await first.peer.rest();
  expect(answers).toHaveLength(19);
  expect(errorOf(answers.at(-1) ?? null)).toEqual({ code: -32_010, message: "rate_limited" });
  await first.served;
  // A new stream is no new bucket.
  const second = connect();
  await second.served;
  await expect(second.peer.next()).rejects.toMatchObject({ code: "PEER_LOST" });
  await expectHarmless({ rateLimited: 1, sessionsRefused: 1 });
});

it("9b: a stream carries as many frames as it may, and no more", async () => {
  const { peer } = open({ limits: { frames: 5 } }).connect();
  await peer.initialize();
  for (let n = 0; n < 4; n++) await peer.tool("repeat", { text: "a" });
  expect(errorOf(await peer.call("repeat", { text: "a" }))).toEqual({
    code: -32_010,
    message: "rate_limited",
  });
  expect(await peer.next()).toBeNull();
  await expectHarmless({ rateLimited: 1 });
});

it("10: streams beyond what one peer may have are reset, and the others go on", async () => {
  const { connect } = open();
  const open16 = Array.from({ length: LIMITS.mcp.peerSessionsEach }, () => connect());
  const more = connect();
  await more.served;
  await expect(more.peer.next()).rejects.toMatchObject({ code: "PEER_LOST" });
  const [first] = open16;
  expect(await first?.peer.initialize()).toMatchObject({ ok: true });
  await expectHarmless({ sessionsRefused: 1 });
  first?.client.endWriting();
  await first?.served;
  expect(await connect().peer.initialize()).toMatchObject({ ok: true });
});

it("11: a peer whose id is known has no right by that, whatever it brings along", async () => {
  const { connect } = open({ grants: { "peer-b": ["repeat"] } });
  for (const bring of [
    { token: "peer-b" },
    { _meta: { ...STATELESS, "io.mcplusplus/ucan": "eyJhbGciOiJub25lIn0.e30." } },
    { peer_id: "peer-b", proof: { iss: "peer-b" } },
  ]) {
    const { peer } = connect("peer-a");
    const params = { name: "wipe", arguments: { rows: 1, confirm: true }, ...bring };
    expect(errorOf(await peer.request("tools/call", params, bring))).toEqual({
      code: -32_001,
      message: "unauthorized",
    });
    expect(await peer.next()).toBeNull();
  }
  expect(kit?.wiped).toEqual([]);
  await expectHarmless({ unauthorized: 3 });
});

it("12: an end under a lease that is lost is refused, and changes nothing", async () => {
  const clock = manualClock();
  const { system, turns } = await queueSystem(clock);
  const { connect } = open({ clock, system, taskQueue: { taskTypes: ["render"] } });
  const a = connect("peer-a").peer;
  const b = connect("peer-b").peer;
  await a.initialize();
  await b.initialize();
  const { task_id } = await a.rpc("submit", { task_type: "render", payload: { n: 1 } });
  expect(await a.rpc("claim", { worker_id: "w" })).toMatchObject({ ok: true, task: { task_id } });
  await clock.advance(LIMITS.mcp.peerLeaseMs / 2);
  await clock.advance(LIMITS.mcp.peerLeaseMs / 2 + 1);
  await turns();
  const [a2, b2] = [connect("peer-a").peer, connect("peer-b").peer];
  await a2.initialize();
  await b2.initialize();
  expect(await b2.rpc("claim", { worker_id: "w" })).toMatchObject({ ok: true, task: { task_id } });
  expect(await a2.rpc("complete", { task_id, result: { late: true } })).toMatchObject({
    ok: false,
    error: "lease_lost",
  });
  expect(await b2.rpc("complete", { task_id, result: { n: 2 } })).toMatchObject({ ok: true });
  expect(await a2.rpc("get", { task_id })).toMatchObject({ task: { status: "completed", result: { n: 2 } } });
  await expectHarmless({ internalErrors: 0 });
});

/** A call whose peer answers the handshake, and then whatever `say` makes of the id of the call. */
async function answeredBy(say: (callId: unknown, initId: unknown) => Members[]): Promise<unknown> {
  const { server, client } = streamPair();
  const theirs = new RawPeer(server);
  const settled = callPeerTool(client, { tool: "repeat", args: {} }).then(
    (answer) => answer.value,
    (error: unknown) => (error as Fault).code,
  );
  const init = await theirs.next();
  await theirs.send({ jsonrpc: "2.0", id: init?.["id"], result: { ok: true } });
  let call = await theirs.next();
  if (call?.["method"] === "notifications/initialized") call = await theirs.next();
  await theirs.send(...say(call?.["id"], init?.["id"]));
  return settled;
}

const right = (id: unknown) => ({ jsonrpc: "2.0", id, result: { content: [{ type: "text", text: "a" }] } });

it("13: an answer that comes twice ends the call that waits behind it", async () => {
  expect(await answeredBy((call) => [right(call)])).toBe("a");
  expect(await answeredBy((call, init) => [right(init), right(call)])).toBe("PEER_PROTOCOL");
});

it("14: an answer with an id that nobody used is refused by a client, and ends the stream at a server", async () => {
  expect(await answeredBy(() => [right(99)])).toBe("PEER_PROTOCOL");
  expect(await answeredBy((call) => [right(String(call))])).toBe("PEER_PROTOCOL");
  expect(await answeredBy(() => [right(null)])).toBe("PEER_PROTOCOL");
  const { peer, served } = open().connect();
  await peer.initialize();
  await peer.send(right(5));
  expect(await peer.rest()).toEqual([
    { jsonrpc: "2.0", id: null, error: { code: -32_600, message: "invalid_jsonrpc" } },
  ]);
  await served;
  await expectHarmless({ refused: 1 });
});

it.each([
  ["another version of JSON-RPC", { jsonrpc: "1.0", id: 1, method: "ping" }],
  ["no version", { id: 1, method: "ping" }],
  ["the alternative body of the publication", { type: "request", id: "1", method: "tools/list" }],
  ["no method", { jsonrpc: "2.0", id: 1 }],
  ["an id that is null", { jsonrpc: "2.0", id: null, method: "ping" }],
  ["an id that is an object", { jsonrpc: "2.0", id: {}, method: "ping" }],
  ["an id of 257 characters", { jsonrpc: "2.0", id: "x".repeat(257), method: "ping" }],
  ["a method that is a number", { jsonrpc: "2.0", id: 1, method: 1 }],
])("a request with %s ends the stream", async (_, message) => {
  const { peer, served } = open().connect();
  await peer.initialize();
  await peer.send(message);
  expect(await peer.rest()).toEqual([
    { jsonrpc: "2.0", id: null, error: { code: -32_600, message: "invalid_jsonrpc" } },
  ]);
  await served;
  await expectHarmless({ refused: 1 });
});

it("values of half a million levels are refused like other wrong arguments", async () => {
  const { peer } = open().connect();
  await peer.initialize();
  const deep = `${"[".repeat(500_000)}${"]".repeat(500_000)}`;
  const text = `{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"repeat","arguments":{"text":${deep}}}}`;
  await peer.sendBytes(Buffer.concat([prefix(text.length), Buffer.from(text)]));
  const answer = (await peer.next()) as { result?: Members; error?: Members };
  expect(answer.result?.["isError"] ?? answer.error !== undefined).toBe(true);
  await expectHarmless({});
});

it("what decides who may do what here is offered to no peer, whatever its grant names", async () => {
  const grants = { "peer-a": ["*", "peer_allow", "quota_set"] };
  const { peer } = openHost({ clock: manualClock(), tools: TOOLS, grants }).connect();
  await peer.initialize();
  const { tools } = resultOf(await peer.request("tools/list")) as { tools: { name: string }[] };
  const offered = tools.map(({ name }) => name);
  expect(offered).toContain("task_status");
  for (const { name, metadata } of TOOLS)
    if (["p2p_remote", "admin"].includes(metadata.category)) expect(offered).not.toContain(name);
  const params = { name: "peer_allow", arguments: { peer_id: "12D3KooW", actions: ["*"] } };
  expect(errorOf(await peer.request("tools/call", params))).toMatchObject({ message: "unknown_tool" });
});

it("what destroys is offered only to a peer whose grant names it", async () => {
  const grants = { "peer-a": ["*"], "peer-b": ["*", "wipe"] };
  const host = openHost({ grants });
  const seen = async (peerId: string): Promise<string[]> => {
    const { peer } = host.connect(peerId);
    await peer.initialize();
    const { tools } = resultOf(await peer.request("tools/list")) as { tools: { name: string }[] };
    await peer.call("wipe", { rows: 1, confirm: true });
    return tools.map(({ name }) => name);
  };
  expect(await seen("peer-a")).toEqual(["fall", "hold", "repeat"]);
  expect(host.wiped).toEqual([]);
  expect(await seen("peer-b")).toEqual(["fall", "hold", "repeat", "wipe"]);
  expect(host.wiped).toEqual([1]);
});
