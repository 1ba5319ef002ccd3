import { describe, expect, it } from "vitest";
import { fault } from "../../../src/errors/index.ts";
import type { DiscoverySource, Finding } from "../../../src/peers/discovery/discovery-source.ts";
import { Discovery, SOURCE_MS } from "../../../src/peers/discovery/discovery.ts";
import type { RecordSource } from "../../../src/peers/peers.protocol.ts";
import { createLog } from "../../../src/telemetry/index.ts";
import { manualClock } from "../../kit/manual-clock.ts";
import { microtasksDrained } from "../../kit/microtasks.ts";

const life = new AbortController().signal;
const record: Finding = { kind: "record", sealed: Uint8Array.of(1) };
const never = (): Promise<never> => new Promise(() => undefined);

function source(name: RecordSource, overrides: Partial<DiscoverySource> = {}): DiscoverySource {
  return {
    name,
    announce: () => Promise.resolve(),
    withdraw: () => Promise.resolve(),
    async *find() {
      yield record;
    },
    sweep: () => Promise.resolve(0),
    ...overrides,
  };
}

const failing = source("github", {
  async *find() {
    yield record;
    throw fault("DISCOVERY_FAILED", { source: "GitHub", why: "it is not there" });
  },
  announce: () => Promise.reject(fault("DISCOVERY_FAILED", { source: "GitHub", why: "it is not there" })),
});
/** Heeds no signal, as somebody's code may not. */
const hanging = source("dht", {
  async *find() {
    yield record;
    await never();
  },
  announce: never,
  sweep: never,
});

function open(...sources: DiscoverySource[]) {
  const clock = manualClock();
  const counts = new Map<string, number>();
  const logged: string[] = [];
  const log = createLog({ component: "test", clock, sink: (line) => void logged.push(line) });
  const count = (name: string, by = 1): void => void counts.set(name, (counts.get(name) ?? 0) + by);
  return { clock, counts, logged, discovery: new Discovery(sources, { clock, log, count }) };
}

describe("a search", () => {
  it("has the findings of all sources, also of one that fails afterwards or never ends, and is over with its time", async () => {
    const { clock, discovery } = open(source("local_file"), failing, hanging);
    const found: [string, Finding][] = [];
    const searched = discovery.search({ capabilities: [], max: 10 }, 2_000, life, (finding, from) =>
      found.push([from, finding]),
    );
    await microtasksDrained();
    expect(found.map(([from]) => from).toSorted()).toEqual(["dht", "github", "local_file"]);
    await clock.advance(2_000);
    expect(await searched).toEqual([
      { source: "local_file", found: 1, failure: null, tookMs: 0 },
      {
        source: "github",
        found: 1,
        failure: "GitHub could not be asked or told: it is not there",
        tookMs: 0,
      },
      { source: "dht", found: 1, failure: "it did not end within 2000 ms", tookMs: 2_000 },
    ]);
    expect(clock.pending).toBe(0);
  });

  it("ends as soon as all sources have", async () => {
    const { discovery } = open(source("local_file"));
    expect(await discovery.search({ capabilities: [], max: 1 }, 60_000, life, () => undefined)).toHaveLength(
      1,
    );
  });

  it("that is taken back is no failure of a source", async () => {
    const { discovery, counts } = open(hanging);
    const caller = new AbortController();
    const searched = discovery.search({ capabilities: [], max: 1 }, 60_000, caller.signal, () => undefined);
    caller.abort();
    expect(await searched).toMatchObject([{ failure: "the search was ended" }]);
    expect(counts.size).toBe(0);
  });

  it("drops what a source finds after its end", async () => {
    let late: (() => void) | undefined;
    const slow = source("dht", {
      async *find() {
        await new Promise<void>((resolve) => (late = resolve));
        yield record;
      },
    });
    const { clock, discovery } = open(slow);
    let found = 0;
    const searched = discovery.search({ capabilities: [], max: 1 }, 100, life, () => (found += 1));
    await clock.advance(100);
    await searched;
    late?.();
    await microtasksDrained();
    expect(found).toBe(0);
  });
});

describe("an announcement", () => {
  it("reaches the others when one source fails and one never ends; a failure that lasts is logged once, and counted each time", async () => {
    let told = 0;
    const good = source("local_file", { announce: async () => void (told += 1) });
    const { clock, discovery, counts, logged } = open(failing, hanging, good);
    const own = { record: {} as never, sealed: new Uint8Array() };
    for (let times = 1; times <= 2; times++) {
      const announced = discovery.announce(own, life);
      await microtasksDrained();
      expect(told).toBe(times);
      await clock.advance(SOURCE_MS);
      await announced;
    }
    expect(Object.fromEntries(counts)).toEqual({ failed_github: 2, failed_dht: 2 });
    expect(logged).toHaveLength(2);
  });
});
