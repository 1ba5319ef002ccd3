import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { probeNat, type NatFinding } from "../../../src/peers/nat/nat-probe.ts";
import type { NatType } from "../../../src/peers/peers.protocol.ts";
import { systemClock } from "../../../src/scope/index.ts";
import { Coturn, coturnArguments, coturnDirectory, coturnMissing } from "../kit/coturn.ts";
import {
  NatLaboratory,
  laboratoryMissing,
  skipNote,
  type GatewayKind,
  type LaboratoryHost,
} from "../kit/nat-laboratory.ts";

const noCoturn = coturnMissing();
const noLaboratory = noCoturn ?? laboratoryMissing();
const STARTED_MS = 10_000;

/** A server that has just been started needs a moment until it listens. */
async function untilAnswered(ask: () => Promise<NatFinding>): Promise<NatFinding> {
  const endMs = performance.now() + STARTED_MS;
  for (;;) {
    const found = await ask();
    if (found.mapped !== null || performance.now() > endMs) return found;
  }
}

it.skipIf(noCoturn !== null)(
  `tells open, without a NAT, of coturn on two addresses of loopback${skipNote(noCoturn)}`,
  async () => {
    using directory = coturnDirectory();
    const place = { addresses: ["127.0.0.1", "127.0.0.2"], port: 34_780, otherPort: 34_790 } as const;
    await using stack = new AsyncDisposableStack();
    stack.use(new Coturn(place, directory.path));
    const server = { family: 4, address: "127.0.0.1", port: place.port } as const;
    const signal = new AbortController().signal;
    const found = await untilAnswered(() => probeNat([server], { clock: systemClock, signal }));
    expect(found).toMatchObject({ natType: "open", mapping: "none", filtering: "all" });
    expect(found.mapped?.address).toBe("127.0.0.1");
  },
);

describe.skipIf(noLaboratory !== null)(
  `against coturn and the NAT of the kernel${skipNote(noLaboratory)}`,
  () => {
    let laboratory: NatLaboratory;
    let directory: ReturnType<typeof coturnDirectory>;
    const place = { addresses: ["203.0.113.10", "203.0.113.11"], port: 3_478, otherPort: 3_479 } as const;

    beforeAll(async () => {
      laboratory = await NatLaboratory.open();
      directory = coturnDirectory();
      const server = await laboratory.publicHost("srv", 10, 11);
      laboratory.start(server, "turnserver", coturnArguments(place, directory.path));
      const asker = await laboratory.publicHost("asker", 9);
      expect(await untilAnswered(() => probeOn(asker))).toMatchObject({ natType: "open" });
    });
    afterAll(async () => {
      await laboratory?.[Symbol.asyncDispose]();
      directory?.[Symbol.dispose]();
    });

    const program = join(import.meta.dirname, "probe.process.ts");
    const servers = place.addresses.map((address) => `${address}:${place.port}`);
    const probeOn = async (host: LaboratoryHost): Promise<NatFinding> =>
      JSON.parse(await laboratory.run(host, process.execPath, [program, ...servers])) as NatFinding;

    it.concurrent("tells open of a host in public", async () => {
      const found = await probeOn(await laboratory.publicHost("open", 40));
      expect(found).toMatchObject({ natType: "open", mapped: { address: "203.0.113.40" } });
    });

    it.concurrent("tells symmetric_firewall of a host in public that lets nothing in unasked", async () => {
      const host = await laboratory.publicHost("walled", 41);
      await laboratory.setFirewall("walled");
      expect(await probeOn(host)).toMatchObject({ natType: "symmetric_firewall" });
    });

    it.concurrent.each<[NatType, GatewayKind, number]>([
      ["full_cone", "full_cone", 50],
      ["restricted_cone", "restricted_cone", 51],
      ["port_restricted_cone", "port_restricted_cone", 52],
      ["symmetric", "symmetric", 53],
      ["blocked", "udp_blocked", 54],
    ])("tells %s of a host behind a gateway of that kind", async (natType, kind, number) => {
      const host = await laboratory.hostBehind(kind, `h${number}`, number);
      const found = await probeOn(host);
      expect(found).toMatchObject({ natType });
      if (kind !== "udp_blocked") expect(found.mapped?.address).toBe(`203.0.113.${number}`);
    });

    it.concurrent("tells another kind when the gateway has become another", async () => {
      const host = await laboratory.hostBehind("port_restricted_cone", "changing", 60);
      expect(await probeOn(host)).toMatchObject({ natType: "port_restricted_cone" });
      await laboratory.setGateway("changing", "symmetric");
      expect(await probeOn(host)).toMatchObject({ natType: "symmetric" });
    });

    it.concurrent("tells nothing of a host that is cut off, and again the same when it is joined", async () => {
      const host = await laboratory.publicHost("cut", 61);
      await laboratory.setJoined("cut", false);
      expect(await probeOn(host)).toMatchObject({ natType: "unknown", mapped: null });
      await laboratory.setJoined("cut", true);
      expect(await untilAnswered(() => probeOn(host))).toMatchObject({ natType: "open" });
    });
  },
);
