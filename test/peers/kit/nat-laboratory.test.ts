import { execFileSync } from "node:child_process";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import {
  NatLaboratory,
  delayMissing,
  laboratoryMissing,
  skipNote,
  type LaboratoryHost,
} from "./nat-laboratory.ts";

const missing = laboratoryMissing();
const noDelay = delayMissing();
const program = join(import.meta.dirname, "knock.process.ts");

/** How long the host took to answer; null: it cannot be reached. */
const knock = async (
  laboratory: NatLaboratory,
  from: LaboratoryHost,
  to: LaboratoryHost,
): Promise<number | null> =>
  JSON.parse(await laboratory.run(from, process.execPath, [program, to.address])) as number | null;
const namespaces = (): string[] => execFileSync("ip", ["netns", "list"]).toString().split("\n").toSorted();

describe.skipIf(missing !== null)(`a laboratory${skipNote(missing)}`, () => {
  it("joins hosts in public and behind gateways, cuts them off and joins them again, and leaves nothing behind", async () => {
    const made: string[] = [];
    {
      await using laboratory = await NatLaboratory.open();
      const open = await laboratory.publicHost("open", 10);
      const inner = await laboratory.hostBehind("port_restricted_cone", "inner", 20);
      made.push(open.namespace, inner.namespace, laboratory.gatewayOf("inner").namespace);
      expect(namespaces().join("\n")).toContain(open.namespace);
      expect(inner.address).toBe("192.168.20.2");
      expect(await knock(laboratory, inner, open)).not.toBeNull();
      expect(await knock(laboratory, open, inner)).toBeNull();
      await laboratory.setJoined("inner", false);
      expect(await knock(laboratory, inner, open)).toBeNull();
      await laboratory.setJoined("inner", true);
      expect(await knock(laboratory, inner, open)).not.toBeNull();
      await laboratory.setLoss("open", 100);
      expect(await knock(laboratory, inner, open)).toBeNull();
      await laboratory.setLoss("open", 0);
      expect(await knock(laboratory, inner, open)).not.toBeNull();
      await laboratory.setFirewall("open");
      expect(await knock(laboratory, inner, open)).toBeNull();
      laboratory.start(open, "sleep", ["60"]);
    }
    const left = namespaces().join("\n");
    for (const namespace of made) expect(left).not.toContain(namespace);
  });

  it.skipIf(noDelay !== null)(`makes a link slow${skipNote(noDelay)}`, async () => {
    await using laboratory = await NatLaboratory.open();
    const a = await laboratory.publicHost("a", 10);
    const b = await laboratory.publicHost("b", 11);
    // The first packet waits for the address of its neighbour too.
    await knock(laboratory, a, b);
    await laboratory.setDelay("a", 40);
    const tookMs = await knock(laboratory, a, b);
    expect(tookMs).toBeGreaterThan(38);
    expect(tookMs).toBeLessThan(90);
  });
});
