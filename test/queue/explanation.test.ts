import { describe, expect, it } from "vitest";
import type { Blocker } from "../../src/queue/queue.protocol.ts";
import { CoreKit, completed, failed, spec, type KitOptions } from "./core-kit.ts";

interface Hindrance {
  readonly options?: KitOptions;
  /** Brings task `t` into its plight; returns how to end that, and nothing else. */
  readonly bring: (kit: CoreKit) => () => void;
  /** When it is asked, and who asks for work then. */
  readonly atMs?: number;
  readonly worker?: string;
  readonly blocker: Blocker;
  readonly sentence: string;
}

const far = (more = {}): ReturnType<typeof spec> => spec("t", { action: "far", ...more });
const away = { workerId: "away", capabilities: ["far"], maxConcurrent: 1 };

/** One thread, so that the pool is full with one task. */
const narrow: KitOptions = { room: { threads: 1, shared: 1 } };

const HINDRANCES: Record<Exclude<Blocker["cause"], "ended" | "running">, Hindrance> = {
  dependency: {
    bring: (kit) => {
      kit.submit([spec("first"), spec("t", { dependsOn: ["first"] })]);
      kit.claimOne();
      return () => kit.settle("first", completed, 5);
    },
    blocker: { cause: "dependency", taskIds: ["first"] },
    sentence: "it waits for first to complete",
  },
  delay: {
    bring: (kit) => {
      kit.submit([spec("t", { delayMs: 500 })]);
      return () => undefined;
    },
    atMs: 500,
    blocker: { cause: "delay", untilMs: 500 },
    sentence: "it was submitted with a delay until 1970-01-01T00:00:00.500Z",
  },
  backoff: {
    bring: (kit) => {
      kit.submit([spec("t", { attempts: 2, backoff: { delayMs: 700 } })]);
      kit.claimOne();
      kit.settle("t", failed, 1);
      return () => undefined;
    },
    atMs: 701,
    blocker: { cause: "backoff", untilMs: 701, attempt: 1 },
    sentence: "attempt 1 failed, and the next may start at 1970-01-01T00:00:00.701Z",
  },
  paused: {
    bring: (kit) => {
      kit.submit([spec("t")]);
      kit.core.pause = { sinceMs: 3, reason: "the disk is being changed" };
      return () => (kit.core.pause = null);
    },
    blocker: { cause: "paused", sinceMs: 3, reason: "the disk is being changed" },
    sentence: "the queue is paused since 1970-01-01T00:00:00.003Z: the disk is being changed",
  },
  idle: {
    options: { room: { threads: 0, shared: 0 } },
    bring: (kit) => {
      kit.submit([spec("t")]);
      return () => kit.core.workers.add({ workerId: "away", capabilities: ["echo"] }, 5);
    },
    worker: "away",
    blocker: { cause: "idle" },
    sentence:
      "nothing that runs handlers has its data directory open: start `mcplusplus mcp --tasks <module>`, " +
      "`mcplusplus task submit … --wait`, or a program that opens it",
  },
  no_worker: {
    bring: (kit) => {
      kit.submit([far({ requires: ["gpu"] })]);
      return () => kit.core.workers.add({ workerId: "away", capabilities: ["far", "gpu"] }, 5);
    },
    worker: "away",
    blocker: { cause: "no_worker", needs: ["far", "gpu"] },
    sentence: "no worker is registered that can do far, gpu",
  },
  worker_draining: {
    options: { workers: [away] },
    bring: (kit) => {
      kit.submit([far()]);
      kit.core.workers.get("away").draining = true;
      return () => (kit.core.workers.get("away").draining = false);
    },
    worker: "away",
    blocker: { cause: "worker_draining", workerIds: ["away"] },
    sentence: "the workers that can do it take no more tasks: away",
  },
  worker_offline: {
    options: { workers: [away], nowMs: -60_001 + 5 },
    bring: (kit) => {
      kit.submit([far()], 5);
      return () => (kit.core.workers.get("away").lastSeenMs = 5);
    },
    worker: "away",
    blocker: { cause: "worker_offline", workerIds: ["away"] },
    sentence: "the workers that can do it are silent: away",
  },
  worker_busy: {
    options: narrow,
    bring: (kit) => {
      kit.submit([spec("other"), spec("t")]);
      kit.claimOne();
      return () => kit.settle("other", completed, 5);
    },
    blocker: { cause: "worker_busy", workerIds: ["local"] },
    sentence: "the workers that can do it have no room: local",
  },
  quota_concurrency: {
    options: { quotas: [{ scope: "tag", name: "heavy", concurrency: 1 }] },
    bring: (kit) => {
      kit.submit([spec("other", { tags: ["heavy"] }), spec("t", { tags: ["heavy"] })]);
      kit.claimOne();
      return () => kit.settle("other", completed, 5);
    },
    blocker: { cause: "quota_concurrency", scope: "tag", name: "heavy", limit: 1 },
    sentence: 'the quota of the tag "heavy" allows 1 at once, and they run',
  },
  quota_rate: {
    options: { quotas: [{ scope: "action", name: "echo", perSecond: 2, burst: 1 }] },
    bring: (kit) => {
      kit.submit([spec("other"), spec("t")]);
      kit.claimOne();
      return () => undefined;
    },
    atMs: 500,
    blocker: { cause: "quota_rate", scope: "action", name: "echo", untilMs: 500 },
    sentence: 'the rate of the action "echo" allows the next start at 1970-01-01T00:00:00.500Z',
  },
  share: {
    options: {
      quotas: [
        { scope: "tag", name: "red", weight: 1 },
        { scope: "tag", name: "blue", weight: 1 },
      ],
    },
    bring: (kit) => {
      kit.submit([spec("r1", { tags: ["red"] }), spec("b1", { tags: ["blue"] })]);
      kit.submit([spec("t", { priority: 9, tags: ["red"] })]);
      // One red task has been started since and no blue one, so that it is the turn of blue.
      expect(kit.claimed(1)).toEqual(["t"]);
      kit.settle("t", { kind: "returned" }, 1);
      return () => kit.core.cancel(["b1"], "", 5);
    },
    blocker: { cause: "share", tag: "red", before: "blue" },
    sentence: 'it is the turn of tasks with the tag "blue"',
  },
  order: {
    bring: (kit) => {
      kit.submit([
        spec("t"),
        spec("urgent", { priority: 5 }),
        spec("more", { priority: 4, action: "shared" }),
      ]);
      return () => kit.core.reprioritize(kit.core.task("t"), 6);
    },
    blocker: { cause: "order", ahead: 2, next: "urgent" },
    sentence: "2 tasks are ahead of it; the next is urgent",
  },
};

describe("an explanation", () => {
  it.each(Object.entries(HINDRANCES))(
    "names %s first when that is what holds a task",
    (_, { options = {}, bring, worker = "local", blocker, sentence }) => {
      const kit = new CoreKit(options);
      bring(kit);
      const before = kit.core.explain(kit.core.task("t"), 5);
      expect(before.blockers).toEqual([blocker]);
      expect(before.sentences).toEqual([sentence]);
      const asking = kit.core.workers.find(worker);
      // To ask for work is a sign of life, so nobody who is silent does.
      if (asking && !asking.isOffline(5)) expect(kit.claimed(1, 5, worker)).not.toEqual(["t"]);
    },
  );

  it.each(Object.entries(HINDRANCES))(
    "names with %s all that has to change: without that alone, the next claim gives the task",
    (_, { options = {}, bring, atMs = 5, worker = "local" }) => {
      const kit = new CoreKit(options);
      bring(kit)();
      expect(kit.core.explain(kit.core.task("t"), atMs).blockers).toEqual([]);
      expect(kit.claimed(1, atMs, worker)).toEqual(["t"]);
    },
  );

  it("names all that holds a task, in the order in which the queue asks", () => {
    const kit = new CoreKit({
      room: { threads: 1, shared: 1 },
      quotas: [{ scope: "action", name: "echo", concurrency: 0, perSecond: 1 }],
      pause: { sinceMs: 0, reason: "" },
    });
    kit.submit([spec("first"), spec("t", { delayMs: 99, dependsOn: ["first"] })]);
    expect(kit.core.explain(kit.core.task("t"), 0).blockers.map(({ cause }) => cause)).toEqual([
      "dependency",
      "delay",
      "paused",
      "quota_concurrency",
    ]);
  });

  it("of a task that runs or has ended says that alone", () => {
    const kit = new CoreKit();
    kit.submit([spec("t"), spec("u")]);
    kit.claimOne();
    expect(kit.core.explain(kit.core.task("t"), 0).blockers).toEqual([
      { cause: "running", workerId: "local", state: "running" },
    ]);
    kit.core.cancel(["t", "u"], "", 1);
    const explanation = kit.core.explain(kit.core.task("t"), 1);
    expect(explanation.blockers).toEqual([{ cause: "running", workerId: "local", state: "cancelling" }]);
    expect(explanation.sentences).toEqual(["it is cancelling on worker local"]);
    expect(kit.core.explain(kit.core.task("u"), 1)).toMatchObject({
      blockers: [{ cause: "ended", state: "cancelled" }],
      sentences: ["it has ended: cancelled"],
    });
  });

  it("does not speak of a turn where the order alone decides between two shares", () => {
    const kit = new CoreKit({ quotas: [{ scope: "tag", name: "red", weight: 1 }] });
    kit.submit([spec("t"), spec("urgent", { priority: 5, tags: ["red"] })]);
    expect(kit.core.explain(kit.core.task("t"), 0).blockers).toEqual([
      { cause: "order", ahead: 1, next: "urgent" },
    ]);
    kit.core.reprioritize(kit.core.task("t"), 6);
    expect(kit.claimed(1)).toEqual(["t"]);
  });

  it("finds nothing that holds a task which some worker would be given next, though others have better to do", () => {
    const kit = new CoreKit({
      room: { threads: 0, shared: 0 },
      workers: [
        { workerId: "both", capabilities: ["far", "echo"] },
        { workerId: "one", capabilities: ["far"] },
      ],
    });
    kit.submit([spec("urgent", { priority: 9 }), far()]);
    expect(kit.core.explain(kit.core.task("t"), 0).blockers).toEqual([]);
    expect(kit.claimed(1, 0, "one")).toEqual(["t"]);
  });

  it("of a task that needs what no handler has asks for a worker, also where nothing runs handlers", () => {
    const kit = new CoreKit({ room: { threads: 0, shared: 0 } });
    kit.submit([spec("t", { requires: ["gpu"] })]);
    expect(kit.core.explain(kit.core.task("t"), 0).blockers).toEqual([
      { cause: "no_worker", needs: ["gpu"] },
    ]);
  });

  it("says one as one, and none as none", () => {
    const kit = new CoreKit({ quotas: [{ scope: "tag", name: "held", concurrency: 0 }] });
    kit.submit([spec("first"), spec("second"), spec("third", { tags: ["held"] })]);
    expect(kit.core.explain(kit.core.task("second"), 0).sentences).toEqual([
      "1 task is ahead of it; the next is first",
    ]);
    expect(kit.core.explain(kit.core.task("third"), 0).sentences).toEqual([
      'the quota of the tag "held" allows none to run',
    ]);
  });

  it("shortens long lists in its sentences, never in its causes", () => {
    const kit = new CoreKit();
    const ids = Array.from({ length: 7 }, (_, index) => `d${index}`);
    kit.submit([...ids.map((id) => spec(id)), spec("t", { dependsOn: ids })]);
    const { blockers, sentences } = kit.core.explain(kit.core.task("t"), 0);
    expect(blockers).toEqual([{ cause: "dependency", taskIds: ids }]);
    expect(sentences).toEqual(["it waits for d0, d1, d2, d3, d4 and 2 more to complete"]);
  });
});
