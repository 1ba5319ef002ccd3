import { describe, expect, it } from "vitest";
import type { Quota } from "../../src/queue/queue.protocol.ts";
import { CoreKit, completed, spec } from "./core-kit.ts";

const share = (name: string, weight: number): Quota => ({ scope: "tag", name, weight });
let made = 0;
const tagged = (tag: string, count: number, more = {}): ReturnType<typeof spec>[] =>
  Array.from({ length: count }, () => spec(`${tag}-${(made += 1)}`, { tags: [tag], ...more }));

/** Starts and completes one task after another, and counts them by their first tag, "" for none. */
function serve(
  kit: CoreKit,
  starts: number,
  between: (start: number) => void = () => undefined,
): Record<string, number> {
  const served: Record<string, number> = {};
  for (let start = 0; start < starts; start++) {
    between(start);
    const { taskId } = kit.claimOne(start);
    const tag = kit.status(taskId).tags[0] ?? "";
    served[tag] = (served[tag] ?? 0) + 1;
    kit.settle(taskId, completed, start);
  }
  return served;
}

describe("shares", () => {
  it("of equal weight are equal within 5 %, though one is offered ten times the load", () => {
    const kit = new CoreKit({ quotas: [share("red", 1), share("blue", 1)] });
    kit.submit([...tagged("red", 10_00), ...tagged("blue", 100)]);
    const { red = 0, blue = 0 } = serve(kit, 200);
    expect(Math.abs(red - blue) / 200).toBeLessThan(0.05);
  });

  it("are as their weights: 3 to 1", () => {
    const kit = new CoreKit({ quotas: [share("red", 3), share("blue", 1)] });
    kit.submit([...tagged("blue", 400), ...tagged("red", 400)]);
    const { red = 0, blue = 0 } = serve(kit, 400);
    expect(red / blue).toBeGreaterThan(2.9);
    expect(red / blue).toBeLessThan(3.1);
  });

  it("go before priority, which decides within each of them", () => {
    const kit = new CoreKit({ quotas: [share("red", 1), share("blue", 1)] });
    kit.submit([
      ...tagged("red", 3, { priority: 100 }),
      spec("slow", { tags: ["blue"], priority: -5 }),
      spec("quick", { tags: ["blue"], priority: -4 }),
    ]);
    const order = kit.claimed(5).map((id) => id.replace(/-\d+$/, ""));
    expect(order).toEqual(["red", "quick", "red", "slow", "red"]);
  });

  it("leave a part to all tasks without a weighted tag, as to one share of weight 1", () => {
    const kit = new CoreKit({ quotas: [share("red", 1)] });
    const plain = Array.from({ length: 100 }, (_, index) =>
      spec(`p${index}`, index % 2 === 0 ? {} : { tags: ["other"] }),
    );
    kit.submit([...tagged("red", 100), ...plain]);
    expect(serve(kit, 100)["red"]).toBe(50);
  });

  it("count a task for the first of its weighted tags", () => {
    const kit = new CoreKit({ quotas: [share("red", 1), share("blue", 1)] });
    kit.submit([
      ...tagged("red", 50),
      ...Array.from({ length: 50 }, (_, i) => spec(`m${i}`, { tags: ["x", "blue", "red"] })),
    ]);
    expect(serve(kit, 60)).toEqual({ red: 30, x: 30 });
  });

  it("do not save up while they are idle", () => {
    const kit = new CoreKit({ quotas: [share("red", 1), share("blue", 1)] });
    kit.submit([...tagged("red", 400), ...tagged("blue", 1)]);
    serve(kit, 200);
    kit.submit(tagged("blue", 100), 200);
    const { red = 0, blue = 0 } = serve(kit, 100);
    expect(Math.abs(red - blue)).toBeLessThanOrEqual(2);
  });

  it("that are idle leave the whole to the others", () => {
    const kit = new CoreKit({ quotas: [share("red", 1), share("blue", 99)] });
    kit.submit(tagged("red", 50));
    expect(serve(kit, 50)).toEqual({ red: 50 });
  });

  it("follow weights that change while tasks wait", () => {
    const kit = new CoreKit({ quotas: [share("red", 1), share("blue", 1)] });
    kit.submit([...tagged("red", 400), ...tagged("blue", 400)]);
    serve(kit, 100);
    kit.setQuota(share("red", 3));
    const { red = 0, blue = 0 } = serve(kit, 200);
    expect(Math.abs(red - 3 * blue)).toBeLessThanOrEqual(4);
    kit.core.removeQuota({ scope: "tag", name: "red" });
    kit.core.removeQuota({ scope: "tag", name: "blue" });
    // No shares are left, so that the order alone decides: red was submitted first.
    expect(serve(kit, 50)).toEqual({ red: 50 });
  });

  it("stand as many starts ahead or behind when a weight changes, or any other quota does", () => {
    const kit = new CoreKit({ quotas: [share("red", 1), share("blue", 0.01)] });
    kit.submit([...tagged("red", 400), ...tagged("blue", 400)]);
    // With a weight of 0.01 a start of blue is worth a hundred of red.
    expect(serve(kit, 50)).toEqual({ red: 49, blue: 1 });
    kit.setQuota({ scope: "action", name: "echo", concurrency: 9 });
    expect(serve(kit, 40)).toEqual({ red: 40 });
    kit.setQuota(share("blue", 1));
    const { red = 0, blue = 0 } = serve(kit, 40);
    expect(Math.abs(red - blue)).toBeLessThanOrEqual(2);
  });

  it("stand where they stood when their only task that could start is moved", () => {
    const kit = new CoreKit({ quotas: [share("red", 1), share("blue", 1)], room: { threads: 9, shared: 0 } });
    kit.submit([spec("late", { tags: ["blue"], action: "shared" }), ...tagged("red", 9)]);
    kit.claim(3);
    expect(kit.core.quotas.shares.of(["blue"]).pass).toBe(0);
    kit.core.reprioritize(kit.core.task("late"), 7);
    kit.submit(tagged("blue", 3));
    // It could not run yet, which is not the same as having nothing to do.
    expect(kit.claimed(3).map((id) => id.replace(/-\d+$/, ""))).toEqual(["blue", "blue", "blue"]);
  });

  it("have the turn that they had when starts are taken back, newcomers too", () => {
    const kit = new CoreKit({ quotas: [share("red", 1), share("blue", 3), share("green", 1)] });
    kit.submit([...tagged("red", 20), ...tagged("green", 1)]);
    serve(kit, 3);
    const before = ["red", "blue", "green", ""].map((tag) => kit.core.quotas.shares.of([tag]).pass);
    const claims = [kit.claim(4, 5), kit.claim(4, 6)];
    for (const rows of claims.toReversed()) kit.core.undo(rows);
    expect(["red", "blue", "green", ""].map((tag) => kit.core.quotas.shares.of([tag]).pass)).toEqual(before);
    kit.submit(tagged("green", 8), 7);
    const { red = 0, green = 0 } = serve(kit, 8);
    expect(Math.abs(red - green)).toBeLessThanOrEqual(1);
  });

  it("are not charged for a start that was taken back", () => {
    const kit = new CoreKit({
      quotas: [share("red", 1), share("blue", 1)],
      workers: [{ workerId: "away", capabilities: ["far"] }],
    });
    kit.submit([...tagged("red", 50, { action: "far" }), ...tagged("red", 50), ...tagged("blue", 50)]);
    for (let round = 0; round < 50; round++) kit.core.undo(kit.claim(1, 0, "away"));
    expect(serve(kit, 20)).toEqual({ red: 10, blue: 10 });
  });
});

describe("a saturated kind of work", () => {
  it("holds nothing else up, however many of it wait and however urgent they are", () => {
    const kit = new CoreKit({ quotas: [{ scope: "action", name: "shared", concurrency: 1 }] });
    const many = Array.from({ length: 5_000 }, (_, index) =>
      spec(`s${index}`, { action: "shared", priority: 9 }),
    );
    kit.submit([...many, spec("other")]);
    expect(kit.claimed()).toEqual(["s0", "other"]);
  });
});
