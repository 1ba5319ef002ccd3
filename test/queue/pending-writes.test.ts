import { describe, expect, it } from "vitest";
import { PendingWrites } from "../../src/queue/pending-writes.ts";
import { microtasksDrained } from "../kit/microtasks.ts";

/** A write that the test lets succeed or fail. */
function written(pending: PendingWrites): { done: () => void; failed: () => void } {
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  pending.track(promise).catch(() => undefined);
  return { done: resolve, failed: () => reject(new Error("the disk is full")) };
}

describe("a read of what memory holds", () => {
  it("is answered at once when the disk holds it too", async () => {
    expect(await new PendingWrites(() => undefined).confirmed(() => "all")).toBe("all");
  });

  it("is answered when what it saw is on disk, not before, and does not wait for what came later", async () => {
    const pending = new PendingWrites(() => undefined);
    const first = written(pending);
    let answer: string | null = null;
    void pending.confirmed(() => "first").then((seen) => (answer = seen));
    written(pending);
    await microtasksDrained();
    expect(answer).toBe(null);
    first.done();
    await microtasksDrained();
    expect(answer).toBe("first");
  });

  it("tells what it saw, not what memory has decided since, which may be taken back", async () => {
    const pending = new PendingWrites(() => undefined);
    const first = written(pending);
    let memory = "first";
    const asked = pending.confirmed(() => memory);
    first.done();
    memory = "second";
    const second = written(pending);
    expect(await asked).toBe("first");
    second.failed();
  });

  it("looks again when what it saw has been taken back, until it sees what stays", async () => {
    const pending = new PendingWrites(() => undefined);
    const writes = [written(pending)];
    const looks: number[] = [];
    const asked = pending.confirmed(() => looks.push(writes.length));
    for (let time = 0; time < 3; time++) {
      const latest = writes.at(-1);
      writes.push(written(pending));
      latest?.failed();
      await microtasksDrained();
    }
    expect(looks).toEqual([1, 2, 3, 4]);
    writes.at(-1)?.done();
    expect(await asked).toBe(4);
  });

  it("that fails by what it sees fails its caller, and nothing else", async () => {
    const pending = new PendingWrites(() => undefined);
    const look = (): never => {
      throw new RangeError("there is no such task");
    };
    await expect(pending.confirmed(look)).rejects.toThrow("there is no such task");
    expect(await pending.settled()).toBe(true);
  });
});

describe("what is not on disk yet", () => {
  it("is settled by the write that came last, which takes all before it along", async () => {
    let count = 0;
    const pending = new PendingWrites(() => (count += 1));
    const [first, second] = [written(pending), written(pending)];
    const settled = pending.settled();
    first.done();
    second.failed();
    expect(await settled).toBe(false);
    expect([await pending.settled(), count]).toEqual([true, 1]);
  });
});
