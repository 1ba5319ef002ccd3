import { describe, expect, it } from "vitest";
import { CoreKit, codeOf, completed, failed, spec } from "./core-kit.ts";

const far = (taskId: string, more = {}): ReturnType<typeof spec> => spec(taskId, { action: "far", ...more });

describe("a worker outside", () => {
  it("is given what it has the capabilities for, the action's and all that are required, and nothing else", () => {
    const kit = new CoreKit({
      workers: [
        { workerId: "plain", capabilities: ["far"] },
        { workerId: "gpu", capabilities: ["far", "gpu", "eu"] },
      ],
    });
    kit.submit([
      far("any"),
      far("fast", { requires: ["gpu"] }),
      far("both", { requires: ["eu", "gpu"] }),
      far("us", { requires: ["us"] }),
      spec("near"),
    ]);
    expect(kit.claimed(9, 0, "plain")).toEqual(["any"]);
    expect(kit.claimed(9, 0, "gpu")).toEqual(["fast", "both"]);
    expect(kit.claimed(9, 0, "local")).toEqual(["near"]);
  });

  it("takes tasks that the queue's own pool could do as well, when it has the action", () => {
    const kit = new CoreKit({ workers: [{ workerId: "w", capabilities: ["echo"] }] });
    kit.submit([spec("a"), spec("b")]);
    expect(kit.claimed(1, 0, "w")).toEqual(["a"]);
    expect(kit.claimed(1)).toEqual(["b"]);
  });

  it("has no more at once than it has room for: five unless it says otherwise", () => {
    const kit = new CoreKit({
      workers: [
        { workerId: "two", capabilities: ["far"], maxConcurrent: 2 },
        { workerId: "five", capabilities: ["far"] },
      ],
    });
    kit.submit(Array.from({ length: 9 }, (_, index) => far(`t${index}`)));
    expect(kit.claimed(9, 0, "two")).toEqual(["t0", "t1"]);
    expect(kit.claimed(9, 0, "five")).toHaveLength(5);
    kit.settle("t0", completed, 1);
    expect(kit.claimed(9, 1, "two")).toEqual(["t7"]);
  });

  it("that drains finishes what it has and is given no more", () => {
    const kit = new CoreKit({ workers: [{ workerId: "w", capabilities: ["far"] }] });
    kit.submit([far("a"), far("b")]);
    const { token } = kit.claimOne(0, "w");
    kit.core.workers.get("w").draining = true;
    expect(kit.core.couldClaim(kit.core.workers.get("w"), 0)).toBe(false);
    expect(kit.claimed(9, 0, "w")).toEqual([]);
    expect(kit.core.workers.get("w").status(0)).toMatchObject({ state: "draining", running: ["a"] });
    expect(kit.core.settle("a", token, completed, 1)[0]?.after.state).toBe("completed");
    expect(kit.core.workers.get("w").status(1).running).toEqual([]);
  });

  it("is idle without work, active with some and room, busy without room, and offline when silent for a minute", () => {
    const kit = new CoreKit({ workers: [{ workerId: "w", capabilities: ["far"], maxConcurrent: 2 }] });
    kit.submit([far("a"), far("b")]);
    const worker = kit.core.workers.get("w");
    expect(worker.status(60_000).state).toBe("idle");
    expect(worker.status(60_001).state).toBe("offline");
    kit.claimOne(0, "w");
    expect(worker.status(90_000).state).toBe("active");
    kit.claimOne(0, "w");
    expect(worker.status(0)).toMatchObject({ state: "busy", running: ["a", "b"], maxConcurrent: 2 });
  });

  it("that registers again keeps what it has and what it did, under its new terms", () => {
    const kit = new CoreKit({ workers: [{ workerId: "w", capabilities: ["far"], maxConcurrent: 1 }] });
    kit.submit([far("a"), far("b")]);
    kit.claimOne(0, "w");
    kit.core.workers.get("w").completed = 7;
    const worker = kit.core.workers.add(
      { workerId: "w", capabilities: ["far"], maxConcurrent: 2, metadata: { os: "x" } },
      5,
    );
    expect(worker.status(5)).toMatchObject({
      running: ["a"],
      completed: 7,
      metadata: { os: "x" },
      lastSeenMs: 5,
    });
    expect(kit.claimed(9, 5, "w")).toEqual(["b"]);
    kit.settle("a", completed, 6);
    expect(worker.status(6).running).toEqual(["b"]);
  });

  it("is known by its id alone: unknown ones and the queue's own pool are refused", () => {
    const { workers } = new CoreKit().core;
    expect(() => workers.get("nobody")).toThrow(codeOf("UNKNOWN_NAME"));
    expect(() => workers.outside("local")).toThrow(codeOf("INVALID_ARGUMENT"));
    workers.add({ workerId: "w", capabilities: [] }, 0);
    expect(workers.outside("w").workerId).toBe("w");
    workers.remove("w");
    expect(workers.find("w")).toBeUndefined();
    expect(workers.all().map(({ workerId }) => workerId)).toEqual(["local"]);
  });
});

describe("the queue's own pool", () => {
  it("never takes what it has no handler for, or what requires a capability", () => {
    const kit = new CoreKit();
    kit.submit([far("a"), spec("b", { requires: ["gpu"] }), spec("c")]);
    expect(kit.claimed()).toEqual(["c"]);
    expect(kit.core.couldClaim(kit.core.workers.local, 0)).toBe(false);
  });

  it("has room of its own for handlers with a thread and for those that share one", () => {
    const kit = new CoreKit({ room: { threads: 1, shared: 2 } });
    const shared = (taskId: string): ReturnType<typeof spec> => spec(taskId, { action: "shared" });
    kit.submit([spec("a"), spec("b"), shared("s1"), shared("s2"), shared("s3")]);
    expect(kit.claimed()).toEqual(["a", "s1", "s2"]);
    kit.settle("s1", completed, 1);
    expect(kit.claimed(9, 1)).toEqual(["s3"]);
    kit.settle("a", completed, 2);
    expect(kit.claimed(9, 2)).toEqual(["b"]);
    expect(kit.core.workers.local.status(2)).toMatchObject({
      workerId: "local",
      running: ["s2", "s3", "b"],
      maxConcurrent: 3,
    });
  });

  it("is never offline", () => {
    expect(new CoreKit().core.workers.local.status(1e12)).toMatchObject({ state: "idle", lastSeenMs: 1e12 });
  });
});

describe("a lease", () => {
  const leased = (options = {}): CoreKit => {
    const kit = new CoreKit({ workers: [{ workerId: "w", capabilities: ["far"] }], ...options });
    kit.submit([far("a", { attempts: 2 }), far("b")]);
    return kit;
  };

  it("ends at its time: the attempt is interrupted, not charged, and the task goes to the next", () => {
    const kit = leased();
    const [row] = kit.claim(1, 100, "w", 1_000);
    expect(row?.after).toMatchObject({ leaseUntilMs: 1_100, workerId: "w", attempt: 1 });
    expect(kit.core.nextChangeAtMs(100)).toBe(1_100);
    expect(kit.core.expired(1_099)).toBeUndefined();
    expect(kit.core.expired(1_100)?.taskId).toBe("a");
    kit.settle("a", { kind: "interrupted" }, 1_100);
    expect(kit.status("a")).toMatchObject({ state: "queued", attempt: 0, interruptions: 1 });
    expect(kit.core.expired(9e9)).toBeUndefined();
    expect(kit.claimed(1, 1_100, "w")).toEqual(["a"]);
  });

  it("is put off by a renewal, and the one that ends first is named first", () => {
    const kit = leased();
    kit.claim(1, 0, "w", 1_000);
    kit.claim(1, 5, "w", 1_000);
    kit.core.renew(kit.core.task("a"), 5_000);
    expect(kit.core.expired(1_005)?.taskId).toBe("b");
    kit.settle("b", completed, 1_004);
    expect(kit.core.expired(4_999)).toBeUndefined();
    expect(kit.core.nextChangeAtMs(1_005)).toBe(5_000);
  });

  it("is held by its worker under its token alone, and a late end is refused", () => {
    const kit = leased();
    const first = kit.claimOne(0, "w");
    expect(kit.core.holds("w", "a", first.token)).toBe(true);
    expect(kit.core.holds("local", "a", first.token)).toBe(false);
    expect(kit.core.holds("w", "a", first.token + 1)).toBe(false);
    expect(kit.core.holds("w", "nobody", first.token)).toBe(false);
    kit.settle("a", { kind: "interrupted" }, 1);
    expect(kit.core.holds("w", "a", first.token)).toBe(false);
    const second = kit.claimOne(1, "w");
    expect(second).toMatchObject({ taskId: "a" });
    expect(second.token).toBeGreaterThan(first.token);
    expect(() => kit.core.settle("a", first.token, completed, 2)).toThrow(codeOf("LEASE_LOST"));
    expect(kit.status("a").state).toBe("running");
    kit.core.settle("a", second.token, completed, 2);
    expect(() => kit.core.settle("a", second.token, completed, 3)).toThrow(codeOf("LEASE_LOST"));
  });

  it("goes on while a task is being cancelled, and ends the task when it runs out", () => {
    const kit = leased();
    kit.claim(1, 0, "w", 1_000);
    kit.core.cancel(["a"], "enough", 10);
    expect(kit.core.expired(1_000)?.taskId).toBe("a");
    const [row] = kit.settle("a", { kind: "interrupted" }, 1_000);
    expect(row).toMatchObject({
      after: { state: "cancelled", leaseUntilMs: null },
      error: { code: "CANCELLED" },
    });
  });

  it("has no end for the queue's own pool", () => {
    const kit = new CoreKit();
    kit.submit([spec("x")]);
    kit.claim(1, 0);
    expect(kit.core.expired(9e15)).toBeUndefined();
    expect(kit.core.nextChangeAtMs(0)).toBe(Infinity);
  });
});

describe("the queue's own pool, when its handlers change,", () => {
  it("is given what it has handlers for now, whatever it had when the tasks came", () => {
    const kit = new CoreKit();
    kit.core.place(() => "elsewhere");
    kit.submit([spec("a"), spec("waits", { dependsOn: ["a"] }), spec("later", { delayMs: 5 })]);
    expect(kit.claimed()).toEqual([]);
    expect(kit.core.awaitsHandlers).toBe(true);
    kit.core.place(() => "shared");
    expect(kit.core.awaitsHandlers).toBe(false);
    expect(kit.claim().map(({ task, after }) => [task.taskId, after.place])).toEqual([["a", "shared"]]);
    kit.core.place(() => "elsewhere");
    kit.settle("a", completed, 9);
    expect(kit.claimed(9, 9)).toEqual([]);
    kit.core.place(() => "thread");
    expect(kit.claimed(9, 9)).toEqual(["waits", "later"]);
  });

  it("counts what runs where it started, though its handler is somewhere else by now", () => {
    const kit = new CoreKit({ room: { threads: 1, shared: 1 } });
    kit.submit(["a", "b", "c"].map((id) => spec(id, { attempts: 2 })));
    expect(kit.claimed()).toEqual(["a"]);
    kit.core.place(() => "shared");
    expect(kit.claimed()).toEqual(["b"]);
    kit.core.cancel(["a"], "", 0);
    kit.settle("a", { kind: "cancelled" });
    // The thread is free, and nothing is to run on a thread any more.
    expect(kit.claimed()).toEqual([]);
    kit.core.place(() => "thread");
    expect(kit.claimed()).toEqual(["c"]);
    kit.settle("c", failed);
    expect(kit.claimed()).toEqual(["c"]);
  });
});
