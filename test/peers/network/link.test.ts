import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import { LIMITS, wireFault } from "../../../src/errors/index.ts";
import {
  KIND,
  controlFrame,
  replyHead,
  requestHead,
  writeHeader,
  type Kind,
} from "../../../src/peers/network/frame.ts";
import { linkPair, patterned, refusal, text, type LinkPair } from "./link-kit.ts";

const { network } = LIMITS;
const MINUTE = 60_000;
const body = Buffer.from("question");
/** A rejection is looked at when the test comes to it. */
function held<T>(promise: Promise<T>): Promise<T> {
  promise.catch(() => undefined);
  return promise;
}
const ask = (pair: LinkPair, method = "a.b", bytes: Uint8Array = body, timeoutMs = MINUTE) =>
  held(pair.asking.request({ method, body: bytes, timeoutMs }));
const code = (value: string) => expect.objectContaining({ code: value }) as unknown;

function frame(kind: number, id: number, payload: Uint8Array = Buffer.alloc(0)): Buffer {
  const bytes = Buffer.alloc(9 + payload.length);
  bytes.set(payload, writeHeader(bytes, 0, kind as Kind, id, payload.length));
  return bytes;
}
const CHUNK = Buffer.alloc(network.chunkBytes);
const requestFrame = (id: number, bodyBytes = 0, first = bodyBytes): Buffer =>
  frame(
    KIND.request,
    id,
    Buffer.concat([
      requestHead({ remainingMs: 1_000, bodyBytes, method: "x", traceparent: undefined }),
      Buffer.alloc(first),
    ]),
  );

describe("a request", () => {
  it("arrives with its method, body, remaining time and trace, and resolves with its answer", async () => {
    const pair = linkPair();
    const traceparent = `00-${"ab".repeat(16)}-${"cd".repeat(8)}-01`;
    const answered = held(pair.asking.request({ method: "remote.run", body, timeoutMs: 1_500, traceparent }));
    await pair.settle();
    expect(pair.requests).toEqual([
      expect.objectContaining({ peerId: "asker", method: "remote.run", remainingMs: 1_500, traceparent }),
    ]);
    expect(text(pair.requests[0]?.body ?? body)).toBe("question");
    pair.requests[0]?.reply("answer");
    await pair.settle();
    expect(text(await answered)).toBe("answer");
    expect(pair.inside()).toBe(0);
  });

  it("is answered in whatever order, however the stream is cut", async () => {
    let turn = 0;
    const pair = linkPair({ cutAt: () => (turn++ % 13) + 1 });
    const answers = Array.from({ length: 100 }, (_, index) => ask(pair, "m", Buffer.from(`q${index}`)));
    await pair.settle();
    for (const request of pair.requests.toReversed()) request.reply(`a${text(request.body)}`);
    await pair.settle();
    expect((await Promise.all(answers)).map(text)).toEqual(answers.map((_, index) => `aq${index}`));
  });

  it.each([0, 1, network.chunkBytes, network.chunkBytes + 1, network.bodyBytes])(
    "carries a body of %i bytes both ways",
    async (bytes) => {
      const pair = linkPair();
      const sent = patterned(bytes);
      const answered = ask(pair, "m", sent);
      await pair.settle();
      expect(Buffer.compare(pair.requests[0]?.body ?? body, sent)).toBe(0);
      pair.requests[0]?.answer({ ok: true, body: pair.requests[0].body });
      await pair.settle();
      expect(Buffer.compare(await answered, sent)).toBe(0);
    },
  );

  it("rejects with the fault that it was answered with, details and cause included", async () => {
    const pair = linkPair();
    const answered = ask(pair);
    await pair.settle();
    const cause = wireFault("UNAVAILABLE", { what: "the disk", why: "it is full" });
    const error = { ...wireFault("TASK_NOT_FOUND", { taskId: "t" }), cause };
    pair.requests[0]?.answer({ ok: false, error });
    await pair.settle();
    await expect(answered).rejects.toMatchObject({ code: "TASK_NOT_FOUND", details: { taskId: "t" }, cause });
  });

  it("that is too large is refused, and nothing is sent", async () => {
    const pair = linkPair();
    await expect(ask(pair, "m", new Uint8Array(network.bodyBytes + 1))).rejects.toEqual(
      code("MESSAGE_TOO_LARGE"),
    );
    await pair.settle();
    expect(pair.requests).toEqual([]);
  });

  it("whose answer is too large is told so", async () => {
    const pair = linkPair();
    const answered = ask(pair);
    await pair.settle();
    pair.requests[0]?.answer({ ok: true, body: new Uint8Array(network.bodyBytes + 1) });
    await pair.settle();
    await expect(answered).rejects.toEqual(code("MESSAGE_TOO_LARGE"));
  });

  it("one too many is refused with MAILBOX_FULL, and room made is room found", async () => {
    const pair = linkPair();
    const answers = Array.from({ length: network.requestsPerPeer }, () => ask(pair));
    await expect(ask(pair)).rejects.toEqual(code("MAILBOX_FULL"));
    await pair.settle();
    pair.requests[0]?.reply("");
    await pair.settle();
    await answers[0];
    const next = ask(pair);
    await pair.settle();
    for (const request of pair.requests) request.reply("");
    await pair.settle();
    await expect(Promise.all([next, ...answers])).resolves.toBeDefined();
  });

  it("that the other side refuses rejects with the refusal, its long body is not sent to the end, and the link goes on", async () => {
    const pair = linkPair({ admit: (method) => (method === "no" ? refusal : null) });
    const refused = ask(pair, "no", patterned(network.bodyBytes));
    await pair.settle();
    await expect(refused).rejects.toEqual(code("PEER_LIMITED"));
    const answered = ask(pair, "yes", patterned(network.bodyBytes));
    await pair.settle();
    expect(pair.requests.map(({ method }) => method)).toEqual(["yes"]);
    pair.requests[0]?.reply("ok");
    await pair.settle();
    expect(text(await answered)).toBe("ok");
    expect(pair.offences).toEqual([]);
  });

  it("that is short is not held up by a long one", async () => {
    const pair = linkPair({ pipeBytes: 70_000 });
    const long = ask(pair, "long", patterned(network.bodyBytes));
    const short = ask(pair, "short");
    await pair.settle();
    expect(pair.requests.map(({ method }) => method)).toEqual(["short", "long"]);
    for (const request of pair.requests) request.reply("");
    await pair.settle();
    await Promise.all([long, short]);
  });
});

describe("the end of a request", () => {
  it("comes at its deadline, here and there", async () => {
    const pair = linkPair();
    const answered = ask(pair, "m", body, 1_000);
    await pair.settle();
    const rejected = expect(answered).rejects.toEqual(code("DEADLINE_EXCEEDED"));
    await pair.clock.advance(1_000);
    await rejected;
    await pair.settle();
    expect(pair.requests[0]?.withdrawn).toBe(true);
    expect(pair.inside()).toBe(0);
    expect(pair.offences).toEqual([]);
  });

  it("comes to the answerer by its own clock when the asker says nothing", async () => {
    const pair = linkPair();
    const answered = ask(pair, "m", body, 1_000);
    await pair.settle();
    pair.asking.end("gone");
    await expect(answered).rejects.toEqual(code("PEER_LOST"));
    expect(pair.requests[0]?.withdrawn).toBe(false);
    await pair.clock.advance(1_000);
    expect(pair.requests[0]?.withdrawn).toBe(true);
  });

  it("by its signal reaches the other side, and a late answer means nothing", async () => {
    const pair = linkPair();
    const taking = new AbortController();
    const answered = held(
      pair.asking.request({ method: "m", body, timeoutMs: MINUTE, signal: taking.signal }),
    );
    await pair.settle();
    taking.abort();
    await expect(answered).rejects.toEqual(code("CANCELLED"));
    // The answer crosses the cancel.
    pair.requests[0]?.reply("late");
    await pair.settle();
    expect(pair.requests[0]?.withdrawn).toBe(false);
    const next = ask(pair);
    await pair.settle();
    pair.requests[1]?.reply("in time");
    await pair.settle();
    expect(text(await next)).toBe("in time");
    expect(pair.offences).toEqual([]);
  });

  it("in the middle of a long body, of either direction, leaves the link in order", async () => {
    const pair = linkPair({ pipeBytes: 70_000 });
    const [up, down] = [new AbortController(), new AbortController()];
    const upwards = held(
      pair.asking.request({
        method: "up",
        body: patterned(network.bodyBytes),
        timeoutMs: MINUTE,
        signal: up.signal,
      }),
    );
    const downwards = held(
      pair.asking.request({ method: "down", body, timeoutMs: MINUTE, signal: down.signal }),
    );
    pair.isAskerDeaf = true;
    await pair.settle();
    pair.requests
      .find(({ method }) => method === "down")
      ?.answer({ ok: true, body: patterned(network.bodyBytes) });
    up.abort();
    down.abort();
    await expect(upwards).rejects.toEqual(code("CANCELLED"));
    await expect(downwards).rejects.toEqual(code("CANCELLED"));
    pair.isAskerDeaf = false;
    await pair.settle();
    const sent = patterned(network.bodyBytes);
    const answered = ask(pair, "echo", sent);
    await pair.settle();
    const echo = pair.requests.find(({ method }) => method === "echo");
    echo?.answer({ ok: true, body: echo.body });
    await pair.settle();
    expect(Buffer.compare(await answered, sent)).toBe(0);
    expect(pair.offences).toEqual([]);
    expect(pair.inside()).toBe(0);
  });

  it("that was never sent is never sent", async () => {
    const pair = linkPair();
    const taking = new AbortController();
    const answered = held(
      pair.asking.request({ method: "m", body, timeoutMs: MINUTE, signal: taking.signal }),
    );
    taking.abort();
    await expect(answered).rejects.toEqual(code("CANCELLED"));
    await pair.settle();
    expect(pair.requests).toEqual([]);
    expect(pair.ends).toEqual([]);
  });

  it("is PEER_LOST when the stream ends, and withdrawn on the other side", async () => {
    const pair = linkPair();
    const answers = [ask(pair), ask(pair), held(pair.asking.ping())];
    await pair.settle();
    const pinging = held(pair.asking.ping());
    pair.cut();
    const settled = Promise.allSettled([...answers, pinging]);
    await pair.settle();
    const ended = await settled;
    expect(ended.map(({ status }) => status)).toEqual(["rejected", "rejected", "fulfilled", "rejected"]);
    expect(pair.requests.map(({ withdrawn }) => withdrawn)).toEqual([true, true]);
    await expect(ask(pair)).rejects.toEqual(code("PEER_LOST"));
    expect(pair.clock.pending).toBe(0);
  });
});

describe("credit", () => {
  it("holds an answerer back whose answers are not taken, and its asker in turn", async () => {
    const pair = linkPair();
    pair.isAskerDeaf = true;
    const answers: Promise<unknown>[] = [];
    for (let each = 0; each < 40; each++) answers.push(ask(pair, "m", patterned(1_000)));
    await pair.settle();
    for (const request of pair.requests) request.answer({ ok: true, body: patterned(200_000) });
    await pair.settle();
    const sentBytes = pair.toAsking.reduce((sum, each) => sum + each.length, 0);
    expect(sentBytes).toBeLessThanOrEqual(network.windowBytes + 1_000);
    expect(sentBytes).toBeGreaterThan(network.windowBytes / 2);
    pair.isAskerDeaf = false;
    await pair.settle();
    await expect(Promise.all(answers)).resolves.toHaveLength(40);
  });

  it("that is not given for too long ends the link as that of a slow reader", async () => {
    const pair = linkPair();
    pair.isAskerDeaf = true;
    const answered = ask(pair);
    await pair.settle();
    pair.requests[0]?.answer({ ok: true, body: patterned(network.bodyBytes) });
    await pair.settle();
    const lost = expect(answered).rejects.toEqual(code("PEER_LOST"));
    await pair.clock.advance(network.stallMs - 1);
    expect(pair.offences).toEqual([]);
    await pair.clock.advance(1);
    expect(pair.offences).toEqual([{ side: "answering", offence: "slow_reader" }]);
    await pair.settle();
    await lost;
  });

  it("runs out for whoever takes no answers: what waits for it is bounded, and refused beyond", async () => {
    const pair = linkPair();
    pair.isAskerDeaf = true;
    const answers = Array.from({ length: 20 }, () => ask(pair));
    await pair.settle();
    for (const request of pair.requests) request.answer({ ok: true, body: patterned(network.bodyBytes) });
    pair.isAskerDeaf = false;
    const settled = Promise.allSettled(answers);
    await pair.settle();
    const ends = await settled;
    expect(ends.filter(({ status }) => status === "fulfilled").length).toBeLessThanOrEqual(
      network.unsentBytes / network.bodyBytes + 1,
    );
    expect(ends.find((each) => each.status === "rejected")?.reason).toEqual(code("PEER_LIMITED"));
  });

  it("given without need, or used without having it, is an offence", async () => {
    const given = linkPair();
    given.answering.receive(controlFrame(KIND.credit, 0, 1));
    expect(given.offences).toEqual([{ side: "answering", offence: "credit" }]);
    const used = linkPair({ admit: () => refusal });
    used.isAskerDeaf = true;
    // Refusals wait unread until they outweigh the window; then credit stops.
    for (let id = 1; id < 100_000 && used.offences.length === 0; id++) {
      used.answering.receive(requestFrame(id, 1_000));
      if (id % 64 === 0) await used.settle();
    }
    expect(used.offences).toEqual([{ side: "answering", offence: "credit" }]);
  });
});

describe("a ping", () => {
  it("measures one round trip, once for all who ask meanwhile", async () => {
    const pair = linkPair();
    const pings = [pair.asking.ping(), pair.asking.ping()];
    await pair.clock.advance(40);
    await pair.settle();
    expect(await Promise.all(pings)).toEqual([40, 40]);
  });
});

const hostile: readonly (readonly [string, string, () => Buffer])[] = [
  ["a frame longer than any", "frame_oversize", () => Buffer.from([0xff, 0xff, 0xff, 0xff, 1, 0, 0, 0, 1])],
  ["a kind that is unknown", "frame_invalid", () => frame(9, 1)],
  ["a kind of 0", "frame_invalid", () => frame(0, 1)],
  ["a length below the least", "frame_invalid", () => Buffer.from([0, 0, 0, 4, 3, 0, 0, 0, 1])],
  ["an answer from an asker", "frame_invalid", () => frame(KIND.reply, 1, replyHead(0))],
  ["a body announced too large", "frame_oversize", () => requestFrame(1, network.bodyBytes + 1, 0)],
  ["a body that is longer than announced", "frame_invalid", () => requestFrame(1, 1, 2)],
  ["a body that comes in crumbs", "frame_invalid", () => requestFrame(1, network.bodyBytes, 1)],
  ["the number 0", "frame_invalid", () => requestFrame(0)],
  ["a number that is in use", "frame_invalid", () => Buffer.concat([requestFrame(1), requestFrame(1)])],
  ["a piece of nothing", "frame_invalid", () => frame(KIND.piece, 1, Buffer.alloc(1))],
  ["a cancel too many", "frame_invalid", () => Buffer.concat([frame(KIND.cancel, 1), frame(KIND.cancel, 1)])],
  ["a cancel with a payload", "frame_oversize", () => frame(KIND.cancel, 1, Buffer.alloc(1))],
  [
    "more pings than can wait",
    "frame_invalid",
    () => Buffer.concat(Array.from({ length: 17 }, (_, id) => frame(KIND.ping, id))),
  ],
  [
    "two long bodies at a time",
    "frame_invalid",
    () => Buffer.concat([1, 2].map((id) => requestFrame(id, network.bodyBytes, network.chunkBytes))),
  ],
  [
    "a method that is no name",
    "frame_invalid",
    () => {
      const bytes = requestFrame(1);
      bytes[bytes.length - 1] = 0x20;
      return bytes;
    },
  ],
];

describe("what breaks the rules", () => {
  it.each(hostile)("%s is counted as %s and ends the link, and its requests with it", (_, offence, bytes) => {
    const pair = linkPair();
    pair.answering.receive(requestFrame(1_000));
    pair.answering.receive(bytes());
    expect(pair.offences).toEqual([{ side: "answering", offence }]);
    expect(pair.ends.length).toBe(1);
    expect(pair.requests.every(({ withdrawn }) => withdrawn)).toBe(true);
    expect(pair.inside()).toBe(0);
    // Nothing that comes after is heard.
    pair.answering.receive(requestFrame(7));
    expect(pair.inside()).toBe(0);
  });

  it.each([
    ["an answer to nothing", () => frame(KIND.reply, 5, replyHead(0))],
    ["a pong to nothing", () => frame(KIND.pong, 5)],
    ["a request from an answerer", () => requestFrame(1)],
  ])("%s ends the asking side's link", async (_, bytes) => {
    const pair = linkPair();
    const answered = ask(pair);
    await pair.settle();
    pair.asking.receive(bytes());
    await expect(answered).rejects.toEqual(code("PEER_LOST"));
    expect(pair.offences).toEqual([{ side: "asking", offence: "frame_invalid" }]);
  });

  it("an answer that cannot be read ends its request alone", async () => {
    const pair = linkPair();
    const answered = ask(pair);
    await pair.settle();
    const nonsense = Buffer.from([0xc1]);
    pair.asking.receive(frame(KIND.failure, 1, Buffer.concat([replyHead(1), nonsense])));
    await expect(answered).rejects.toEqual(code("PEER_PROTOCOL"));
    expect(pair.ends).toEqual([]);
  });
});

describe("mutated frames", () => {
  const numRuns = Number(process.env["FUZZ_FRAMES"] ?? 2_000);

  it(`never throw, and whatever they were, every request ends once (${numRuns} runs)`, () => {
    // Told as what they are, not as their bytes: a counterexample is to be read.
    const id = fc.nat(3);
    const part = fc.oneof(
      fc.record({
        is: fc.constant("request" as const),
        id,
        bytes: fc.constantFrom(0, 5, 61_440, 61_441, 200_000),
      }),
      fc.record({
        is: fc.constant("frame" as const),
        kind: fc.nat(9),
        id,
        payload: fc.uint8Array({ maxLength: 40 }),
      }),
      fc.record({ is: fc.constant("piece" as const), id }),
      fc.record({ is: fc.constant("junk" as const), payload: fc.uint8Array({ maxLength: 30 }) }),
    );
    const bytesOf = (each: typeof part extends fc.Arbitrary<infer Part> ? Part : never): Uint8Array => {
      if (each.is === "request")
        return requestFrame(each.id, each.bytes, Math.min(each.bytes, network.chunkBytes));
      if (each.is === "frame") return frame(each.kind, each.id, each.payload);
      return each.is === "junk" ? each.payload : frame(KIND.piece, each.id, CHUNK);
    };
    const frames = fc.array(part, { maxLength: 8 });
    const flips = fc.array(fc.tuple(fc.nat(), fc.integer({ min: 1, max: 255 })), { maxLength: 3 });
    fc.assert(
      fc.property(frames, flips, fc.nat(50), (parts, changes, cut) => {
        const bytes = Buffer.concat(parts.map(bytesOf));
        for (const [at, mask] of changes) {
          if (bytes.length > 0) bytes[at % bytes.length] = (bytes[at % bytes.length] as number) ^ mask;
        }
        const pair = linkPair();
        const taking = new AbortController();
        const pending = [1, 2].map(() =>
          pair.asking
            .request({ method: "m", body, timeoutMs: MINUTE, signal: taking.signal })
            .catch(() => undefined),
        );
        for (const end of [pair.answering, pair.asking]) {
          end.receive(bytes.subarray(0, cut));
          end.receive(bytes.subarray(cut));
        }
        pair.answering.end("over");
        pair.asking.end("over");
        expect(pair.inside()).toBe(0);
        expect(pair.clock.pending).toBe(0);
        expect(pair.ends.length).toBe(2);
        return pending.length === 2;
      }),
      { numRuns },
    );
  });
});
