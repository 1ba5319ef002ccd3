import { describe, expect, it } from "vitest";
import { slope } from "../../bench/kit/slope.ts";
import { inLanes, inTurns } from "../../bench/kit/turns.ts";

describe("measurements in turns", () => {
  it("take turns in every round, and the first round is not kept", async () => {
    const order: string[] = [];
    const taking = (name: string) => {
      let taken = 0;
      return () => {
        order.push(name);
        return Promise.resolve({ [name]: ++taken, [`${name}_twice`]: taken * 2 });
      };
    };

    const samples = await inTurns(2, [taking("ours"), taking("theirs")]);

    expect(order).toEqual(["ours", "theirs", "ours", "theirs", "ours", "theirs"]);
    expect(samples).toEqual({
      ours: [2, 3],
      ours_twice: [4, 6],
      theirs: [2, 3],
      theirs_twice: [4, 6],
    });
  });

  it("lanes do each piece once, and never more at once than there are lanes", async () => {
    const done: number[] = [];
    let running = 0;
    let most = 0;

    await inLanes(10, 3, async (index) => {
      most = Math.max(most, ++running);
      await Promise.resolve();
      done.push(index);
      running--;
    });

    expect(done.toSorted((a, b) => a - b)).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8, 9]);
    expect(most).toBe(3);
  });

  it("a slope is what a line gains per step, whatever lies around it", () => {
    expect(slope([5, 7, 9, 11])).toBeCloseTo(2);
    expect(slope([1, -1, 1, -1, 1])).toBeCloseTo(0);
  });
});
