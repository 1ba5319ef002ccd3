import { peerIdFromString } from "@libp2p/peer-id";
import { describe, expect, it } from "vitest";
import { packValue } from "../../src/codec/index.ts";
import { LIMITS } from "../../src/errors/index.ts";
import { GRANT_DOMAIN, GRANT_TYPE, packClaims, tokenBytes, tokenText } from "../../src/remote/grant-token.ts";
import type { GrantTerms } from "../../src/remote/remote.protocol.ts";
import {
  METHOD,
  readStarted,
  readTerms,
  writeBlobAsk,
  writeHello,
  writeStart,
  writeStop,
  type Refused,
  type StartItem,
} from "../../src/remote/wire.ts";
import { World, gate, pair, termsFor, type Node } from "./kit/world.ts";

const code = (wanted: string): unknown => expect.objectContaining({ code: wanted });
const LIFE = 5;

/** Two nodes that are connected; the first speaks for itself, past its own actors. */
async function hostile(terms: Partial<GrantTerms> = {}, servedMax = 100) {
  const world = new World();
  const work = gate();
  const a = await world.node();
  const b = await world.node({ handlers: { work: work.script, other: () => 1 }, remote: { servedMax } });
  const token = await b.allow(a, terms);
  world.network.connect(a.wire, b.wire);
  await world.settle();
  let tokens = 0;
  const hello = (text = token) => {
    const body = writeHello({ life: LIFE, token: tokenBytes(text), leaseMs: 60_000 });
    return world.drive(a.wire.ask(b.wire, METHOD.hello, body));
  };
  const start = async (...items: Partial<StartItem>[]): Promise<readonly Refused[]> => {
    const whole = items.map((item) => {
      tokens += 1;
      const named = { token: tokens, taskId: `t${tokens}`, action: "work", input: packValue(tokens) };
      return { ...named, attempt: 1, timeoutMs: null, ...item };
    });
    const body = await world.drive(
      a.wire.ask(b.wire, METHOD.start, writeStart({ life: LIFE, items: whole })),
    );
    await world.settle();
    return readStarted(b.peerId, body).refused;
  };
  const codes = async (...items: Partial<StartItem>[]) =>
    (await start(...items)).map(({ error }) => error.code);
  return { world, a, b, token, work, hello, start, codes };
}

describe("nobody may run anything here", () => {
  it("until a grant says so: a peer without one is refused, whatever it shows", async () => {
    const world = new World();
    const a = await world.node();
    const b = await world.node({ handlers: { work: () => 1 } });
    const token = await a.allow(b);
    world.network.connect(a.wire, b.wire);
    await world.settle();
    const items = [
      { token: 1, taskId: "t", action: "work", input: packValue(1), attempt: 1, timeoutMs: null },
    ];
    const start = writeStart({ life: LIFE, items });
    await expect(world.drive(a.wire.ask(b.wire, METHOD.start, start))).rejects.toEqual(
      code("NOT_AUTHORIZED"),
    );
    // It has signed this one itself.
    const hello = writeHello({ life: LIFE, token: tokenBytes(token), leaseMs: 60_000 });
    await expect(world.drive(a.wire.ask(b.wire, METHOD.hello, hello))).rejects.toEqual(code("TOKEN_INVALID"));
    expect(await b.refused()).toEqual({ no_token: 1, token_invalid: 1 });
    expect(b.registry.offered).toEqual([]);
  });

  it("with a grant alone: its token must be shown, and again after each connection", async () => {
    const { world, a, b, hello, codes } = await hostile();
    await expect(codes({})).rejects.toEqual(code("NOT_AUTHORIZED"));
    await hello();
    expect(await codes({})).toEqual([]);
    world.network.disconnect(a.wire, b.wire);
    world.network.connect(a.wire, b.wire);
    await world.settle();
    expect(await codes({})).toEqual(["NOT_AUTHORIZED"]);
    await hello();
    expect(await codes({})).toEqual([]);
  });
});

describe("a grant is for a peer that there can be", () => {
  it("and for no other name", async () => {
    const world = new World();
    const b = await world.node();
    const terms = termsFor("foo", world.clock.wallNow());
    await expect(world.drive(b.remote.ref.call.grant({ terms }))).rejects.toEqual(code("INVALID_ARGUMENT"));
    const { revoke, drop } = b.remote.ref.call;
    const peerId = "foo";
    await expect(world.drive(revoke({ peerId }))).rejects.toEqual(code("INVALID_ARGUMENT"));
    await expect(world.drive(drop({ peerId }))).rejects.toEqual(code("INVALID_ARGUMENT"));
    expect((await world.drive(b.remote.ref.call.grants())).grants).toEqual([]);
  });

  it("whichever text of its id it is given by", async () => {
    const { world, b, a, hello, codes } = await hostile();
    const cid = peerIdFromString(a.peerId).toCID().toString();
    const terms = termsFor(cid, world.clock.wallNow());
    const { token } = await world.drive(b.remote.ref.call.grant({ terms }));
    await hello(token);
    expect(await codes({})).toEqual([]);
  });
});

describe("a token is refused", () => {
  async function sealedBy(signer: Node, world: World, more: object): Promise<string> {
    const nowMs = world.clock.wallNow();
    const { peerId: _, ...terms } = termsFor("", nowMs);
    const claims = {
      ...terms,
      grantId: "g",
      issuer: signer.peerId,
      audience: "x",
      issuedAtMs: nowMs,
      ...more,
    };
    return tokenText(await signer.wire.seal(GRANT_DOMAIN, GRANT_TYPE, packClaims(claims)));
  }

  it("that another node has signed, though it names this one as its issuer", async () => {
    const { world, a, b, hello } = await hostile();
    const forged = await sealedBy(a, world, { issuer: b.peerId, audience: a.peerId });
    await expect(hello(forged)).rejects.toEqual(code("TOKEN_INVALID"));
    expect(await b.refused()).toEqual({ token_invalid: 1 });
  });

  it("that is another peer's", async () => {
    const { world, b, hello } = await hostile();
    const c = await world.node();
    await expect(hello(await b.allow(c))).rejects.toEqual(code("NOT_AUTHORIZED"));
    expect(await b.refused()).toEqual({ token_audience: 1 });
    await expect(hello()).resolves.toBeDefined();
  });

  it("that was signed here for something that was never granted", async () => {
    const { world, a, b, hello } = await hostile();
    await expect(hello(await sealedBy(b, world, { audience: a.peerId }))).rejects.toEqual(
      code("NOT_AUTHORIZED"),
    );
    expect(await b.refused()).toEqual({ grant_unknown: 1 });
  });

  it("that another one of the same peer has replaced", async () => {
    const { a, b, hello } = await hostile();
    const second = await b.allow(a);
    await expect(hello()).rejects.toEqual(code("NOT_AUTHORIZED"));
    await expect(hello(second)).resolves.toBeDefined();
  });

  it("whose time is over, and not a moment before", async () => {
    const { world, b, hello } = await hostile({ expiresAtMs: Date.UTC(2026, 0, 1) + 10_000 });
    await world.pass(9_990);
    await expect(hello()).resolves.toBeDefined();
    await world.pass(10);
    await expect(hello()).rejects.toEqual(code("NOT_AUTHORIZED"));
    expect(await b.refused()).toEqual({ expired: 1 });
  });

  it("that was revoked", async () => {
    const { world, a, b, hello } = await hostile();
    expect(await world.drive(b.remote.ref.call.revoke({ peerId: a.peerId }))).toEqual({
      revoked: 1,
      stopped: 0,
    });
    await expect(hello()).rejects.toEqual(code("NOT_AUTHORIZED"));
    expect(await world.drive(b.remote.ref.call.revoke({ peerId: a.peerId }))).toEqual({
      revoked: 0,
      stopped: 0,
    });
  });

  it.each([
    [
      "one bit of its signature is another",
      (bytes: Uint8Array) => bytes.with(bytes.length - 1, (bytes.at(-1) ?? 0) ^ 1),
    ],
    ["it is cut short", (bytes: Uint8Array) => bytes.subarray(0, -1)],
    ["it is nothing", () => Uint8Array.of(0)],
  ])("when %s", async (_, change) => {
    const { token, hello } = await hostile();
    await expect(hello(tokenText(change(tokenBytes(token))))).rejects.toEqual(code("TOKEN_INVALID"));
  });
});

describe("a start is refused, and without that cause alone it is let through,", () => {
  it("for an action that the grant does not name", async () => {
    const { b, hello, codes } = await hostile({ actions: ["work"] });
    await hello();
    expect(await codes({ action: "other" })).toEqual(["NOT_AUTHORIZED"]);
    expect(await codes({ action: "work" })).toEqual([]);
    expect(await b.refused()).toEqual({ action: 1 });
  });

  it("for an action that this node has no handler for", async () => {
    const { hello, codes } = await hostile();
    await hello();
    expect(await codes({ action: "nobody" }, { action: "other" })).toEqual(["NOT_AUTHORIZED"]);
  });

  it("beyond what the peer may run at once, also when it takes no note of what has ended", async () => {
    const { world, b, work, hello, codes } = await hostile({ concurrency: 2 });
    await hello();
    expect(await codes({}, {}, {})).toEqual(["PEER_LIMITED"]);
    expect(work.running()).toEqual(["t1", "t2"]);
    world.network.onRequest = ({ method }) => method === METHOD.tell;
    for (const taskId of ["t1", "t2"]) work.end(taskId);
    await world.settle();
    expect(await codes({}, {})).toEqual([]);
    for (const taskId of ["t4", "t5"]) work.end(taskId);
    await world.settle();
    expect(await codes({})).toEqual(["PEER_LIMITED"]);
    world.network.onRequest = () => false;
    await world.pass(45_000);
    expect(await codes({})).toEqual([]);
    expect(await b.refused()).toEqual({ concurrency: 2 });
  });

  it("beyond what all peers may run here at once", async () => {
    const { b, hello, codes } = await hostile({}, 2);
    await hello();
    expect(await codes({}, {}, {})).toEqual(["PEER_LIMITED"]);
    expect(await b.refused()).toEqual({ served: 1 });
  });

  it("beyond its starts per minute, with the time after which it may try again", async () => {
    const { world, b, hello, start } = await hostile({ perMinute: 2 });
    await hello();
    const refused = await start({ action: "other" }, { action: "other" }, { action: "other" });
    expect(refused).toMatchObject([{ error: { code: "PEER_LIMITED" }, afterMs: 30_000 }]);
    await world.pass(29_999);
    expect(await start({ action: "other" })).toHaveLength(1);
    await world.pass(1);
    expect(await start({ action: "other" })).toEqual([]);
    expect(await b.refused()).toEqual({ rate: 2 });
  });

  it("for an input of more bytes than the grant allows, and not of as many", async () => {
    const bytesMax = packValue("x".repeat(100)).byteLength;
    const { b, hello, codes } = await hostile({ bytesMax });
    await hello();
    expect(await codes({ input: packValue("x".repeat(101)) })).toEqual(["PEER_LIMITED"]);
    expect(await codes({ input: packValue("x".repeat(100)) })).toEqual([]);
    expect(await b.refused()).toEqual({ bytes: 1 });
  });

  it("when the grant has expired since its token was shown", async () => {
    const { world, hello, codes } = await hostile({ expiresAtMs: Date.UTC(2026, 0, 1) + 10_000 });
    await hello();
    expect(await codes({})).toEqual([]);
    await world.pass(10_000);
    expect(await codes({})).toEqual(["NOT_AUTHORIZED"]);
  });

  it("when the grant was revoked, and what runs under it is stopped", async () => {
    const { world, a, b, work, hello, codes } = await hostile();
    await hello();
    await codes({}, {});
    const signal = work.signal("t1");
    expect(await world.drive(b.remote.ref.call.revoke({ peerId: a.peerId }))).toEqual({
      revoked: 1,
      stopped: 2,
    });
    await world.settle();
    expect(signal?.aborted).toBe(true);
    expect(work.running()).toEqual([]);
    expect(await codes({})).toEqual(["NOT_AUTHORIZED"]);
  });
});

describe("what a peer sends that breaks the rules is refused, counted and harms nobody:", () => {
  const malformed: [string, string, Uint8Array][] = [
    ["bytes that are no message", METHOD.start, Uint8Array.of(0xc1)],
    ["another version", METHOD.hello, packValue([2, 1, new Uint8Array(1), 1])],
    ["a version that cannot be made a text", METHOD.hello, packValue([{ toString: 0, valueOf: 0 }])],
    ["a field too few", METHOD.start, packValue([1, LIFE])],
    ["a task of another shape", METHOD.start, packValue([1, LIFE, [[1, "t", "work"]]])],
    ["a token that is no number", METHOD.stop, packValue([1, ["x"]])],
    [
      "more tokens than there may be",
      METHOD.stop,
      packValue([1, Array.from({ length: LIMITS.remote.concurrency + 1 }, () => 1)]),
    ],
    ["a negative offset", METHOD.blob, packValue([1, "0".repeat(64), -1, 1])],
    ["a path for an address", METHOD.blob, packValue([1, "../../secret", 0, 1])],
    [
      "an end of a kind that there is not",
      METHOD.tell,
      packValue([1, 1, 1, 1, null, [], [[1, 9, null, null]]]),
    ],
    ["a method that there is not", "remote.shell", packValue([1])],
  ];
  it.each(malformed)("%s", async (_, method, body) => {
    const { world, a, b, hello, codes } = await hostile();
    await expect(world.drive(a.wire.ask(b.wire, method, body))).rejects.toEqual(code("PEER_PROTOCOL"));
    expect(await b.refused()).toEqual({ malformed: 1 });
    await hello();
    expect(await codes({})).toEqual([]);
  });

  it("an input that is no packed value", async () => {
    const { world, b, work, hello, codes } = await hostile();
    await hello();
    expect(await codes({ input: Uint8Array.of(0xc1) })).toEqual([]);
    await world.settle();
    expect(work.running()).toEqual([]);
    expect((await world.drive(b.remote.ref.call.grants())).grants).toMatchObject([{ started: 1 }]);
  });

  it("a question for a stored value that no task names", async () => {
    const { world, a, b } = await hostile();
    const ask = writeBlobAsk({ sha256: "0".repeat(64), offset: 0, length: 1 });
    await expect(world.drive(a.wire.ask(b.wire, METHOD.blob, ask))).rejects.toEqual(code("NOT_AUTHORIZED"));
    expect(await b.refused()).toEqual({ value: 1 });
  });

  it("a stop of another peer's task", async () => {
    const { world, b, work, hello, codes } = await hostile();
    await hello();
    await codes({});
    const c = await world.node();
    world.network.connect(c.wire, b.wire);
    await world.drive(c.wire.ask(b.wire, METHOD.stop, writeStop([1])));
    await world.settle();
    expect(work.running()).toEqual(["t1"]);
  });

  it("the same task twice is carried out once", async () => {
    const { work, hello, codes } = await hostile();
    await hello();
    await codes({ token: 9, taskId: "t" });
    expect(await codes({ token: 9, taskId: "t" })).toEqual([]);
    expect(work.running()).toEqual(["t"]);
  });
});

describe("whoever asks", () => {
  it("learns the actions that there are and that it may run, and no others", async () => {
    const { b, hello } = await hostile({ actions: ["work", "nobody"], tools: ["echo"] });
    const terms = readTerms(b.peerId, await hello());
    expect(terms).toMatchObject({ actions: ["work"], tools: ["echo"], concurrency: 100, room: 100 });
  });

  it("before the handlers are known is told so, and asks again", async () => {
    const world = new World();
    const a = await world.node({ threads: 0 });
    const b = await world.node({ handlers: { work: () => "done" } });
    b.queue.crash();
    const token = await b.allow(a);
    world.network.connect(a.wire, b.wire);
    await a.use(token);
    await world.pass(50);
    expect((await a.outlet(b)).held).toContain("the list of handlers");
    await world.drive(b.queue.begin());
    await world.until(async () => (await a.outlet(b)).held === null);
    await a.submit({ taskId: "t" });
    expect((await a.end("t")).state).toBe("completed");
  });

  it("may call the tools that its grant names, once it has shown its token", async () => {
    const { world, a, b, hello } = await hostile({ tools: ["echo"] });
    const authorize = (tool: string | null) =>
      world.drive(b.remote.ref.call.authorize({ peerId: a.peerId, tool }));
    expect(await authorize("echo")).toMatchObject({ ok: false });
    await hello();
    expect(await authorize("echo")).toMatchObject({ ok: true, tools: ["echo"] });
    expect(await authorize(null)).toMatchObject({ ok: true });
    expect(await authorize("rm")).toMatchObject({
      ok: false,
      why: expect.stringContaining("does not name") as string,
    });
    expect(await b.refused()).toEqual({ no_token: 1, tool: 1 });
  });
});

describe("this node's record", () => {
  it("tells the actions that were granted to someone by name, and that there are, and no others", async () => {
    const { world, a, b } = await hostile();
    expect(b.registry.offered).toEqual([]);
    await b.allow(a, { actions: ["work", "nobody"] });
    await world.settle();
    expect(b.registry.offered).toEqual([["work"]]);
    await world.drive(b.remote.ref.call.revoke({ peerId: a.peerId }));
    await world.settle();
    expect(b.registry.offered).toEqual([["work"], []]);
  });
});

describe("a token that this node is to use is refused", () => {
  it.each([
    ["nothing", () => "", "it is empty"],
    ["too long", () => "A".repeat(LIMITS.remote.tokenChars + 1), "more than"],
    ["no base64url", () => "a b", "base64url"],
    ["no envelope", () => "AAAA", "no envelope"],
  ])("when it is %s", async (_, text, why) => {
    const world = new World();
    const a = await world.node();
    const refused = world.drive(a.remote.ref.call.use({ token: text() }));
    await expect(refused).rejects.toMatchObject({
      code: "TOKEN_INVALID",
      message: expect.stringContaining(why) as string,
    });
  });

  it("when it is another node's, its own, or over", async () => {
    const world = new World();
    const [a, b, c] = [await world.node(), await world.node(), await world.node()];
    const use = async (token: string) => world.drive(a.remote.ref.call.use({ token }));
    await expect(use(await b.allow(c))).rejects.toThrow("it is for another node");
    await expect(use(await a.allow(a))).rejects.toThrow("issued it itself");
    const token = await b.allow(a, { expiresAtMs: world.clock.wallNow() + 10 });
    await world.pass(20);
    await expect(use(token)).rejects.toThrow("its time is over");
  });
});

describe("why nothing goes to a peer", () => {
  it("is told in one sentence, and the task stays in the queue", async () => {
    const { world, a, b, token } = await pair({}, { handlers: { work: () => 1 } });
    expect((await a.outlet(b)).held).toBeNull();
    await world.drive(b.remote.ref.call.revoke({ peerId: a.peerId }));
    await a.submit({ taskId: "t" });
    await world.until(async () => (await a.outlet(b)).held?.includes("revoked") === true);
    expect(await a.status("t")).toMatchObject({ state: "queued", attempt: 0, interruptions: 0 });
    const second = await b.allow(a);
    expect(second).not.toBe(token);
    await a.use(second);
    expect((await a.end("t")).state).toBe("completed");
    world.network.disconnect(a.wire, b.wire);
    await world.settle();
    expect((await a.outlet(b)).held).toBe("it is not connected");
  });

  it("is told when its input is larger than the peer takes, and other actions go on", async () => {
    const { world, a, b } = await pair(
      {},
      { handlers: { work: () => 1, other: () => 2 } },
      { bytesMax: 1_000 },
    );
    await a.submit({ taskId: "large", value: "x".repeat(2_000) });
    await world.until(async () => (await a.outlet(b)).held?.includes("it takes 1000") === true);
    await a.submit({ taskId: "small", action: "other" });
    expect((await a.end("small")).state).toBe("completed");
    expect(await a.status("large")).toMatchObject({ state: "queued", interruptions: 0 });
  });

  it("is told when it starts too much in a minute, and it goes on when the minute allows it", async () => {
    const { world, a, b } = await pair({}, { handlers: { work: () => 1 } }, { perMinute: 3 });
    await a.submit(...Array.from({ length: 5 }, (_, index) => ({ taskId: `t${index}` })));
    await world.until(async () => (await a.outlet(b)).held?.includes("3 tasks") === true);
    const beganMs = world.clock.now();
    await a.end("t4");
    expect(world.clock.now() - beganMs).toBeGreaterThan(15_000);
    expect(await a.status("t4")).toMatchObject({ state: "completed", attempt: 1, interruptions: 0 });
  });
});

describe("with networking off", () => {
  it("every call is refused with how to turn it on", async () => {
    const world = new World();
    const a = await world.node({ remote: { on: false } });
    const { outlets, grants, use, drop, revoke } = a.remote.ref.call;
    const calls = [
      outlets,
      grants,
      () => use({ token: "x" }),
      () => drop({ peerId: "x" }),
      () => revoke({ peerId: "x" }),
    ];
    for (const call of calls) {
      await expect(world.drive<unknown>(call())).rejects.toMatchObject({
        code: "UNAVAILABLE",
        message: expect.stringContaining("--network") as string,
      });
    }
  });
});
