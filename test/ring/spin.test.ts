import { describe, expect, it } from "vitest";
import { Presence } from "../../src/ring/index.ts";
import { SPIN_US_MAX, SpinWindow } from "../../src/ring/spin.ts";

const repeat = (times: number, act: () => void): void => {
  for (let time = 0; time < times; time++) act();
};

/** A window after so many messages with this gap between them. */
function windowAfter(gapUs: number, messages = 40): SpinWindow {
  const window = new SpinWindow();
  repeat(messages, () => window.came(gapUs));
  return window;
}

describe("a spin window", () => {
  it("is closed until messages have come fast for a while", () => {
    const window = new SpinWindow();
    expect(window.us).toBe(0);
    window.came(10);
    expect(window.us).toBe(0);
    repeat(10, () => window.came(10));
    expect(window.us).toBeGreaterThan(0);
  });

  it("is what a switch of threads costs, or twice the usual gap where that is longer, within its bound", () => {
    expect(windowAfter(1).us).toBe(50);
    expect(windowAfter(10).us).toBe(50);
    expect(windowAfter(40).us).toBeCloseTo(80, 0);
    expect(windowAfter(100).us).toBe(SPIN_US_MAX);
    for (const gapUs of [0, 1, 30, 60, SPIN_US_MAX]) {
      expect(windowAfter(gapUs).us).toBeLessThanOrEqual(SPIN_US_MAX);
    }
  });

  it("stays closed while messages come more slowly than looking is worth", () => {
    expect(windowAfter(SPIN_US_MAX + 1).us).toBe(0);
    expect(windowAfter(50_000).us).toBe(0);
  });

  it("is halved by each look in vain, until it is not worth opening", () => {
    const window = windowAfter(20);
    const open = window.us;
    window.missed();
    expect(window.us).toBeCloseTo(open / 2);
    window.missed();
    expect(window.us).toBeCloseTo(open / 4);
    repeat(6, () => window.missed());
    expect(window.us).toBe(0);
  });

  it("stays closed for a thousand messages when most looks were in vain, and is then tried again", () => {
    const window = windowAfter(20);
    repeat(15, () => {
      window.missed();
      window.hit();
    });
    expect(window.us).toBeGreaterThan(0);
    repeat(2, () => window.missed());
    repeat(1_023, () => {
      window.came(20);
      expect(window.us).toBe(0);
    });
    window.came(20);
    expect(window.us).toBe(50);
  });

  it("is whole again after one look that found something", () => {
    const window = windowAfter(20);
    const open = window.us;
    repeat(3, () => window.missed());
    window.hit();
    expect(window.us).toBe(open);
  });

  it("opens again when messages are slept for that a look would have caught", () => {
    const window = windowAfter(20);
    repeat(10, () => window.missed());
    expect(window.us).toBe(0);
    repeat(8, () => window.came(20));
    expect(window.us).toBeGreaterThan(40);
  });

  it("does not open by messages that a look would have missed", () => {
    const window = windowAfter(20);
    repeat(100, () => window.missed());
    window.came(SPIN_US_MAX);
    expect(window.us).toBe(0);
  });

  it("is not shut for ever by one long pause", () => {
    const window = windowAfter(20);
    window.came(60_000_000);
    expect(window.us).toBe(0);
    repeat(8, () => window.came(20));
    expect(window.us).toBeGreaterThan(0);
  });
});

describe("the presence of threads", () => {
  const open = (shared = Presence.create()) => ({ shared, of: (slot: number) => new Presence(shared, slot) });

  it("allows spinning while no awake thread has to share a core", () => {
    const { of } = open();
    const [first, second, third] = [of(0), of(1), of(2)];
    first.awake = true;
    expect(first.allowsSpinning(1)).toBe(true);
    second.awake = true;
    expect([first.allowsSpinning(1), first.allowsSpinning(2)]).toEqual([false, true]);
    third.awake = true;
    expect([first.allowsSpinning(2), second.allowsSpinning(2), third.allowsSpinning(3)]).toEqual([
      false,
      false,
      true,
    ]);
  });

  it("counts a thread once, however often it wakes, and no longer when it sleeps", () => {
    const { of } = open();
    const [first, second] = [of(0), of(1)];
    first.awake = true;
    second.awake = true;
    second.awake = true;
    expect(first.allowsSpinning(2)).toBe(true);
    second.awake = false;
    second.awake = false;
    expect(first.allowsSpinning(1)).toBe(true);
  });

  it("lets another thread strike out one that died awake", () => {
    const { of } = open();
    of(5).awake = true;
    of(0).awake = true;
    expect(of(0).allowsSpinning(1)).toBe(false);
    of(5).awake = false;
    expect(of(0).allowsSpinning(1)).toBe(true);
  });

  it("neither counts nor lets spin a thread beyond the last slot", () => {
    const { shared, of } = open();
    const beyond = of(Presence.SLOTS);
    beyond.awake = true;
    expect(new Int32Array(shared).every((word) => word === 0)).toBe(true);
    expect(beyond.allowsSpinning(1_000)).toBe(false);
    const last = of(Presence.SLOTS - 1);
    last.awake = true;
    expect(last.allowsSpinning(1)).toBe(true);
  });
});
