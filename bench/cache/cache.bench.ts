import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { openSystem, packValue, type System } from "mcplusplus";
import { Generation, NearCache } from "../../src/cache/near.protocol.ts";
import { CacheFile } from "../../src/cache/cache-file.ts";
import type { CacheEntry } from "../../src/cache/cache.core.ts";
import { systemClock, systemScheduler } from "../../src/scope/index.ts";
import { createLog, createMetricsBlock } from "../../src/telemetry/index.ts";
import type { Flags } from "../kit/flags.ts";
import { median, result, type Measured, type Ratio, type RivalReport } from "../kit/suite.ts";
import { inLanes, inTurns, type Figures, type Samples } from "../kit/turns.ts";
import { loadLruCache, type LruMap } from "../rivals/lru-cache.ts";
import { doorReads } from "./door-reads.ts";
import { perSecond } from "./per-second.ts";
import { Reader } from "./reader.protocol.ts";

/**
 * Hits of the cache, by where they are found: in a thread's own copies, beside lru-cache in the same run; in the file;
 * by the actor. All is read in an order that is no pattern, from as many keys as stay hot.
 */

const KEYS = 1_000;
const READS = 500_000;
const FILE_READS = 50_000;
const CALLS = 20_000;
const TTL_MS = 3_600_000;

const value = packValue({ rows: 17, of: "a result of some fields", took: 0.25, ok: true });
const keys = Array.from({ length: KEYS }, (_, index) => `["step","${index.toString(16).padStart(8, "0")}"]`);
/** 617 has no factor in common with the number of keys, so all come up. */
const order = keys.map((_, index) => keys[(index * 617) % KEYS] ?? "");

type Measurement = () => Promise<Figures>;

export default async function measure({ rounds }: Flags): Promise<Measured> {
  const directory = await mkdtemp(join(tmpdir(), "mcplusplus-bench-"));
  try {
    await using system = await openSystem({ data: null, threads: 1 });
    const { rival, report } = await openRival();
    const file = await openFile(directory);
    const measurements = [...inMemory(rival), inFile(file), ...(await throughDoors(system))];
    const samples = await inTurns(rounds, measurements);
    await file.cache.close();
    return {
      durability: "committed",
      rivals: [report],
      results: Object.entries(samples).map(([name, values]) => result(name, "per second", values)),
      ratios: ratiosOf(samples),
      samples,
    };
  } finally {
    await rm(directory, { recursive: true, force: true });
  }
}

// --- memory -----------------------------------------------------------------------------------------------------------

/**
 * In three ways: `plain`, where nothing ever expires; `timed`, where the clock stands still for a millisecond, and for as
 * long as a loop lasts; and `exact`, which looks at the clock at each read. Ours does that: it is the one to compare with.
 */
interface OpenRival {
  readonly plain: LruMap;
  readonly timed: LruMap;
  readonly exact: LruMap;
}

async function openRival(): Promise<{ rival: OpenRival | null; report: RivalReport }> {
  try {
    const { is, open } = await loadLruCache();
    const rival = {
      plain: open({ max: 10_000 }),
      timed: open({ max: 10_000, ttl: TTL_MS }),
      exact: open({ max: 10_000, ttl: TTL_MS, ttlResolution: 0 }),
    };
    for (const map of Object.values(rival)) for (const key of keys) map.set(key, value);
    return { rival, report: { name: "lru-cache", is } };
  } catch (error) {
    return { rival: null, report: { name: "lru-cache", absent: String(error) } };
  }
}

function inMemory(rival: OpenRival | null): Measurement[] {
  const near = new NearCache(new Generation(Generation.create()));
  const nowMs = Date.now();
  const kept = { value, storedAtMs: nowMs, expiresAtMs: nowMs + TTL_MS };
  const ours: Measurement = async () => {
    // Anew for each round: copies are trusted for ten seconds.
    for (const key of keys) near.keep(key, kept, near.mark(key), Date.now());
    return { memory_hit: await hits((key) => near.find(key, Date.now())) };
  };
  if (rival === null) return [ours];
  return [
    ours,
    async () => ({ memory_hit_lru_cache: await hits((key) => rival.plain.get(key)) }),
    async () => ({ memory_hit_lru_cache_timed: await hits((key) => rival.timed.get(key)) }),
    async () => ({ memory_hit_lru_cache_exact: await hits((key) => rival.exact.get(key)) }),
  ];
}

function hits(get: (key: string) => unknown): Promise<number> {
  return perSecond(READS, () => {
    for (let read = 0; read < READS; read++) {
      if (get(order[read % KEYS] ?? "") === undefined) throw new Error("a hot key was not found");
    }
  });
}

// --- the file ---------------------------------------------------------------------------------------------------------

interface OpenFile {
  readonly cache: CacheFile;
  readonly entries: readonly CacheEntry[];
}

async function openFile(directory: string): Promise<OpenFile> {
  const cache = new CacheFile(directory, {
    clock: systemClock,
    scheduler: systemScheduler,
    metrics: createMetricsBlock(),
    log: createLog({ component: "bench", clock: systemClock }),
  });
  const nowMs = Date.now();
  const times = { storedAtMs: nowMs, expiresAtMs: nowMs + TTL_MS, leavesAtMs: nowMs + TTL_MS };
  const entries = order.map((key, index): CacheEntry => {
    return { id: index + 1, key, sizeBytes: value.byteLength, ...times, tags: [], negative: false };
  });
  const written = entries.map((added) => cache.write({ added, dropped: [] }, value, () => undefined));
  await Promise.all(written);
  return { cache, entries };
}

/** What the actor does when a value has left its memory: the row is read, and its checksum compared. */
function inFile({ cache, entries }: OpenFile): Measurement {
  return async () => {
    const rate = await perSecond(FILE_READS, () => {
      for (let read = 0; read < FILE_READS; read++) {
        const entry = entries[(read * 617) % entries.length];
        if (entry === undefined || cache.valueOf(entry) === undefined) throw new Error("a row was not found");
      }
    });
    return { disk_hit: rate };
  };
}

// --- doors ------------------------------------------------------------------------------------------------------------

async function throughDoors(system: System): Promise<Measurement[]> {
  const module = new URL("./reader.actor.ts", import.meta.url).href;
  const spawned = ["reader-1", "reader-2"].map((name) =>
    system.spawn(Reader, { name, module, calls: ["cache"] }),
  );
  const [reader, other] = await Promise.all(spawned);
  if (reader === undefined || other === undefined) throw new Error("two readers were spawned");
  await Promise.all(
    keys.map((key) =>
      system.cache.put(key, { rows: 17, of: "a result of some fields", ok: true }, { ttlMs: TTL_MS }),
    ),
  );
  const read = { keys: order, times: READS };
  const options = { timeoutMs: Infinity };
  const { call } = system.actors.cache;
  return [
    async () => ({ door_hit: await doorReads(system.cache, order, READS) }),
    async () => ({ cross_thread_hit: (await reader.call.read(read, options)).perSecond }),
    async () => {
      const both = await Promise.all([reader, other].map((each) => each.call.read(read, options)));
      return { cross_thread_hit_of_two: Math.min(...both.map(({ perSecond: rate }) => rate)) };
    },
    async () => ({
      actor_hit: await perSecond(CALLS, () =>
        inLanes(CALLS, 64, (index) => call.get({ key: order[index % KEYS] ?? "" })),
      ),
    }),
  ];
}

// --- goals ------------------------------------------------------------------------------------------------------------

function ratiosOf(samples: Samples): Ratio[] {
  const rate = (name: string): number => median(samples[name] ?? []);
  return [
    { name: "memory_hit_per_second", value: rate("memory_hit"), atLeast: 1_000_000 },
    {
      name: "lru_cache_exact_vs_memory_hit",
      value: rate("memory_hit_lru_cache_exact") / rate("memory_hit"),
      atMost: 1.5,
    },
    { name: "lru_cache_plain_vs_memory_hit", value: rate("memory_hit_lru_cache") / rate("memory_hit") },
    { name: "disk_hit_per_second", value: rate("disk_hit"), atLeast: 200_000 },
    { name: "cross_thread_hit_per_second", value: rate("cross_thread_hit"), atLeast: 300_000 },
  ];
}
