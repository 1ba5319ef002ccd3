import { describe, expect, it } from "vitest";
import { EventStream, followActor, type FollowedLife, type SubscribeOptions } from "../../src/actor/index.ts";
import { fault } from "../../src/errors/index.ts";
import { manualClock } from "../kit/manual-clock.ts";
import { microtasksDrained } from "../kit/microtasks.ts";

const restarting = () => fault("ACTOR_RESTARTING", { actor: "other" });
const stopped = () => fault("ACTOR_STOPPED", { actor: "other" });
const lost = () => fault("EVENTS_LOST", { actor: "other", event: "told", limit: 1 });

/** An actor with one event, and whoever follows it. */
function stage(begin: (life: FollowedLife) => Promise<void> | void = () => undefined) {
  const clock = manualClock();
  const controller = new AbortController();
  const streams = new Set<EventStream<string>>();
  const seen: string[] = [];
  const told = ({ signal, buffer = 0 }: SubscribeOptions): EventStream<string> => {
    const name = { actor: "other", event: "told" };
    const stream: EventStream<string> = new EventStream(name, buffer, () => streams.delete(stream), signal);
    streams.add(stream);
    return stream;
  };
  let up: Promise<void> = Promise.resolve();
  const following = followActor(
    { ready: () => up, writable: async () => undefined },
    async (life) => {
      seen.push("begun");
      life.hear(told, (event) => void seen.push(event));
      await begin(life);
      seen.push("stands");
    },
    { clock, signal: controller.signal, ended: () => void seen.push("ended") },
  );
  // Looked at where a test awaits it.
  following.catch(() => undefined);
  return {
    clock,
    seen,
    streams,
    following,
    emit: (event: string) => streams.forEach((stream) => stream.push(event)),
    fail: (error: Error) => [...streams].forEach((stream) => stream.finish(error)),
    down: (until: Promise<void>) => void (up = until),
    abort: () => controller.abort(new Error("enough")),
  };
}

describe("an actor that is followed", () => {
  it("is heard until the signal aborts, and then nothing is left on it", async () => {
    const { following, emit, seen, streams, abort, clock } = stage();
    await microtasksDrained();
    emit("one");
    emit("two");
    await microtasksDrained();
    abort();
    expect(await following).toBeUndefined();
    expect(seen).toEqual(["begun", "stands", "one", "two", "ended"]);
    expect(streams.size).toBe(0);
    expect(clock.pending).toBe(0);
  });

  it("is begun with anew as soon as it is back", async () => {
    const { fail, seen, down, emit, abort, following } = stage();
    await microtasksDrained();
    const back = Promise.withResolvers<void>();
    down(back.promise);
    fail(restarting());
    await microtasksDrained();
    expect(seen).toEqual(["begun", "stands", "ended"]);
    back.resolve();
    await microtasksDrained();
    emit("after");
    await microtasksDrained();
    expect(seen.slice(3)).toEqual(["begun", "stands", "after"]);
    abort();
    await following;
  });

  it("is begun with anew when events were lost", async () => {
    const { fail, seen, clock, abort, following } = stage();
    await microtasksDrained();
    fail(lost());
    await clock.advance(50);
    expect(seen).toEqual(["begun", "stands", "ended", "begun", "stands"]);
    abort();
    await following;
  });

  it("is asked less and less often while it fails, and soon again once it has answered", async () => {
    const askedAtMs: number[] = [];
    const { seen, clock, fail, abort, following } = stage(() => {
      askedAtMs.push(clock.now());
      if (askedAtMs.length <= 5) throw fault("UNAVAILABLE", { what: "the other", why: "it is busy" });
    });
    await clock.advance(10_000);
    expect(askedAtMs).toEqual([0, 50, 150, 350, 750, 1_550]);
    expect(seen.at(-1)).toBe("stands");
    fail(lost());
    await clock.advance(50);
    expect(seen.slice(-3)).toEqual(["ended", "begun", "stands"]);
    abort();
    await following;
  });

  it("is left alone when it is stopped for good, and whoever followed it learns why", async () => {
    const { fail, following, seen, streams } = stage();
    await microtasksDrained();
    const why = stopped();
    fail(why);
    expect(await following).toBe(why);
    expect(seen.at(-1)).toBe("ended");
    expect(streams.size).toBe(0);
  });

  it("tells nothing of a life that is over, though it was still being begun with", async () => {
    const answer = Promise.withResolvers<void>();
    const { fail, seen, abort, following } = stage(() => answer.promise);
    await microtasksDrained();
    fail(restarting());
    await microtasksDrained();
    expect(seen).toEqual(["begun"]);
    answer.resolve();
    await microtasksDrained();
    expect(seen.slice(0, 4)).toEqual(["begun", "stands", "ended", "begun"]);
    abort();
    await following;
  });

  it("does not hide a bug of whoever listens", async () => {
    const bug = new TypeError("a bug");
    const { following, streams } = stage(() => {
      throw bug;
    });
    await expect(following).rejects.toBe(bug);
    expect(streams.size).toBe(0);
  });
});
