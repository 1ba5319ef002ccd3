import { describe, expect, it } from "vitest";
import { LIMITS } from "../../../src/errors/index.ts";
import type { Announcement, Finding } from "../../../src/peers/discovery/discovery-source.ts";
import { commentOf, readComment } from "../../../src/peers/discovery/github-comment.ts";
import { GithubSource } from "../../../src/peers/discovery/github-source.ts";
import type { GithubInit } from "../../../src/peers/peers.protocol.ts";
import { manualClock } from "../../kit/manual-clock.ts";
import { makeSigners, type Signer } from "../registry/record-kit.ts";
import { GithubStandIn, TOKEN } from "./github-stand-in.ts";

const [own, alice, bob] = (await makeSigners(3)) as [Signer, Signer, Signer];
const life = new AbortController().signal;
const clock = manualClock();
const nowMs = clock.wallNow();
const TITLE = "p2p-peer-registry";
const PER_PAGE = 100;

const announcementOf = async (signer: Signer, issuedAtMs = nowMs): Promise<Announcement> => {
  const record = signer.record(issuedAtMs);
  return { record, sealed: await signer.seal(record) };
};

interface Opened {
  readonly source: GithubSource;
  readonly counts: Map<string, number>;
  find(): Promise<Finding[]>;
}

function open(
  standIn: GithubStandIn,
  options: Partial<GithubInit> = {},
  token: string | null = TOKEN,
): Opened {
  const counts = new Map<string, number>();
  const { owner, repository, baseUrl } = standIn;
  const source = new GithubSource(
    { owner, repository, baseUrl, tokenVariable: "PEERS_TOKEN", authors: null, ...options },
    {
      clock,
      environment: token === null ? {} : { PEERS_TOKEN: token },
      count: (name, by = 1) => void counts.set(name, (counts.get(name) ?? 0) + by),
      pace: { enabled: false },
    },
  );
  return { source, counts, find: () => Array.fromAsync(source.find({ capabilities: [], max: 10 }, life)) };
}

describe("a comment", () => {
  it("has a marker, a fenced block of JSON in the published form, and the sealed record, and is read back", async () => {
    const announcement = await announcementOf(own);
    const body = commentOf(announcement);
    const [first, fence, json, end] = body.split("\n");
    expect([first, fence, end]).toEqual([`<!-- ${TITLE}:${own.peerId} -->`, "```json", "```"]);
    expect(JSON.parse(json ?? "")).toEqual({
      peer_id: own.peerId,
      runner_name: own.peerId,
      public_ip: "127.0.0.1",
      listen_port: 4001,
      multiaddr: `/ip4/127.0.0.1/tcp/4001/p2p/${own.peerId}`,
      last_seen: new Date(nowMs).toISOString(),
      metadata: {
        capabilities: ["compute", "storage"],
        record: Buffer.from(announcement.sealed).toString("base64"),
        ttl_seconds: 1_200,
      },
    });
    expect(readComment(body)).toMatchObject({
      kind: "peer",
      comment: { runnerName: own.peerId, told: { peerId: own.peerId, lastSeenMs: nowMs, ttlMs: 1_200_000 } },
    });
    expect(readComment(body.replaceAll("\n", "\r\n")).kind).toBe("peer");
    expect(Buffer.byteLength(body)).toBeLessThan(LIMITS.discovery.commentBytes);
  });

  it.each([
    ["of somebody who talks", "hello", "foreign"],
    ["that only begins as one", `<!-- ${TITLE}:x -->\nhello`, "junk"],
    ["whose JSON is none", `<!-- ${TITLE}:x -->\n\`\`\`json\n{"peer_id":\n\`\`\``, "junk"],
    ["whose JSON is a list", `<!-- ${TITLE}:x -->\n\`\`\`json\n[1]\n\`\`\``, "junk"],
    ["without a time", `<!-- ${TITLE}:x -->\n\`\`\`json\n{"peer_id":"x"}\n\`\`\``, "junk"],
    ["too large", `<!-- ${TITLE}:x -->\n\`\`\`json\n${" ".repeat(20_000)}\n\`\`\``, "oversize"],
    ["that is no text", 7, "foreign"],
  ])("%s is no peer", (_what, body, kind) => {
    expect(readComment(body).kind).toBe(kind);
  });
});

describe("announcing", () => {
  it("makes the issue on demand, then one comment, which it writes anew and deletes at the end", async () => {
    await using standIn = await GithubStandIn.open();
    standIn.addIssue("something else");
    const { source } = open(standIn);
    await source.announce(await announcementOf(own), life);
    expect(standIn.issues.map(({ title }) => title)).toEqual(["something else", TITLE]);
    expect(standIn.comments).toHaveLength(1);
    const later = await announcementOf(own, nowMs + 1_000);
    await source.announce(later, life);
    expect(standIn.comments.map(({ body }) => body)).toEqual([commentOf(later)]);
    await source.withdraw(own.peerId, life);
    expect(standIn.comments).toEqual([]);
  });

  it("finds the own comment of an earlier life again, on a later page too, and leaves those of others", async () => {
    await using standIn = await GithubStandIn.open();
    const { number } = standIn.addIssue(TITLE);
    for (let nth = 0; nth < PER_PAGE + 20; nth++) standIn.addComment(number, `talk ${nth}`);
    const earlier = standIn.addComment(number, commentOf(await announcementOf(own, nowMs - 1_000)));
    await open(standIn).source.announce(await announcementOf(own), life);
    expect(standIn.comments).toHaveLength(PER_PAGE + 21);
    expect(earlier.body).toBe(commentOf(await announcementOf(own)));
  });

  it("makes a new comment when the own one was deleted, or belongs to somebody else", async () => {
    await using standIn = await GithubStandIn.open();
    const { number } = standIn.addIssue(TITLE);
    const usurped = standIn.addComment(
      number,
      commentOf(await announcementOf(own, nowMs - 1_000)),
      "mallory",
    );
    standIn.foreign.add(usurped.id);
    const { source } = open(standIn);
    await source.announce(await announcementOf(own), life);
    expect(standIn.comments).toHaveLength(2);
    standIn.comments.pop();
    await source.announce(await announcementOf(own, nowMs + 1), life);
    expect(standIn.comments).toHaveLength(2);
  });

  it("uses the issue with the lowest number, on whatever page, and takes no pull request and no closed one for it", async () => {
    await using standIn = await GithubStandIn.open();
    standIn.addIssue(TITLE, { pull_request: {} });
    standIn.addIssue(TITLE, { state: "closed" });
    for (let nth = 0; nth < PER_PAGE; nth++) standIn.addIssue(`issue ${nth}`);
    const lowest = standIn.addIssue(TITLE);
    standIn.addIssue(TITLE);
    await open(standIn).source.announce(await announcementOf(own), life);
    expect(standIn.comments.map(({ issue }) => issue)).toEqual([lowest.number]);
  });

  it("is nothing for a node that only reads, and fails with a sentence when the token is not there", async () => {
    await using standIn = await GithubStandIn.open();
    standIn.addIssue(TITLE);
    const reader = open(standIn, { tokenVariable: null });
    await reader.source.announce(await announcementOf(own), life);
    expect(standIn.requests).toEqual([]);
    expect(await reader.find()).toEqual([]);
    const poor = open(standIn, {}, null);
    await expect(poor.source.announce(await announcementOf(own), life)).rejects.toMatchObject({
      code: "DISCOVERY_FAILED",
      message: expect.stringContaining("PEERS_TOKEN is not set") as string,
    });
    expect(await poor.find()).toEqual([]);
  });
});

describe("searching", () => {
  it("reads all pages, records of nodes and hints of other programs, and skips and counts what is in no order", async () => {
    await using standIn = await GithubStandIn.open();
    const { number } = standIn.addIssue(TITLE);
    for (let nth = 0; nth < 2 * PER_PAGE; nth++) standIn.addComment(number, `talk ${nth}`);
    const announced = await announcementOf(alice);
    standIn.addComment(number, commentOf(announced));
    const plain = {
      peer_id: bob.peerId,
      runner_name: "runner-7",
      public_ip: "127.0.0.1",
      listen_port: 9_100,
      multiaddr: `/ip4/127.0.0.1/tcp/9100/p2p/${bob.peerId}`,
      last_seen: new Date(nowMs - 1_000).toISOString(),
      metadata: {},
    };
    const marked = (content: object): string =>
      `<!-- ${TITLE}:runner-7 -->\n\`\`\`json\n${JSON.stringify(content, null, 2)}\n\`\`\``;
    standIn.addComment(number, marked(plain));
    standIn.addComment(number, marked({ ...plain, last_seen: new Date(nowMs - 1_801_000).toISOString() }));
    standIn.addComment(number, marked({ ...plain, peer_id: "nobody" }));
    standIn.addComment(number, `<!-- ${TITLE}:x -->\n\`\`\`json\n${" ".repeat(20_000)}\n\`\`\``);
    const { find, counts } = open(standIn);
    expect(await find()).toEqual([
      { kind: "record", sealed: announced.sealed },
      { kind: "hint", hint: { peerId: bob.peerId, addresses: [plain.multiaddr], source: "github" } },
    ]);
    expect(Object.fromEntries(counts)).toEqual({ github_junk: 1, github_oversize: 1 });
  });

  it("asks for what has not changed with the ETag of each page, which costs nothing", async () => {
    await using standIn = await GithubStandIn.open();
    const { number } = standIn.addIssue(TITLE);
    for (let nth = 0; nth < 2 * PER_PAGE + 5; nth++) standIn.addComment(number, `talk ${nth}`);
    const comment = standIn.addComment(number, commentOf(await announcementOf(alice)));
    const { find, counts } = open(standIn);
    const first = await find();
    const { remaining } = standIn;
    expect(await find()).toEqual(first);
    expect([standIn.unchanged, standIn.remaining]).toEqual([3, remaining]);
    const changed = await announcementOf(alice, nowMs + 1);
    comment.body = commentOf(changed);
    expect(await find()).toEqual([{ kind: "record", sealed: changed.sealed }]);
    expect([standIn.unchanged, counts.get("github_unchanged")]).toEqual([5, 5]);
  });

  it("counts only the comments of authors that are allowed, where they are", async () => {
    await using standIn = await GithubStandIn.open();
    const { number } = standIn.addIssue(TITLE);
    standIn.addComment(number, commentOf(await announcementOf(alice)), "Ally");
    standIn.addComment(number, commentOf(await announcementOf(bob)), "mallory");
    const { find, counts } = open(standIn, { authors: ["ally"] });
    expect(await find()).toHaveLength(1);
    expect(counts.get("github_author")).toBe(1);
  });

  it("finds nothing where there is no issue, makes none, and looks again the next time", async () => {
    await using standIn = await GithubStandIn.open();
    const { find } = open(standIn);
    expect(await find()).toEqual([]);
    expect(standIn.issues).toEqual([]);
    const { number } = standIn.addIssue(TITLE);
    standIn.addComment(number, commentOf(await announcementOf(alice)));
    expect(await find()).toHaveLength(1);
  });

  it("looks for the issue anew when it is gone", async () => {
    await using standIn = await GithubStandIn.open();
    standIn.addIssue(TITLE);
    const { find } = open(standIn);
    await find();
    standIn.issues.length = 0;
    await expect(find()).rejects.toMatchObject({ details: { status: 404 } });
    expect(await find()).toEqual([]);
  });
});

describe("a failure", () => {
  it("of the server is repeated, and one that lasts is told with its status", async () => {
    await using standIn = await GithubStandIn.open();
    standIn.addIssue(TITLE);
    const bad = { status: 502, message: "bad gateway" };
    standIn.failures.push(bad);
    const { source, find } = open(standIn);
    expect(await find()).toEqual([]);
    expect(standIn.requests).toHaveLength(3);
    standIn.failures.push({ status: 404, message: "Not Found" });
    await expect(source.sweep(life)).rejects.toMatchObject({
      code: "DISCOVERY_FAILED",
      details: { status: 404 },
    });
  });

  it("that asks to wait is heeded: nothing is asked before that", async () => {
    await using standIn = await GithubStandIn.open();
    standIn.addIssue(TITLE);
    const limit = "You have exceeded a secondary rate limit";
    standIn.failures.push({ status: 403, message: limit, headers: { "retry-after": "120" } });
    const { find } = open(standIn);
    await expect(find()).rejects.toMatchObject({ details: { status: 403 } });
    const asked = standIn.requests.length;
    await clock.advance(119_000);
    await expect(find()).rejects.toThrow("it asked to wait for another 1 s");
    expect(standIn.requests).toHaveLength(asked);
    await clock.advance(1_000);
    expect(await find()).toEqual([]);
  });

  it("of the token's quota is heeded until it is filled again", async () => {
    await using standIn = await GithubStandIn.open();
    standIn.addIssue(TITLE);
    const reset = String(Math.floor(Date.now() / 1_000) + 600);
    const headers = { "x-ratelimit-remaining": "0", "x-ratelimit-reset": reset };
    standIn.failures.push({ status: 403, message: "API rate limit exceeded", headers });
    const { owner, repository, baseUrl } = standIn;
    const source = new GithubSource(
      { owner, repository, baseUrl, tokenVariable: null, authors: null },
      { clock, environment: {}, count: () => undefined },
    );
    const find = (): Promise<Finding[]> => Array.fromAsync(source.find({ capabilities: [], max: 1 }, life));
    await expect(find()).rejects.toMatchObject({ details: { status: 403 } });
    await expect(find()).rejects.toThrow(/it asked to wait for another \d{3} s/);
    expect(standIn.requests).toHaveLength(1);
  });

  it("that is a short wait is waited out, once", async () => {
    await using standIn = await GithubStandIn.open();
    standIn.addIssue(TITLE);
    const limit = "You have exceeded a secondary rate limit";
    standIn.failures.push({ status: 403, message: limit, headers: { "retry-after": "1" } });
    const { owner, repository, baseUrl } = standIn;
    const source = new GithubSource(
      { owner, repository, baseUrl, tokenVariable: null, authors: null },
      { clock, environment: {}, count: () => undefined, pace: { retryAfterBaseValue: 10 } },
    );
    expect(await Array.fromAsync(source.find({ capabilities: [], max: 1 }, life))).toEqual([]);
    expect(standIn.requests).toHaveLength(3);
  });

  it("never shows the token, also when the server repeats it", async () => {
    await using standIn = await GithubStandIn.open();
    const { source } = open(standIn, {}, "ghp_a_wrong_token");
    const failure = source.announce(await announcementOf(own), life);
    await expect(failure).rejects.toMatchObject({
      code: "DISCOVERY_FAILED",
      message: expect.stringMatching(/status 401: Bad credentials: token \[redacted\]/) as string,
    });
    const thrown = await failure.catch((error: unknown) => error);
    expect(JSON.stringify(thrown) + String((thrown as Error).stack)).not.toContain("ghp_a_wrong_token");
  });

  it("to answer ends with the signal", async () => {
    await using standIn = await GithubStandIn.open();
    standIn.failures.push({ status: 200, message: "", hangs: true });
    const caller = new AbortController();
    const { source } = open(standIn);
    const found = Array.fromAsync(source.find({ capabilities: [], max: 1 }, caller.signal));
    found.catch(() => undefined);
    while (standIn.requests.length === 0) await new Promise((resolve) => void setImmediate(resolve));
    caller.abort();
    await expect(found).rejects.toThrow();
  });
});

describe("sweeping", () => {
  it("deletes comments of the form that expired an hour ago, ten at a time, and never the own or another's talk", async () => {
    await using standIn = await GithubStandIn.open();
    const { number } = standIn.addIssue(TITLE);
    standIn.addComment(number, "talk");
    const stale = commentOf(await announcementOf(alice, nowMs - 4_900_000));
    for (let nth = 0; nth < 12; nth++) standIn.addComment(number, stale);
    standIn.addComment(number, commentOf(await announcementOf(bob, nowMs - 4_000_000)));
    const { source } = open(standIn);
    expect(await source.sweep(life)).toBe(10);
    expect(await source.sweep(life)).toBe(2);
    expect(standIn.comments).toHaveLength(2);
  });

  it("stops for good when GitHub does not allow it", async () => {
    await using standIn = await GithubStandIn.open();
    const { number } = standIn.addIssue(TITLE);
    const stale = standIn.addComment(number, commentOf(await announcementOf(alice, nowMs - 4_900_000)));
    standIn.foreign.add(stale.id);
    const { source } = open(standIn);
    expect(await source.sweep(life)).toBe(0);
    const asked = standIn.requests.length;
    expect(await source.sweep(life)).toBe(0);
    expect(standIn.requests).toHaveLength(asked);
  });
});
