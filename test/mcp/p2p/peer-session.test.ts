import { describe, expect, it } from "vitest";
import { LIMITS } from "../../../src/errors/index.ts";
import type { SystemDoor } from "../../../src/mcp/system-door.ts";
import { frameOf } from "../../../src/mcp/p2p/frame.ts";
import { manualClock } from "../../kit/manual-clock.ts";
import { microtasksDrained } from "../../kit/microtasks.ts";
import { openHost } from "./kit/peer-host.ts";
import { MCP_CLIENT, STATELESS, errorOf, resultOf } from "./kit/raw-peer.ts";

const hold = (id: number | string, name: string) => ({
  jsonrpc: "2.0",
  id,
  method: "tools/call",
  params: { name: "hold", arguments: { name } },
});

describe("the handshake", () => {
  it("is done with empty parameters, as published clients do it, and tells what they look for", async () => {
    const { connect } = openHost();
    const { peer } = connect();
    expect(await peer.initialize({})).toMatchObject({
      ok: true,
      protocolVersion: "2024-11-05",
      serverInfo: { name: "mcplusplus", version: "1.2.3" },
      capabilities: {
        tools: { listChanged: false },
        mcpPlusPlusProfiles: ["mcp++/p2p-transport"],
        "mcp++": { bindingId: "mcp-binding/legacy-2024-11-05" },
      },
      transport: "/mcp+p2p/1.0.0",
      server: { peer_id: "node" },
      profile_negotiation: { supports_profile_negotiation: true, mode: "optional_additive" },
      active_profile: "mcp++/p2p-transport",
      limits: { max_frame_bytes: 1_048_576, max_frames: 4_096, rate_capacity: 128, rate_refill_per_sec: 128 },
    });
  });

  it("tells the limits that it was given", async () => {
    const limits = { frameBytes: 2_048, frames: 9, rateCapacity: 10, ratePerSecond: 1 };
    const { peer } = openHost({ limits }).connect();
    expect(await peer.initialize()).toMatchObject({
      limits: { max_frame_bytes: 2_048, max_frames: 9, rate_capacity: 10, rate_refill_per_sec: 1 },
    });
  });

  it("answers with the version that it was asked for, and gives a profile that was wished for", async () => {
    const { peer } = openHost().connect();
    const profiles = ["mcp++/ucan", "mcp++/p2p-transport"];
    expect(await peer.initialize({ ...MCP_CLIENT, profiles })).toMatchObject({
      protocolVersion: "2025-06-18",
      active_profile: "mcp++/p2p-transport",
    });
  });

  it.each([
    [{ protocolVersion: 7 }, "protocolVersion is not a text"],
    [{ capabilities: [] }, "capabilities is not an object"],
    [{ clientInfo: { version: "1" } }, "clientInfo has no name"],
  ])("refuses parameters that are there and wrong: %j", async (params, why) => {
    const { peer } = openHost().connect();
    expect(errorOf(await peer.request("initialize", params))).toEqual({
      code: -32_602,
      message: "invalid_params",
      data: { why },
    });
    expect(await peer.initialize()).toMatchObject({ ok: true });
  });

  it("is needed by all that is not stateless, and done only by a request", async () => {
    const { connect, host } = openHost();
    const { peer } = connect();
    await peer.send({ jsonrpc: "2.0", method: "initialize", params: {} });
    expect(errorOf(await peer.request("tools/list"))).toEqual({ code: -32_000, message: "init_required" });
    expect(await peer.next()).toBeNull();
    expect(host.figures()).toMatchObject({ sessionsInitialized: 0, refused: 1 });
  });

  it("leaves its id free for the first request, as published clients use it twice", async () => {
    const { peer } = openHost().connect();
    await peer.send({ jsonrpc: "2.0", id: 1, method: "initialize", params: {} });
    expect(await peer.next()).toMatchObject({ id: 1, result: { ok: true } });
    await peer.send({ jsonrpc: "2.0", id: 1, method: "tools/list", params: {} });
    expect(await peer.next()).toMatchObject({ id: 1, result: { tools: expect.any(Array) as unknown } });
  });

  it("may be followed by requests that did not wait for it", async () => {
    const { peer } = openHost().connect();
    await peer.send(
      { jsonrpc: "2.0", id: 1, method: "initialize", params: {} },
      { jsonrpc: "2.0", id: 2, method: "tools/call", params: { name: "repeat", arguments: { text: "a" } } },
    );
    expect((await peer.next())?.["id"]).toBe(1);
    expect(resultOf((await peer.next()) ?? {})).toMatchObject({ structuredContent: { text: "a" } });
  });
});

describe("a stateless request", () => {
  it("is served without a handshake, on the same stream as those with one", async () => {
    const { peer } = openHost().connect();
    const call = { name: "repeat", arguments: { text: "a" }, _meta: STATELESS };
    expect(resultOf(await peer.request("tools/call", call))).toMatchObject({
      resultType: "complete",
      structuredContent: { success: true, text: "a" },
    });
    await peer.initialize();
    const list = resultOf(await peer.request("tools/list"));
    expect(list).not.toHaveProperty("resultType");
    expect(resultOf(await peer.request("tools/list", { _meta: STATELESS }))).toMatchObject({
      resultType: "complete",
    });
  });

  it("can ask what is spoken, and is told the limits", async () => {
    const { peer } = openHost().connect();
    expect(resultOf(await peer.request("server/discover", { _meta: STATELESS }))).toMatchObject({
      supportedVersions: ["2026-07-28"],
      capabilities: {
        extensions: {
          "io.mcplusplus/profiles": {
            bindingId: "mcp-binding/2026-07-28",
            peer_id: "node",
            limits: { max_frames: 4_096 },
          },
        },
      },
    });
  });

  it.each([
    ["another version", { ...STATELESS, "io.modelcontextprotocol/protocolVersion": "2031-01-01" }, -32_022],
    ["no capabilities", { "io.modelcontextprotocol/protocolVersion": "2026-07-28" }, -32_602],
    [
      "the binding of another version",
      { ...STATELESS, "io.mcplusplus/bindingId": "mcp-binding/legacy-2024-11-05" },
      -32_022,
    ],
  ])("with %s is refused and served under no other binding", async (_, _meta, code) => {
    const { peer } = openHost().connect();
    await peer.initialize();
    const call = { name: "repeat", arguments: { text: "a" }, _meta };
    expect(errorOf(await peer.request("tools/call", call))?.["code"]).toBe(code);
    expect(await peer.tool("repeat", { text: "b" })).toMatchObject({ text: "b" });
  });

  it("does not make one without its version a request of a session", async () => {
    const { peer } = openHost().connect();
    await peer.request("server/discover", { _meta: STATELESS });
    expect(errorOf(await peer.request("tools/list"))).toEqual({
      code: -32_602,
      message: "invalid_params",
      data: { why: "_meta lacks io.modelcontextprotocol/protocolVersion" },
    });
  });

  it("is not followed by a handshake of a contradicting binding", async () => {
    const { peer } = openHost().connect();
    const params = { capabilities: { "mcp++": { bindingId: "mcp-binding/2026-07-28" } } };
    expect(errorOf(await peer.request("initialize", params))).toMatchObject({
      code: -32_022,
      data: { supported: ["mcp-binding/legacy-2024-11-05"] },
    });
  });
});

describe("tools", () => {
  it("are listed by their names, under either name of the method", async () => {
    const { peer } = openHost().connect();
    await peer.initialize();
    for (const method of ["tools/list", "tools.list"]) {
      const { tools } = resultOf(await peer.request(method)) as { tools: { name: string }[] };
      expect(tools.map(({ name }) => name)).toEqual(["fall", "hold", "repeat", "wipe"]);
    }
  });

  it("answer with blocks and the same as structure", async () => {
    const { peer } = openHost().connect();
    await peer.initialize();
    expect(resultOf(await peer.request("tools.call", { name: "repeat", arguments: { text: "é" } }))).toEqual({
      content: [{ type: "text", text: '{"success":true,"text":"é"}' }],
      structuredContent: { success: true, text: "é" },
      isError: false,
    });
  });

  it("that fail say so in the result to a client of MCP, and as an error to one that knows no other word", async () => {
    const { connect } = openHost();
    const { peer } = connect();
    await peer.initialize();
    expect(resultOf(await peer.call("fall"))).toMatchObject({
      isError: true,
      structuredContent: { success: false, code: "UNAVAILABLE", retryable: true },
    });
    const bare = connect().peer;
    await bare.initialize({});
    expect(errorOf(await bare.call("fall"))).toMatchObject({
      code: -32_002,
      message: "tool_error",
      data: { success: false, code: "UNAVAILABLE" },
    });
    expect(errorOf(await bare.call("repeat", { text: 1 }))).toMatchObject({
      code: -32_002,
      message: "invalid_params",
    });
    expect(await bare.tool("repeat", { text: "a" })).toMatchObject({ text: "a" });
  });

  it("that do not exist are an error, and the stream goes on", async () => {
    const { peer } = openHost().connect();
    await peer.initialize();
    for (const name of ["no", "__proto__", "constructor"])
      expect(errorOf(await peer.call(name))).toEqual({ code: -32_002, message: "unknown_tool" });
    expect(await peer.tool("repeat", { text: "a" })).toMatchObject({ text: "a" });
  });

  it("that cannot be taken back are carried out when they are confirmed, and a peer is asked nothing", async () => {
    const { connect, wiped } = openHost();
    const { peer } = connect();
    await peer.initialize({ ...MCP_CLIENT, capabilities: { elicitation: {} } });
    const refused = await peer.tool("wipe", { rows: 3 });
    expect(refused).toMatchObject({ code: "CONFIRMATION_REQUIRED", preview: "3 rows would go." });
    expect(wiped).toEqual([]);
    const { confirm_token } = refused;
    expect(await peer.tool("wipe", { rows: 4, confirm_token })).toMatchObject({ success: false });
    const again = await peer.tool("wipe", { rows: 3 });
    await peer.tool("wipe", { rows: 3, confirm_token: again["confirm_token"] });
    await peer.tool("wipe", { rows: 5, confirm: true });
    expect(wiped).toEqual([3, 5]);
    const _meta = {
      ...STATELESS,
      "io.modelcontextprotocol/clientCapabilities": { elicitation: { form: {} } },
    };
    const modern = await peer.request("tools/call", { name: "wipe", arguments: { rows: 1 }, _meta });
    expect(resultOf(modern)).toMatchObject({ structuredContent: { code: "CONFIRMATION_REQUIRED" } });
  });

  it.each(["resources/list", "prompts/list", "tasks/get", "subscriptions/listen", "logging/setLevel", "x"])(
    "are all that is offered: %s is no method",
    async (method) => {
      const { peer } = openHost().connect();
      await peer.initialize();
      const known = errorOf(await peer.request(method));
      expect(known).toEqual({ code: -32_601, message: "method_not_found" });
      expect(errorOf(await peer.request(method, { _meta: STATELESS }))?.["code"]).toBe(-32_601);
      expect(await peer.tool("repeat", { text: "a" })).toMatchObject({ text: "a" });
    },
  );

  it.each([
    [undefined],
    [[]],
    [{}],
    [{ name: 1 }],
    [{ name: "repeat", arguments: [] }],
    [{ name: "repeat", arguments: JSON.parse('{"__proto__": 1}') as unknown }],
    [{ name: "repeat", _meta: 1 }],
  ])("are not called with parameters that are wrong: %j", async (params) => {
    const { peer } = openHost().connect();
    await peer.initialize();
    expect(errorOf(await peer.request("tools/call", params))).toMatchObject({
      code: -32_602,
      message: "invalid_params",
    });
    expect(await peer.tool("repeat", { text: "a" })).toMatchObject({ text: "a" });
  });
});

describe("requests", () => {
  it("of one stream are served at a time, and answered as they end", async () => {
    const { connect, held } = openHost();
    const { peer } = connect();
    await peer.initialize();
    await peer.send(hold("slow", "slow"), hold(2, "quick"));
    await expect.poll(() => held.size).toBe(2);
    held.get("quick")?.resolve();
    expect((await peer.next())?.["id"]).toBe(2);
    held.get("slow")?.resolve();
    expect((await peer.next())?.["id"]).toBe("slow");
  });

  it("beyond what may be under way are refused, and the stream goes on", async () => {
    const { connect, held, host } = openHost({ clock: manualClock() });
    const { peer } = connect();
    await peer.initialize();
    const most = LIMITS.mcp.peerInFlight;
    await peer.send(...Array.from({ length: most + 1 }, (_, id) => hold(id, `h${id}`)));
    expect(await peer.next()).toMatchObject({ id: most, error: { code: -32_010, message: "rate_limited" } });
    await expect.poll(() => held.size).toBe(most);
    held.get("h0")?.resolve();
    expect((await peer.next())?.["id"]).toBe(0);
    expect(await peer.tool("repeat", { text: "a" })).toMatchObject({ text: "a" });
    expect(host.figures().rateLimited).toBe(1);
  });

  it("that are taken back are not answered, and their calls see their signals", async () => {
    const { connect, held } = openHost();
    const { peer } = connect();
    await peer.initialize();
    await peer.send(hold(1, "a"));
    await expect.poll(() => held.size).toBe(1);
    await peer.send({ jsonrpc: "2.0", method: "notifications/cancelled", params: { requestId: 1 } });
    await expect.poll(() => held.get("a")?.signal.aborted).toBe(true);
    expect(await peer.tool("repeat", { text: "a" })).toMatchObject({ text: "a" });
  });

  it("end in time by their own bound, which says what to ask next", async () => {
    const clock = manualClock();
    const { connect, held, host } = openHost({ clock });
    const { peer } = connect();
    await peer.initialize();
    const meta = { name: "hold", arguments: { name: "b" }, _meta: STATELESS };
    await peer.send(hold(1, "a"), { jsonrpc: "2.0", id: 2, method: "tools/call", params: meta });
    await expect.poll(() => held.size).toBe(2);
    await clock.advance(LIMITS.mcp.peerRequestMs - 1);
    for (const answer of [await peer.next(), await peer.next()])
      expect(resultOf(answer ?? {})).toMatchObject({ structuredContent: { code: "DEADLINE_EXCEEDED" } });
    expect([...held.values()].every(({ signal }) => signal.aborted)).toBe(true);
    expect(host.figures().timeouts).toBe(0);
  });

  it("that nothing ends are answered after 30 s, and their calls see their signals", async () => {
    const clock = manualClock();
    const signals: AbortSignal[] = [];
    const door: SystemDoor = {
      opened(signal) {
        signals.push(signal);
        return new Promise(() => {});
      },
      report: () => {},
      close: async () => {},
    };
    const { connect, host } = openHost({ clock, door });
    const { peer } = connect();
    await peer.initialize();
    const params = { name: "repeat", arguments: { text: "a" } };
    await peer.send(
      { jsonrpc: "2.0", id: 1, method: "tools/call", params },
      { jsonrpc: "2.0", id: 2, method: "tools/call", params: { ...params, _meta: STATELESS } },
    );
    await expect.poll(() => signals.length).toBe(2);
    await clock.advance(LIMITS.mcp.peerRequestMs);
    const error = { code: -32_000, message: "timeout" };
    expect([await peer.next(), await peer.next()]).toMatchObject([
      { id: 1, error },
      { id: 2, error },
    ]);
    expect(signals.every(({ aborted }) => aborted)).toBe(true);
    expect(host.figures().timeouts).toBe(2);
  });

  it("tell how far they are to a peer that asks for it", async () => {
    const { connect, held } = openHost();
    const { peer } = connect();
    await peer.initialize();
    const call = hold(1, "a");
    await peer.send({ ...call, params: { ...call.params, _meta: { progressToken: "t" } } });
    expect(await peer.next()).toMatchObject({
      method: "notifications/progress",
      params: { progressToken: "t" },
    });
    held.get("a")?.resolve();
    expect((await peer.next())?.["id"]).toBe(1);
  });

  it("that came before the end of what a peer says are still answered", async () => {
    const { connect, held } = openHost();
    const { peer, client, served } = connect();
    await peer.initialize();
    await peer.send(hold(1, "a"));
    client.endWriting();
    await expect.poll(() => held.size).toBe(1);
    held.get("a")?.resolve();
    expect(await peer.rest()).toMatchObject([{ id: 1, result: { isError: false } }]);
    await served;
  });
});

it("answers no notification, whatever is wrong about it", async () => {
  const { connect, grants, host } = openHost();
  const { peer } = connect();
  await peer.send(
    { jsonrpc: "2.0", method: "tools/call", params: { name: "repeat", arguments: { text: "a" } } },
    { jsonrpc: "1.0", method: "notifications/initialized" },
    { jsonrpc: "2.0", method: "no/such" },
    { method: 7 },
  );
  await peer.initialize();
  await peer.send(
    { jsonrpc: "2.0", method: "notifications/initialized" },
    { jsonrpc: "2.0", method: "tools/call", params: { name: "wipe", arguments: { rows: 1, confirm: true } } },
    { jsonrpc: "2.0", method: "notifications/cancelled", params: { requestId: 99 } },
    { jsonrpc: "2.0", method: "notifications/cancelled" },
  );
  expect(await peer.tool("repeat", { text: "a" })).toMatchObject({ text: "a" });
  grants.delete("peer-a");
  await peer.send({ jsonrpc: "2.0", method: "notifications/initialized" });
  expect(await peer.rest()).toEqual([]);
  expect(host.figures()).toMatchObject({ unauthorized: 1, requests: 2 });
});

describe("a grant", () => {
  it("that is not there lets nothing through, and the stream is closed", async () => {
    const { connect, host, held } = openHost({ grants: {} });
    for (const method of ["initialize", "tools/list", "tools/call"]) {
      const { peer, served } = connect();
      expect(errorOf(await peer.request(method, { name: "hold", arguments: { name: "a" } }))).toEqual({
        code: -32_001,
        message: "unauthorized",
      });
      expect(await peer.next()).toBeNull();
      await served;
    }
    expect(held.size).toBe(0);
    expect(host.figures()).toMatchObject({ unauthorized: 3, requests: 0 });
  });

  it("shows the tools that it names, and no call of another gets through, whether it exists or not", async () => {
    const { connect, wiped, host } = openHost({ grants: { "peer-a": ["repeat", "task_queue.rpc"] } });
    const { peer } = connect();
    await peer.initialize();
    const { tools } = resultOf(await peer.request("tools/list")) as { tools: { name: string }[] };
    expect(tools.map(({ name }) => name)).toEqual(["repeat"]);
    const refused = { code: -32_001, message: "unauthorized" };
    expect(errorOf(await peer.call("wipe", { rows: 1, confirm: true }))).toEqual(refused);
    expect(errorOf(await peer.call("no_such_tool"))).toEqual(refused);
    const stateless = { name: "wipe", arguments: { rows: 1, confirm: true }, _meta: STATELESS };
    expect(errorOf(await peer.request("tools/call", stateless))).toEqual(refused);
    expect(wiped).toEqual([]);
    expect(await peer.tool("repeat", { text: "a" })).toMatchObject({ text: "a" });
    // Named, and still off.
    expect(errorOf(await peer.call("task_queue.rpc", { op: "status" }))).toMatchObject({
      message: "unknown_tool",
    });
    expect(host.figures().unauthorized).toBe(3);
  });

  it("that is taken back, or grows, holds from the next frame on", async () => {
    const { connect, grants } = openHost({ grants: { "peer-a": ["repeat"] } });
    const { peer } = connect();
    await peer.initialize();
    grants.set("peer-a", ["fall"]);
    expect(errorOf(await peer.call("repeat", { text: "a" }))).toMatchObject({ code: -32_001 });
    expect(resultOf(await peer.call("fall"))).toMatchObject({ isError: true });
    grants.delete("peer-a");
    expect(errorOf(await peer.call("fall"))).toMatchObject({ code: -32_001 });
    expect(await peer.next()).toBeNull();
  });

  it("that cannot be asked for is none", async () => {
    const { connect, host } = openHost({ authorize: () => Promise.reject(new Error("the actor is away")) });
    const { peer } = connect();
    expect(errorOf(await peer.request("initialize", {}))).toMatchObject({ code: -32_001 });
    expect(await peer.next()).toBeNull();
    expect(host.figures()).toMatchObject({ unauthorized: 1, internalErrors: 1 });
  });

  it("is asked for once for a frame that is no call, and by its tool for one that is", async () => {
    const { connect, asked } = openHost();
    const { peer } = connect();
    await peer.initialize();
    await peer.tool("repeat", { text: "a" });
    expect(asked).toEqual([null, "repeat"]);
  });
});

describe("a stream", () => {
  it("that is silent is closed after 60 s, and not while something of it is under way", async () => {
    const clock = manualClock();
    const { connect, held } = openHost({ clock });
    const { peer, served } = connect();
    await peer.initialize();
    await clock.advance(LIMITS.mcp.peerIdleMs - 1);
    await peer.send(hold(1, "a"));
    await expect.poll(() => held.size).toBe(1);
    await clock.advance(20_000);
    held.get("a")?.resolve();
    expect(await peer.next()).toMatchObject({ id: 1 });
    await clock.advance(LIMITS.mcp.peerIdleMs - 1);
    expect(await peer.tool("repeat", { text: "a" })).toMatchObject({ text: "a" });
    await clock.advance(LIMITS.mcp.peerIdleMs);
    expect(await peer.next()).toBeNull();
    await served;
  });

  it("that sends a frame byte by byte for longer than that is closed too", async () => {
    const clock = manualClock();
    const { connect, host } = openHost({ clock });
    const { peer, served } = connect();
    await peer.initialize();
    for (const byte of frameOf({ jsonrpc: "2.0", id: 1, method: "ping" })) {
      await peer.sendBytes(Uint8Array.of(byte));
      await clock.advance(2_000);
    }
    expect(await peer.next()).toBeNull();
    await served;
    expect(host.figures().requests).toBe(1);
  });

  it("whose peer does not read is not read from, and cut off when that takes too long", async () => {
    const clock = manualClock();
    const limits = { rateCapacity: 10_000, ratePerSecond: 10_000, frames: 10_000 };
    const { connect, host } = openHost({ clock, limits });
    const { peer, served, client } = connect();
    await peer.initialize();
    const text = "x".repeat(40_000);
    let sent = 0;
    const flood = (async () => {
      for (; sent < 500; sent++)
        await peer.send({
          jsonrpc: "2.0",
          id: sent,
          method: "tools/call",
          params: { name: "repeat", arguments: { text } },
        });
    })().catch(() => undefined);
    for (let turn = 0; turn < 200; turn++) await microtasksDrained();
    expect(sent).toBeLessThan(100);
    await clock.advance(LIMITS.mcp.peerRequestMs);
    await served;
    await flood;
    expect(client.isClosed).toBe(false);
    await expect(peer.rest()).rejects.toMatchObject({ code: "PEER_LOST" });
    expect(host.figures()).toMatchObject({ slowReaders: 1, internalErrors: 0 });
  });

  it("writes long answers in pieces of at most 60 KiB", async () => {
    const { connect } = openHost();
    const { peer, server } = connect();
    await peer.initialize();
    await peer.tool("repeat", { text: "x".repeat(1_000), times: 90 });
    expect(Math.max(...server.pieces)).toBe(61_440);
  });

  it("answers with an error instead of what is longer than a frame", async () => {
    const { connect } = openHost({ limits: { frameBytes: 2_000 } });
    const { peer } = connect();
    await peer.initialize();
    expect(errorOf(await peer.call("repeat", { text: "x", times: 1_500 }))).toEqual({
      code: -32_003,
      message: "frame_too_large",
    });
    expect(await peer.tool("repeat", { text: "a" })).toMatchObject({ text: "a" });
  });
});

describe("a server that is told to stop", () => {
  it("answers what is under way, and takes no further frame and no further stream", async () => {
    const { connect, held, host } = openHost();
    const { peer } = connect();
    await peer.initialize();
    await peer.send(hold(1, "a"));
    await expect.poll(() => held.size).toBe(1);
    const closed = host.close();
    await peer.send(hold(2, "b"));
    held.get("a")?.resolve();
    expect(await peer.rest()).toMatchObject([{ id: 1, result: { isError: false } }]);
    await closed;
    const { served, peer: late } = connect();
    await served;
    await expect(late.next()).rejects.toMatchObject({ code: "PEER_LOST" });
    expect(host.figures()).toMatchObject({ sessionsStarted: 1, sessionsClosed: 1, sessionsRefused: 1 });
  });

  it("ends what takes longer than five seconds", async () => {
    const clock = manualClock();
    const { connect, held, host } = openHost({ clock });
    const { peer } = connect();
    await peer.initialize();
    await peer.send(hold(1, "a"));
    await expect.poll(() => held.size).toBe(1);
    const closed = host.close();
    await clock.advance(LIMITS.mcp.endGraceMs);
    await closed;
    expect(held.get("a")?.signal.aborted).toBe(true);
    expect(await peer.rest()).toEqual([]);
  });
});

it.each([
  [{ frameBytes: 1_023 }, "limits.frameBytes"],
  [{ frameBytes: 16 * 2 ** 20 + 1 }, "limits.frameBytes"],
  [{ frames: 2 }, "limits.frames"],
  [{ rateCapacity: 2.5 }, "limits.rateCapacity"],
  [{ ratePerSecond: 0 }, "limits.ratePerSecond"],
])("refuses limits that are out of range: %j", (limits, argument) => {
  expect(() => openHost({ limits })).toThrow(argument);
});
