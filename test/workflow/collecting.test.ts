import { describe, expect, it } from "vitest";
import { Reference, packValue } from "../../src/codec/index.ts";
import { LIMITS } from "../../src/errors/index.ts";
import type { Collected } from "../../src/store/index.ts";
import { cacheKey } from "../../src/workflow/content-key.ts";
import { schedulerBehaviour } from "../../src/workflow/scheduler.behaviour.ts";
import { Scheduler } from "../../src/workflow/workflow.protocol.ts";
import { fakeActor, fakeMessage } from "../kit/actor-context.ts";
import { step, workflow } from "./kit/definitions.ts";
import { openKit, type SchedulerKit } from "./kit/scheduler-kit.ts";

const { collectMs, collectedAgeMs } = LIMITS.store;
const message = fakeMessage();
const KEY = cacheKey("echo", null, {}) ?? "";
const CACHED = workflow([step("a", [], { cacheTtlMs: 1_000 })]);

const collect = (kit: SchedulerKit): Promise<Collected> => kit.answer(kit.call.collect(undefined, message));

/** A value that is old, and a reference to it. */
async function oldValue(kit: SchedulerKit, text: string): Promise<{ sha256: string; output: Uint8Array }> {
  const { sha256 } = await kit.blobs.put(packValue(text));
  await kit.clock.advance(collectedAgeMs + 1);
  return { sha256, output: packValue({ part: new Reference(sha256, 1, ["rows"]) }) };
}

describe("a scheduler", () => {
  it("collects large values by itself, and its health tells of it", async () => {
    await using kit = await openKit();
    await oldValue(kit, "nobody's");
    await kit.settle();
    expect(kit.blobs.values.size).toBe(1);
    await kit.clock.advance(collectMs);
    await kit.settle();
    expect(kit.blobs.values.size).toBe(0);
    expect(kit.actor.health()).toMatchObject({
      collected: { removed: 1, atMs: expect.any(Number) as number },
    });
  });

  it("keeps what its own rows name: cached outputs, until their run has left", async () => {
    await using kit = await openKit();
    const { sha256, output } = await oldValue(kit, "cached");
    kit.cache.entries.set(KEY, output);
    await kit.submit(CACHED);
    await kit.finish();
    kit.cache.entries.clear();
    await kit.clock.advance(collectedAgeMs + 1);
    expect(await collect(kit)).toMatchObject({ removed: 0 });
    expect((await kit.result()).outputs).toEqual({ a: output });
    await kit.clock.advance(LIMITS.queue.keptMs);
    await kit.settle();
    await collect(kit);
    expect(kit.blobs.values.has(sha256)).toBe(false);
  });

  it("takes a cached output for a miss when the value that it names is gone, and makes it young when it is not", async () => {
    await using kit = await openKit();
    const { sha256, output } = await oldValue(kit, "cached");
    kit.cache.entries.set(KEY, output);
    await kit.submit(CACHED);
    await kit.settle();
    expect((await kit.status()).steps[0]).toMatchObject({ state: "completed", cached: true });
    expect(kit.blobs.values.get(sha256)?.atMs).toBe(kit.clock.wallNow());
    kit.blobs.values.clear();
    await kit.submit({ ...CACHED, workflowId: "v" });
    await kit.finish();
    expect((await kit.status("v")).steps[0]).toMatchObject({ state: "completed", cached: false });
  });

  it("removes nothing in the first minutes of a life among others that went on", async () => {
    await using kit = await openKit();
    await oldValue(kit, "nobody's");
    await kit.restart();
    await expect(collect(kit)).rejects.toMatchObject({ code: "UNAVAILABLE" });
    await kit.clock.advance(collectedAgeMs);
    expect(await collect(kit)).toMatchObject({ removed: 1 });
  });

  it("holds values for as long as it is asked to, and not for ever", async () => {
    await using kit = await openKit();
    await oldValue(kit, "nobody's");
    await kit.answer(kit.call.hold({ forMs: 5_000 }, message));
    await expect(collect(kit)).rejects.toMatchObject({ code: "UNAVAILABLE" });
    await kit.clock.advance(5_000);
    expect(await collect(kit)).toMatchObject({ removed: 1 });
    for (const forMs of [-1, Infinity, 600_001]) {
      const hold = kit.answer(kit.call.hold({ forMs }, message));
      await expect(hold).rejects.toMatchObject({ code: "INVALID_ARGUMENT" });
    }
  });

  it("that keeps nothing on disk has nothing to collect, and says so", async () => {
    await using kit = await openKit();
    const { queue, cache, turns } = kit;
    const fake = fakeActor(Scheduler, { scheduler: turns, refs: { queue: queue.ref, cache: cache.ref } });
    const handlers = await schedulerBehaviour.setup(fake.context, {
      directory: null,
      durability: "memory",
      keptTasks: 1,
      keptMs: 1,
    });
    expect(() => handlers.collect(undefined, message)).toThrow(
      expect.objectContaining({ code: "UNAVAILABLE" }),
    );
    await handlers.hold({ forMs: 1 }, message);
    const stopping = fake.stop();
    await turns.runAll();
    await stopping;
  });
});
