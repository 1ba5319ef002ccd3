import { once } from "node:events";
import { existsSync, linkSync, mkdirSync, readdirSync, statSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { dirname, join } from "node:path";
import { describe, expect, it } from "vitest";
import { Connection } from "../../src/actor/index.ts";
import { KIND, packValue } from "../../src/codec/index.ts";
import { LIMITS, fault, toWireError } from "../../src/errors/index.ts";
import { FrameReader, frameOf } from "../../src/system/attach/frame.ts";
import { helloFields } from "../../src/system/attach/greeting.ts";
import { ASK, requestFrame } from "../../src/system/attach/messages.ts";
import { PROTOCOLS } from "../../src/system/actors.ts";
import { failOnLeaks } from "../kit/leak-check.ts";
import { manualClock } from "../kit/manual-clock.ts";
import { microtasksDrained } from "../kit/microtasks.ts";
import { temporaryDirectory } from "./kit/directory.ts";
import { ScriptedEnd, openScripted, type Asked } from "./kit/scripted-owner.ts";

const STATS = PROTOCOLS.queue.order.indexOf("stats");
const GET = PROTOCOLS.cache.order.indexOf("get");
const MEASURED = PROTOCOLS.router.order.indexOf("measured");
const CHANGED = PROTOCOLS.scheduler.order.indexOf("changed");
const QUEUE = 1;
const call = (correlation: number, member = STATS): Uint8Array =>
  requestFrame({
    kind: KIND.call,
    actor: QUEUE,
    member,
    correlation,
    budgetMs: null,
    traceparent: null,
    payload: undefined,
  });

/** Never answers, and keeps what it was asked. */
function hanging() {
  const asked: Asked[] = [];
  const first = Promise.withResolvers<Asked>();
  const script = (each: Asked): Promise<never> => {
    asked.push(each);
    first.resolve(each);
    return Promise.withResolvers<never>().promise;
  };
  return { asked, first: first.promise, script };
}

describe("what a guest asks", () => {
  failOnLeaks();

  it("reaches the actor with its payload, its trace and the time that is left, and the answer comes back whole", async () => {
    const traceparent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
    const { guest } = await openScripted(({ actor, member, params, options }) => {
      const { timeoutMs = 0 } = options;
      return {
        actor,
        member,
        params,
        traceparent: options.traceparent,
        inTime: timeoutMs > 4_000 && timeoutMs <= 5_000,
      };
    });
    const { ends } = await guest();
    const params = { bytes: new Uint8Array([1, 2]), big: 2n ** 60n, none: undefined, deep: [[{ a: null }]] };
    expect(await ends.queue.call(STATS, "stats", params, { timeoutMs: 5_000, traceparent })).toEqual({
      actor: "queue",
      member: "stats",
      params,
      traceparent,
      inTime: true,
    });
  });

  it("is refused in the owner's own words: code, message, details and causes", async () => {
    const deepest = fault("STORE_FULL", { path: "/data/queue.sqlite" });
    const failure = fault(
      "ALREADY_EXISTS",
      { kind: "task", name: "t", differs: "input" },
      { cause: deepest },
    );
    const { guest } = await openScripted(() => {
      throw failure;
    });
    const { ends } = await guest();
    const heard: unknown = await ends.queue.call(STATS, "stats", undefined).catch((error: unknown) => error);
    expect(toWireError(heard)).toEqual(toWireError(failure));
    expect(heard).toMatchObject({ retryable: false, cause: { code: "STORE_FULL", retryable: true } });
  });

  it("ends at its deadline, and the actor is told", async () => {
    const { first, script } = hanging();
    const { guest } = await openScripted(script);
    const { ends } = await guest();
    const call = ends.queue.call(STATS, "stats", undefined, { timeoutMs: 20 });
    await expect(call).rejects.toMatchObject({
      code: "DEADLINE_EXCEEDED",
      details: { what: "queue.stats", timeoutMs: 20 },
    });
    const { options } = await first;
    const { signal } = options;
    if (signal?.aborted === false) {
      await new Promise((resolve) => signal.addEventListener("abort", resolve, { once: true }));
    }
    expect(signal?.aborted).toBe(true);
  });

  it("is cancelled where it runs when the guest no longer wants it, and when the guest leaves", async () => {
    const { asked, first, script } = hanging();
    const { guest } = await openScripted(script);
    const link = await guest();
    const controller = new AbortController();
    const cancelled = link.ends.queue.call(STATS, "stats", undefined, { signal: controller.signal });
    await first;
    const kept = link.ends.queue.call(STATS, "stats", undefined, { timeoutMs: Infinity });
    const aborted = Promise.withResolvers<void>();
    asked[0]?.options.signal?.addEventListener("abort", () => aborted.resolve());
    controller.abort();
    await expect(cancelled).rejects.toMatchObject({ code: "CANCELLED" });
    await aborted.promise;
    expect(asked[1]?.options.signal?.aborted).toBe(false);
    const left = Promise.withResolvers<void>();
    asked[1]?.options.signal?.addEventListener("abort", () => left.resolve());
    link.close(fault("ACTOR_STOPPED", { actor: "the system" }));
    await expect(kept).rejects.toMatchObject({ code: "ACTOR_STOPPED" });
    await left.promise;
  });

  it("may be a cast, which is heard in order with calls", async () => {
    const { guest, end } = await openScripted(() => "answered");
    const { ends } = await guest();
    expect(ends.router.cast(MEASURED, { tool: "t" })).toBe(true);
    // Over one socket: what was said before has been heard.
    await ends.queue.call(STATS, "stats", undefined);
    expect(end("router").casts).toEqual([{ tool: "t" }]);
  });

  it("may be a subscription, whose events come in order and whose end is the owner's", async () => {
    const { guest, end } = await openScripted(() => "answered");
    const { ends } = await guest();
    const stream = ends.scheduler.subscribe(CHANGED, "changed", { buffer: 10 });
    await ends.queue.call(STATS, "stats", undefined);
    const [there] = end("scheduler").streams;
    for (const value of [1, undefined, 3]) there?.push(value);
    const lost = fault("EVENTS_LOST", { actor: "scheduler", event: "changed", limit: 10 });
    there?.finish(lost);
    const heard: unknown[] = [];
    await expect(
      (async () => {
        for await (const value of stream) heard.push(value);
      })(),
    ).rejects.toMatchObject({ code: "EVENTS_LOST", message: lost.message });
    expect(heard).toEqual([1, undefined, 3]);
  });

  it("ends a subscription when its reader leaves", async () => {
    const { guest, end } = await openScripted(() => "answered");
    const { ends } = await guest();
    const stream = ends.scheduler.subscribe(CHANGED, "changed", { buffer: 10 });
    await stream.return();
    await ends.queue.call(STATS, "stats", undefined);
    expect(await end("scheduler").streams[0]?.next()).toEqual({ value: undefined, done: true });
  });

  it("is refused beyond what one guest may have under way, and the others go on", async () => {
    const { asked, script } = hanging();
    const owner = await openScripted((each) => (each.actor === "cache" ? "answered" : script(each)));
    const [greedy, modest] = [await owner.guest(), await owner.guest()];
    const { callsInFlight } = LIMITS.attach;
    const calls = Array.from({ length: callsInFlight }, () =>
      greedy.ends.queue.call(STATS, "stats", undefined, { timeoutMs: Infinity }),
    );
    for (const each of calls) each.catch(() => undefined);
    await expect(greedy.ends.queue.call(STATS, "stats", undefined)).rejects.toMatchObject({
      code: "MAILBOX_FULL",
      details: { actor: "queue", limit: callsInFlight, unit: "calls in flight" },
    });
    expect(await modest.ends.cache.call(GET, "get", undefined)).toBe("answered");
    expect(asked).toHaveLength(callsInFlight);
    greedy.close(fault("ACTOR_STOPPED", { actor: "the system" }));
    await Promise.allSettled(calls);
  });

  it("is refused a subscription beyond those that one guest may have, until it has left one", async () => {
    const { guest, end } = await openScripted(() => "answered");
    const { ends } = await guest();
    const STARTED = PROTOCOLS.queue.order.indexOf("started");
    const subscribe = () => ends.scheduler.subscribe(CHANGED, "changed", { buffer: 1 });
    const streams = Array.from({ length: LIMITS.attach.subscriptions }, subscribe);
    const more = ends.queue.subscribe(STARTED, "started", { buffer: 1 });
    await expect(more.next()).rejects.toMatchObject({
      code: "INVALID_ARGUMENT",
      message: expect.stringContaining("at most 256 of one guest") as string,
    });
    await streams[0]?.return();
    await ends.queue.call(STATS, "stats", undefined);
    const again = ends.queue.subscribe(STARTED, "started", { buffer: 1 });
    await ends.queue.call(STATS, "stats", undefined);
    end("queue").streams[0]?.push("begun");
    expect((await again.next()).value).toBe("begun");
  });

  it("is told in place of an answer when the answer is too large to send, or the question", async () => {
    const { guest } = await openScripted(() => "x".repeat(LIMITS.actor.messageBytes + 1));
    const { ends } = await guest();
    const asked = ends.queue.call(STATS, "stats", undefined);
    await expect(asked).rejects.toMatchObject({ code: "MESSAGE_TOO_LARGE", details: { actor: "queue" } });
    const tooLarge = "x".repeat(LIMITS.actor.messageBytes + 1);
    await expect(ends.queue.call(STATS, "stats", tooLarge)).rejects.toMatchObject({
      code: "MESSAGE_TOO_LARGE",
    });
    await expect(ends.queue.call(STATS, "stats", { no: () => 1 })).rejects.toMatchObject({
      code: "NOT_A_WIRE_VALUE",
    });
  });
});

describe("the door of an owner", () => {
  failOnLeaks();

  it("may be opened by its user alone, and leaves nothing when it closes", async () => {
    const { path, door } = await openScripted(() => 1);
    expect(statSync(path).mode & 0o777).toBe(0o600);
    await door.close();
    expect(existsSync(path)).toBe(false);
  });

  it("refuses another version with one sentence, and whoever means another directory with none", async () => {
    const { guest, self, counters } = await openScripted(() => "answered");
    const other = guest({ ...self, build: "mcplusplus 9.9.9 (protocols 0)" });
    await expect(other).rejects.toMatchObject({
      code: "PROTOCOL_MISMATCH",
      message: expect.stringMatching(
        /^process \d+, which owns .*, speaks mcplusplus \d.*, but mcplusplus 9\.9\.9/,
      ) as string,
    });
    await expect(guest({ ...self, directory: "1:2" })).rejects.toThrow("nobody answers");
    await expect(guest({ ...self, modules: ["/other.tasks.ts"] })).rejects.toMatchObject({
      code: "MODULE_INVALID",
      message: expect.stringMatching(
        /other\.tasks\.ts cannot be used: process \d+, which owns .* runs without it/,
      ) as string,
    });
    expect(counters().guestsRefused).toBe(3);
    expect(await (await guest()).ends.queue.call(STATS, "stats", undefined)).toBe("answered");
  });

  it("lets in so many guests and no more, and another when one has left", async () => {
    const { guest } = await openScripted(() => "answered");
    const guests = await Promise.all(Array.from({ length: LIMITS.attach.guests }, () => guest()));
    await expect(guest()).rejects.toMatchObject({
      code: "UNAVAILABLE",
      message: expect.stringContaining("32 processes are attached to it, which is the most") as string,
    });
    guests[0]?.close(fault("ACTOR_STOPPED", { actor: "the system" }));
    // The owner hears of it in a turn of its own.
    for (;;)
      if (
        await guest().then(
          () => true,
          () => false,
        )
      )
        break;
  });

  it.each([
    ["rubbish in place of a greeting", Buffer.from("GET / HTTP/1.1\r\n\r\n")],
    ["a frame that is too long", Buffer.from([0xff, 0xff, 0xff, 0xff])],
    ["a frame of nothing", Buffer.from([0, 0, 0, 0])],
    ["a greeting that is none", frameOf(["hello", 1, 2, 3])],
    ["something packed that is no list", Buffer.concat([Buffer.from([0, 0, 0, 1]), packValue(7)])],
  ])("cuts off a stranger that sends %s, and serves its guests", async (_, bytes) => {
    const { guest, stranger, counters } = await openScripted(() => "answered");
    const { ends } = await guest();
    const { socket, closed } = await stranger();
    socket.write(bytes);
    await closed;
    expect(counters().guestsCutOff).toBe(1);
    expect(await ends.queue.call(STATS, "stats", undefined)).toBe("answered");
  });

  it("cuts off a stranger that does not say in time who it is", async () => {
    const clock = manualClock();
    const { stranger, counters } = await openScripted(() => 1, { clock });
    const { closed } = await stranger();
    // The owner has accepted it when it has a timer.
    while (clock.pending === 0) await new Promise((resolve) => setImmediate(resolve));
    await clock.advance(LIMITS.attach.helloMs);
    await closed;
    expect(counters().guestsCutOff).toBe(1);
  });

  const request = (changes: object): Uint8Array => {
    const fields = { kind: KIND.call, actor: QUEUE, member: STATS, correlation: 1, budgetMs: null };
    const { kind, actor, member, correlation, budgetMs } = { ...fields, ...changes };
    return frameOf([kind, actor, member, correlation, budgetMs, null, null]);
  };

  it.each([
    ["of no kind", request({ kind: 99 })],
    ["to no actor", request({ actor: 6 })],
    ["of no member", request({ member: 9_999 })],
    ["of a member that is no call", request({ kind: KIND.cast })],
    ["without a number", request({ correlation: 0 })],
    ["with a deadline that is none", request({ budgetMs: Number.NaN })],
    ["that subscribes without a bound", request({ kind: KIND.subscribe, actor: 2, member: CHANGED })],
    ["that is cut short", frameOf([KIND.call])],
    [
      "with a payload that is none",
      frameOf([KIND.call, QUEUE, STATS, 1, null, null, Uint8Array.of(0x92, 1)]),
    ],
  ])("cuts off a guest with a request %s, and serves the others", async (_, bytes) => {
    const { guest, intruder, counters } = await openScripted(() => "answered");
    const { ends } = await guest();
    const { socket, closed } = await intruder();
    socket.write(bytes);
    await closed;
    expect(counters().guestsCutOff).toBe(1);
    expect(await ends.queue.call(STATS, "stats", undefined)).toBe("answered");
  });

  it("cuts off a guest that uses a number twice at once", async () => {
    const { script } = hanging();
    const { intruder, counters } = await openScripted(script);
    const { socket, closed } = await intruder();
    socket.write(Buffer.concat([call(1), call(1)]));
    await closed;
    expect(counters().guestsCutOff).toBe(1);
  });

  it("takes nothing more from a guest that has not read its last answer, until it has", async () => {
    const asked: unknown[] = [];
    const second = Promise.withResolvers<void>();
    const { guest, intruder } = await openScripted(({ actor }) => {
      if (actor === "cache") return "answered";
      if (asked.push(actor) === 2) second.resolve();
      return new Uint8Array(15 * 2 ** 20);
    });
    const { ends } = await guest();
    const { socket } = await intruder();
    socket.pause();
    socket.write(call(1));
    while (asked.length === 0) await ends.cache.call(GET, "get", undefined);
    socket.write(call(2));
    for (let at = 0; at < 50; at++) await ends.cache.call(GET, "get", undefined);
    expect(asked).toHaveLength(1);
    socket.resume();
    await second.promise;
  });

  it("cuts off above a bound a guest that asks for more than it reads", async () => {
    const large = new Uint8Array(15 * 2 ** 20);
    const release = Promise.withResolvers<Uint8Array>();
    const { guest, intruder, counters } = await openScripted(({ actor }) =>
      actor === "queue" ? release.promise : "answered",
    );
    const { ends } = await guest();
    const { socket, closed } = await intruder();
    socket.pause();
    socket.write(Buffer.concat([1, 2, 3, 4, 5, 6].map((number) => call(number))));
    // All are taken before any is answered: the bound is on answers.
    await ends.cache.call(GET, "get", undefined);
    release.resolve(large);
    while (counters().guestsCutOff === 0) await ends.cache.call(GET, "get", undefined);
    socket.resume();
    await closed;
  });

  it("answers what guests ask of itself", async () => {
    const { intruder } = await openScripted(() => 1);
    const { socket, next } = await intruder();
    for (const [at, member] of [ASK.ready, ASK.writable, ASK.health].entries())
      socket.write(call(at + 1, member));
    const kinds = [await next(), await next(), await next()].map(([kind]) => kind);
    expect(kinds).toEqual([KIND.reply, KIND.reply, KIND.reply]);
  });

  it("takes the place of a dead owner's socket", async () => {
    const data = temporaryDirectory();
    const path = join(data, "owner.sock");
    // A server takes away the name that it knows; as after a kill, the other one stays.
    const dead = createServer().listen(join(data, "dead"));
    await once(dead, "listening");
    linkSync(join(data, "dead"), path);
    dead.close();
    await once(dead, "close");
    const { guest } = await openScripted(() => "answered", { data });
    expect(await (await guest()).ends.queue.call(STATS, "stats", undefined)).toBe("answered");
    expect(readdirSync(data)).toEqual(["owner.sock"]);
  });

  it("stands elsewhere where its path would be too long, and is found there", async () => {
    const data = join(temporaryDirectory(), "x".repeat(100));
    mkdirSync(data);
    const { guest, path, door } = await openScripted(() => "answered", { data });
    expect(path.startsWith(data)).toBe(false);
    expect([statSync(path).mode & 0o777, statSync(dirname(path)).mode & 0o777]).toEqual([0o600, 0o700]);
    expect(await (await guest()).ends.queue.call(STATS, "stats", undefined)).toBe("answered");
    await door.close();
    expect([existsSync(dirname(path)), readdirSync(data)]).toEqual([false, []]);
    // A note that a dead owner has left goes with the next one, and its directory too.
    mkdirSync(dirname(path), { mode: 0o700 });
    writeFileSync(join(data, "owner.json"), JSON.stringify({ socket: path }));
    const next = await openScripted(() => "answered", { data });
    expect([existsSync(dirname(path)), next.path === path]).toEqual([false, false]);
  });
});

describe("a connection that waits for its actor in the owner", () => {
  it("goes on waiting with the next owner when that one ends", async () => {
    const gone = fault("ACTOR_RESTARTING", { actor: "queue" });
    const [first, second] = [new ScriptedEnd("queue", () => 1), new ScriptedEnd("queue", () => 2)];
    const answer = Promise.withResolvers<undefined>();
    first.up = () => answer.promise;
    const connection = new Connection("queue");
    connection.up(first);
    const ready = connection.ready();
    connection.down(gone);
    answer.reject(gone);
    await microtasksDrained();
    connection.up(second);
    await ready;
    first.up = () => Promise.reject(fault("ACTOR_STOPPED", { actor: "queue" }));
    connection.up(first);
    await expect(connection.ready()).rejects.toMatchObject({ code: "ACTOR_STOPPED" });
  });
});

describe("a stream of frames", () => {
  it("is the same however it is cut", () => {
    const messages = [
      ["one", 1],
      ["two", new Uint8Array(300)],
      ["three", { of: null }],
    ];
    const bytes = Buffer.concat(messages.map(frameOf));
    for (const size of [1, 2, 3, 7, 64, 4_096]) {
      const reader = new FrameReader(1_024);
      const read: unknown[] = [];
      for (let at = 0; at < bytes.length; at += size) {
        for (const frame of reader.push(bytes.subarray(at, at + size))) read.push(frame);
      }
      expect(read).toEqual(messages);
    }
  });

  it("ends at a frame that is longer than is allowed, and not at one of just that length", () => {
    const frame = frameOf(["x".repeat(100)]);
    const sizeBytes = frame.length - 4;
    expect([...new FrameReader(sizeBytes).push(frame)]).toHaveLength(1);
    expect(() => [...new FrameReader(sizeBytes - 1).push(frame)]).toThrow(`a frame of ${sizeBytes} bytes`);
    expect(helloFields({ build: "b", directory: "d", modules: [] })).toEqual(["hello", "b", "d", []]);
  });
});
