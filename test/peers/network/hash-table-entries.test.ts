import { MemoryDatastore } from "datastore-core";
import { Key } from "interface-datastore";
import { expect, it } from "vitest";
import { LIMITS } from "../../../src/errors/index.ts";
import { boundedEntries } from "../../../src/peers/network/hash-table-entries.ts";

const { providedPerPeer, tableEntries } = LIMITS.network;
const OWN = "own";

/** A table of entries, and how many of them a peer has. */
function table() {
  const inner = new MemoryDatastore();
  const entries = boundedEntries(inner, () => OWN);
  const provide = (what: number, peer: string) =>
    entries.put(new Key(`/dht/provider/c${what}/${peer}`), new Uint8Array(1));
  const keys = async (): Promise<string[]> => {
    const found: string[] = [];
    for await (const key of inner.queryKeys({})) found.push(key.toString());
    return found;
  };
  return { entries, provide, keys };
}

it("a peer that provides without end has so many entries here, and takes nothing from others", async () => {
  const { provide, keys } = table();
  await provide(0, "honest");
  for (let what = 0; what < 10 * providedPerPeer; what++) await provide(what, "greedy");
  const left = await keys();
  expect(left).toHaveLength(providedPerPeer + 1);
  expect(left).toContain("/dht/provider/c0/honest");
  expect(left).toContain(`/dht/provider/c${10 * providedPerPeer - 1}/greedy`);
});

it("many peers together have so many, and what this node provides itself stays", async () => {
  const { provide, keys } = table();
  await provide(0, OWN);
  const more = 100;
  for (let peer = 0; peer < tableEntries + more; peer++) await provide(0, `p${peer}`);
  const left = await keys();
  expect(left).toHaveLength(tableEntries);
  expect(left).toContain(`/dht/provider/c0/${OWN}`);
  expect(left).not.toContain(`/dht/provider/c0/p${more}`);
});

it("what is said again, or taken back, counts once, or no more", async () => {
  const { entries, provide, keys } = table();
  for (let round = 0; round < 3 * providedPerPeer; round++) await provide(1, "p");
  await entries.delete(new Key("/dht/provider/c1/p"));
  for (let what = 2; what < 2 + providedPerPeer; what++) await provide(what, "p");
  expect(await keys()).toHaveLength(providedPerPeer);
});
