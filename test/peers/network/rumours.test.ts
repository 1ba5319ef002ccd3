import { execFileSync, spawnSync } from "node:child_process";
import { fileURLToPath } from "node:url";
import { describe, expect, it } from "vitest";
import { RECORD_DOMAIN, recordContent, type PeerRecord } from "../../../src/peers/capability-record.ts";
import type { PeerHint } from "../../../src/peers/network.protocol.ts";
import { dialled, message, openNode, until, type TestNode } from "./node-kit.ts";

function recordOf(node: TestNode, sequence = 1): PeerRecord {
  const issuedAtMs = Date.now();
  return {
    peerId: node.peerId,
    capabilities: ["compute"],
    addresses: [node.address],
    sequence,
    issuedAtMs,
    expiresAtMs: issuedAtMs + 60_000,
  };
}

const sealed = async (by: TestNode, record: PeerRecord) =>
  (await by.call.seal(recordContent(record), message())).envelope;

/** Until somebody is there to hear: a topic's mesh takes a moment to form. */
async function publish(node: TestNode, record: Uint8Array): Promise<void> {
  await expect
    .poll(async () => (await node.call.publish({ record }, message())).peers, {
      timeout: 10_000,
      interval: 50,
    })
    .toBeGreaterThan(0);
}
const heardBy = (node: TestNode): string[] =>
  node.of<{ record: Uint8Array }>("heard").map(({ record }) => Buffer.from(record).toString("hex"));
const refusedBy = async (node: TestNode) =>
  (await node.call.figures(undefined, message())).refused["record"] ?? 0;

describe("gossip", () => {
  it("carries a record from neighbour to neighbour, to all", async () => {
    await using one = await openNode({ gossip: true });
    await using middle = await openNode({ gossip: true });
    await using last = await openNode({ gossip: true });
    await dialled(one, middle);
    await dialled(middle, last);
    const record = await sealed(one, recordOf(one));
    await publish(one, record);
    const text = Buffer.from(record).toString("hex");
    // The mesh further on may have formed after the first was sent.
    let sequence = 2;
    const all = [text];
    while (!heardBy(last).some((each) => all.includes(each))) {
      const next = await sealed(one, recordOf(one, sequence++));
      all.push(Buffer.from(next).toString("hex"));
      await publish(one, next);
      await until(() => heardBy(middle).includes(all.at(-1) ?? ""), "the record at the middle node");
      if (sequence > 200) break;
    }
    expect(heardBy(last).every((each) => all.includes(each))).toBe(true);
    expect(await refusedBy(last)).toBe(0);
  }, 20_000);

  it("carries no record that its subject has not signed, or not sent, or that is none", async () => {
    await using subject = await openNode({ gossip: true });
    await using mallory = await openNode({ gossip: true });
    await using victim = await openNode({ gossip: true });
    await dialled(mallory, victim);
    const forged = await sealed(mallory, recordOf(subject));
    await publish(mallory, forged);
    await expect.poll(() => refusedBy(victim)).toBe(1);
    const replayed = await sealed(subject, recordOf(subject));
    await publish(mallory, replayed);
    await expect.poll(() => refusedBy(victim)).toBe(2);
    await publish(mallory, new Uint8Array(100));
    await expect.poll(() => refusedBy(victim)).toBe(3);
    const expired = { ...recordOf(mallory), issuedAtMs: Date.now() - 60_000, expiresAtMs: Date.now() - 1 };
    await publish(mallory, await sealed(mallory, expired));
    await expect.poll(() => refusedBy(victim)).toBe(4);
    expect(heardBy(victim)).toEqual([]);
    const own = await sealed(mallory, recordOf(mallory));
    await publish(mallory, own);
    await expect.poll(() => heardBy(victim)).toEqual([Buffer.from(own).toString("hex")]);
  }, 20_000);

  it("seals for one domain only", async () => {
    await using node = await openNode();
    const { openEnvelope } = await import("../../../src/peers/sealed-envelope.ts");
    const envelope = await sealed(node, recordOf(node));
    expect((await openEnvelope(envelope, RECORD_DOMAIN)).peerId).toBe(node.peerId);
    await expect(openEnvelope(envelope, "another")).rejects.toMatchObject({ code: "RECORD_INVALID" });
  });

  it("that is off tells nobody, and rejects nothing", async () => {
    await using node = await openNode();
    expect(await node.call.publish({ record: new Uint8Array(3) }, message())).toEqual({ peers: 0 });
    expect(await node.call.provide({ capabilities: ["a"] }, message())).toEqual({ provided: 0 });
    expect(await node.call.findProviders({ capabilities: ["a"], max: 5 }, message())).toEqual({ peers: [] });
  });
});

describe("the hash table", () => {
  it("names whoever provides all capabilities, and tells of peers that it meets", async () => {
    await using hub = await openNode({ dht: true });
    await using one = await openNode({ dht: true });
    await using other = await openNode({ dht: true });
    for (const node of [one, other]) await dialled(node, hub);
    await expect
      .poll(async () => (await one.call.provide({ capabilities: ["a", "b"] }, message())).provided, {
        timeout: 15_000,
      })
      .toBe(2);
    const find = async (...capabilities: string[]) =>
      (await other.call.findProviders({ capabilities, max: 10 }, message())).peers;
    await expect
      .poll(() => find("a", "b"), { timeout: 15_000 })
      .toMatchObject([{ peerId: one.peerId, source: "dht" }]);
    const [hint] = await find("a");
    expect(hint?.addresses.some((address) => one.address.startsWith(address))).toBe(true);
    expect(await find("a", "c")).toEqual([]);
    await until(() => other.of<PeerHint>("sighted").find(({ source }) => source === "dht"), "a sighting");
  }, 40_000);
});

const namespaces = canMakeNamespaces();
const script = fileURLToPath(new URL("mdns.process.ts", import.meta.url));

describe("mDNS", () => {
  it.skipIf(!namespaces.possible)(
    `tells neighbours of each other, in a network namespace of its own${namespaces.possible ? "" : ` (skipped: ${namespaces.why})`}`,
    () => {
      const run = `ip link set lo up && exec "${process.execPath}" --conditions=mcplusplus-source "${script}"`;
      const output = execFileSync("unshare", ["--net", "sh", "-c", run], {
        timeout: 30_000,
        encoding: "utf8",
      });
      const { own, sightings } = JSON.parse(output) as { own: string[]; sightings: PeerHint[] };
      for (const peerId of own) {
        expect(sightings).toContainEqual(expect.objectContaining({ peerId, source: "mdns" }));
      }
    },
    40_000,
  );
});

function canMakeNamespaces():
  | { readonly possible: true }
  | { readonly possible: false; readonly why: string } {
  if (process.platform !== "linux") return { possible: false, why: "network namespaces are Linux's" };
  if (process.getuid?.() !== 0) return { possible: false, why: "only root may make a network namespace" };
  const { status } = spawnSync("unshare", ["--net", "ip", "link", "set", "lo", "up"]);
  return status === 0
    ? { possible: true }
    : { possible: false, why: "this machine does not let root make one" };
}
