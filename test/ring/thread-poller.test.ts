import { afterEach, beforeEach, describe, expect, it, onTestFinished, vi } from "vitest";
import { Presence, ThreadPoller, createBell } from "../../src/ring/index.ts";
import { ASLEEP } from "../../src/ring/bell.ts";
import { createMetricsBlock, readMetrics } from "../../src/telemetry/index.ts";
import { failOnLeaks } from "../kit/leak-check.ts";
import { microtasksDrained } from "../kit/microtasks.ts";
import { FakeSource } from "./modules/fake-source.ts";

failOnLeaks();

interface Setup {
  readonly poller: ThreadPoller;
  readonly word: Int32Array;
  readonly presence: Int32Array;
  readonly counters: () => ReturnType<typeof readMetrics>["counters"];
}

function openPoller(cores = 8): Setup {
  const bell = createBell();
  const presence = Presence.create();
  const metrics = createMetricsBlock();
  const poller = new ThreadPoller(bell, new Presence(presence, 0), { metrics, cores });
  onTestFinished(() => poller.close());
  return {
    poller,
    word: new Int32Array(bell),
    presence: new Int32Array(presence),
    counters: () => readMetrics([metrics.buffer]).counters,
  };
}

/** So many turns of the event loop. */
async function turns(count: number): Promise<void> {
  for (let turn = 0; turn < count; turn++) await microtasksDrained();
}

/** Puts something into the source as another thread would: first the content, then the bell. */
function bring(poller: ThreadPoller, source: FakeSource): Promise<void> {
  source.waiting++;
  poller.bell.ring();
  return source.polled(source.polls + 1);
}

const added = (poller: ThreadPoller, source = new FakeSource()): FakeSource => {
  poller.add(source);
  return source;
};

describe("a thread poller", () => {
  it("sleeps until its bell rings, handles what has come, and sleeps again", async () => {
    const { poller, word, presence } = openPoller();
    const source = added(poller);
    await turns(3);
    expect([word[0], presence[0], source.polls]).toEqual([ASLEEP, 0, 0]);
    await bring(poller, source);
    await bring(poller, source);
    await turns(3);
    expect([word[0], presence[0], source.polls]).toEqual([ASLEEP, 0, 2]);
  });

  it("finds what a source holds when it is added, though the bell for it has rung long ago", async () => {
    const { poller } = openPoller();
    const source = new FakeSource();
    source.waiting = 1;
    poller.add(source);
    await source.polled(1);
  });

  it("counts as awake while it works", async () => {
    const { poller, presence } = openPoller();
    const source = added(poller);
    let awake: number | undefined;
    source.onPoll = () => void (awake = presence[0]);
    await bring(poller, source);
    expect(awake).toBe(1);
  });

  it("loses no ring, wherever it falls into its going to sleep", async () => {
    let points = 0;
    for (let intruded = true; intruded; points++) {
      const { poller } = openPoller();
      const source = added(poller);
      await turns(2);
      intruded = await ringWhileFallingAsleep(poller, source, points);
      if (intruded) await source.polled(2);
      poller.close();
    }
    // Once for each atomic operation between the last look and the sleep.
    expect(points).toBeGreaterThan(3);
  });

  it("flushes what was written while it slept once, when the caller has finished its turn", async () => {
    const { poller } = openPoller();
    const source = added(poller);
    await turns(2);
    poller.touch(source);
    poller.touch(source);
    expect(source.flushes).toBe(0);
    await Promise.resolve();
    expect(source.flushes).toBe(1);
    await turns(2);
    expect(source.flushes).toBe(1);
  });

  it("flushes what was written during a turn once, at its end", async () => {
    const { poller } = openPoller();
    const [reading, writing] = [added(poller), added(poller)];
    let during = 0;
    reading.onPoll = () => {
      poller.touch(writing);
      poller.touch(writing);
      during = writing.flushes;
    };
    await bring(poller, reading);
    expect(during).toBe(0);
    expect(writing.flushes).toBe(1);
  });

  it("polls no source that was removed, not even later in the same turn", async () => {
    const { poller } = openPoller();
    const [first, second] = [added(poller), added(poller)];
    first.onPoll = () => poller.remove(second);
    second.waiting = 1;
    poller.touch(second);
    await bring(poller, first);
    await turns(2);
    expect([second.polls, second.flushes]).toEqual([0, 1]);
    poller.touch(first);
    poller.remove(first);
    await turns(2);
    expect(first.flushes).toBe(0);
  });

  it("polls a source that was added during a turn", async () => {
    const { poller } = openPoller();
    const first = added(poller);
    const late = new FakeSource();
    late.waiting = 1;
    first.onPoll = () => poller.add(late);
    await bring(poller, first);
    await late.polled(1);
  });

  it("lets the handlers' promises run between two turns", async () => {
    const { poller } = openPoller();
    const source = added(poller);
    const order: string[] = [];
    source.onPoll = () => {
      order.push("turn");
      if (source.polls === 1) source.waiting = 1;
      void Promise.resolve().then(() => order.push("promise"));
    };
    await bring(poller, source);
    await source.polled(2);
    await turns(1);
    expect(order).toEqual(["turn", "promise", "turn", "promise"]);
  });

  it("lets the timers of its thread fire while messages flood in", async () => {
    const { poller } = openPoller();
    const source = added(poller);
    source.onPoll = () => void (source.waiting = 1);
    await bring(poller, source);
    await new Promise((resolve) => setTimeout(resolve, 0));
    poller.remove(source);
  });
});

describe("a closed thread poller", () => {
  it("leaves no wait behind", () => {
    const { poller, word, presence } = openPoller();
    poller.close();
    expect(Atomics.notify(word, 0)).toBe(0);
    expect(presence[0]).toBe(0);
  });

  it("neither polls nor flushes any more, also what was under way", async () => {
    const { poller } = openPoller();
    const source = added(poller);
    source.onPoll = () => {
      source.waiting = 1;
      poller.close();
    };
    await bring(poller, source);
    poller.touch(source);
    poller.bell.ring();
    await turns(3);
    expect([source.polls, source.flushes]).toEqual([1, 0]);
  });

  it("stops a chain that has yielded to the event loop", async () => {
    const { poller } = openPoller();
    const source = added(poller);
    source.onPoll = () => void (source.waiting = 1);
    await bring(poller, source);
    // Long enough that turns are chained by the event loop; closed between two of them.
    await new Promise((resolve) => setTimeout(resolve, 2));
    poller.close();
    const { polls } = source;
    await turns(3);
    expect(source.polls).toBe(polls);
  });
});

describe("looking before sleeping", () => {
  /** What the poller takes for the time: a microsecond passes with each look at it. */
  let nowMs: number;
  beforeEach(() => {
    nowMs = 1;
    vi.spyOn(performance, "now").mockImplementation(() => (nowMs += 0.001));
  });
  afterEach(() => void vi.restoreAllMocks());

  it("finds an answer without a ring, once answers have come fast for a while", async () => {
    const { poller, counters } = openPoller();
    const source = added(poller);
    await learnFastAnswers(poller, source);
    const before = counters();
    source.expecting = true;
    poller.touch(source);
    arriveAtLook(source, 5);
    await microtasksDrained();
    expect(source.polls).toBe(21);
    expect(counters().spinsHit).toBe(before.spinsHit + 1);
    expect(counters().wakes).toBe(before.wakes);
  });

  it("is not tried for a request that nobody expects, by what was learned from answers", async () => {
    const { poller, counters } = openPoller();
    const source = added(poller);
    await learnFastAnswers(poller, source);
    const { spinsMissed, spinsHit } = counters();
    await turns(2);
    poller.touch(source);
    await turns(2);
    expect(counters()).toMatchObject({ spinsMissed, spinsHit });
  });

  it("is not tried for the answer to a call that comes after a long sleep", async () => {
    const { poller, counters } = openPoller();
    const source = added(poller);
    await learnFastAnswers(poller, source);
    const { spinsMissed, spinsHit } = counters();
    await turns(2);
    source.expecting = true;
    nowMs += 2;
    poller.touch(source);
    await turns(2);
    expect(counters()).toMatchObject({ spinsMissed, spinsHit });
  });

  it("goes on past the kernel's tick, once, when messages keep coming right after it was given up", async () => {
    const { poller, counters } = openPoller();
    const source = added(poller);
    await learnFastAnswers(poller, source);
    source.expecting = true;
    nowMs += 1_000;
    const lookedMs: number[] = [];
    for (let time = 0; time < 40; time++) {
      const startMs = nowMs;
      const { spinsMissed } = counters();
      await bring(poller, source);
      await turns(2);
      if (counters().spinsMissed > spinsMissed) lookedMs.push(nowMs - startMs);
    }
    expect(lookedMs.filter((ms) => ms > 9)).toHaveLength(1);
    expect(lookedMs.length).toBeGreaterThan(8);
  });

  it("in vain ends soon, in sleep, and is tried ever less", async () => {
    const { poller, word, counters } = openPoller();
    const source = added(poller);
    await learnFastAnswers(poller, source);
    source.expecting = true;
    const { spinsMissed } = counters();
    let looks = 0;
    source.onReady = () => void looks++;
    const looksInVain: number[] = [];
    for (let time = 0; time < 6; time++) {
      looks = 0;
      poller.touch(source);
      await turns(2);
      looksInVain.push(looks);
      expect(word[0]).toBe(ASLEEP);
    }
    expect(looksInVain).toEqual(looksInVain.toSorted((a, b) => b - a));
    expect(looksInVain[0]).toBeGreaterThan(100);
    // One look, before the sleep, is always taken; without a window not even that, since it never woke.
    expect(looksInVain.at(-1)).toBeLessThanOrEqual(1);
    expect(counters().spinsMissed - spinsMissed).toBeGreaterThan(2);
    expect(counters().spinsMissed - spinsMissed).toBeLessThan(6);
  });

  it("loses no ring that comes while an earlier wait is still pending", async () => {
    const { poller, word, counters } = openPoller();
    const source = added(poller);
    await learnFastAnswers(poller, source);
    const { spinsMissed, wakes } = counters();
    // Woken by its own flush, it looks in vain and sleeps again: the wait from before was never answered.
    source.expecting = true;
    poller.touch(source);
    await turns(1);
    expect([counters().spinsMissed, counters().wakes, word[0]]).toEqual([spinsMissed + 1, wakes, ASLEEP]);
    await bring(poller, source);
    await bring(poller, source);
  });

  it("is left to others when every core has an awake thread", async () => {
    const { poller, counters, presence } = openPoller(1);
    const source = added(poller);
    await learnFastAnswers(poller, source);
    presence[1] = 1;
    const { spinsMissed } = counters();
    source.expecting = true;
    poller.touch(source);
    await turns(2);
    expect(counters().spinsMissed).toBe(spinsMissed);
    presence[1] = 0;
    poller.touch(source);
    await turns(2);
    expect(counters().spinsMissed).toBe(spinsMissed + 1);
  });

  it("does not happen when idle: a sleeping thread neither looks nor parks anew", async () => {
    const { poller, counters } = openPoller();
    const source = added(poller);
    await learnFastAnswers(poller, source);
    await turns(3);
    const before = counters();
    let looks = 0;
    source.onReady = () => void looks++;
    await turns(50);
    expect(looks).toBe(0);
    expect(counters()).toEqual(before);
  });

  it("for the last time does not begin a new chain: the event loop turns though each message comes just then", async () => {
    // Without a core to itself it looks once before it sleeps, and no longer.
    const { poller } = openPoller(0);
    const source = added(poller);
    let looks = 0;
    // Looked for in vain by the turn, found by the last look before the sleep, then handled by the next turn.
    source.onReady = () => void (source.waiting = looks++ % 3 === 0 ? 0 : 1);
    // A poller that never lets the loop turn is stopped, so that the test can fail.
    source.onPoll = () => void (source.polls === 100_000 && poller.remove(source));
    await source.polled(1);
    await turns(20);
    poller.remove(source);
    expect(source.polls).toBeLessThan(100_000);
  });

  it("is not tried after a flush when nothing is expected, though requests come fast", async () => {
    const { poller, counters } = openPoller();
    const source = added(poller);
    for (let request = 0; request < 20; request++) {
      await bring(poller, source);
      await turns(1);
    }
    expect(counters().spinsMissed).toBeGreaterThan(0);
    const { spinsMissed, spinsHit } = counters();
    poller.touch(source);
    await turns(2);
    expect(counters()).toMatchObject({ spinsMissed, spinsHit });
  });

  it("is counted, as are parks and wakes", async () => {
    const { poller, counters } = openPoller();
    expect(counters()).toMatchObject({ parks: 1, wakes: 0, spinsHit: 0, spinsMissed: 0 });
    const source = added(poller);
    await turns(2);
    await bring(poller, source);
    await turns(2);
    // One ring was for the new source, one for what it brought.
    expect(counters()).toMatchObject({ parks: 3, wakes: 2, spinsHit: 0, spinsMissed: 0 });
  });
});

/** Makes 20 calls whose answers come quickly, each while the thread sleeps, so that its window opens. */
async function learnFastAnswers(poller: ThreadPoller, source: FakeSource): Promise<void> {
  source.onPoll = () => void (source.expecting = false);
  for (let call = 0; call < 20; call++) {
    source.expecting = true;
    poller.touch(source);
    await Promise.resolve();
    await bring(poller, source);
    await turns(1);
  }
}

/** The source becomes ready at that look from now on. */
function arriveAtLook(source: FakeSource, look: number): void {
  let looks = 0;
  source.onReady = () => void (++looks === look && source.waiting++);
}

/** A message comes, and the bell rings, just before the given atomic operation of a poller that goes to sleep. */
async function ringWhileFallingAsleep(
  poller: ThreadPoller,
  source: FakeSource,
  operation: number,
): Promise<boolean> {
  let operations = 0;
  let intruded = false;
  source.onPoll = () => {
    if (source.polls !== 1) return;
    for (const name of ["load", "store", "waitAsync"] as const) {
      const original = Atomics[name] as (...given: unknown[]) => unknown;
      vi.spyOn(Atomics, name).mockImplementation((...given: unknown[]) => {
        if (!intruded && operations++ === operation) {
          intruded = true;
          source.waiting++;
          poller.bell.ring();
        }
        return original(...given) as never;
      });
    }
  };
  await bring(poller, source);
  await turns(2);
  vi.restoreAllMocks();
  return intruded;
}
