import { describe, expect, it } from "vitest";
import { sequencer } from "./sequencer.ts";

describe("a sequencer", () => {
  it("runs blocks in the order of their numbers, whoever arrives first", async () => {
    const sequence = sequencer();
    const log: number[] = [];
    const say = (position: number): Promise<number> => sequence(position, () => log.push(position));
    await Promise.all([say(3), say(1), say(0), say(2)]);
    expect(log).toEqual([0, 1, 2, 3]);
  });

  it("lets a block end before the next one begins, and hands back its result", async () => {
    const sequence = sequencer();
    const log: string[] = [];
    const slow = sequence(0, async () => {
      log.push("0 begins");
      for (let hop = 0; hop < 10; hop++) await Promise.resolve();
      log.push("0 ends");
      return "zero";
    });
    await sequence(1, () => log.push("1"));
    expect(log).toEqual(["0 begins", "0 ends", "1"]);
    expect(await slow).toBe("zero");
  });

  it("forces a lost update between two writers who read before either writes", async () => {
    const sequence = sequencer();
    let total = 0;
    const add = async (amount: number, reads: number, writes: number): Promise<void> => {
      const seen = await sequence(reads, () => total);
      await sequence(writes, () => (total = seen + amount));
    };
    await Promise.all([add(1, 0, 2), add(10, 1, 3)]);
    expect(total).toBe(10);
  });

  it("passes the error of a block to its caller and the turn to the next", async () => {
    const sequence = sequencer();
    const failing = sequence(0, () => {
      throw new Error("bang");
    });
    await expect(failing).rejects.toThrow("bang");
    expect(await sequence(1, () => "went on")).toBe("went on");
  });

  it("refuses a number twice and what is no position", async () => {
    const sequence = sequencer();
    await sequence(0, () => {});
    await expect(sequence(0, () => {})).rejects.toThrow("position 0 is taken");
    await expect(sequence(-1, () => {})).rejects.toThrow("not -1");
    await expect(sequence(0.5, () => {})).rejects.toThrow("not 0.5");
  });
});
