import { describe, expect, it } from "vitest";
import { InlinePoller } from "../../src/ring/index.ts";
import { seededRandom, testSeed } from "../kit/seeded-random.ts";
import { seededScheduler, type SeededScheduler } from "../kit/seeded-scheduler.ts";
import { FakeSource } from "./modules/fake-source.ts";

function openPoller(): { poller: InlinePoller; scheduler: SeededScheduler; source: FakeSource } {
  const scheduler = seededScheduler(seededRandom(testSeed()));
  const poller = new InlinePoller(scheduler);
  const source = new FakeSource();
  poller.add(source);
  return { poller, scheduler, source };
}

describe("an inline poller", () => {
  it("takes its turns when the scheduler says so, never within the ring of the bell", async () => {
    const { poller, scheduler, source } = openPoller();
    source.waiting = 1;
    poller.bell.ring();
    expect(source.polls).toBe(0);
    await scheduler.runAll();
    expect(source.polls).toBe(1);
  });

  it("takes one turn for any number of rings and touches", async () => {
    const { poller, scheduler, source } = openPoller();
    await scheduler.runAll();
    poller.bell.ring();
    poller.bell.ring();
    poller.touch(source);
    expect(scheduler.ready).toBe(1);
    expect(await scheduler.runAll()).toBe(1);
    expect(source.flushes).toBe(1);
  });

  it("goes on for as long as there is something to do, and then rests", async () => {
    const { poller, scheduler, source } = openPoller();
    source.onPoll = () => void (source.waiting = source.polls < 5 ? 1 : 0);
    source.waiting = 1;
    poller.bell.ring();
    await scheduler.runAll();
    expect(source.polls).toBe(5);
    expect(scheduler.ready).toBe(0);
  });

  it("handles what a source holds when it is added, and nothing of one that was removed", async () => {
    const { poller, scheduler, source } = openPoller();
    source.waiting = 1;
    await scheduler.runAll();
    expect(source.polls).toBe(1);
    source.waiting = 1;
    poller.touch(source);
    poller.remove(source);
    await scheduler.runAll();
    expect([source.polls, source.flushes]).toEqual([1, 0]);
  });

  it("does nothing after it was closed, though a turn had been asked for", async () => {
    const { poller, scheduler, source } = openPoller();
    source.waiting = 1;
    poller.bell.ring();
    poller.close();
    await scheduler.runAll();
    poller.bell.ring();
    expect(scheduler.ready).toBe(0);
    expect(source.polls).toBe(0);
  });
});
