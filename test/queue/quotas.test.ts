import { describe, expect, it } from "vitest";
import type { Quota } from "../../src/queue/queue.protocol.ts";
import { QuotaBook, QuotaUse } from "../../src/queue/quota-book.ts";
import { CoreKit, codeOf, completed, failed, spec } from "./core-kit.ts";

const use = (kit: CoreKit, index = 0): unknown => {
  const { running, waiting } = kit.core.quotas.all()[index]?.status ?? {};
  return { running, waiting };
};
const many = (count: number, more = {}): ReturnType<typeof spec>[] =>
  Array.from({ length: count }, (_, index) => spec(`t${index}`, more));

describe("a bound on concurrency", () => {
  it("lets so many run at once, and the next when one of them ends, however it ends", () => {
    const kit = new CoreKit({ quotas: [{ scope: "action", name: "echo", concurrency: 2 }] });
    kit.submit(many(5));
    expect(kit.claimed()).toEqual(["t0", "t1"]);
    expect(use(kit)).toEqual({ running: 2, waiting: 3 });
    kit.settle("t0", completed, 1);
    expect(kit.claimed(9, 1)).toEqual(["t2"]);
    kit.settle("t1", failed, 2);
    kit.core.cancel(["t2"], "", 2);
    expect(kit.claimed(9, 2)).toEqual(["t3"]);
    kit.settle("t2", { kind: "cancelled" }, 3);
    expect(kit.claimed(9, 3)).toEqual(["t4"]);
    expect(use(kit)).toEqual({ running: 2, waiting: 0 });
  });

  it("of 0 holds all of them", () => {
    const kit = new CoreKit({ quotas: [{ scope: "tag", name: "x", concurrency: 0 }] });
    kit.submit([spec("held", { tags: ["x"] }), spec("free")]);
    expect(kit.claimed()).toEqual(["free"]);
    expect(kit.core.nextChangeAtMs(0)).toBe(Infinity);
  });

  it("of a tag and one of an action both hold", () => {
    const kit = new CoreKit({
      quotas: [
        { scope: "action", name: "echo", concurrency: 2 },
        { scope: "tag", name: "x", concurrency: 1 },
      ],
    });
    kit.submit([
      spec("x1", { tags: ["x"] }),
      spec("x2", { tags: ["x"] }),
      spec("e1"),
      spec("e2"),
      spec("s1", { action: "shared", tags: ["x"] }),
    ]);
    expect(kit.claimed()).toEqual(["x1", "e1"]);
    kit.settle("x1", completed, 1);
    expect(kit.claimed(9, 1)).toEqual(["x2"]);
    kit.settle("x2", completed, 2);
    expect(kit.claimed(9, 2)).toEqual(["e2", "s1"]);
  });

  it("counts anew when it is changed while tasks run and wait", () => {
    const kit = new CoreKit();
    kit.submit(many(6));
    expect(kit.claimed(3)).toEqual(["t0", "t1", "t2"]);
    kit.setQuota({ scope: "action", name: "echo", concurrency: 2 });
    expect(use(kit)).toEqual({ running: 3, waiting: 3 });
    kit.settle("t0", completed, 1);
    expect(kit.claimed(9, 1)).toEqual([]);
    kit.settle("t1", completed, 1);
    expect(kit.claimed(9, 1)).toEqual(["t3"]);
    kit.setQuota({ scope: "action", name: "echo", concurrency: 3 });
    expect(kit.claimed(9, 1)).toEqual(["t4"]);
    kit.core.removeQuota({ scope: "action", name: "echo" });
    expect(kit.claimed(9, 1)).toEqual(["t5"]);
    expect(kit.core.quotas.all()).toEqual([]);
  });
});

describe("a bound on the rate", () => {
  const quota: Quota = { scope: "action", name: "echo", perSecond: 4, burst: 2 };

  it("lets a burst start at once, then one after each interval, and says when", () => {
    const kit = new CoreKit({ quotas: [quota] });
    kit.submit(many(9));
    expect(kit.claimed()).toEqual(["t0", "t1"]);
    expect(kit.core.nextChangeAtMs(0)).toBe(250);
    expect(kit.claimed(9, 249)).toEqual([]);
    expect(kit.claimed(9, 250)).toEqual(["t2"]);
    expect(kit.claimed(9, 499)).toEqual([]);
    expect(kit.core.nextChangeAtMs(499)).toBe(500);
    expect(kit.claimed(9, 500)).toEqual(["t3"]);
  });

  it("saves up no more than the burst, however long nothing starts", () => {
    const kit = new CoreKit({ quotas: [quota] });
    kit.submit(many(9));
    expect(kit.claimed(9, 1_000_000)).toEqual(["t0", "t1"]);
  });

  it("has a burst of one second's worth, and of at least one, unless told otherwise", () => {
    const starts = (perSecond: number): number => {
      const kit = new CoreKit({ quotas: [{ scope: "action", name: "echo", perSecond }] });
      kit.submit(many(9));
      return kit.claimed().length;
    };
    expect(starts(5)).toBe(5);
    expect(starts(0.5)).toBe(1);
  });

  it("is not spent by a start that was taken back, and goes on filling as if there had been none", () => {
    const kit = new CoreKit({ quotas: [quota] });
    kit.submit(many(9));
    for (let round = 0; round < 10; round++) kit.core.undo(kit.claim());
    expect(kit.claimed()).toEqual(["t0", "t1"]);
    // Half of the next start is there when a claim at 375 ms is taken back that had used what there was.
    for (let round = 0; round < 10; round++) kit.core.undo(kit.claim(9, 375));
    expect(kit.claimed(9, 375)).toEqual(["t2"]);
    expect(kit.core.nextChangeAtMs(375)).toBe(500);
  });

  it("fills from when it was, not from when the starts were taken back", () => {
    const kit = new CoreKit({ quotas: [{ ...quota, burst: 4 }] });
    kit.submit(many(9));
    expect(kit.claimed()).toEqual(["t0", "t1", "t2", "t3"]);
    const claims = [kit.claim(9, 500), kit.claim(9, 750)];
    expect(claims.map((rows) => rows.length)).toEqual([2, 1]);
    for (const rows of claims.toReversed()) kit.core.undo(rows);
    expect(kit.claimed(9, 750)).toEqual(["t4", "t5", "t6"]);
  });

  it("that is changed has the starts that were left, as far as its burst has room for them", () => {
    const kit = new CoreKit({ quotas: [quota] });
    kit.submit(many(40));
    expect(kit.claimed()).toEqual(["t0", "t1"]);
    // Whoever changes it again and again gains nothing by that.
    for (const perSecond of [1_000, 4, 1_000, 4]) kit.setQuota({ ...quota, perSecond, burst: perSecond });
    expect(kit.claimed()).toEqual([]);
    expect(kit.core.nextChangeAtMs(0)).toBe(250);
    kit.setQuota({ ...quota, burst: 10 }, 1_000);
    expect(kit.claimed(3, 1_000)).toEqual(["t2", "t3", "t4"]);
    kit.setQuota({ ...quota, burst: 1 }, 10_000);
    expect(kit.claimed(9, 10_000)).toEqual(["t5"]);
  });

  it("whose change is taken back is as if it had never been changed", () => {
    const kit = new CoreKit({ quotas: [quota] });
    kit.submit(many(40));
    kit.claim();
    const before = kit.core.setQuota({ ...quota, perSecond: 1, burst: 1, concurrency: 0 }, 250);
    const removed = kit.core.removeQuota(quota);
    kit.core.restoreQuotas(removed);
    expect(kit.claimed(9, 500)).toEqual([]);
    kit.core.restoreQuotas(before);
    expect(kit.core.quotas.all().map((each) => each.status)).toEqual([{ ...quota, running: 2, waiting: 38 }]);
    expect(kit.claimed(9, 500)).toEqual(["t2", "t3"]);
  });

  it("gains nothing from a clock that is set back", () => {
    const bucket = new QuotaUse(quota, 1_000);
    bucket.spend(1_000);
    bucket.spend(1_000);
    expect(bucket.allowedAtMs(400)).toBe(650);
    expect(bucket.allowedAtMs(400)).toBe(650);
  });
});

describe("a bound on queued tasks", () => {
  it("refuses the whole submit that goes beyond it, and names itself", () => {
    const kit = new CoreKit({ quotas: [{ scope: "tag", name: "x", queued: 2 }] });
    kit.submit([spec("a", { tags: ["x"] })]);
    const marks = kit.core.marks;
    const three = [spec("free"), spec("b", { tags: ["x"] }), spec("c", { tags: ["x"], delayMs: 5 })];
    expect(() => kit.submit(three)).toThrow(
      expect.objectContaining({ code: "QUOTA_EXCEEDED", details: { scope: "tag", name: "x", limit: 2 } }),
    );
    expect(kit.core.has("free")).toBe(false);
    expect(kit.core.marks).toEqual(marks);
    kit.submit(three.slice(0, 2));
    expect(use(kit)).toEqual({ running: 0, waiting: 2 });
  });

  it("counts what waits for a time or for others, and not what runs or is there already", () => {
    const kit = new CoreKit({ quotas: [{ scope: "action", name: "echo", queued: 2 }] });
    kit.submit([spec("a"), spec("b", { dependsOn: ["a"] })]);
    expect(() => kit.submit([spec("c")])).toThrow(codeOf("QUOTA_EXCEEDED"));
    kit.submit([spec("a"), spec("b")]);
    kit.claimed(1);
    kit.submit([spec("c", { delayMs: 9 })]);
    expect(() => kit.submit([spec("d")])).toThrow(codeOf("QUOTA_EXCEEDED"));
  });
});

describe("the book of quotas", () => {
  it("replaces the quota of the same scope and name, and removes it with its share", () => {
    const book = new QuotaBook([], 0);
    book.set({ scope: "tag", name: "x", concurrency: 1, weight: 2 }, 0);
    book.set({ scope: "action", name: "x", concurrency: 3 }, 0);
    book.set({ scope: "tag", name: "x", concurrency: 5 }, 0);
    expect(book.all().map(({ quota }) => quota)).toEqual([
      { scope: "tag", name: "x", concurrency: 5 },
      { scope: "action", name: "x", concurrency: 3 },
    ]);
    expect(book.shares.of(["x"]).tag).toBe("");
    expect(book.has({ scope: "tag", name: "x" })).toBe(true);
    book.remove({ scope: "tag", name: "x" });
    book.remove({ scope: "tag", name: "x" });
    expect(book.has({ scope: "tag", name: "x" })).toBe(false);
    expect(book.of({ action: "x", tags: ["x"] })).toHaveLength(1);
  });

  it("opens with full buckets, also where one quota takes the place of another", () => {
    const quota = { scope: "action", name: "x", perSecond: 1 } as const;
    const book = new QuotaBook(
      [
        { ...quota, burst: 1 },
        { ...quota, burst: 3 },
      ],
      0,
    );
    const [only] = book.all();
    for (let start = 0; start < 3; start++) only?.spend(0);
    expect([only?.allowedAtMs(0), book.all().length]).toEqual([1_000, 1]);
  });
});
