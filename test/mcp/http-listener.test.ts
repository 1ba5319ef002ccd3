import { connect } from "node:net";
import { once } from "node:events";
import { request as requestOver } from "node:http";
import { gunzipSync } from "node:zlib";
import { describe, expect, it, onTestFinished } from "vitest";
import { LIMITS } from "../../src/errors/index.ts";
import { bearerToken } from "../../src/mcp/bearer-token.ts";
import { openListener, type ListenerOptions } from "../../src/mcp/http-listener.ts";
import { isLoopback } from "../../src/mcp/loopback.ts";
import { manualClock } from "../kit/manual-clock.ts";

const TOKEN = "a-token-of-some-length";

/** A listener whose answers a test gives, and requests to it. */
async function openKit(options: Partial<ListenerOptions> = {}) {
  const clock = manualClock();
  const seen: { readonly request: Request; answer(response: Response): void }[] = [];
  const arrived: (() => void)[] = [];
  const listener = await openListener({
    port: 0,
    clock,
    handler: {
      fetch: (request) => {
        const { promise, resolve } = Promise.withResolvers<Response>();
        seen.push({ request, answer: resolve });
        for (const tell of arrived.splice(0)) tell();
        return promise;
      },
    },
    pages: {
      "/health": async (isKnown) => ({
        status: 200,
        type: "application/json",
        body: JSON.stringify({ isKnown }),
      }),
    },
    ...options,
  });
  onTestFinished(() => listener.close());
  const url = (path: string): string => `http://127.0.0.1:${listener.port}${path}`;
  return {
    clock,
    listener,
    url,
    post: (headers: Record<string, string> = {}, body = "{}", signal?: AbortSignal) =>
      fetch(url("/mcp"), { method: "POST", headers, body, ...(signal && { signal }) }),
    /** The request that came last, once it is there. */
    async received(count = 1) {
      while (seen.length < count) await new Promise<void>((resolve) => arrived.push(resolve));
      const last = seen[count - 1];
      if (!last) throw new Error("no request came");
      return last;
    },
  };
}

const answerOf = (body: unknown): Response => Response.json(body);

describe("a listener", () => {
  it("answers what its handler answers, and counts it", async () => {
    const kit = await openKit();
    const posted = kit.post({ "content-type": "application/json" }, '{"a":1}');
    const { request, answer } = await kit.received();
    expect(await request.json()).toEqual({ a: 1 });
    answer(answerOf({ b: 2 }));
    expect(await (await posted).json()).toEqual({ b: 2 });
    expect(await (await fetch(kit.url("/health"))).json()).toEqual({ isKnown: true });
    expect((await fetch(kit.url("/nothing"))).status).toBe(404);
    expect((await fetch(kit.url("/__proto__"))).status).toBe(404);
    expect((await fetch(kit.url("/health"), { method: "DELETE" })).status).toBe(405);
    expect(kit.listener.figures()).toMatchObject({ status: "healthy", requests: 5, errors: 0, refused: 3 });
  });

  it("refuses a request that names another host, by whatever header", async () => {
    const kit = await openKit({ allowedHosts: ["build.example.org"] });
    const status = (headers: Record<string, string>): Promise<number | undefined> =>
      new Promise((resolve, reject) =>
        requestOver(kit.url("/health"), { headers }, (response) => resolve(response.resume().statusCode))
          .on("error", reject)
          .end(),
      );
    expect(await status({ host: "evil.example" })).toBe(403);
    expect(await status({ host: "build.example.org" })).toBe(200);
    expect(await status({ origin: "https://evil.example" })).toBe(403);
    expect(await status({ origin: "null" })).toBe(403);
    expect(await status({ origin: `http://localhost:${kit.listener.port}` })).toBe(200);
  });

  it("lets nobody in without the token, but to a word about its health", async () => {
    const kit = await openKit({ token: bearerToken(TOKEN) });
    for (const authorization of ["", "Bearer", `Bearer ${TOKEN}x`, `Basic ${TOKEN}`, TOKEN]) {
      const { status, headers } = await kit.post({ authorization });
      expect([status, headers.get("www-authenticate")]).toEqual([401, "Bearer"]);
    }
    expect(await (await fetch(kit.url("/health"))).json()).toEqual({ isKnown: false });
    const posted = kit.post({ authorization: `bearer ${TOKEN}` });
    (await kit.received()).answer(answerOf({}));
    expect((await posted).status).toBe(200);
  });

  it("does not listen for others without a token", async () => {
    const handler = { fetch: () => Promise.reject(new Error("unused")) };
    for (const host of ["0.0.0.0", "::", "192.168.1.1", "example.org"])
      await expect(openListener({ host, port: 0, handler, pages: {} })).rejects.toMatchObject({
        code: "INVALID_ARGUMENT",
        details: { argument: "--host" },
      });
    expect(["localhost", "127.0.0.1", "127.9.9.9", "::1"].filter(isLoopback)).toHaveLength(4);
    expect(["127.evil.example", "0.0.0.0", "::", ""].filter(isLoopback)).toEqual([]);
  });

  it("ends a request whose time is over with 504, and the call sees its signal", async () => {
    const kit = await openKit({ requestMs: 1_000 });
    const posted = kit.post();
    const { request } = await kit.received();
    await kit.clock.advance(999);
    expect(request.signal.aborted).toBe(false);
    await kit.clock.advance(1);
    expect(request.signal.reason).toMatchObject({ code: "DEADLINE_EXCEEDED" });
    const response = await posted;
    expect([response.status, await response.json()]).toMatchObject([
      504,
      { error: { message: /longer than 1000 ms/ } },
    ]);
    expect(kit.listener.figures().errors).toBe(1);
  });

  it("leaves a stream of events as long as it is read, uncompressed", async () => {
    const kit = await openKit({ requestMs: 1_000 });
    const posted = kit.post({ "accept-encoding": "gzip" });
    const stream = new TransformStream<Uint8Array, Uint8Array>();
    const writer = stream.writable.getWriter();
    const type = { "content-type": "text/event-stream" };
    (await kit.received()).answer(new Response(stream.readable, { headers: type }));
    const sent = "x".repeat(LIMITS.mcp.httpCompressBytes);
    const first = writer.write(new TextEncoder().encode(sent));
    const response = await posted;
    await first;
    await kit.clock.advance(60_000);
    void writer.write(new TextEncoder().encode("last")).then(() => writer.close());
    expect([response.headers.get("content-encoding"), await response.text()]).toEqual([null, `${sent}last`]);
  });

  it("tells a call that its client has gone", async () => {
    const kit = await openKit();
    const client = new AbortController();
    const posted = kit.post({}, "{}", client.signal).catch(() => "gone");
    const { request } = await kit.received();
    const aborted = once(request.signal, "abort");
    client.abort();
    expect(await posted).toBe("gone");
    await aborted;
  });

  it("ends the connection of a client that does not read its answer", async () => {
    const kit = await openKit({ requestMs: 100 });
    const client = connect(kit.listener.port, "127.0.0.1").pause();
    const closed = once(client, "close");
    client.on("error", () => undefined);
    client.write("POST /mcp HTTP/1.1\r\nHost: localhost\r\nContent-Length: 2\r\n\r\n{}");
    (await kit.received()).answer(new Response(new Uint8Array(64 * 2 ** 20)));
    while (kit.listener.figures().connections > 0) await new Promise((resolve) => setImmediate(resolve));
    client.resume();
    await closed;
    expect(client.bytesRead).toBeLessThan(64 * 2 ** 20);
  });

  it.each([
    ["two hosts", "GET /health HTTP/1.1\r\nHost: localhost\r\nHost: evil.example", 400],
    ["two hosts that are the same", "GET /health HTTP/1.1\r\nHost: localhost\r\nHost: localhost", 400],
    ["no host", "GET /health HTTP/1.1", 400],
    ["two lengths", "POST /mcp HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1\r\nContent-Length: 2", 400],
    [
      "a length and pieces",
      "POST /mcp HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5\r\nTransfer-Encoding: chunked",
      400,
    ],
    ["a host with a space before its colon", "GET /health HTTP/1.1\r\nHost : localhost", 400],
    ["a head that is too long", `GET /health HTTP/1.1\r\nHost: localhost\r\nX: ${"x".repeat(2 ** 15)}`, 431],
    ["a method that no request may have", "TRACE /mcp HTTP/1.1\r\nHost: localhost", 405],
    ["another method than POST", "GET /mcp HTTP/1.1\r\nHost: localhost", 405],
  ])("refuses a request with %s, and no handler sees it", async (_, head, status) => {
    const kit = await openKit({
      handler: { fetch: () => Promise.reject(new Error("the handler was asked")) },
    });
    const client = connect(kit.listener.port, "127.0.0.1");
    client.end(`${head}\r\n\r\n`);
    const answer = Buffer.concat(await client.toArray()).toString();
    expect(answer).toMatch(new RegExp(`^HTTP/1.1 ${status} `));
    expect(kit.listener.figures().errors).toBe(0);
  });

  it("refuses a body that is too large, and connections that are too many, and goes on", async () => {
    const kit = await openKit({ connectionsMax: 1 });
    const response = await kit.post({ connection: "close" }, "x".repeat(LIMITS.mcp.httpBodyBytes + 1));
    expect(response.status).toBe(413);
    await response.text();
    const first = connect(kit.listener.port, "127.0.0.1");
    await once(first, "connect");
    while (kit.listener.figures().connections < 1) await new Promise((resolve) => setImmediate(resolve));
    const second = connect(kit.listener.port, "127.0.0.1").on("error", () => undefined);
    await once(second.resume(), "close");
    expect(kit.listener.figures().refused).toBeGreaterThanOrEqual(2);
    first.destroy();
  });

  it("compresses long answers for whoever takes that", async () => {
    const kit = await openKit();
    const long = { text: "x".repeat(5_000) };
    const bodies = [
      ["gzip", long, "gzip"],
      ["br, gzip;q=0.5", long, "gzip"],
      ["gzip;q=0", long, undefined],
      ["identity", long, undefined],
      ["gzip", {}, undefined],
    ] as const;
    for (const [index, [accepted, body, encoding]] of bodies.entries()) {
      const answered = new Promise<[string | undefined, Buffer]>((resolve, reject) => {
        const options = { method: "POST", headers: { "accept-encoding": accepted } };
        requestOver(kit.url("/mcp"), options, (response) => {
          void response
            .toArray()
            .then((chunks: Buffer[]) =>
              resolve([response.headers["content-encoding"], Buffer.concat(chunks)]),
            );
        })
          .on("error", reject)
          .end("{}");
      });
      (await kit.received(index + 1)).answer(answerOf(body));
      const [found, bytes] = await answered;
      expect(found).toBe(encoding);
      expect(JSON.parse((encoding ? gunzipSync(bytes) : bytes).toString())).toEqual(body);
    }
  });

  it("that closes answers what is under way, takes nothing more, and does not wait for ever", async () => {
    const kit = await openKit();
    const posted = kit.post();
    const { answer } = await kit.received();
    const closing = kit.listener.close();
    expect(kit.listener.figures().status).toBe("draining");
    await expect(kit.post()).rejects.toThrow("fetch failed");
    answer(answerOf({ last: true }));
    expect(await (await posted).json()).toEqual({ last: true });
    await closing;
    const other = await openKit();
    const stuck = other.post().catch(() => "cut off");
    await other.received();
    const end = other.listener.close();
    await other.clock.advance(LIMITS.mcp.httpDrainMs);
    await end;
    expect(await stuck).toBe("cut off");
  });

  it("has its port alone: another one on it is refused, until it closes", async () => {
    const kit = await openKit();
    const { port } = kit.listener;
    // What listens at a port that it has chosen itself is not what listens at one that was named.
    await kit.listener.close();
    const named = await openKit({ port });
    const again = { port, handler: { fetch: () => Promise.reject(new Error("unused")) }, pages: {} };
    await expect(openListener(again)).rejects.toMatchObject({
      code: "UNAVAILABLE",
      message: /127\.0\.0\.1:\d+ .*EADDRINUSE/,
    });
    const posted = named.post();
    const { answer } = await named.received();
    const closing = named.listener.close();
    const successor = await openListener(again);
    answer(answerOf({}));
    expect((await posted).status).toBe(200);
    await Promise.all([closing, successor.close()]);
  });
});
