import { describe, expect, it } from "vitest";
import { LOOK_MS, Pulse } from "../../src/compute/pulse.ts";
import { SharedState } from "../../src/compute/shared-state.ts";

function openKit(): { pulse: Pulse; state: SharedState; posted: number[] } {
  const state = new SharedState();
  const posted: number[] = [];
  return { pulse: new Pulse(state, (look) => void posted.push(look)), state, posted };
}

describe("the pulse of a shared thread", () => {
  it("is asked for once in a while, and not again before it has answered", () => {
    const { pulse, state, posted } = openKit();
    expect(pulse.check(0)).toBe(0);
    pulse.check(LOOK_MS);
    expect(posted).toEqual([1]);
    state.answer(1);
    pulse.check(LOOK_MS - 1);
    expect(posted).toEqual([1]);
    pulse.check(LOOK_MS);
    expect(posted).toEqual([1, 2]);
  });

  it("is missed from the first look that is not answered, whatever is asked after it", () => {
    const { pulse, state } = openKit();
    pulse.ask(100);
    const look = pulse.ask(500);
    expect(pulse.check(900)).toBe(800);
    state.answer(look);
    expect([pulse.hasAnswered(look), pulse.check(1_000)]).toEqual([true, 0]);
  });

  it("is not missed for the time in which the whole process stood still", () => {
    const { pulse } = openKit();
    pulse.ask(0);
    expect(pulse.check(3_600_000)).toBe(2 * LOOK_MS);
  });
});
