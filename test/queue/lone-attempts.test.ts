import { expect, it } from "vitest";
import { packValue } from "../../src/codec/index.ts";
import { fault, toWireError } from "../../src/errors/index.ts";
import type { AttemptEnding, AttemptSpec } from "../../src/queue/queue.protocol.ts";
import { LOOK_START } from "../../src/store/index.ts";
import { fakeMessage } from "../kit/actor-context.ts";
import { completed, openKit, type QueueKit } from "./queue-kit.ts";

const message = fakeMessage();
const ID = "P\0t1";

function begin(kit: QueueKit, more: Partial<AttemptSpec> = {}, signal = message.signal) {
  const spec = { attemptId: ID, action: "echo", input: packValue(1), attempt: 3, timeoutMs: 700, ...more };
  return Promise.resolve(kit.queue.attempt({ spec }, fakeMessage({ signal })));
}

const poolId = (kit: QueueKit): string => kit.pool.started.at(-1)?.taskId ?? "";

it("an attempt that is no task runs where its handler declares, with its own number and time, and leaves nothing", async () => {
  const kit = await openKit();
  const ended = begin(kit);
  await kit.turns();
  expect(kit.pool.started).toMatchObject([{ action: "echo", attempt: 3, timeoutMs: 700, place: "shared" }]);
  kit.pool.end(poolId(kit), completed("out"));
  expect(await kit.answer(ended)).toEqual({ end: { kind: "completed", output: packValue("out") } });
  expect(await kit.answer(kit.queue.stats(undefined, message))).toMatchObject({ rows: 0, completed: 0 });
});

it.each<[string, Parameters<QueueKit["end"]>[1], Partial<AttemptEnding>]>([
  [
    "failure",
    { kind: "failed", error: toWireError(fault("UNAVAILABLE", { what: "x", why: "y" })) },
    { kind: "failed" },
  ],
  ["death of its thread", { kind: "interrupted", why: "its thread died" }, { kind: "interrupted" }],
])("the %s of an attempt is told as what it is", async (_, outcome, end) => {
  const kit = await openKit();
  const ended = begin(kit);
  await kit.turns();
  if (outcome) kit.pool.end(poolId(kit), outcome);
  expect((await kit.answer(ended)).end).toMatchObject(end);
});

it("an attempt that is stopped is told as cancelled once its handler has ended, and not before", async () => {
  const kit = await openKit();
  let told: unknown = null;
  const ended = begin(kit).then((answer) => (told = answer));
  await kit.turns();
  expect(await kit.answer(kit.queue.stopAttempt({ attemptId: ID }, message))).toBe(true);
  expect(kit.pool.cancels).toHaveLength(1);
  expect(told).toBeNull();
  kit.pool.end(poolId(kit), { kind: "cancelled", error: toWireError(fault("CANCELLED", { what: "it" })) });
  await kit.answer(ended);
  expect(told).toMatchObject({ end: { kind: "cancelled" } });
  expect(await kit.answer(kit.queue.stopAttempt({ attemptId: ID }, message))).toBe(false);
});

it("a second attempt under the name of one that runs is refused", async () => {
  const kit = await openKit({ init: { threads: 2 } });
  const first = begin(kit);
  await kit.turns();
  await expect(kit.answer(begin(kit))).rejects.toMatchObject({ code: "ALREADY_EXISTS" });
  kit.pool.end(poolId(kit), completed());
  await kit.answer(first);
});

it("an attempt whose caller dies is told to stop", async () => {
  const kit = await openKit();
  const caller = new AbortController();
  const ended = begin(kit, {}, caller.signal);
  await kit.turns();
  caller.abort();
  expect(kit.pool.cancels).toMatchObject([{ taskId: poolId(kit) }]);
  kit.pool.end(poolId(kit), completed());
  await kit.answer(ended);
});

it("how far an attempt is, is told by its own name", async () => {
  const kit = await openKit();
  const ended = begin(kit);
  await kit.turns();
  kit.pool.options.onProgress({ taskId: poolId(kit), token: 1, attempt: 3 }, 0.5, "half");
  expect(kit.events("attemptProgressed")).toEqual([{ attemptId: ID, progress: 0.5, message: "half" }]);
  kit.pool.end(poolId(kit), completed());
  await kit.answer(ended);
});

it("what an attempt may have stored is protected for as long as it runs", async () => {
  const kit = await openKit();
  const ended = begin(kit);
  await kit.turns();
  await kit.clock.advance(90_000);
  const from = LOOK_START;
  expect(await kit.answer(kit.queue.references({ from }, message))).toMatchObject({ attemptMs: 90_000 });
  kit.pool.end(poolId(kit), completed());
  await kit.answer(ended);
});

it("an action that nobody has is refused by its name", async () => {
  const kit = await openKit();
  await expect(kit.answer(begin(kit, { action: "nobody" }))).rejects.toMatchObject({
    code: "UNKNOWN_ACTION",
  });
});
