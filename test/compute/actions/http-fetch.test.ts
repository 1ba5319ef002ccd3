import { mkdtempSync, rmSync } from "node:fs";
import { setGlobalProxyFromEnv } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { getCACertificates, setDefaultCACertificates } from "node:tls";
import { brotliCompressSync, deflateSync, gzipSync } from "node:zlib";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { Reference } from "../../../src/codec/index.ts";
import fetchAction, { fetchAnswer } from "../../../src/compute/actions/http-fetch.ts";
import { HostRules } from "../../../src/compute/host-rules.ts";
import { LIMITS } from "../../../src/errors/index.ts";
import type { Checked } from "../../../src/schema/index.ts";
import { check } from "../../../src/schema/zod-schema.ts";
import { openBlobs } from "../../../src/store/index.ts";
import { failOnLeaks } from "../../kit/leak-check.ts";
import { attemptKit } from "../attempt-kit.ts";
import { closeStandIns, rawStandIn, standIn } from "./http-kit.ts";
import { TLS } from "./tls-fixture.ts";

const { fetchBytes, fetchHeaderBytes, fetchHeaders, fetchRedirects, inlineBytes } = LIMITS.compute;
const LOOPBACK = ["127.0.0.1"];

const fetched = (input: object, allowedHosts = LOOPBACK): Promise<unknown> =>
  attemptKit({ allowedHosts }).output("http_fetch", input);
const refused = async (input: object, allowedHosts = LOOPBACK): Promise<unknown> => {
  const reply = await attemptKit({ allowedHosts }).run("http_fetch", input);
  return reply.kind === "failed" ? reply.error : reply;
};
const failure = (code: string, message = ""): unknown =>
  expect.objectContaining({ code, message: expect.stringContaining(message) as string });

/** A fetch that resolves names as the test says. */
function fetchWith(
  input: object,
  allowedHosts: readonly string[],
  resolve: (name: string) => Promise<{ address: string; family: number }[]>,
  signal = new AbortController().signal,
): ReturnType<typeof fetchAnswer> {
  const checked = check(fetchAction.input, input) as Checked<Parameters<typeof fetchAnswer>[0]>;
  if (checked.problems !== undefined) throw new Error(checked.problems.join("; "));
  return fetchAnswer(checked.value, {
    rules: new HostRules(allowedHosts),
    resolve,
    signal,
  });
}

failOnLeaks();
afterEach(closeStandIns);

describe("http_fetch", () => {
  it("returns status, headers, text, and where it came from", async () => {
    const { origin } = await standIn((_request, response) => {
      response.writeHead(201, {
        "content-type": "text/plain",
        "x-kind": "test",
        "set-cookie": ["a=1", "b=2"],
      });
      response.end("grün");
    });
    expect(await fetched({ url: `${origin}/a?b=c` })).toEqual({
      url: `${origin}/a?b=c`,
      status: 201,
      headers: expect.objectContaining({ "x-kind": "test", "set-cookie": ["a=1", "b=2"] }) as object,
      body: "grün",
      encoding: "utf-8",
      size_bytes: 5,
    });
  });

  it("sends method, headers and body", async () => {
    const server = await standIn((_request, response) => response.end());
    const input = { url: server.origin, method: "PUT", headers: { "X-Kind": "test" } };
    await fetched({ ...input, body: "grün" });
    await fetched({ ...input, body: "Z3LDvG4=", body_encoding: "base64" });
    const received = {
      method: "PUT",
      body: "grün",
      headers: expect.objectContaining({
        "x-kind": "test",
        "content-length": "5",
        "user-agent": "mcplusplus",
        connection: "close",
      }) as object,
    };
    expect(server.requests).toMatchObject([received, received]);
  });

  it("returns base64 of what is no text, and text in the character set that the server names", async () => {
    const { origin } = await standIn(({ url }, response) => {
      response.setHeader("content-type", `text/plain; charset=${url.slice(1)}`);
      response.end(Uint8Array.of(0x67, 0x72, 0xfc, 0x6e));
    });
    const base64 = { body: "Z3L8bg==", encoding: "base64", size_bytes: 4 };
    expect(await fetched({ url: `${origin}/iso-8859-1` })).toMatchObject({ body: "grün", encoding: "utf-8" });
    expect(await fetched({ url: `${origin}/utf-8` })).toMatchObject(base64);
    expect(await fetched({ url: `${origin}/klingon` })).toMatchObject(base64);
    expect(await fetched({ url: `${origin}/iso-8859-1`, encoding: "base64" })).toMatchObject(base64);
    expect(await refused({ url: `${origin}/utf-8`, encoding: "utf-8" })).toEqual(
      failure("HTTP_FAILED", "its body is no text"),
    );
  });

  it("fails on a status that is no success, unless any will do", async () => {
    const { origin } = await standIn(({ url }, response) => {
      response.writeHead(Number(url.slice(1)));
      response.end("why");
    });
    expect(await refused({ url: `${origin}/404` })).toEqual(
      failure("HTTP_STATUS", "answered with status 404"),
    );
    expect(await refused({ url: `${origin}/503` })).toMatchObject({ details: { status: 503 } });
    expect(await fetched({ url: `${origin}/404`, any_status: true })).toMatchObject({
      status: 404,
      body: "why",
    });
    expect(await fetched({ url: `${origin}/304`, any_status: true })).toMatchObject({
      status: 304,
      body: "",
    });
  });

  it("names no query in errors, where keys are", async () => {
    const { origin } = await standIn((_request, response) => response.writeHead(500).end());
    expect(JSON.stringify(await refused({ url: `${origin}/a?key=secret` }))).not.toContain("secret");
  });

  it("keeps a large body apart", async () => {
    const directory = mkdtempSync(join(tmpdir(), "fetched-"));
    const { origin } = await standIn((_request, response) => response.end("x".repeat(inlineBytes + 1)));
    const kit = attemptKit({ allowedHosts: LOOPBACK, blobs: openBlobs({ directory }) });
    expect(await kit.output("http_fetch", { url: origin })).toMatchObject({
      status: 200,
      body: expect.any(Reference) as Reference,
    });
    rmSync(directory, { recursive: true });
  });

  it.each([
    ["no URL", { url: "example.com" }, "it is no URL"],
    ["a file", { url: "file:///etc/passwd" }, "only http and https are fetched"],
    ["another protocol", { url: "ftp://example.com" }, "only http and https are fetched"],
    ["a password", { url: "https://user:pass@example.com" }, "a user name or password cannot stand in it"],
    ["a user name", { url: "https://user@example.com" }, "a user name or password cannot stand in it"],
    ["a long URL", { url: `http://example.com/${"a".repeat(8_192)}` }, "at most 8192 characters"],
    ["a body for GET", { url: "http://example.com", body: "" }, "GET and HEAD take no body"],
    ["a method that is none", { url: "http://example.com", method: "CONNECT" }, "method"],
    [
      "a header that frames",
      { url: "http://example.com", headers: { "Content-Length": "1" } },
      "not the caller's",
    ],
    ["another host in a header", { url: "http://example.com", headers: { host: "a" } }, "not the caller's"],
    ["a line break in a header", { url: "http://example.com", headers: { a: "b\r\nc: d" } }, "headers.a"],
    ["a header that is none", { url: "http://example.com", headers: { "a b": "" } }, "headers"],
    ["an unknown argument", { url: "http://example.com", timeout: 1 }, 'unknown key "timeout"'],
  ])("refuses %s", async (_what, input, why) => {
    expect(await refused(input)).toEqual(failure("INPUT_INVALID", why));
  });

  it("sends as many headers as it may, and refuses one more", async () => {
    const { origin } = await standIn((_request, response) => response.end());
    const headers = Object.fromEntries(Array.from({ length: fetchHeaders }, (_, at) => [`x-${at}`, "a"]));
    expect(await fetched({ url: origin, headers })).toMatchObject({ status: 200 });
    expect(await refused({ url: origin, headers: { ...headers, more: "a" } })).toEqual(
      failure("INPUT_INVALID", `at most ${fetchHeaders} headers`),
    );
  });
});

describe("http_fetch of a host", () => {
  it("that nobody allowed is refused, and the sentence says how to allow it", async () => {
    const server = await standIn((_request, response) => response.end());
    expect(await refused({ url: server.origin }, [])).toEqual(
      failure(
        "HOST_NOT_ALLOWED",
        "127.0.0.1 may not be fetched from: no host is allowed; --allow-host 127.0.0.1, or allowedHosts, allows it",
      ),
    );
    expect(await refused({ url: server.origin }, ["example.com", `127.0.0.1:${server.port + 1}`])).toEqual(
      failure("HOST_NOT_ALLOWED", "it is not among the allowed hosts"),
    );
    expect(server.requests).toEqual([]);
  });

  it("whose name leads to this machine is refused, unless that address is allowed as well", async () => {
    const server = await standIn((_request, response) => response.end());
    const url = `http://localhost:${server.port}/`;
    expect(await refused({ url }, ["localhost"])).toEqual(
      failure("HOST_NOT_ALLOWED", "a loopback address; --allow-host"),
    );
    expect(server.requests).toEqual([]);
    expect(await fetched({ url }, ["localhost", "127.0.0.1"])).toMatchObject({ status: 200, url });
    expect(
      await fetched({ url: `http://LOCALHOST.:${server.port}/` }, ["localhost", "127.0.0.0/8"]),
    ).toMatchObject({
      status: 200,
    });
  });

  it.each([
    ["in decimal", "2130706433"],
    ["in hexadecimal", "0x7f.1"],
    ["in octal", "0177.0.0.1"],
    ["in short", "127.1"],
    ["in full-width digits", "１２７.0.0.1"],
    ["within IPv6", "[::ffff:127.0.0.1]"],
    ["with a dot behind it", "127.0.0.1."],
  ])(
    "that writes an address of this machine %s is refused, also when any host will do",
    async (_what, host) => {
      const server = await standIn((_request, response) => response.end());
      expect(await refused({ url: `http://${host}:${server.port}/` }, ["*"])).toEqual(
        failure("HOST_NOT_ALLOWED", "a loopback address"),
      );
      expect(server.requests).toEqual([]);
    },
  );

  it("is resolved once, and the connection goes to the address that was looked at", async () => {
    const server = await standIn((_request, response) => response.end("here"));
    const answers = [
      { address: "127.0.0.1", family: 4 },
      { address: "10.0.0.1", family: 4 },
    ];
    const asked: string[] = [];
    const answer = await fetchWith(
      { url: `http://rebinding.example:${server.port}/` },
      ["rebinding.example", "127.0.0.1"],
      async (name) => {
        asked.push(name);
        return answers.splice(0, 1);
      },
    );
    expect([answer.body, asked]).toEqual(["here", ["rebinding.example"]]);
    expect(server.requests[0]?.headers.host).toBe(`rebinding.example:${server.port}`);
  });

  it("with several addresses is connected to at those that are allowed", async () => {
    const server = await standIn((_request, response) => response.end("here"));
    const answer = await fetchWith(
      { url: `http://several.example:${server.port}/` },
      ["several.example", "127.0.0.1"],
      async () => [
        { address: "10.0.0.1", family: 4 },
        { address: "169.254.169.254", family: 4 },
        { address: "127.0.0.1", family: 4 },
      ],
    );
    expect(answer.body).toBe("here");
  });

  it("is reached past the proxy of the environment, which could reach anything", async () => {
    const { origin } = await standIn((_request, response) => response.end("here"));
    const restore = setGlobalProxyFromEnv({ HTTP_PROXY: "http://127.0.0.1:1" });
    try {
      expect(await fetched({ url: origin })).toMatchObject({ body: "here" });
    } finally {
      restore();
    }
  });

  it("that is not known fails", async () => {
    const unknown = fetchWith({ url: "http://absent.example/" }, ["*"], async (name) => {
      throw new Error(`getaddrinfo ENOTFOUND ${name}`);
    });
    await expect(unknown).rejects.toEqual(failure("HTTP_FAILED", "ENOTFOUND"));
    const bare = fetchWith({ url: "http://bare.example/" }, ["*"], async () => []);
    await expect(bare).rejects.toEqual(failure("HTTP_FAILED", "its name has no address"));
  });

  it("where nobody listens fails, and says so", async () => {
    const { origin, port } = await standIn((_request, response) => response.end());
    await closeStandIns();
    expect(await refused({ url: origin })).toEqual(failure("HTTP_FAILED", "ECONNREFUSED"));
    const both = fetchWith({ url: `http://both.example:${port}` }, ["*", "127.0.0.0/8"], async () => [
      { address: "127.0.0.1", family: 4 },
      { address: "127.0.0.2", family: 4 },
    ]);
    await expect(both).rejects.toEqual(failure("HTTP_FAILED", "ECONNREFUSED"));
  });
});

describe("a redirect", () => {
  it("is followed, also a relative one, and the answer says where it came from", async () => {
    const { origin } = await standIn(({ url }, response) => {
      if (url === "/a/b") response.writeHead(302, { location: "../c" }).end();
      else response.end(url);
    });
    expect(await fetched({ url: `${origin}/a/b` })).toMatchObject({ url: `${origin}/c`, body: "/c" });
  });

  it("in a ring ends after as many as are allowed", async () => {
    const server = await standIn((_request, response) => response.writeHead(302, { location: "/" }).end());
    expect(await refused({ url: server.origin })).toEqual(
      failure("HTTP_FAILED", `it redirects more than ${fetchRedirects} times`),
    );
    expect(server.requests).toHaveLength(fetchRedirects + 1);
    expect(await refused({ url: server.origin, max_redirects: 0 })).toEqual(
      failure("HTTP_FAILED", "more than 0 times"),
    );
  });

  it.each([
    ["a cloud's metadata", "http://169.254.169.254/latest/meta-data", "HOST_NOT_ALLOWED", "metadata address"],
    ["the network at home", "http://192.168.1.1/", "HOST_NOT_ALLOWED", "a private address"],
    ["this machine by another name", "http://[::1]/", "HOST_NOT_ALLOWED", "a loopback address"],
    ["a file", "file:///etc/passwd", "HTTP_FAILED", "only http and https are fetched"],
    ["a URL with a password", "http://a:b@example.com/", "HTTP_FAILED", "a user name or password"],
    ["what is no URL", "http://[", "HTTP_FAILED", "it redirects astray: it is no URL"],
  ])("to %s is refused", async (_what, location, code, why) => {
    const { origin } = await standIn((_request, response) => response.writeHead(302, { location }).end());
    expect(await refused({ url: origin }, ["*", "127.0.0.1"])).toEqual(failure(code, why));
  });

  it("to a host that is not allowed is refused", async () => {
    const { origin } = await standIn((_request, response) =>
      response.writeHead(302, { location: "http://example.com/" }).end(),
    );
    expect(await refused({ url: origin })).toEqual(failure("HOST_NOT_ALLOWED", "example.com"));
  });

  it.each([
    [301, "POST", "GET", ""],
    [302, "POST", "GET", ""],
    [302, "PUT", "PUT", "body"],
    [303, "PUT", "GET", ""],
    [307, "POST", "POST", "body"],
    [308, "POST", "POST", "body"],
  ])("of status %i makes %s a %s", async (status, method, method2, body) => {
    const server = await standIn(({ url }, response) => {
      if (url === "/") response.writeHead(status, { location: "/next" });
      response.end();
    });
    await fetched({ url: server.origin, method, body: "body", headers: { "content-type": "text/plain" } });
    const type = body === "" ? undefined : "text/plain";
    expect(server.requests.map((each) => [each.method, each.body, each.headers["content-type"]])).toEqual([
      [method, "body", "text/plain"],
      [method2, body, type],
    ]);
  });

  it("to another origin takes no key along", async () => {
    const other = await standIn((_request, response) => response.end());
    const server = await standIn(({ url }, response) => {
      const location = url === "/" ? "/same" : `${other.origin}/`;
      response.writeHead(307, { location }).end();
    });
    const headers = { Authorization: "Bearer 1", "x-api-key": "2", cookie: "a=3", accept: "text/plain" };
    await fetched({ url: server.origin, headers });
    const [, same] = server.requests;
    expect(same?.headers).toMatchObject({ authorization: "Bearer 1", "x-api-key": "2", cookie: "a=3" });
    expect(other.requests[0]?.headers).toEqual({
      accept: "text/plain",
      "accept-encoding": "gzip, br",
      "user-agent": "mcplusplus",
      connection: "close",
      host: `127.0.0.1:${other.port}`,
    });
  });
});

describe("the body of an answer", () => {
  it.each([
    ["announced", true],
    ["not announced", false],
  ])("of as many bytes as are allowed is taken, and one more is refused, %s", async (_what, announced) => {
    const { origin } = await standIn((_request, response) => {
      if (announced) response.setHeader("content-length", 10);
      response.write("12345");
      response.end("67890");
    });
    expect(await fetched({ url: origin, max_bytes: 10 })).toMatchObject({ body: "1234567890" });
    expect(await refused({ url: origin, max_bytes: 9 })).toEqual(
      failure("SIZE_EXCEEDED", "the body of the answer has more than 9 bytes"),
    );
  });

  it("that is announced as too large is not waited for", async () => {
    const { origin } = await rawStandIn((socket) =>
      socket.write("HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\n"),
    );
    expect(await refused({ url: origin, max_bytes: 9, timeout_ms: 500 })).toEqual(failure("SIZE_EXCEEDED"));
  });

  it("that nobody wants is not waited for, and its connection closed", async () => {
    const left = Promise.withResolvers<void>();
    const { origin } = await standIn(({ url }, response) => {
      if (url === "/next") response.end("here");
      else {
        response.on("close", left.resolve);
        response.writeHead(302, { location: "/next", "content-length": 10 }).write("12345");
      }
    });
    expect(await fetched({ url: origin })).toMatchObject({ body: "here" });
    await left.promise;
  });

  it("that never ends is cut off, and so is its connection", async () => {
    const piece = "x".repeat(65_536);
    const server = await standIn((_request, response) => {
      const write = (): void => {
        while (!response.destroyed && response.write(piece));
      };
      response.on("drain", write);
      write();
    });
    const closed = server.nextClosed();
    expect(await refused({ url: server.origin })).toEqual(failure("SIZE_EXCEEDED"));
    await closed;
  });

  it.each([
    ["gzip", gzipSync],
    ["br", brotliCompressSync],
  ])("is decompressed from %s", async (coding, compress) => {
    const { origin } = await standIn((_request, response) => {
      response.setHeader("content-encoding", coding);
      response.end(compress("grün"));
    });
    expect(await fetched({ url: origin })).toMatchObject({ body: "grün", size_bytes: 5 });
  });

  it.each([
    ["gzip", gzipSync],
    ["br", brotliCompressSync],
  ])("that grows without end when it is decompressed from %s is refused", async (coding, compress) => {
    const bomb = compress(Buffer.alloc(4 * fetchBytes));
    expect(bomb.byteLength).toBeLessThan(fetchBytes);
    const { origin } = await standIn((_request, response) => {
      response.setHeader("content-encoding", coding);
      response.end(bomb);
    });
    expect(await refused({ url: origin })).toEqual(failure("SIZE_EXCEEDED", `more than ${fetchBytes} bytes`));
  });

  it.each([
    ["cut off", "gzip", gzipSync("grün").subarray(0, -4), "unexpected end"],
    ["not what it says", "gzip", Buffer.from("grün"), "incorrect header"],
    [
      "in a coding that nobody asked for",
      "deflate",
      deflateSync("grün"),
      'its content encoding is "deflate"',
    ],
    ["in two codings", "gzip, gzip", gzipSync(gzipSync("grün")), 'its content encoding is "gzip, gzip"'],
  ])("that is %s is refused", async (_what, coding, body, why) => {
    const { origin } = await standIn((_request, response) => {
      response.setHeader("content-encoding", coding);
      response.end(body);
    });
    expect(await refused({ url: origin })).toEqual(failure("HTTP_FAILED", why));
  });

  it("may be empty whatever its headers say", async () => {
    const { origin } = await standIn(({ url }, response) => {
      response.setHeader("content-encoding", "gzip");
      if (url === "/204") response.writeHead(204);
      else response.setHeader("content-length", url === "/head" ? 10 * fetchBytes : 0);
      response.end();
    });
    for (const input of [
      { url: `${origin}/204` },
      { url: `${origin}/0` },
      { url: `${origin}/head`, method: "HEAD" },
    ]) {
      expect(await fetched(input)).toMatchObject({ body: "", size_bytes: 0 });
    }
  });

  it("that breaks off is no answer", async () => {
    const { origin } = await rawStandIn((socket) => {
      socket.end("HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\n12345");
    });
    expect(await refused({ url: origin })).toEqual(failure("HTTP_FAILED", "aborted"));
  });
});

describe("a server that misbehaves", () => {
  it.each([
    ["sends more headers than are taken", `a: ${"b".repeat(fetchHeaderBytes)}\r\n\r\n`, "Header overflow"],
    ["speaks something else", "nonsense\r\n\r\n", "Parse Error"],
    [
      "frames its body in two ways",
      "content-length: 1\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n",
      "Parse Error",
    ],
  ])("that %s is refused", async (_what, said, why) => {
    const { origin } = await rawStandIn((socket) => socket.write(`HTTP/1.1 200 OK\r\n${said}`));
    expect(await refused({ url: origin })).toEqual(failure("HTTP_FAILED", why));
  });

  it("that changes the protocol is refused", async () => {
    const { origin } = await rawStandIn((socket) =>
      socket.write("HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: foo\r\n\r\nfoo"),
    );
    expect(await refused({ url: origin })).toEqual(
      failure("HTTP_FAILED", "it answers with another protocol"),
    );
  });

  it.each([
    ["says nothing", ""],
    ["never ends its headers", "HTTP/1.1 200 OK\r\na: b"],
    ["announces an answer again and again", "HTTP/1.1 100 Continue\r\n\r\n".repeat(50)],
    ["never ends its body", "HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\n12345"],
  ])("that %s is left when the time is over", async (_what, said) => {
    const server = await rawStandIn((socket) => socket.write(said));
    const closed = server.nextClosed();
    expect(await refused({ url: server.origin, timeout_ms: 50 })).toEqual(
      failure("DEADLINE_EXCEEDED", `${server.origin}/ did not end within 0.05 s`),
    );
    await closed;
  });

  it("that never tells its address is left when the time is over", async () => {
    const never = fetchWith(
      { url: "http://never.example/", timeout_ms: 50 },
      ["*"],
      () => new Promise(() => {}),
    );
    await expect(never).rejects.toEqual(failure("DEADLINE_EXCEEDED"));
  });

  it("is left when the task is cancelled", async () => {
    const asked = Promise.withResolvers<void>();
    const server = await rawStandIn((socket) => {
      socket.write("HTTP/1.1 200 OK\r\n\r\n12345");
      asked.resolve();
    });
    const closed = server.nextClosed();
    const kit = attemptKit({ allowedHosts: LOOPBACK });
    const reply = kit.run("http_fetch", { url: server.origin }, { token: 9 });
    await asked.promise;
    kit.slots.stop(0, 9, "cancelled");
    expect(await reply).toEqual({ kind: "stopped" });
    await closed;
  });
});

describe("https", () => {
  const trusted = getCACertificates("default");
  beforeEach(() => setDefaultCACertificates([...trusted, TLS.cert]));
  afterEach(() => setDefaultCACertificates(trusted));
  const toLoopback = async (): Promise<{ address: string; family: number }[]> => [
    { address: "127.0.0.1", family: 4 },
  ];
  const hosts = ["secure.test", "other.test", ...LOOPBACK];

  it("is spoken with a server whose certificate bears the name that was asked for", async () => {
    const { port } = await standIn((_request, response) => response.end("secret"), { tls: true });
    expect(await fetchWith({ url: `https://secure.test:${port}/` }, hosts, toLoopback)).toMatchObject({
      body: "secret",
    });
    await expect(fetchWith({ url: `https://other.test:${port}/` }, hosts, toLoopback)).rejects.toEqual(
      failure("HTTP_FAILED", "does not match certificate"),
    );
  });

  it("is not spoken with a server that nobody vouches for, also where the environment would allow it", async () => {
    setDefaultCACertificates(trusted);
    process.env["NODE_TLS_REJECT_UNAUTHORIZED"] = "0";
    try {
      const { port } = await standIn((_request, response) => response.end("secret"), { tls: true });
      await expect(fetchWith({ url: `https://secure.test:${port}/` }, hosts, toLoopback)).rejects.toEqual(
        failure("HTTP_FAILED", "self-signed certificate"),
      );
    } finally {
      delete process.env["NODE_TLS_REJECT_UNAUTHORIZED"];
    }
  });

  it("is not given up for http by a redirect", async () => {
    const plain = await standIn((_request, response) => response.end());
    const { port } = await standIn(
      (_request, response) =>
        response.writeHead(302, { location: `http://secure.test:${plain.port}/` }).end(),
      { tls: true },
    );
    await expect(fetchWith({ url: `https://secure.test:${port}/` }, hosts, toLoopback)).rejects.toEqual(
      failure("HTTP_FAILED", "it redirects from https to http"),
    );
    expect(plain.requests).toEqual([]);
  });
});
