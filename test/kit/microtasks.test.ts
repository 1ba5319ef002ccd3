import { expect, it } from "vitest";
import { microtasksDrained, microtasksDrainedInTurn } from "./microtasks.ts";

it.each([microtasksDrained, microtasksDrainedInTurn])(
  "$name waits however long the chain is",
  async (drained) => {
    let hops = 0;
    const chain = async (): Promise<void> => {
      while (hops < 10_000) {
        await Promise.resolve();
        hops++;
      }
    };
    await drained();
    void chain();
    await drained();
    expect(hops).toBe(10_000);
  },
);

it("waits, however many, are served in the order in which they were asked for, each after all that the last one set off", async () => {
  const order: string[] = [];
  const wait = async (name: string): Promise<void> => {
    await microtasksDrainedInTurn();
    for (let hop = 0; hop < 100; hop++) await Promise.resolve();
    order.push(name);
  };
  const names = Array.from({ length: 200 }, (_, index) => `${index}`);
  await Promise.all(names.map(wait));
  expect(order).toEqual(names);
});
