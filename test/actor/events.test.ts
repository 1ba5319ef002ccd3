import { describe, expect, it } from "vitest";
import { EventStream } from "../../src/actor/event-stream.ts";
import { LIMITS, fault } from "../../src/errors/index.ts";
import { failOnLeaks } from "../kit/leak-check.ts";
import { PLACEMENTS, openStage } from "./stage.ts";

failOnLeaks();

async function taken<T>(stream: AsyncIterableIterator<T>, count: number): Promise<T[]> {
  const values: T[] = [];
  while (values.length < count) {
    const next = await stream.next();
    if (next.done === true) break;
    values.push(next.value);
  }
  return values;
}

describe.each(PLACEMENTS)("events of an actor that lives %s", (placement) => {
  it("reach every subscriber, in order", async () => {
    const { counter, drive } = await openStage(placement, { limit: 0 });
    const streams = [counter.on.overflowed(), counter.on.overflowed()];
    for (let by = 1; by <= 20; by++) void counter.call.add({ by: 1 });
    const totals = Array.from({ length: 20 }, (_, index) => ({ total: index + 1 }));
    for (const stream of streams) {
      expect(await drive(taken(stream, 20))).toEqual(totals);
      await stream.return?.();
    }
  });

  it("reach nobody who has left the loop", async () => {
    const { counter, drive } = await openStage(placement, { limit: 0 });
    const stream = counter.on.overflowed();
    await drive(counter.call.add({ by: 1 }));
    const seen: number[] = [];
    await drive(
      (async () => {
        for await (const { total } of stream) {
          seen.push(total);
          break;
        }
      })(),
    );
    await drive(counter.call.add({ by: 1 }));
    expect(seen).toEqual([1]);
    expect(await stream.next()).toEqual({ value: undefined, done: true });
  });

  it("end quietly when the subscriber's signal aborts, and never begin when it has aborted before", async () => {
    const { counter, drive } = await openStage(placement, { limit: 0 });
    const controller = new AbortController();
    const stream = counter.on.overflowed({ signal: controller.signal });
    const first = stream.next();
    controller.abort();
    expect(await first).toEqual({ value: undefined, done: true });
    const late = counter.on.overflowed({ signal: controller.signal });
    await drive(counter.call.add({ by: 1 }));
    expect(await late.next()).toEqual({ value: undefined, done: true });
  });

  it("without a payload are events, too", async () => {
    const { counter, drive } = await openStage(placement);
    const stream = counter.on.tick();
    counter.cast.emit({ count: 3 });
    await drive(counter.call.total());
    expect(await drive(taken(stream, 3))).toEqual([undefined, undefined, undefined]);
    await stream.return?.();
  });

  it("end with EVENTS_LOST for a subscriber who is too slow, after what was buffered", async () => {
    const { counter, drive } = await openStage(placement, { limit: 0 });
    const stream = counter.on.overflowed({ buffer: 2 });
    for (let by = 1; by <= 5; by++) await drive(counter.call.add({ by: 1 }));
    expect(await taken(stream, 2)).toEqual([{ total: 1 }, { total: 2 }]);
    await expect(stream.next()).rejects.toMatchObject({
      code: "EVENTS_LOST",
      details: { actor: "counter", event: "overflowed", limit: 2 },
    });
    expect(await stream.next()).toEqual({ value: undefined, done: true });
  });

  it("end with EVENTS_LOST when they come faster than the ring carries them, and the actor counts it", async () => {
    const { counter, drive, supervisor } = await openStage(placement, { mailbox: { ringBytes: 4_096 } });
    const stream = counter.on.tick({ buffer: 100 });
    counter.cast.emit({ count: 5_000 });
    await drive(counter.call.total());
    const ended = (async () => {
      while ((await stream.next()).done !== true);
    })();
    await expect(drive(ended)).rejects.toMatchObject({ code: "EVENTS_LOST" });
    expect(supervisor.metrics().counters.eventsLost).toBe(1);
  });

  it("end with ACTOR_RESTARTING when the actor dies, after what had arrived was handed out", async () => {
    const { counter, drive, supervisor, eventually } = await openStage(placement, { limit: 0 });
    const stream = counter.on.overflowed();
    await drive(counter.call.add({ by: 1 }));
    await drive(counter.call.add({ by: 1 }));
    await drive(supervisor.kill("counter"));
    expect(await eventually(() => counter.call.epoch())).toBe(2);
    expect(await taken(stream, 2)).toEqual([{ total: 1 }, { total: 2 }]);
    await expect(stream.next()).rejects.toMatchObject({ code: "ACTOR_RESTARTING" });
  });

  it("cannot be subscribed to while the actor is down: the stream says so", async () => {
    const { counter, drive, supervisor } = await openStage(placement);
    await drive(supervisor.stopChild("counter"));
    await expect(counter.on.tick().next()).rejects.toMatchObject({ code: "ACTOR_STOPPED" });
  });

  it("are not subscribed to while the mailbox is full, so a loop that subscribes and leaves piles nothing up", async () => {
    const messages = 8;
    const { counter, drive, hold } = await openStage(placement, { mailbox: { messages } });
    const release = await hold();
    const ends: unknown[] = [];
    for (let time = 0; time < 100; time++) {
      const stream = counter.on.tick();
      const read = stream.next();
      await stream.return?.();
      ends.push(await read.catch((error: unknown) => error));
    }
    const accepted = ends.findIndex((end) => end instanceof Error);
    expect(accepted).toBe(messages / 2); // each takes two: it comes and it leaves
    for (const end of ends.slice(accepted)) expect(end).toMatchObject({ code: "MAILBOX_FULL" });
    release();
    await drive(counter.writable());
    const stream = counter.on.tick();
    counter.cast.emit({ count: 1 });
    expect(await drive(taken(stream, 1))).toEqual([undefined]);
    await stream.return?.();
  });

  it("have at most so many subscriptions of one caller", async () => {
    const { counter } = await openStage(placement);
    const streams = Array.from({ length: LIMITS.actor.subscriptions }, () => counter.on.tick());
    await expect(counter.on.tick().next()).rejects.toMatchObject({
      code: "INVALID_ARGUMENT",
      details: { argument: "subscriptions" },
    });
    for (const stream of streams) await stream.return?.();
    const again = counter.on.tick();
    const waiting = again.next();
    await again.return?.();
    expect(await waiting).toEqual({ value: undefined, done: true });
  });
});

describe("a stream of events", () => {
  const open = (limit = 8): { stream: EventStream<number>; left: () => number } => {
    let left = 0;
    const stream = new EventStream<number>({ actor: "a", event: "e" }, limit, () => void left++);
    return { stream, left: () => left };
  };
  const end = { value: undefined, done: true };

  it("gives each of several reads at once an event of its own", async () => {
    const { stream } = open();
    const reads = [stream.next(), stream.next(), stream.next()];
    for (const value of [1, 2, 3]) stream.push(value);
    expect(await Promise.all(reads)).toEqual([1, 2, 3].map((value) => ({ value, done: false })));
  });

  it("tells its error once, to the first who waits, and is done for everybody else", async () => {
    const { stream, left } = open();
    const reads = [stream.next(), stream.next()];
    stream.finish(fault("ACTOR_RESTARTING", { actor: "a" }));
    const [first, second] = await Promise.allSettled(reads);
    expect(first).toMatchObject({ reason: { code: "ACTOR_RESTARTING" } });
    expect(second).toMatchObject({ value: end });
    expect(await stream.next()).toEqual(end);
    expect(left()).toBe(1);
  });

  it("ends without an error for everybody who waits", async () => {
    const { stream } = open();
    const reads = [stream.next(), stream.next()];
    stream.finish();
    stream.finish(new Error("too late to matter"));
    stream.push(1);
    expect(await Promise.all(reads)).toEqual([end, end]);
  });

  it("drops its buffer and unsubscribes once when it is left, however often", async () => {
    const { stream, left } = open();
    stream.push(1);
    await stream.return();
    await stream[Symbol.asyncDispose]();
    expect(await stream.next()).toEqual(end);
    expect(left()).toBe(1);
  });

  it("is its own iterator", () => {
    const { stream } = open();
    expect(stream[Symbol.asyncIterator]()).toBe(stream);
  });
});
