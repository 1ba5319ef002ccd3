import { describe, expect, it } from "vitest";
import { seededRandom } from "./seeded-random.ts";
import { seededScheduler } from "./seeded-scheduler.ts";

const orderOf = async (seed: number, count: number): Promise<number[]> => {
  const scheduler = seededScheduler(seededRandom(seed));
  const order: number[] = [];
  for (let number = 0; number < count; number++) scheduler.schedule(() => void order.push(number));
  await scheduler.runAll();
  return order;
};

describe("a seeded scheduler", () => {
  it("runs nothing within schedule", () => {
    const scheduler = seededScheduler(seededRandom(1));
    let ran = false;
    scheduler.schedule(() => (ran = true));
    expect([ran, scheduler.ready]).toEqual([false, 1]);
  });

  it("runs everything once, in the same order for the same seed", async () => {
    const order = await orderOf(5, 50);
    expect(order.toSorted((a, b) => a - b)).toEqual(Array.from({ length: 50 }, (_, number) => number));
    expect(await orderOf(5, 50)).toEqual(order);
  });

  it("reaches every order of three callbacks within some seeds", async () => {
    const orders = new Set<string>();
    for (let seed = 0; seed < 60; seed++) orders.add((await orderOf(seed, 3)).join(""));
    expect([...orders].toSorted()).toEqual(["012", "021", "102", "120", "201", "210"]);
  });

  it("steps one callback at a time, with all the microtasks it made ready, and says when none is left", async () => {
    const scheduler = seededScheduler(seededRandom(1));
    const log: string[] = [];
    for (const name of ["a", "b"]) {
      scheduler.schedule(() => {
        void (async () => {
          for (let hop = 0; hop < 10; hop++) await Promise.resolve();
          log.push(name);
        })();
      });
    }
    expect(await scheduler.step()).toBe(true);
    expect(log).toHaveLength(1);
    expect(await scheduler.step()).toBe(true);
    expect(log.toSorted()).toEqual(["a", "b"]);
    expect(await scheduler.step()).toBe(false);
  });

  it("runs what was scheduled on the way, by callbacks and by promises", async () => {
    const scheduler = seededScheduler(seededRandom(9));
    let turns = 0;
    const turn = (): Promise<void> => new Promise((resolve) => scheduler.schedule(resolve));
    const worker = async (): Promise<void> => {
      for (; turns < 30; turns++) await turn();
    };
    void worker();
    void worker();
    expect(await scheduler.runAll()).toBe(31);
    expect([turns, scheduler.ready]).toEqual([31, 0]);
  });

  it("waits for promises that are about to schedule something before it picks", async () => {
    const scheduler = seededScheduler(seededRandom(1));
    void Promise.resolve().then(() => scheduler.schedule(() => {}));
    expect(await scheduler.step()).toBe(true);
  });

  it("gives up on callbacks that wake each other for ever", async () => {
    const scheduler = seededScheduler(seededRandom(1));
    const again = (): void => scheduler.schedule(again);
    again();
    await expect(scheduler.runAll(1_000)).rejects.toThrow("still 1 ready after 1000 steps");
  });

  it("ends without complaint exactly at the limit", async () => {
    const scheduler = seededScheduler(seededRandom(1));
    for (let count = 0; count < 3; count++) scheduler.schedule(() => {});
    expect(await scheduler.runAll(3)).toBe(3);
  });

  it("passes on what a callback throws and keeps the rest", async () => {
    const scheduler = seededScheduler(seededRandom(1));
    scheduler.schedule(() => {
      throw new Error("bang");
    });
    await expect(scheduler.runAll()).rejects.toThrow("bang");
    scheduler.schedule(() => {});
    expect(await scheduler.runAll()).toBe(1);
  });
});
