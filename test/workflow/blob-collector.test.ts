import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import { touchValues } from "../../src/compute/values.ts";
import { LIMITS, isFault } from "../../src/errors/index.ts";
import { CollectorWorld, OWNERS, type OwnerName } from "./kit/collector-world.ts";

const { collectMs, collectedAgeMs } = LIMITS.store;
const HOUR_MS = 3_600_000;

/** One thing that someone does. */
type Deed =
  | { do: "put"; text: string; names: number[]; owner: OwnerName }
  | { do: "name" | "copy" | "drop"; which: number; owner: OwnerName }
  | { do: "commit" | "begin" | "restart" }
  | { do: "keep" | "end"; text: string }
  | { do: "advance" | "jump"; ms: number };

const owner = fc.constantFrom(...OWNERS);
// Few texts, so that equal content is put again.
const text = fc.integer({ min: 0, max: 9 }).map((n) => `value ${n}`);
const which = fc.nat();

function deed(jumps: 1 | -1): fc.Arbitrary<Deed> {
  return fc.oneof(
    fc.record({ do: fc.constant("put" as const), text, names: fc.array(which, { maxLength: 2 }), owner }),
    fc.record({ do: fc.constantFrom("name" as const, "copy" as const, "drop" as const), which, owner }),
    fc.record({ do: fc.constantFrom("drop" as const), which, owner }),
    fc.record({ do: fc.constantFrom("commit" as const, "begin" as const, "restart" as const) }),
    fc.record({ do: fc.constantFrom("keep" as const, "end" as const), text }),
    fc.record({ do: fc.constant("advance" as const), ms: fc.constantFrom(1, 60_000, 400_000, HOUR_MS) }),
    fc.record({
      do: fc.constant("jump" as const),
      ms: fc.constantFrom(1, 60_000, HOUR_MS, 100 * HOUR_MS).map((ms) => ms * jumps),
    }),
  );
}

const history = fc.constantFrom(1 as const, -1 as const).chain((jumps) =>
  fc.array(
    fc.oneof(
      { weight: 6, arbitrary: deed(jumps) },
      {
        weight: 2,
        arbitrary: fc.record({
          do: fc.constant("collect" as const),
          silent: fc.oneof({ weight: 8, arbitrary: fc.constant(null) }, { weight: 1, arbitrary: owner }),
          meanwhile: fc.array(deed(jumps), { maxLength: 12 }),
        }),
      },
      { weight: 1, arbitrary: fc.constant({ do: "hold" as const }) },
    ),
    { minLength: 1, maxLength: 40 },
  ),
);

const pick = <T>(items: readonly T[], which: number): T | undefined => items[which % items.length];

async function perform(world: CollectorWorld, step: Deed): Promise<void> {
  const known = [...world.known.keys()];
  switch (step.do) {
    case "put": {
      const names = step.names.flatMap((n) => pick(known, n) ?? []);
      // Whoever refers to what has left is refused, and writes no row.
      if (names.some((each) => !world.blobs.values.has(each))) return;
      return world.name(step.owner, await world.put(`${step.text} ${names.join()}`, names));
    }
    case "name": {
      const address = pick(known, step.which);
      if (address === undefined || !world.blobs.values.has(address)) return;
      await touchValues([address], world.blobs);
      return world.name(step.owner, address);
    }
    case "copy": {
      const address = pick([...world.rows[step.owner].values()], step.which);
      if (address === undefined) return;
      // As a retry does it: the copy is there before the original can go.
      world.pending.unshift({ owner: step.owner, address, sinceMs: world.clock.now() });
      return world.commit();
    }
    case "drop": {
      const key = pick([...world.rows[step.owner].keys()], step.which);
      if (key !== undefined) world.rows[step.owner].delete(key);
      return;
    }
    case "commit":
      return world.commit();
    case "begin":
      return world.begin();
    case "keep": {
      const attempt = world.attempts.at(-1);
      if (attempt) attempt.kept.push(await world.put(step.text));
      return;
    }
    case "end":
      return world.end(step.text);
    case "advance":
      return world.advance(step.ms);
    case "jump":
      world.clock.wallOffsetMs += step.ms;
      return;
    case "restart":
      return world.restart();
  }
}

/** How many values went. */
async function collect(world: CollectorWorld, silent: OwnerName | null, meanwhile: Deed[]): Promise<number> {
  let removed = 0;
  const before = new Set(world.blobs.values.keys());
  world.silent = silent;
  world.script = meanwhile.map((each) => () => perform(world, each));
  try {
    removed = (await world.collector.collect()).removed;
  } catch (error) {
    if (!isFault(error)) throw error;
    // An owner that is silent has kept all of them.
    if (error.code === "ACTOR_RESTARTING")
      expect([...before].filter((each) => !world.blobs.values.has(each))).toEqual([]);
  }
  world.silent = null;
  // What there was no moment for happens now.
  for (const rest of world.script.splice(0)) await rest();
  return removed;
}

describe("a large value", () => {
  it("is kept as long as anyone names it or is about to, whatever happens in whatever order, and then goes", async () => {
    let removed = 0;
    await fc.assert(
      fc.asyncProperty(history, async (steps) => {
        const world = new CollectorWorld();
        for (const step of steps) {
          if (step.do === "collect") removed += await collect(world, step.silent, step.meanwhile);
          else if (step.do === "hold") await world.collector.hold(1_000);
          else await perform(world, step);
          expect(world.missing).toEqual([]);
        }
        while (world.attempts.length > 0) await world.end("the last");
        while (world.pending.length > 0) world.commit();
        // Also what was put while the clock was ahead becomes old; and a clock that was set is believed in the end.
        for (const name of OWNERS) {
          for (let round = 0; round < 3; round++) {
            await world.clock.advance(10_000 * HOUR_MS);
            removed += (await world.collector.collect()).removed;
          }
          expect([...world.blobs.values.keys()].toSorted()).toEqual([...world.needed()].toSorted());
          world.rows[name].clear();
        }
      }),
      { numRuns: 1_000 },
    );
    expect(removed).toBeGreaterThan(1_000);
  });
});

/** A value of an age at which nothing but its being named protects it. */
async function oldValue(world: CollectorWorld, text: string, names: readonly string[] = []): Promise<string> {
  const address = await world.put(text, names);
  await world.clock.advance(collectedAgeMs + 1);
  return address;
}

describe("a collection", () => {
  it.each(OWNERS)("keeps what a row of the %s names, and takes it when the row is gone", async (name) => {
    const world = new CollectorWorld();
    const address = await oldValue(world, "a");
    world.name(name, address);
    world.commit();
    expect(await world.collector.collect()).toMatchObject({ removed: 0 });
    world.rows[name].clear();
    expect(await world.collector.collect()).toMatchObject({ removed: 1 });
    expect(world.blobs.values.has(address)).toBe(false);
  });

  it("keeps what is named within a value that is named, however deep, and looks into each value once", async () => {
    const world = new CollectorWorld();
    const leaf = await oldValue(world, "leaf");
    const branch = await oldValue(world, "branch", [leaf]);
    const root = await oldValue(world, "root", [branch]);
    const apart = await oldValue(world, "apart");
    await world.clock.advance(collectedAgeMs + 1);
    world.name("cache", root);
    world.commit();
    let looks = 0;
    const { pieces } = world.blobs;
    world.blobs.pieces = (address) => ((looks += 1), pieces.call(world.blobs, address));
    expect(await world.collector.collect()).toMatchObject({ removed: 1 });
    expect([leaf, branch, root, apart].map((each) => world.blobs.values.has(each))).toEqual([
      true,
      true,
      true,
      false,
    ]);
    expect(looks).toBe(3);
    await oldValue(world, "another");
    await world.clock.advance(collectedAgeMs + 1);
    expect(await world.collector.collect()).toMatchObject({ removed: 1 });
    expect(looks).toBe(3);
  });

  it("takes nothing that was stored since the oldest attempt began that runs now", async () => {
    const world = new CollectorWorld();
    const before = await oldValue(world, "before");
    world.begin();
    const since = await oldValue(world, "since");
    await world.clock.advance(100 * HOUR_MS);
    await world.collector.collect();
    expect([before, since].map((each) => world.blobs.values.has(each))).toEqual([false, true]);
    await world.end("output");
    await world.clock.advance(collectedAgeMs + 1);
    await world.collector.collect();
    expect(world.blobs.values.has(since)).toBe(false);
  });

  it("is not misled by a clock that is set ahead, and believes it when what was under way is over", async () => {
    const world = new CollectorWorld();
    const address = await world.put("a");
    world.clock.wallOffsetMs += 100 * HOUR_MS;
    expect(await world.collector.collect()).toMatchObject({ removed: 0 });
    await world.clock.advance(collectedAgeMs);
    expect(await world.collector.collect()).toMatchObject({ removed: 1 });
    expect(world.blobs.values.has(address)).toBe(false);
  });

  it("that cannot ask every owner, or cannot read a value that is named, removes nothing", async () => {
    const world = new CollectorWorld();
    const [garbage, broken] = [await oldValue(world, "garbage"), await oldValue(world, "broken")];
    for (const name of OWNERS) {
      world.silent = name;
      await expect(world.collector.collect()).rejects.toMatchObject({ code: "ACTOR_RESTARTING" });
    }
    world.silent = null;
    world.name("queue", broken);
    world.commit();
    const { pieces } = world.blobs;
    world.blobs.pieces = () => {
      throw new Error("unreadable");
    };
    await expect(world.collector.collect()).rejects.toThrow("unreadable");
    expect(world.blobs.values.has(garbage)).toBe(true);
    world.blobs.pieces = pieces;
    expect(await world.collector.collect()).toMatchObject({ removed: 1 });
  });

  it("asked for while one goes on is that one", async () => {
    const world = new CollectorWorld();
    await oldValue(world, "a");
    const [one, other] = [world.collector.collect(), world.collector.collect()];
    expect(other).toBe(one);
    expect(await one).toMatchObject({ removed: 1 });
    expect(await world.collector.collect()).toMatchObject({ removed: 0 });
  });
});

describe("a hold", () => {
  it("ends a collection that goes on before it removes more, and lets none begin until its time is over", async () => {
    const world = new CollectorWorld();
    for (const text of ["a", "b", "c"]) await oldValue(world, text);
    await world.clock.advance(collectedAgeMs + 1);
    let left = -1;
    const collecting = world.collector.collect();
    const ended = expect(collecting).rejects.toMatchObject({ code: "UNAVAILABLE" });
    await world.collector.hold(5_000);
    left = world.blobs.values.size;
    await ended;
    expect(left).toBeGreaterThan(0);
    await expect(world.collector.collect()).rejects.toMatchObject({ code: "UNAVAILABLE" });
    await world.clock.advance(4_999);
    await expect(world.collector.collect()).rejects.toMatchObject({ code: "UNAVAILABLE" });
    expect(world.blobs.values.size).toBe(left);
    await world.clock.advance(1);
    await world.collector.collect();
    expect(world.blobs.values.size).toBe(0);
  });
});

describe("by itself, a collector", () => {
  /** Ages of the values that are there, as often as time goes on by a minute. */
  const collects = async (world: CollectorWorld, minutes: number): Promise<number[]> => {
    const at: number[] = [];
    for (let minute = 0; minute < minutes; minute++) {
      const last = world.collector.last?.atMs;
      await world.clock.advance(60_000);
      if (world.collector.last?.atMs !== last) at.push(minute);
    }
    return at;
  };

  it("collects soon after it was started, and then once an hour", async () => {
    const world = new CollectorWorld();
    await world.collector.start();
    expect(await collects(world, 130)).toEqual([0, 60, 120]);
    world.restart();
    await world.clock.advance(10 * collectMs);
  });

  it("waits, in a new life, until an hour has passed since the last collection of any life", async () => {
    const world = new CollectorWorld();
    await world.collector.start();
    expect(await collects(world, 20)).toEqual([0]);
    world.restart();
    await world.collector.start();
    expect(await collects(world, 60)).toEqual([40]);
  });

  it("tries again after a minute when an owner was silent, or while a backup was made", async () => {
    const world = new CollectorWorld();
    world.silent = "cache";
    const address = await oldValue(world, "a");
    await world.collector.start();
    expect(await collects(world, 3)).toEqual([]);
    world.silent = null;
    await world.collector.hold(150_000);
    expect(await collects(world, 5)).toEqual([3]);
    expect(world.blobs.values.has(address)).toBe(false);
  });

  it("stops with its owner", async () => {
    const world = new CollectorWorld();
    await world.collector.start();
    const { collector } = world;
    world.restart();
    await world.clock.advance(10 * collectMs);
    expect(collector.last).toBeNull();
    expect(world.clock.pending).toBe(0);
  });
});
