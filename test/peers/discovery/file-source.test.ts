import { execFile } from "node:child_process";
import {
  chmodSync,
  existsSync,
  mkdtempSync,
  mkdirSync,
  readFileSync,
  readdirSync,
  rmSync,
  statSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { LIMITS } from "../../../src/errors/index.ts";
import type { Announcement, Finding } from "../../../src/peers/discovery/discovery-source.ts";
import { readDocument, writeDocument } from "../../../src/peers/discovery/file-document.ts";
import { FileSource } from "../../../src/peers/discovery/file-source.ts";
import { LOCK_STALE_MS } from "../../../src/peers/discovery/shared-file.ts";
import { manualClock, type ManualClock } from "../../kit/manual-clock.ts";
import { makeSigners, type Signer } from "../registry/record-kit.ts";

const [alice, bob, carol] = (await makeSigners(3)) as [Signer, Signer, Signer];
const life = new AbortController().signal;
const run = promisify(execFile);

let directory: string;
let path: string;
let clock: ManualClock;
let counts: Map<string, number>;

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), "peers-file-"));
  path = join(directory, "peers.json");
  clock = manualClock();
  counts = new Map();
});
afterEach(() => rmSync(directory, { recursive: true, force: true }));

const open = (at = path): FileSource =>
  new FileSource(at, { clock, count: (name, by = 1) => void counts.set(name, (counts.get(name) ?? 0) + by) });
const announcementOf = async (signer: Signer, issuedAtMs = clock.wallNow()): Promise<Announcement> => {
  const record = signer.record(issuedAtMs);
  return { record, sealed: await signer.seal(record) };
};
const find = (source: FileSource): Promise<Finding[]> =>
  Array.fromAsync(source.find({ capabilities: [], max: 10 }, life));
const document = (): { peers: Record<string, Record<string, unknown>> } =>
  JSON.parse(readFileSync(path, "utf8")) as { peers: Record<string, Record<string, unknown>> };

describe("the file of peers", () => {
  it("has one entry for each node, in the published form, and gives back the records as they were sealed", async () => {
    const [first, second] = [await announcementOf(alice), await announcementOf(bob)];
    await open().announce(first, life);
    await open().announce(second, life);
    expect(document().peers[alice.peerId]).toEqual({
      peer_id: alice.peerId,
      multiaddr: `/ip4/127.0.0.1/tcp/4001/p2p/${alice.peerId}`,
      capabilities: ["compute", "storage"],
      first_seen: clock.wallNow() / 1_000,
      last_seen: clock.wallNow() / 1_000,
      source: "local_file",
      ttl_seconds: 1_200,
      metadata: { record: Buffer.from(first.sealed).toString("base64") },
    });
    const found = await find(open());
    expect(found).toHaveLength(2);
    expect(found).toContainEqual({ kind: "record", sealed: second.sealed });
    expect(readdirSync(directory)).toEqual(["peers.json"]);
  });

  it("keeps when a peer was first seen, and loses the entry that is withdrawn", async () => {
    const source = open();
    await source.announce(await announcementOf(alice), life);
    await clock.advance(60_000);
    await source.announce(await announcementOf(alice), life);
    const entry = document().peers[alice.peerId];
    expect(entry?.["last_seen"]).toBe(Number(entry?.["first_seen"]) + 60);
    await source.withdraw(alice.peerId, life);
    expect(await find(source)).toEqual([]);
  });

  it("keeps what other programs have put there, as hints, until it is told no more", async () => {
    const foreign = {
      peer_id: bob.peerId,
      multiaddr: "/ip4/127.0.0.1/tcp/9",
      capabilities: ["all"],
      first_seen: 1,
      last_seen: clock.wallNow() / 1_000,
      source: "elsewhere",
      ttl_seconds: 3_600,
      metadata: { more: true },
    };
    writeFileSync(path, JSON.stringify({ peers: { [bob.peerId]: foreign }, last_cleanup: 0 }));
    const source = open();
    await source.announce(await announcementOf(alice), life);
    expect(document().peers[bob.peerId]).toEqual(foreign);
    const hint = { peerId: bob.peerId, addresses: ["/ip4/127.0.0.1/tcp/9"], source: "local_file" };
    expect(await find(source)).toContainEqual({ kind: "hint", hint });
    await clock.advance(3_601_000);
    expect((await find(source)).map(({ kind }) => kind)).toEqual(["record"]);
    expect(await source.sweep(life)).toBe(2);
    expect(document().peers).toEqual({});
  });

  it("with entries that are in no order is read without them, counted, and written without them", async () => {
    const { sealed } = await announcementOf(bob);
    const good = {
      peer_id: bob.peerId,
      last_seen: clock.wallNow() / 1_000,
      metadata: { record: Buffer.from(sealed).toString("base64") },
    };
    const deep = `${"[".repeat(50_000)}${"]".repeat(50_000)}`;
    const junk = `"a":1,"b":{"peer_id":"b"},"c":{"peer_id":${JSON.stringify(alice.peerId)},"last_seen":1},"d":{"x":${deep}},"__proto__":{"peer_id":"x"}`;
    writeFileSync(path, `{"peers":{${JSON.stringify(bob.peerId)}:${JSON.stringify(good)},${junk}}}`);
    const source = open();
    expect(await find(source)).toEqual([{ kind: "record", sealed }]);
    expect(counts.get("file_junk")).toBe(5);
    await source.announce(await announcementOf(alice), life);
    expect(Object.keys(document().peers).toSorted()).toEqual([alice.peerId, bob.peerId].toSorted());
  });

  it.each([
    ["text", "this is a letter to my aunt"],
    ["a document of something else", '{"name":"package"}'],
    ["a list", "[]"],
  ])("that holds %s is refused, and not written over", async (_what, content) => {
    writeFileSync(path, content);
    const refused = {
      code: "DISCOVERY_FAILED",
      details: { source: path, why: "it is no document of peers" },
    };
    await expect(open().announce(await announcementOf(alice), life)).rejects.toMatchObject(refused);
    await expect(find(open())).rejects.toMatchObject(refused);
    expect(readFileSync(path, "utf8")).toBe(content);
    expect(readdirSync(directory)).toEqual(["peers.json"]);
  });

  it("is made when it is empty or missing, with its directory, for its owner only", async () => {
    writeFileSync(path, "");
    await open().announce(await announcementOf(alice), life);
    const deep = join(directory, "a", "b", "peers.json");
    expect(await find(open(deep))).toEqual([]);
    await open(deep).announce(await announcementOf(alice), life);
    expect(statSync(deep).mode & 0o777).toBe(0o600);
    expect(statSync(join(directory, "a")).mode & 0o777).toBe(0o700);
  });

  it("keeps the mode that somebody has given it", async () => {
    await open().announce(await announcementOf(alice), life);
    chmodSync(path, 0o664);
    await open().announce(await announcementOf(bob), life);
    expect(statSync(path).mode & 0o777).toBe(0o664);
  });

  it("that is a link or a directory is refused", async () => {
    const target = join(directory, "target.json");
    writeFileSync(target, "{}");
    symlinkSync(target, path);
    const announcement = await announcementOf(alice);
    await expect(open().announce(announcement, life)).rejects.toThrow("it is a symbolic link");
    await expect(find(open())).rejects.toThrow("it is a symbolic link");
    expect(readFileSync(target, "utf8")).toBe("{}");
    mkdirSync(join(directory, "d"));
    await expect(open(join(directory, "d")).announce(announcement, life)).rejects.toThrow("it is no file");
  });

  it("that is too large is refused, and one that would become so leaves out who was seen longest ago", async () => {
    writeFileSync(path, `{"peers":{}}${" ".repeat(LIMITS.discovery.fileBytes)}`);
    await expect(find(open())).rejects.toThrow(`it has more than ${LIMITS.discovery.fileBytes} bytes`);
    rmSync(path);
    for (const [at, signer] of [carol, alice, bob].entries()) {
      await open().announce(await announcementOf(signer, clock.wallNow() + at), life);
    }
    const read = readDocument(readFileSync(path, "utf8"));
    const whole = writeDocument(read!, 0);
    const cut = writeDocument(read!, 0, whole.length - 1);
    expect(Object.keys((JSON.parse(cut) as { peers: object }).peers)).toEqual([bob.peerId, alice.peerId]);
  });
});

describe("the lock of the file", () => {
  it("loses no entry when several processes write at once", async () => {
    const writer = join(import.meta.dirname, "modules/file-writer.ts");
    const written = Array.from({ length: 4 }, () =>
      run(process.execPath, ["--conditions=mcplusplus-source", writer, path, "15"]),
    );
    const peerIds = (await Promise.all(written)).map(({ stdout }) => stdout);
    expect(Object.keys(document().peers).toSorted()).toEqual(peerIds.toSorted());
    expect(readdirSync(directory)).toEqual(["peers.json"]);
  }, 60_000);

  it("of a process that has died is broken when it has not changed for a while", async () => {
    writeFileSync(`${path}.lock`, "a process that has died");
    const source = open();
    const announced = source.announce(await announcementOf(alice), life);
    // Read in one step: between a look whether it is there and another at what it says it may go.
    const isBroken = (): boolean => textOf(`${path}.lock`) !== "a process that has died";
    const waitedMs = await advanceUntil(isBroken);
    expect(waitedMs).toBeGreaterThanOrEqual(LOCK_STALE_MS);
    expect(waitedMs).toBeLessThan(LOCK_STALE_MS + 1_000);
    let done = false;
    void announced.then(() => (done = true));
    await advanceUntil(() => done);
    expect(existsSync(`${path}.lock`)).toBe(false);
    expect(await find(source)).toHaveLength(1);
  });

  it("that others take one after the other is not taken for that of a dead one", async () => {
    writeFileSync(`${path}.lock`, "0");
    const caller = new AbortController();
    const announced = open().announce(await announcementOf(alice), caller.signal);
    announced.catch(() => undefined);
    for (let nth = 1; nth < 8; nth++) {
      await clock.advance(LOCK_STALE_MS - 1_000);
      for (let turn = 0; turn < 200; turn++) await new Promise((resolve) => void setImmediate(resolve));
      writeFileSync(`${path}.lock`, String(nth));
    }
    expect(readFileSync(`${path}.lock`, "utf8")).toBe("7");
    caller.abort();
    await expect(announced).rejects.toMatchObject({ code: "CANCELLED" });
    expect(existsSync(path)).toBe(false);
  });

  it("that was lost meanwhile makes its holder begin anew, with the entry that was written meanwhile", async () => {
    const source = open();
    await source.announce(await announcementOf(alice), life);
    // Another takes the lock for stale, and writes, while this one is about to replace the file.
    const slow = source.announce(await announcementOf(bob), life);
    let stolen = false;
    for (let turn = 0; turn < 1_000 && !stolen; turn++) {
      await new Promise((resolve) => void setImmediate(resolve));
      if (!existsSync(`${path}.lock`)) continue;
      writeFileSync(`${path}.lock`, "another");
      stolen = true;
    }
    expect(stolen).toBe(true);
    let done = false;
    void slow.then(() => (done = true));
    await advanceUntil(() => done);
    expect(await find(source)).toHaveLength(2);
  });

  it("and what a writer that died has left beside the file are swept away after an hour", async () => {
    const left = join(directory, ".peers.json.1234.tmp");
    writeFileSync(left, "half");
    const source = open();
    const oldS = clock.wallNow() / 1_000 - 3_601;
    utimesSync(left, oldS, oldS);
    await source.sweep(life);
    expect(existsSync(left)).toBe(false);
  });
});

/** Moves the clock on in small steps, with turns for the file system in between. @returns how far */
async function advanceUntil(check: () => boolean): Promise<number> {
  const startMs = clock.now();
  for (let step = 0; step < 2_000 && !check(); step++) {
    for (let turn = 0; turn < 20 && !check(); turn++)
      await new Promise((resolve) => void setImmediate(resolve));
    if (!check()) await clock.advance(20);
  }
  return clock.now() - startMs;
}

/** Null: there is no such file. */
function textOf(file: string): string | null {
  try {
    return readFileSync(file, "utf8");
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return null;
    throw error;
  }
}
