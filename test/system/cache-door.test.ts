import { describe, expect, it } from "vitest";
import { workerModule } from "../../src/actor/index.ts";
import { Cache } from "../../src/cache/cache.protocol.ts";
import { Generation } from "../../src/cache/near.protocol.ts";
import { Reference, packValue } from "../../src/codec/index.ts";
import { LIMITS } from "../../src/errors/index.ts";
import { CacheDoor } from "../../src/system/index.ts";
import { MemoryBlobs } from "../workflow/kit/memory-blobs.ts";
import { openSimulated, type Simulated } from "../kit/simulated.ts";

const module = workerModule("cache.actor").href;
const ttlMs = 60_000;

interface Kit extends Simulated {
  /** Each is what a thread has. */
  readonly doors: readonly [CacheDoor, CacheDoor, CacheDoor];
  readonly blobs: MemoryBlobs;
}

async function openDoors(): Promise<Kit> {
  const simulated = await openSimulated({ modules: [module] });
  const init = { directory: null, entriesMax: 100, sizeBytesMax: 10_000, policy: "lru" as const };
  const cache = await simulated.drive(
    simulated.supervisor.spawn(Cache, { module, init, shared: Generation.create() }),
  );
  const blobs = new MemoryBlobs(simulated.clock);
  const door = (): CacheDoor => new CacheDoor(cache, simulated.clock, blobs);
  return {
    ...simulated,
    blobs,
    [Symbol.asyncDispose]: () => simulated[Symbol.asyncDispose](),
    doors: [door(), door(), door()],
  };
}

/** A computation that the test ends, and what became of it. */
function computing(result: unknown = "computed") {
  const end = Promise.withResolvers<unknown>();
  end.promise.catch(() => undefined); // told before anybody listens, it is no defect
  const seen = { runs: 0, aborted: false };
  const compute = ({ signal }: { signal: AbortSignal }): Promise<unknown> => {
    seen.runs += 1;
    signal.addEventListener("abort", () => {
      seen.aborted = true;
      end.reject(signal.reason);
    });
    return end.promise;
  };
  return { compute, seen, end: () => end.resolve(result), fail: (error: unknown) => end.reject(error) };
}

/** Lets everything happen that needs no more time. */
async function settled(kit: Kit): Promise<void> {
  // What was asked before is answered before; what comes of the answers may ask again.
  for (let round = 0; round < 4; round++) await kit.drive(kit.doors[2].stats());
}

describe("a value", () => {
  it("is what was put, and a stored null is a value", async () => {
    await using kit = await openDoors();
    const [door, other] = kit.doors;
    await kit.drive(door.put("a", { rows: [1, 2] }, { ttlMs }));
    await kit.drive(door.put("null", null, { ttlMs }));
    expect(await kit.drive(other.get("a"))).toMatchObject({ value: { rows: [1, 2] } });
    expect(await kit.drive(other.get("null"))).toMatchObject({ value: null });
    expect(await kit.drive(other.get("none"))).toBeUndefined();
  });

  it("that is hot costs no message, and each reader has a copy of its own", async () => {
    await using kit = await openDoors();
    const [door] = kit.doors;
    await kit.drive(door.put("a", { rows: [1] }, { ttlMs }));
    const first = await kit.drive(door.get("a"));
    const sent = kit.supervisor.metrics();
    const second = await door.get("a");
    expect(second).toEqual(first);
    expect(second?.value).not.toBe(first?.value);
    expect(kit.supervisor.metrics()).toEqual(sent);
    expect(await kit.drive(door.stats())).toMatchObject({ hits: 2, nearHits: 1, misses: 0, hitRate: 1 });
  });

  it("ends with its time for a thread that has a copy too", async () => {
    await using kit = await openDoors();
    const [door] = kit.doors;
    await kit.drive(door.put("a", 1, { ttlMs: 50 }));
    await kit.drive(door.get("a"));
    await kit.clock.advance(50);
    expect(await kit.drive(door.get("a"))).toBeUndefined();
  });

  it("out of range is refused with the name of the argument", async () => {
    await using kit = await openDoors();
    const [door] = kit.doors;
    const wrong = { code: "INVALID_ARGUMENT" };
    await expect(door.put("", 1, { ttlMs })).rejects.toMatchObject(wrong);
    await expect(door.put("a", 1, { ttlMs: -1 })).rejects.toMatchObject(wrong);
    await expect(door.put("a", () => 1, { ttlMs })).rejects.toMatchObject({ code: "NOT_A_WIRE_VALUE" });
    await expect(door.getOrCompute("a", () => 1, { ttlMs, negativeTtlMs: NaN })).rejects.toMatchObject(wrong);
    await expect(kit.drive(door.invalidate({ pattern: "" }))).rejects.toMatchObject(wrong);
    await expect(kit.drive(door.invalidate({ key: "a", tags: [] }))).rejects.toMatchObject(wrong);
  });
});

describe("what was acknowledged", () => {
  it.each([
    ["a put", (door: CacheDoor) => door.put("user:1", "new", { ttlMs }), "new"],
    ["an invalidation of the key", (door: CacheDoor) => door.invalidate({ key: "user:1" }), undefined],
    ["an invalidation of a tag", (door: CacheDoor) => door.invalidate({ tags: ["x", "users"] }), undefined],
    ["an invalidation of a pattern", (door: CacheDoor) => door.invalidate({ pattern: "user:*" }), undefined],
    ["a clear", (door: CacheDoor) => door.clear(), undefined],
  ])("is seen by every later read of every thread: %s", async (_, change, seen) => {
    await using kit = await openDoors();
    const [door, ...others] = kit.doors;
    await kit.drive(door.put("user:1", "old", { ttlMs, tags: ["users"] }));
    for (const each of kit.doors) await kit.drive(each.get("user:1"));
    await kit.drive<unknown>(change(door));
    for (const each of [door, ...others]) expect((await kit.drive(each.get("user:1")))?.value).toBe(seen);
  });

  it("is seen of an entry too that had made room and lived on in a thread's copy only", async () => {
    await using kit = await openDoors();
    const [door, other] = kit.doors;
    await kit.drive(door.put("user:1", "old", { ttlMs, tags: ["users"] }));
    await kit.drive(other.get("user:1"));
    for (let n = 0; n < 100; n++) await kit.drive(door.put(`k${n}`, n, { ttlMs }));
    expect(await kit.drive(door.invalidate({ tags: ["users"] }))).toBe(0);
    expect(await kit.drive(other.get("user:1"))).toBeUndefined();
  });

  it("is seen by a caller of a thread whose computation of the key began before", async () => {
    await using kit = await openDoors();
    const [door, other] = kit.doors;
    const before = computing("before");
    const first = door.getOrCompute("a", before.compute, { ttlMs });
    await settled(kit);
    await kit.drive(other.invalidate({ key: "a" }));
    const after = await kit.drive(door.getOrCompute("a", () => "after", { ttlMs }));
    before.end();
    expect([await kit.drive(first), after]).toEqual(["before", "after"]);
    expect((await kit.drive(other.get("a")))?.value).toBe("after");
  });
});

describe("concurrent misses", () => {
  it("compute once, for all callers of all threads", async () => {
    await using kit = await openDoors();
    const work = computing({ n: 1 });
    const asked = [...kit.doors, ...kit.doors].map((door) => door.getOrCompute("a", work.compute, { ttlMs }));
    await settled(kit);
    work.end();
    expect(await kit.drive(Promise.all(asked))).toEqual(asked.map(() => ({ n: 1 })));
    expect(work.seen.runs).toBe(1);
    expect(await kit.drive(kit.doors[0].stats())).toMatchObject({ computations: 1, joined: 2 });
  });

  it("share an error too, and it is not kept", async () => {
    await using kit = await openDoors();
    const [door, other] = kit.doors;
    const work = computing();
    const asked = [door, other].map((each) =>
      each.getOrCompute("a", work.compute, { ttlMs }).catch((error: Error) => error.message),
    );
    await settled(kit);
    work.fail(new RangeError("no such row"));
    const [own, theirs] = await kit.drive(Promise.all(asked));
    expect(own).toBe("no such row");
    expect(theirs).toContain("no such row");
    expect(await kit.drive(other.getOrCompute("a", () => "later", { ttlMs }))).toBe("later");
  });

  it("are passed on when the side that computes closes: the next one computes", async () => {
    await using kit = await openDoors();
    const [door] = kit.doors;
    const silent = computing();
    const first = door.getOrCompute("a", silent.compute, { ttlMs });
    await settled(kit);
    const second = kit.doors[1].getOrCompute("a", () => "second", { ttlMs });
    await settled(kit);
    door.close();
    await expect(kit.drive(first)).rejects.toMatchObject({ code: "ACTOR_STOPPED" });
    expect(await kit.drive(second)).toBe("second");
  });

  it("that take longer than a lease are waited for, as long as they say that they go on", async () => {
    await using kit = await openDoors();
    const [door, other] = kit.doors;
    const work = computing();
    const first = door.getOrCompute("a", work.compute, { ttlMs });
    await settled(kit);
    const second = other.getOrCompute("a", () => "never", { ttlMs });
    for (let n = 0; n < 9; n++) {
      await kit.clock.advance(LIMITS.cache.leaseMs / 3);
      await settled(kit);
    }
    work.end();
    expect(await kit.drive(Promise.all([first, second]))).toEqual(["computed", "computed"]);
  });
});

describe("a caller that gives up", () => {
  it("leaves the others their computation, and the last one ends it", async () => {
    await using kit = await openDoors();
    const work = computing();
    const leaving = [0, 1, 2].map(() => new AbortController());
    const doors = [kit.doors[0], kit.doors[0], kit.doors[1]] as const;
    const ended = doors.map((door, index) =>
      door
        .getOrCompute("a", work.compute, { ttlMs, signal: leaving[index]?.signal ?? AbortSignal.abort() })
        .catch((error: { code: string }) => error.code),
    );
    await settled(kit);
    for (const [index, each] of leaving.entries()) {
      expect(work.seen.aborted).toBe(false);
      each.abort();
      expect(await kit.drive(ended[index] ?? Promise.reject(new Error()))).toBe("CANCELLED");
      await settled(kit);
    }
    await settled(kit);
    expect(work.seen).toEqual({ runs: 1, aborted: true });
  });

  it("and computed for another thread goes on for it, and the value is kept", async () => {
    await using kit = await openDoors();
    const [door, other] = kit.doors;
    const work = computing();
    const leaving = new AbortController();
    const first = door.getOrCompute("a", work.compute, { ttlMs, signal: leaving.signal });
    await settled(kit);
    const second = other.getOrCompute("a", () => "never", { ttlMs });
    await settled(kit);
    leaving.abort();
    await expect(first).rejects.toMatchObject({ code: "CANCELLED" });
    await settled(kit);
    work.end();
    expect(await kit.drive(second)).toBe("computed");
    expect((await kit.drive(door.get("a")))?.value).toBe("computed");
    expect(work.seen.aborted).toBe(false);
  });

  it("before it asked computes nothing", async () => {
    await using kit = await openDoors();
    const work = computing();
    const asked = kit.doors[0].getOrCompute("a", work.compute, { ttlMs, signal: AbortSignal.abort() });
    await expect(asked).rejects.toMatchObject({ code: "CANCELLED" });
    expect(work.seen.runs).toBe(0);
  });
});

describe("by choice", () => {
  it("a failure is kept for its own time, for those who choose so", async () => {
    await using kit = await openDoors();
    const [door, other] = kit.doors;
    let runs = 0;
    const failing = (): never => {
      runs += 1;
      throw new Error("down");
    };
    const options = { ttlMs, negativeTtlMs: 100 };
    await expect(kit.drive(door.getOrCompute("a", failing, options))).rejects.toThrow("down");
    await expect(kit.drive(other.getOrCompute("a", failing, options))).rejects.toThrow("down");
    expect(runs).toBe(1);
    expect(await kit.drive(other.get("a"))).toBeUndefined();
    await kit.clock.advance(100);
    expect(await kit.drive(other.getOrCompute("a", () => "up", options))).toBe("up");
    expect(await kit.drive(door.stats())).toMatchObject({ negativeHits: 1 });
  });

  it("a value whose time is over is shown while it is computed anew, once", async () => {
    await using kit = await openDoors();
    const [door, other] = kit.doors;
    const options = { ttlMs: 50, staleMs: 1_000 };
    await kit.drive(door.getOrCompute("a", () => "old", options));
    await kit.clock.advance(60);
    const work = computing("new");
    for (const each of [door, other, door])
      expect(await kit.drive(each.getOrCompute("a", work.compute, options))).toBe("old");
    expect(await kit.drive(other.get("a"))).toBeUndefined();
    work.end();
    await settled(kit);
    await settled(kit);
    expect(await kit.drive(other.getOrCompute("a", work.compute, options))).toBe("new");
    expect(work.seen.runs).toBe(1);
  });

  it("a stale value stays when computing it anew fails", async () => {
    await using kit = await openDoors();
    const [door, other] = kit.doors;
    const options = { ttlMs: 50, staleMs: 1_000, negativeTtlMs: 500 };
    await kit.drive(door.getOrCompute("a", () => "old", options));
    await kit.clock.advance(60);
    const failing = (): never => {
      throw new Error("down");
    };
    for (const each of [door, other]) {
      expect(await kit.drive(each.getOrCompute("a", failing, options))).toBe("old");
      await settled(kit);
    }
  });
});

it("a result that the cache has no room for is returned all the same", async () => {
  await using kit = await openDoors();
  const large = "x".repeat(20_000);
  expect(await kit.drive(kit.doors[0].getOrCompute("a", () => large, { ttlMs }))).toBe(large);
  expect(await kit.drive(kit.doors[0].get("a"))).toBeUndefined();
});

it("a restart of the cache is waited through, and nothing from before it is read from copies", async () => {
  await using kit = await openDoors();
  const [door, other] = kit.doors;
  await kit.drive(door.put("a", 1, { ttlMs }));
  await kit.drive(other.get("a"));
  await kit.drive(kit.supervisor.kill("cache"));
  await kit.drive(door.put("b", 2, { ttlMs }));
  expect(await kit.drive(other.get("a"))).toBeUndefined();
  expect((await kit.drive(other.get("b")))?.value).toBe(2);
});

it("makes young the large values that it keeps a reference to, and refuses one that refers to nothing", async () => {
  await using kit = await openDoors();
  const [door] = kit.doors;
  const [put, computed] = [await kit.blobs.put(packValue("put")), await kit.blobs.put(packValue("computed"))];
  const referenceTo = ({ sha256, sizeBytes }: typeof put): Reference => new Reference(sha256, sizeBytes);
  await kit.clock.advance(1_000);
  await kit.drive(door.put("a", { of: referenceTo(put) }, { ttlMs }));
  await kit.drive(door.getOrCompute("b", () => referenceTo(computed), { ttlMs }));
  const ages = [put, computed].map(({ sha256 }) => kit.blobs.values.get(sha256)?.atMs);
  expect(ages).toEqual([kit.clock.wallNow(), kit.clock.wallNow()]);
  const nothing = new Reference("ab".repeat(32), 1);
  await expect(kit.drive(door.put("c", nothing, { ttlMs }))).rejects.toMatchObject({
    code: "BLOB_MISSING",
  });
  expect(await kit.drive(door.get("c"))).toBeUndefined();
});
