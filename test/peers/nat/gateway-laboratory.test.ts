import { once } from "node:events";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { NatLaboratory, laboratoryMissing, skipNote } from "../kit/nat-laboratory.ts";

const missing = laboratoryMissing();
const programAt = (name: string): string => join(import.meta.dirname, name);

describe.skipIf(missing !== null)(`in a network of its own${skipNote(missing)}`, () => {
  it.each(["pcp", "nat_pmp"])(
    "a host asks the gateway of its default route for a port by %s",
    async (speaks) => {
      await using laboratory = await NatLaboratory.open();
      const host = await laboratory.hostBehind("port_restricted_cone", "host", 20);
      const gateway = laboratory.gatewayOf("host");
      const standIn = laboratory.start(gateway, process.execPath, [
        programAt("gateway.process.ts"),
        speaks,
        gateway.address,
      ]);
      if (standIn.stdout) await once(standIn.stdout, "data");
      const told = await laboratory.run(host, process.execPath, [programAt("mapping.process.ts")]);
      expect(JSON.parse(told)).toEqual({
        gateway: "192.168.20.1",
        kind: speaks,
        externalAddress: "8.8.4.4",
        externalPort: 4_001,
        internalAddress: "192.168.20.2",
        lifetimeS: 7_200,
      });
    },
  );

  it("a host whose default route has no gateway asks nobody", async () => {
    await using laboratory = await NatLaboratory.open();
    const host = await laboratory.publicHost("host", 20);
    expect(await laboratory.run(host, process.execPath, [programAt("mapping.process.ts")])).toBe("null");
  });
});
