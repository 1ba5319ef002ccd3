import { createSocket } from "node:dgram";
import { once } from "node:events";
import { describe, expect, it } from "vitest";
import { natTypeOf, type Filtering, type Mapping } from "../../../src/peers/nat/nat-class.ts";
import { probeNat, type NatFinding } from "../../../src/peers/nat/nat-probe.ts";
import type { Endpoint } from "../../../src/peers/nat/stun-message.ts";
import { StunSocket, localAddressFor } from "../../../src/peers/nat/stun-socket.ts";
import type { NatType } from "../../../src/peers/peers.protocol.ts";
import { systemClock } from "../../../src/scope/index.ts";
import { failOnLeaks } from "../../kit/leak-check.ts";
import { FakeStunServer, type FakeStunOptions, type PlayedNat } from "./fake-stun-server.ts";

failOnLeaks();

const hasIpv6 = await canBind("::1");

/** Runs ahead of time tenfold, so that a test of what never answers takes a tenth of it. */
const fast = { ...systemClock, at: (atMs: number, run: () => void) => systemClock.at(soon(atMs), run) };
const soon = (atMs: number): number => systemClock.now() + (atMs - systemClock.now()) / 10;

const never = new AbortController().signal;
const probe = (servers: readonly Endpoint[], signal = never): Promise<NatFinding> =>
  probeNat(servers, { clock: fast, signal });

const probeOf = async (...options: FakeStunOptions[]): Promise<NatFinding> => {
  using stack = new DisposableStack();
  const servers: Endpoint[] = [];
  for (const each of options) servers.push(stack.use(await FakeStunServer.open(each)).endpoint);
  return await probe(servers);
};

describe("with a server that has two addresses", () => {
  it.each<{ natType: NatType; change: NonNullable<FakeStunOptions["change"]> } & PlayedNat>([
    { natType: "open", mapping: "none", filtering: "all", change: "done" },
    { natType: "symmetric_firewall", mapping: "none", filtering: "endpoint", change: "done" },
    { natType: "symmetric_firewall", mapping: "none", filtering: "address", change: "done" },
    { natType: "full_cone", mapping: "independent", filtering: "all", change: "done" },
    { natType: "restricted_cone", mapping: "independent", filtering: "address", change: "done" },
    { natType: "port_restricted_cone", mapping: "independent", filtering: "endpoint", change: "done" },
    { natType: "symmetric", mapping: "address", filtering: "endpoint", change: "done" },
    { natType: "symmetric", mapping: "endpoint", filtering: "endpoint", change: "done" },
    { natType: "symmetric", mapping: "address", filtering: "all", change: "done" },
    { natType: "cone", mapping: "independent", filtering: "all", change: "refused" },
    { natType: "cone", mapping: "independent", filtering: "all", change: "ignored" },
    { natType: "unknown", mapping: "none", filtering: "all", change: "refused" },
  ])(
    "tells $natType of a NAT with mapping by $mapping and filter $filtering, when a change of the answer's source is $change",
    async ({ natType, ...options }) => {
      const found = await probeOf(options);
      expect(found).toMatchObject({ natType });
      expect(found.mapped?.address).toBe(options.mapping === "none" ? "127.0.0.1" : "203.0.113.5");
    },
  );

  it("asks for the filter before it speaks to the second address, which would open it", async () => {
    // The server keeps account of what the asker's port has spoken to: in the other order these would seem open to all.
    expect((await probeOf({ mapping: "independent", filtering: "endpoint" })).filtering).toBe("endpoint");
    expect((await probeOf({ mapping: "independent", filtering: "address" })).filtering).toBe("address");
  });

  it("asks again when packets are lost", async () => {
    const found = await probeOf({ mapping: "independent", filtering: "all", deafFor: 2 });
    expect(found.natType).toBe("full_cone");
  });

  it.skipIf(!hasIpv6)(`asks over IPv6 too${hasIpv6 ? "" : " (skipped: needs ::1)"}`, async () => {
    // Loopback has one IPv6 address only, so the second one of the server is missing.
    using server = await FakeStunServer.open({
      mapping: "none",
      filtering: "all",
      other: false,
      addresses: ["::1", "127.0.0.1"],
    });
    const found = await probe([server.endpoint]);
    expect(found).toMatchObject({
      natType: "unknown",
      mapping: "none",
      mapped: { family: 6, address: "::1" },
    });
  });
});

describe("with servers that have one address", () => {
  const plain = { other: false, filtering: "all" } as const;

  it("tells a cone from a symmetric NAT by two of them, and nothing of the filter", async () => {
    const at = (addresses: [string, string], mapping: FakeStunOptions["mapping"]): FakeStunOptions => ({
      ...plain,
      mapping,
      addresses,
    });
    const cone = [
      at(["127.0.0.3", "127.0.0.4"], "independent"),
      at(["127.0.0.5", "127.0.0.6"], "independent"),
    ];
    expect(await probeOf(...cone)).toMatchObject({ natType: "cone", filtering: "unknown" });
    using first = await FakeStunServer.open(at(["127.0.0.3", "127.0.0.4"], "independent"));
    // The other one sees another port, as it does behind a NAT that maps by address.
    using second = await FakeStunServer.open({
      ...plain,
      mapping: "none",
      addresses: ["127.0.0.5", "127.0.0.6"],
    });
    expect(await probe([first.endpoint, second.endpoint])).toMatchObject({ natType: "symmetric" });
  });

  it("tells nothing by one of them, or by two at one address", async () => {
    expect(await probeOf({ ...plain, mapping: "independent" })).toMatchObject({ natType: "unknown" });
    const twice: FakeStunOptions = { ...plain, mapping: "independent" };
    expect(await probeOf(twice, twice)).toMatchObject({ natType: "unknown" });
    expect(await probeOf({ ...plain, mapping: "none" })).toMatchObject({
      natType: "unknown",
      mapping: "none",
    });
  });
});

describe("with servers that do not answer", () => {
  const silent = { mapping: "none", filtering: "all", silent: true } as const;

  it("tells blocked of two, and unknown of one alone", async () => {
    const elsewhere: FakeStunOptions = { ...silent, addresses: ["127.0.0.3", "127.0.0.4"] };
    expect(await probeOf(silent, elsewhere)).toMatchObject({ natType: "blocked", mapped: null });
    expect(await probeOf(silent)).toMatchObject({ natType: "unknown", mapped: null });
  });

  it("goes on to the next after half a second, and asks none that is not needed", async () => {
    using dead = await FakeStunServer.open(silent);
    using alive = await FakeStunServer.open({
      mapping: "independent",
      filtering: "all",
      addresses: ["127.0.0.3", "127.0.0.4"],
    });
    expect(await probe([dead.endpoint, alive.endpoint])).toMatchObject({ natType: "full_cone" });
    const before = dead.requests;
    expect(await probe([alive.endpoint, dead.endpoint])).toMatchObject({ natType: "full_cone" });
    expect(dead.requests).toBe(before);
  });

  it("ends at once when it is told to, with nothing known", async () => {
    using dead = await FakeStunServer.open(silent);
    const end = new AbortController();
    const probing = probe([dead.endpoint], end.signal);
    while (dead.requests === 0) await new Promise((resolve) => setImmediate(resolve));
    end.abort();
    expect(await probing).toMatchObject({ natType: "unknown", mapped: null });
  });
});

describe("a question", () => {
  it("is answered by nothing but its own answer", async () => {
    using server = await FakeStunServer.open({ mapping: "none", filtering: "all", deafFor: 1 });
    using socket = await StunSocket.open("127.0.0.1", fast);
    const stranger = createSocket("udp4");
    const { port } = socket.local;
    const asking = socket.ask({ server: server.endpoint });
    // Damaged ones, and one that is sound with another transaction id.
    const forged = Buffer.from("0101000c2112a442ffffffffffffffffffffffff002000080001a147e112a643", "hex");
    for (const bytes of [Buffer.alloc(0), Buffer.from("hello"), forged, forged.subarray(0, 24)])
      stranger.send(bytes, port, "127.0.0.1");
    const reply = await asking;
    expect(reply?.from).toEqual(server.endpoint);
    expect(reply?.mapped).toEqual(socket.local);
    stranger.close();
    await once(stranger, "close");
  });

  it("that nobody answers ends with null, and so does one whose socket is closed", async () => {
    using server = await FakeStunServer.open({ mapping: "none", filtering: "all", silent: true });
    const socket = await StunSocket.open("127.0.0.1", fast);
    const change = { ip: true, port: true };
    expect(await socket.ask({ server: server.endpoint, change })).toBeNull();
    expect(server.requests).toBe(3);
    const asking = socket.ask({ server: server.endpoint });
    socket.close();
    expect(await asking).toBeNull();
    expect(await socket.ask({ server: server.endpoint })).toBeNull();
  });

  it("leaves from the address that leads to its server", async () => {
    expect(await localAddressFor({ family: 4, address: "127.0.0.1", port: 9 })).toBe("127.0.0.1");
  });
});

it("has a name for each mapping and filtering", () => {
  const mappings: Mapping[] = ["none", "independent", "dependent", "unknown"];
  const filterings: Filtering[] = ["all", "address", "endpoint", "unknown"];
  expect(mappings.map((mapping) => filterings.map((filtering) => natTypeOf(mapping, filtering)))).toEqual([
    ["open", "symmetric_firewall", "symmetric_firewall", "unknown"],
    ["full_cone", "restricted_cone", "port_restricted_cone", "cone"],
    ["symmetric", "symmetric", "symmetric", "symmetric"],
    ["unknown", "unknown", "unknown", "unknown"],
  ]);
});

async function canBind(address: string): Promise<boolean> {
  const socket = createSocket("udp6");
  try {
    socket.bind(0, address);
    await once(socket, "listening");
    return true;
  } catch {
    return false;
  } finally {
    socket.close();
  }
}
