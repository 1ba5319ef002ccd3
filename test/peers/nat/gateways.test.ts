import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import { gatewayOf } from "../../../src/peers/nat/default-gateway.ts";
import { decodeGatewayAnswer, type GatewayQuestion } from "../../../src/peers/nat/gateway-message.ts";
import { PmpGateway } from "../../../src/peers/nat/pmp-gateway.ts";
import { LEASE_S, type Gateway } from "../../../src/peers/nat/port-lease.ts";
import { findUpnpGateway } from "../../../src/peers/nat/upnp-gateway.ts";
import { decodeSearchAnswer, elementOf } from "../../../src/peers/nat/upnp-message.ts";
import { systemClock } from "../../../src/scope/index.ts";
import { failOnLeaks } from "../../kit/leak-check.ts";
import { seededRandom } from "../../kit/seeded-random.ts";
import { hangs, serve } from "./answering-service.ts";
import { StandInGateway } from "./stand-in-gateway.ts";
import { StandInUpnp, type StandInUpnpOptions } from "./stand-in-upnp.ts";

const fast = {
  ...systemClock,
  at: (atMs: number, run: () => void) =>
    systemClock.at(systemClock.now() + (atMs - systemClock.now()) / 10, run),
};
const never = new AbortController().signal;

async function withGateway(stand: StandInGateway, use: (gateway: Gateway) => Promise<void>): Promise<void> {
  const gateway = await PmpGateway.at("127.0.0.1", stand.port, fast);
  try {
    await use(gateway);
  } finally {
    gateway.close();
  }
}

describe("a gateway that speaks PCP", () => {
  failOnLeaks();

  it("gives a port with its outer address, renews it under the same nonce, and takes it back", async () => {
    await using stand = await StandInGateway.open({ speaks: "pcp", gives: 40_001, lifetimeS: 600 });
    await withGateway(stand, async (gateway) => {
      expect(await gateway.map(4_001, 4_001)).toEqual({
        externalAddress: "8.8.4.4",
        externalPort: 40_001,
        internalAddress: "127.0.0.1",
        lifetimeS: 600,
      });
      expect(gateway.kind).toBe("pcp");
      await gateway.map(4_001, 40_001);
      expect([...stand.given]).toEqual([[40_001, 4_001]]);
      expect(stand.nonces.size).toBe(1);
      await gateway.release(4_001, 40_001);
      expect(stand.given.size).toBe(0);
    });
  });

  it("is asked again when packets are lost", async () => {
    await using stand = await StandInGateway.open({ speaks: "pcp", deafFor: 2 });
    await withGateway(stand, async (gateway) => {
      expect(await gateway.map(4_001, 4_001)).toMatchObject({ externalPort: 4_001, lifetimeS: LEASE_S });
      expect(stand.requests).toBe(3);
    });
  });

  it("that refuses is told with its reason", async () => {
    await using stand = await StandInGateway.open({ speaks: "pcp", result: 2 });
    await withGateway(stand, async (gateway) => {
      await expect(gateway.map(4_001, 4_001)).rejects.toThrow("the gateway does not allow it");
    });
  });
});

describe("a gateway that speaks NAT-PMP", () => {
  failOnLeaks();

  it.each(["says", "silent"] as const)(
    "is found out when it %s so, and gives and takes back a port",
    async (onPcp) => {
      await using stand = await StandInGateway.open({ speaks: "nat_pmp", onPcp, gives: 40_002 });
      await withGateway(stand, async (gateway) => {
        expect(await gateway.map(4_001, 4_001)).toEqual({
          externalAddress: "8.8.4.4",
          externalPort: 40_002,
          internalAddress: "127.0.0.1",
          lifetimeS: LEASE_S,
        });
        expect(gateway.kind).toBe("nat_pmp");
        await gateway.release(4_001, 40_002);
        expect(stand.given.size).toBe(0);
      });
    },
  );

  it("is not misunderstood when an answer to an earlier question comes late", () => {
    const unknownVersion = Buffer.from([0, 129, 0, 1, 0, 0, 0, 0]);
    expect(decodeGatewayAnswer(unknownVersion, { kind: "pcp_map", nonce: new Uint8Array(12) })).toEqual({
      kind: "other_version",
    });
    expect(decodeGatewayAnswer(unknownVersion, { kind: "pmp_map" })).toBeNull();
    const address = Buffer.from([0, 128, 0, 0, 0, 0, 0, 0, 8, 8, 4, 4]);
    expect(decodeGatewayAnswer(address, { kind: "pmp_map" })).toBeNull();
    expect(decodeGatewayAnswer(address, { kind: "pmp_address" })).toEqual({
      kind: "address",
      address: "8.8.4.4",
    });
  });

  it("that has no port left is told with its reason", async () => {
    await using stand = await StandInGateway.open({ speaks: "nat_pmp", result: 4 });
    await withGateway(stand, async (gateway) => {
      await expect(gateway.map(4_001, 4_001)).rejects.toThrow("the gateway has no port left");
    });
  });
});

it("a gateway at which nobody listens, or that never answers, ends the question with a reason", async () => {
  await using silent = await StandInGateway.open({ speaks: "pcp", deafFor: Infinity });
  await withGateway(silent, async (gateway) => {
    await expect(gateway.map(1, 1)).rejects.toThrow("the gateway does not answer");
  });
  let port: number;
  {
    await using gone = await StandInGateway.open({ speaks: "pcp" });
    port = gone.port;
  }
  const gateway = await PmpGateway.at("127.0.0.1", port, fast);
  await expect(gateway.map(1, 1)).rejects.toThrow(/ECONNREFUSED|does not answer/);
  const asking = gateway.map(1, 1);
  gateway.close();
  await expect(asking).rejects.toThrow("it was not waited for");
});

describe("a gateway that speaks UPnP", () => {
  const find = (stand: StandInUpnp, clock = fast): Promise<Gateway | null> =>
    findUpnpGateway("127.0.0.1", { clock, signal: never, fetch, random: seededRandom(1) }, stand.place);
  const found = async (stand: StandInUpnp): Promise<Gateway> => {
    const gateway = await find(stand, systemClock);
    if (gateway === null) throw new Error("no gateway was found");
    return gateway;
  };

  it.each([
    "urn:schemas-upnp-org:service:WANIPConnection:1",
    "urn:schemas-upnp-org:service:WANIPConnection:2",
    "urn:schemas-upnp-org:service:WANPPPConnection:1",
  ])("by %s gives a port, and takes it back", async (service) => {
    await using stand = await StandInUpnp.open({ service });
    const gateway = await found(stand);
    expect(await gateway.map(4_001, 4_001)).toEqual({
      externalAddress: "8.8.4.4",
      externalPort: 4_001,
      internalAddress: "127.0.0.1",
      lifetimeS: LEASE_S,
    });
    expect([...stand.given]).toEqual([[4_001, { client: "127.0.0.1", inner: "4001", leaseS: "7200" }]]);
    await gateway.release(4_001, 4_001);
    expect(stand.given.size).toBe(0);
  });

  it("gives another port when the wanted one is taken, and takes that one back", async () => {
    await using stand = await StandInUpnp.open({ taken: [4_001] });
    const gateway = await found(stand);
    const { externalPort } = await gateway.map(4_001, 4_001);
    expect(externalPort).toBeGreaterThanOrEqual(49_152);
    await gateway.release(4_001, externalPort);
    expect(stand.given.size).toBe(0);
  });

  it("that gives ports for good only is asked for one for good", async () => {
    await using stand = await StandInUpnp.open({ permanentOnly: true });
    expect(await (await found(stand)).map(4_001, 4_001)).toMatchObject({ lifetimeS: Infinity });
    expect(stand.given.get(4_001)).toMatchObject({ leaseS: "0" });
  });

  it("that refuses is told with its reason", async () => {
    await using stand = await StandInUpnp.open({ refuses: "606" });
    await expect((await found(stand)).map(4_001, 4_001)).rejects.toThrow(
      "the gateway refused: Action not authorized (606)",
    );
  });

  it.each<[string, StandInUpnpOptions]>([
    ["a description at another host", { location: () => "http://127.0.0.2:1/device.xml" }],
    ["a description that is a file", { location: () => "file:///etc/hosts" }],
    ["a control URL at another host", { control: "http://127.0.0.2/control" }],
    ["no service that gives ports", { service: "urn:schemas-upnp-org:service:Layer3Forwarding:1" }],
    ["a description beyond 64 KiB", { description: "x".repeat(65_537) }],
    ["nothing in its description", { description: "" }],
  ])("with %s is none", async (_what, options) => {
    await using stand = await StandInUpnp.open(options);
    expect(await find(stand)).toBeNull();
    expect(stand.actions).toEqual([]);
  });

  it("that hangs costs three seconds, and no more", async () => {
    await using silent = await serve(hangs);
    await using stand = await StandInUpnp.open({ location: () => silent.url });
    expect(await find(stand)).toBeNull();
    expect(silent.asked()).toBe(1);
  });

  it("is none when nobody answers the search", async () => {
    const search = { address: "127.0.0.1", port: 9 };
    const services = { clock: fast, signal: never, fetch, random: seededRandom(1) };
    expect(await findUpnpGateway("127.0.0.1", services, search)).toBeNull();
  });

  it("is read by the names of elements, whatever their prefix is", () => {
    expect(elementOf("<u:a x='1'> 1 &lt; 2 </u:a>", "a")).toBe("1 < 2");
    expect(elementOf("<ab>1</ab>", "a")).toBeUndefined();
    expect(elementOf("<a><b>1</b></a>", "b")).toBe("1");
    const answer =
      "HTTP/1.1 200 OK\r\nst: urn:schemas-upnp-org:device:InternetGatewayDevice:2\r\nLOCATION:http://10.0.0.1:5000/x\r\n\r\n";
    expect(decodeSearchAnswer(answer, "10.0.0.1")?.href).toBe("http://10.0.0.1:5000/x");
    expect(decodeSearchAnswer(answer, "10.0.0.2")).toBeNull();
    expect(decodeSearchAnswer("NOTIFY * HTTP/1.1\r\n", "10.0.0.1")).toBeNull();
  });
});

it("the gateway of the default route is read from the kernel's table, that with the lowest metric", () => {
  const head = "Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\tWindow\tIRTT\n";
  const route = (gateway: string, flags: string, metric: number, destination = "00000000"): string =>
    `eth0\t${destination}\t${gateway}\t${flags}\t0\t0\t${metric}\t${destination}\t0\t0\t0\n`;
  const word = (address: string): string => {
    const bytes = Buffer.from(address.split(".").map(Number));
    return (
      new Uint32Array(Uint8Array.from(bytes).buffer)[0]?.toString(16).toUpperCase().padStart(8, "0") ?? ""
    );
  };
  expect(
    gatewayOf(head + route(word("10.0.0.1"), "0003", 100) + route(word("192.168.1.254"), "0003", 50)),
  ).toBe("192.168.1.254");
  expect(gatewayOf(head + route(word("0.0.0.0"), "0001", 0))).toBeNull();
  expect(gatewayOf(head + route(word("10.0.0.1"), "0003", 0, word("10.0.0.0")))).toBeNull();
  expect(gatewayOf("")).toBeNull();
  expect(gatewayOf("\n\n x y z\n")).toBeNull();
});

it("no bytes make the decoder of gateways' answers throw", () => {
  const question = fc.constantFrom<GatewayQuestion>(
    { kind: "pcp_map", nonce: new Uint8Array(12) },
    { kind: "pmp_map" },
    { kind: "pmp_address" },
  );
  const begun = fc
    .tuple(fc.constantFrom(0, 2), fc.constantFrom(0x80, 0x81, 0x82), fc.uint8Array({ maxLength: 80 }))
    .map(([version, operation, rest]) => Uint8Array.of(version, operation, 0, 0, ...rest));
  fc.assert(
    fc.property(fc.oneof(fc.uint8Array({ maxLength: 100 }), begun), question, (bytes, asked) => {
      const answer = decodeGatewayAnswer(bytes, asked);
      if (answer?.kind === "mapped") expect(answer.externalPort).toBeLessThanOrEqual(65_535);
    }),
    { numRuns: 2_000 },
  );
});
