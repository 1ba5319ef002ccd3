import type { Progress } from "@modelcontextprotocol/server";
import { expect, it } from "vitest";
import { CallProgress } from "../../src/mcp/call-progress.ts";
import { manualClock } from "../kit/manual-clock.ts";
import { microtasksDrained } from "../kit/microtasks.ts";

function openKit(send: () => Promise<void> = async () => undefined) {
  const clock = manualClock();
  const told: Progress[] = [];
  const lost: string[] = [];
  const notify = (progress: Progress): Promise<void> => {
    told.push(progress);
    return send();
  };
  const progress = new CallProgress(notify, clock, (why) => void lost.push(why));
  const values = (): number[] => told.map((each) => each.progress);
  return { clock, told, lost, progress, values };
}

it("tells that a call has begun at once, and every five seconds that it goes on", async () => {
  const { clock, told, values } = openKit();
  expect(told).toEqual([{ progress: 0, message: "started" }]);
  await clock.advance(4_999);
  expect(told).toHaveLength(1);
  await clock.advance(10_001);
  expect(values()).toEqual([0, 0.01, 0.02, 0.03]);
});

it("grows with every message, whatever is reported, and never beyond its total", async () => {
  const { clock, told, values, progress } = openKit();
  await microtasksDrained();
  for (const fraction of [0.5, 0.2, 0.5, 1, 1]) {
    progress.report(fraction, `at ${fraction}`);
    await microtasksDrained();
  }
  await clock.advance(5_000);
  for (const [at, value] of values().slice(1).entries()) expect(value).toBeGreaterThan(values()[at] ?? 0);
  expect(told[1]).toEqual({ progress: 50, total: 100, message: "at 0.5" });
  for (const { progress: value, total = Infinity } of told) expect(value).toBeLessThanOrEqual(total);
});

it("counts five seconds from what was told last", async () => {
  const { clock, told, progress } = openKit();
  await clock.advance(3_000);
  progress.report(0.1, "a tenth");
  await clock.advance(4_999);
  expect(told).toHaveLength(2);
  await clock.advance(1);
  expect(told).toHaveLength(3);
});

it("sends nothing more after its end, which leaves the client a moment to read the last word", async () => {
  const { clock, told, progress } = openKit();
  let isOver = false;
  const ending = progress.end().then(() => (isOver = true));
  await microtasksDrained();
  expect(isOver).toBe(false);
  await clock.advance(1);
  await ending;
  progress.report(0.5, "too late");
  await clock.advance(60_000);
  expect(told).toHaveLength(1);
  expect(clock.pending).toBe(0);
});

it("leaves it a longer moment when it has told more than the beginning", async () => {
  const { clock, told, progress } = openKit();
  progress.report(1 / 3, "a third");
  let isOver = false;
  const ending = progress.end().then(() => (isOver = true));
  await clock.advance(9);
  expect(isOver).toBe(false);
  await clock.advance(1);
  await ending;
  expect(told[1]).toEqual({ progress: 33.33, total: 100, message: "a third" });
});

it("has one message under way to a client that does not read, however much is reported", async () => {
  const sent = Promise.withResolvers<void>();
  const { clock, told, progress } = openKit(() => sent.promise);
  for (let at = 1; at < 1_000; at++) progress.report(at / 1_000, "on");
  await clock.advance(60_000);
  expect(told).toHaveLength(1);
  sent.resolve();
  await microtasksDrained();
  expect(told.map(({ message }) => message)).toEqual(["started", "on"]);
  expect(told[1]?.progress).toBeGreaterThanOrEqual(99.9);
});

it("goes on when a message cannot be sent, and says why", async () => {
  const { lost, progress, clock } = openKit(() => Promise.reject(new Error("the connection is closed")));
  const ending = progress.end();
  await clock.advance(1);
  await ending;
  expect(lost).toEqual(["the connection is closed"]);
});
