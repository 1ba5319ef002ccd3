import { expect, it } from "vitest";
import { LIMITS } from "../../../src/errors/index.ts";
import { boundedEntries } from "../../../src/peers/network/hash-table-entries.ts";

const { providedPerPeer, tableEntries } = LIMITS.network;
const OWN = "own";

type Inner = Parameters<typeof boundedEntries>[0];
type Key = Parameters<Inner["put"]>[0];

const keyOf = (what: number, peer: string): Key =>
  ({ toString: () => `/dht/provider/c${what}/${peer}`, name: () => peer }) as Key;

/** What is kept of the entries that peers put here. */
function table() {
  const kept = new Map<string, Uint8Array>();
  const inner = {
    put: (key: Key, value: Uint8Array) => void kept.set(key.toString(), value),
    delete: (key: Key) => void kept.delete(key.toString()),
  } as unknown as Inner;
  const entries = boundedEntries(inner, () => OWN);
  const provide = (what: number, peer: string) => entries.put(keyOf(what, peer), new Uint8Array(1));
  return { entries, provide, keys: () => [...kept.keys()] };
}

it("a peer that provides without end has so many entries here, and takes nothing from others", async () => {
  const { provide, keys } = table();
  await provide(0, "honest");
  for (let what = 0; what < 10 * providedPerPeer; what++) await provide(what, "greedy");
  const left = keys();
  expect(left).toHaveLength(providedPerPeer + 1);
  expect(left).toContain("/dht/provider/c0/honest");
  expect(left).toContain(`/dht/provider/c${10 * providedPerPeer - 1}/greedy`);
});

it("many peers together have so many, and what this node provides itself stays", async () => {
  const { provide, keys } = table();
  await provide(0, OWN);
  const more = 100;
  for (let peer = 0; peer < tableEntries + more; peer++) await provide(0, `p${peer}`);
  const left = keys();
  expect(left).toHaveLength(tableEntries);
  expect(left).toContain(`/dht/provider/c0/${OWN}`);
  expect(left).not.toContain(`/dht/provider/c0/p${more}`);
});

it("what is said again, or taken back, counts once, or no more", async () => {
  const { entries, provide, keys } = table();
  for (let round = 0; round < 3 * providedPerPeer; round++) await provide(1, "p");
  await entries.delete(keyOf(1, "p"));
  for (let what = 2; what < 2 + providedPerPeer; what++) await provide(what, "p");
  expect(keys()).toHaveLength(providedPerPeer);
});
