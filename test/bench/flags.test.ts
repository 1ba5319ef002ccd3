import { describe, expect, it } from "vitest";
import { readFlags } from "../../bench/kit/flags.ts";
import { checkWaiting } from "../../bench/queue/backlog.ts";

const SUITES = { micro: [], queue: ["rounds", "waiting"], memory: ["minutes"] } as const;
const read = (...args: string[]) => readFlags(args, SUITES);

describe("the flags of a bench", () => {
  it("have defaults, and are numbers where they are given", () => {
    expect(read("queue").flags).toEqual({
      json: false,
      rounds: 5,
      tasks: 20_000,
      waiting: 1_000_000,
      minutes: 3,
    });
    expect(read("queue", "--json", "--rounds", "1", "--waiting=2e4")).toMatchObject({
      suite: "queue",
      flags: { json: true, rounds: 1, waiting: 20_000 },
    });
    expect(read("memory", "--minutes", "0.5").flags.minutes).toBe(0.5);
  });

  it.each([
    [[], 'there is no suite ""; there are: micro, queue, memory'],
    [["toString"], 'there is no suite "toString"; there are: micro, queue, memory'],
    [["queue", "micro"], '"micro" is too many; allowed is one suite at a time'],
    [["micro", "--rounds", "1"], "--rounds is no flag of the suite micro; allowed is --json"],
    [
      ["queue", "--round", "1"],
      "--round is no flag of the suite queue; allowed is --json, --rounds, --waiting",
    ],
    [["queue", "--rounds", "0"], '--rounds is "0"; allowed is a whole number from 1'],
    [["queue", "--rounds", "1.5"], '--rounds is "1.5"; allowed is a whole number from 1'],
    [["queue", "--waiting"], "--waiting is without a value; allowed is a whole number from 1"],
    [["queue", "--waiting", "many"], '--waiting is "many"; allowed is a whole number from 1'],
    [["memory", "--minutes", "0"], '--minutes is "0"; allowed is a number from 0.1'],
  ])("are refused as %j in one sentence", (args, sentence) => {
    expect(() => read(...args)).toThrow(sentence);
  });

  it("ask for a long queue that is still half full when the last round has taken from it", () => {
    expect(() => checkWaiting(5, 15_360)).not.toThrow();
    expect(() => checkWaiting(5, 15_359)).toThrow(
      "--waiting is 15359; allowed is from 15360, with --rounds 5: half of them must be left at the end",
    );
  });
});
