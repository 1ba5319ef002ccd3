import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { describe, expect, it } from "vitest";
import { Reference, packValue } from "../../src/codec/index.ts";
import { LOOK_START, type LookPlace } from "../../src/store/index.ts";
import { fakeMessage } from "../kit/actor-context.ts";
import { completed, failedWith, openKit, temporaryDirectory, type QueueKit } from "./queue-kit.ts";

const message = fakeMessage();
const DAY_MS = 86_400_000;
const addressOf = (digit: number): string => digit.toString(16).repeat(64);
const naming = (digit: number, size = 0): Uint8Array =>
  packValue({ text: "x".repeat(size), part: [new Reference(addressOf(digit), 1, ["rows", 0])] });

/** Everything that the queue's tasks name, by the digit that it is made of. */
async function named(kit: QueueKit): Promise<{ digits: string; attemptMs: number }> {
  const found = new Set<string>();
  let attemptMs = -1;
  for (let from: LookPlace | null = LOOK_START; from !== null;) {
    const part: Awaited<ReturnType<typeof kit.queue.references>> = await kit.answer(
      kit.queue.references({ from }, message),
    );
    for (const address of part.addresses) found.add(address.charAt(0));
    if (attemptMs < 0) attemptMs = part.attemptMs;
    from = part.next;
  }
  return { digits: [...found].toSorted().join(""), attemptMs };
}

describe("what tasks name", () => {
  it("is in their inputs, small and large, and in their outputs, whatever their state", async () => {
    const kit = await openKit();
    await kit.submitAlone(
      { taskId: "running", input: naming(1) },
      { taskId: "waiting", input: naming(2, 50_000) },
      { taskId: "none" },
    );
    expect((await named(kit)).digits).toBe("12");
    await kit.end("running", { kind: "completed", output: naming(3) });
    await kit.end("waiting", failedWith("no"));
    expect((await named(kit)).digits).toBe("123");
  });

  it("is named no longer when they have left, except by a retry that took the input over", async () => {
    const kit = await openKit();
    await kit.submitAlone({ taskId: "a", input: naming(1, 50_000) }, { taskId: "b", input: naming(2) });
    await kit.end("a", failedWith("no"));
    await kit.end("b", failedWith("no"));
    await kit.answer(kit.queue.retry({ taskId: "a" }, message));
    await kit.answer(kit.queue.clear({ states: ["failed"] }, message));
    expect((await named(kit)).digits).toBe("1");
    await kit.end("a-retry-1");
    await kit.answer(kit.queue.clear({ states: ["completed"] }, message));
    expect((await named(kit)).digits).toBe("");
  });

  it("is let go of when they are too old, though nothing else happens", async () => {
    const kit = await openKit({ init: { keptMs: DAY_MS } });
    await kit.submitAlone({ taskId: "a", input: naming(1) });
    await kit.end("a");
    await kit.clock.advance(DAY_MS);
    await named(kit);
    expect((await named(kit)).digits).toBe("");
  });

  it("is told of a directory of many tasks part by part, and of all of them", async () => {
    const kit = await openKit();
    await kit.answer(kit.queue.pause({ reason: "" }, message));
    const many = Array.from({ length: 3_000 }, (_, at) => ({
      taskId: `t${at}`,
      ...(at % 1_000 === 7 && { input: naming(1 + Math.floor(at / 1_000)) }),
    }));
    await kit.submitAlone(...many);
    const first = await kit.answer(kit.queue.references({ from: LOOK_START }, message));
    expect(first.addresses).toEqual([addressOf(1)]);
    expect(first.next).not.toBeNull();
    expect((await named(kit)).digits).toBe("123");
  });
});

describe("the age of the oldest attempt", () => {
  it("is that of whoever runs, here or outside, and nothing when nobody does", async () => {
    const kit = await openKit();
    expect(await named(kit)).toEqual({ digits: "", attemptMs: 0 });
    await kit.submitAlone({ taskId: "a" });
    await kit.clock.advance(5_000);
    const worker = { workerId: "w", capabilities: ["paint"] };
    await kit.answer(kit.queue.registerWorker({ worker }, message));
    await kit.submitAlone({ taskId: "b", action: "paint" });
    const claim = { workerId: "w", max: 1, leaseMs: DAY_MS, waitMs: 0 };
    const { leases } = await kit.answer(kit.queue.claim(claim, message));
    const [lease] = leases;
    if (!lease) throw new Error("there is a task to claim");
    await kit.clock.advance(1_000);
    expect((await named(kit)).attemptMs).toBe(6_000);
    await kit.end("a");
    expect((await named(kit)).attemptMs).toBe(1_000);
    const end = { kind: "completed" as const, output: naming(1) };
    await kit.answer(kit.queue.finish({ workerId: "w", taskId: "b", token: lease.token, end }, message));
    expect(await named(kit)).toEqual({ digits: "1", attemptMs: 0 });
  });

  it("counts an attempt whose end is not on disk, since its row does not name its output yet", async () => {
    const kit = await openKit();
    await kit.submitAlone({ taskId: "a" });
    await kit.clock.advance(5_000);
    kit.disk.room = 0;
    await kit.end("a", { kind: "completed", output: naming(1) });
    expect(await named(kit)).toEqual({ digits: "", attemptMs: 5_000 });
    kit.disk.room = Infinity;
    await kit.clock.advance(50);
    await kit.turns();
    expect(await named(kit)).toEqual({ digits: "1", attemptMs: 0 });
  });

  it("does not shrink when the clock is set back, and grows with one that is set ahead", async () => {
    const kit = await openKit();
    await kit.submitAlone({ taskId: "a" });
    kit.clock.wallOffsetMs -= DAY_MS;
    await kit.clock.advance(5_000);
    expect((await named(kit)).attemptMs).toBe(5_000);
    kit.clock.wallOffsetMs += 2 * DAY_MS;
    expect((await named(kit)).attemptMs).toBeGreaterThanOrEqual(DAY_MS);
  });
});

describe("a group that is forgotten", () => {
  it("loses the tasks that have ended, at once and on disk, and their ids are free; the rest is released", async () => {
    const directory = temporaryDirectory();
    const kit = await openKit({ directory });
    const group = "g";
    await kit.submit(
      { taskId: "done", group, input: naming(1) },
      { taskId: "runs", group },
      { taskId: "other", group: "h", input: naming(2) },
    );
    await kit.end("done", completed("first"));
    expect(await kit.answer(kit.queue.forget({ group }, message))).toEqual({ forgotten: 1 });
    expect(await kit.answer(kit.queue.forget({ group }, message))).toEqual({ forgotten: 0 });
    expect((await named(kit)).digits).toBe("2");
    await kit.submit({ taskId: "done", group: "i", input: naming(3) });
    expect(await kit.status("runs")).toMatchObject({ state: "running" });
    await kit.end("runs");
    await kit.stop();
    const db = new DatabaseSync(join(directory, "queue.sqlite"));
    const rows = db
      .prepare("SELECT json_extract('[' || head || ']', '$[1]', '$[6]') AS task FROM task")
      .all();
    db.close();
    expect(rows.map(({ task }) => task)).toEqual(['["runs",0]', '["other",1]', '["done",1]']);
  });
});
