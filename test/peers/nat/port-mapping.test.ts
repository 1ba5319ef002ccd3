import { beforeEach, describe, expect, it } from "vitest";
import type { Gateway, PortLease } from "../../../src/peers/nat/port-lease.ts";
import { PortMapping, RELEASE_MS, RETRY_MS } from "../../../src/peers/nat/port-mapping.ts";
import { createLog } from "../../../src/telemetry/index.ts";
import { manualClock, type ManualClock } from "../../kit/manual-clock.ts";

let clock: ManualClock;
let asked: string[];

beforeEach(() => {
  clock = manualClock();
  asked = [];
});

class ScriptedGateway implements Gateway {
  readonly kind = "pcp";
  readonly internalAddress = "192.168.1.2";
  readonly name: string;
  outside = "8.8.4.4";
  lifetimeS = 100;
  /** Throws what the gateway says instead. */
  objects: () => void = () => {};
  releases: () => Promise<void> = async () => {};
  isClosed = false;

  constructor(name: string) {
    this.name = name;
  }

  async map(internalPort: number, wantedPort: number): Promise<PortLease> {
    asked.push(`${this.name} maps ${internalPort} as ${wantedPort}`);
    this.objects();
    const { internalAddress, lifetimeS, outside: externalAddress } = this;
    return { externalAddress, externalPort: wantedPort + 1, internalAddress, lifetimeS };
  }

  async release(internalPort: number, externalPort: number): Promise<void> {
    asked.push(`${this.name} releases ${internalPort} at ${externalPort}`);
    await this.releases();
  }

  close(): void {
    this.isClosed = true;
  }
}

function mappingOver(
  gateways: () => readonly ScriptedGateway[],
  port: () => number | null = () => 4_001,
): PortMapping {
  return new PortMapping({
    clock,
    log: createLog({ component: "test", clock, level: "error", sink: () => {} }),
    gateways: async function* () {
      yield* gateways();
    },
    portAt: async () => port(),
    accepts: (address) => !address.startsWith("10."),
  });
}

const refusing = (name: string): ScriptedGateway => {
  const gateway = new ScriptedGateway(name);
  gateway.objects = () => {
    throw new Error("the gateway does not allow it");
  };
  return gateway;
};

describe("a port of a gateway", () => {
  it("is that of the first gateway that gives one", async () => {
    const [no, yes, spare] = [refusing("no"), new ScriptedGateway("yes"), new ScriptedGateway("spare")];
    const mapping = mappingOver(() => [no, yes, spare]);
    await mapping.update();
    expect(mapping.lease).toMatchObject({ externalAddress: "8.8.4.4", externalPort: 4_002 });
    expect(asked).toEqual(["no maps 4001 as 4001", "yes maps 4001 as 4001"]);
    expect(no.isClosed).toBe(true);
    await mapping.close();
  });

  it("is null where no gateway gives one, and they are asked again after half an hour", async () => {
    const gateway = refusing("no");
    const mapping = mappingOver(() => [gateway]);
    await mapping.update();
    expect(mapping.lease).toBeNull();
    gateway.objects = () => {};
    await clock.advance(RETRY_MS);
    expect(mapping.lease).not.toBeNull();
    await mapping.close();
  });

  it("is not asked for when this node listens at no port there", async () => {
    const mapping = mappingOver(
      () => [new ScriptedGateway("a")],
      () => null,
    );
    await mapping.update();
    expect(asked).toEqual([]);
    await mapping.close();
  });

  it("is renewed when half of its time is over, under the outer port that it has", async () => {
    const mapping = mappingOver(() => [new ScriptedGateway("a")]);
    await mapping.update();
    await clock.advance(49_999);
    expect(asked).toHaveLength(1);
    await clock.advance(1);
    expect(asked).toEqual(["a maps 4001 as 4001", "a maps 4001 as 4002"]);
    await clock.advance(50_000);
    expect(asked).toHaveLength(3);
    await mapping.close();
  });

  it("is renewed every five seconds at most, however short its time is", async () => {
    const gateway = new ScriptedGateway("a");
    gateway.lifetimeS = 0;
    const mapping = mappingOver(() => [gateway]);
    await mapping.update();
    await clock.advance(20_000);
    expect(asked).toHaveLength(5);
    await mapping.close();
  });

  it("without an end is not renewed", async () => {
    const gateway = new ScriptedGateway("a");
    gateway.lifetimeS = Infinity;
    const mapping = mappingOver(() => [gateway]);
    await mapping.update();
    expect(clock.pending).toBe(0);
    await mapping.close();
  });

  it("that is lost is asked for anew, of every gateway", async () => {
    const [first, second] = [new ScriptedGateway("first"), new ScriptedGateway("second")];
    const mapping = mappingOver(() => [first, second]);
    await mapping.update();
    first.objects = () => {
      throw new Error("the gateway does not answer");
    };
    await clock.advance(50_000);
    expect(asked.slice(1)).toEqual([
      "first maps 4001 as 4002",
      "first releases 4001 at 4002",
      "first maps 4001 as 4001",
      "second maps 4001 as 4001",
    ]);
    expect(mapping.lease).not.toBeNull();
    await mapping.close();
  });

  it("is given back and asked for anew when this node's own port has changed", async () => {
    let port = 4_001;
    const mapping = mappingOver(
      () => [new ScriptedGateway("a")],
      () => port,
    );
    await mapping.update();
    port = 5_001;
    await mapping.update();
    expect(asked.slice(1)).toEqual(["a releases 4001 at 4002", "a maps 5001 as 5001"]);
    await mapping.close();
  });

  it("of a gateway that lies behind another is given back, and is none", async () => {
    const gateway = new ScriptedGateway("inner");
    gateway.outside = "10.0.0.7";
    const mapping = mappingOver(() => [gateway]);
    await mapping.update();
    expect(mapping.lease).toBeNull();
    expect(asked).toEqual(["inner maps 4001 as 4001", "inner releases 4001 at 4002"]);
    await mapping.close();
  });

  it("is given back at the end, and nothing is asked for after it", async () => {
    const gateway = new ScriptedGateway("a");
    const mapping = mappingOver(() => [gateway]);
    await mapping.update();
    await mapping.close();
    expect(asked.at(-1)).toBe("a releases 4001 at 4002");
    expect(gateway.isClosed).toBe(true);
    await mapping.update();
    await clock.advance(RETRY_MS);
    expect(asked).toHaveLength(2);
    expect(clock.pending).toBe(0);
  });

  it("holds up the end for a second at most", async () => {
    const gateway = new ScriptedGateway("a");
    gateway.releases = () => new Promise(() => {});
    const mapping = mappingOver(() => [gateway]);
    await mapping.update();
    let isClosed = false;
    const closing = mapping.close().then(() => (isClosed = true));
    await clock.advance(RELEASE_MS - 1);
    expect(isClosed).toBe(false);
    await clock.advance(1);
    await closing;
  });

  it("that a gateway gives while the end comes is given back too", async () => {
    const gateway = new ScriptedGateway("a");
    const mapping = mappingOver(() => [gateway]);
    const asking = mapping.update();
    await mapping.close();
    await asking;
    const maps = asked.filter((each) => each.includes("maps")).length;
    expect(asked.filter((each) => each.includes("releases"))).toHaveLength(maps);
  });
});
