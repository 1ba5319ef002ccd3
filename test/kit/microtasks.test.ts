import { expect, it } from "vitest";
import { microtasksDrained } from "./microtasks.ts";

it("microtasks are drained however long their chain is", async () => {
  let hops = 0;
  const chain = async (): Promise<void> => {
    while (hops < 10_000) {
      await Promise.resolve();
      hops++;
    }
  };
  void chain();
  await microtasksDrained();
  expect(hops).toBe(10_000);
});
