import { afterEach, describe, expect, it } from "vitest";
import type { PoolOptions, RunOutcome } from "../../src/compute/index.ts";
import { LIMITS } from "../../src/errors/index.ts";
import { failOnLeaks } from "../kit/leak-check.ts";
import { moduleUrl } from "./attempt-kit.ts";
import { closePools, openPoolKit, type PoolKit } from "./pool-kit.ts";

/** Real threads that are shared. */

const openKit = (options: Partial<PoolOptions> = {}): PoolKit =>
  openPoolKit({ modules: [moduleUrl("neighbours")], ...options }, "shared");

const interrupted = { kind: "interrupted" };
const cancelled = { kind: "cancelled" };
const failedWith = (code: string): object => ({ kind: "failed", error: { code } });

/** Two that wait on the thread on which the next one runs. */
async function withNeighbours(kit: PoolKit): Promise<Promise<RunOutcome>[]> {
  const neighbours = [kit.run("waits"), kit.run("waits")];
  await kit.begun(2);
  return neighbours;
}

describe("handlers that share a thread", () => {
  failOnLeaks();
  afterEach(closePools);

  it("run on it at once, and those that have their thread alone run beside it", async () => {
    const kit = openKit();
    const meeting = Array.from({ length: 10 }, () => kit.output("meets", { count: 10 }));
    const [threadId] = new Set(await Promise.all(meeting));
    expect(await Promise.all(meeting)).toEqual(Array.from({ length: 10 }, () => threadId));
    const alone = kit.pool.run({
      taskId: "alone",
      token: 99,
      action: "waits",
      input: new Uint8Array([0xc0]),
      timeoutMs: 20,
      attempt: 1,
      place: "thread",
    });
    expect(await kit.output("thread")).toBe(threadId);
    expect(await alone).toMatchObject(failedWith("HANDLER_TIMEOUT"));
  });

  it(`are ${LIMITS.compute.sharedPerThread} at most, and the next one waits its turn`, async () => {
    const kit = openKit();
    const { sharedPerThread: count } = LIMITS.compute;
    const full = Array.from({ length: count }, () => kit.run("waits"));
    await kit.begun(count);
    const next = kit.output("echo", "its turn came");
    expect([kit.pool.running, kit.pool.capacity]).toEqual([count + 1, { threads: 1, shared: count }]);
    kit.pool.cancel("t5", { graceMs: 1_000 });
    expect(await next).toBe("its turn came");
    expect(await full[4]).toMatchObject(cancelled);
  });

  it("have another thread when one is full, and no more of them than there are threads", async () => {
    const kit = openKit({ threads: 2 });
    const count = kit.pool.capacity.shared;
    const full = Array.from({ length: count }, () => kit.run("waits"));
    await kit.begun(count);
    for (let index = 1; index <= count; index++) kit.pool.cancel(`t${index}`, { graceMs: 10_000 });
    expect(new Set((await Promise.all(full)).map(({ kind }) => kind))).toEqual(new Set(["cancelled"]));
  });

  it("log, print and report as the tasks they are, and all of it arrives before their end", async () => {
    const progress: [string, string][] = [];
    const kit = openKit({ onProgress: ({ taskId }, _fraction, text) => void progress.push([taskId, text]) });
    const tasks = ["t1", "t2", "t3"];
    const heard = tasks.map(async (taskId) => {
      await kit.run("speaks");
      return kit.logged.filter(([by]) => by?.taskId === taskId).map(([, , text]) => text);
    });
    expect(await Promise.all(heard)).toEqual(
      tasks.map((taskId) =>
        [0, 1, 2].flatMap((round) => [`${taskId} prints ${round}`, `${taskId} logs ${round}`]),
      ),
    );
    expect(progress.length).toBeGreaterThanOrEqual(3);
    expect(progress.every(([taskId, text]) => taskId === text)).toBe(true);
  });

  it("may return much, each its own", async () => {
    const kit = openKit();
    const sizes = [1, 4_000, 5_000, 60_000, 2];
    const outputs = await Promise.all(sizes.map((chars) => kit.output("large", { chars })));
    expect(outputs.map((text) => (text as string).length)).toEqual(sizes);
  });

  it("are stopped one by one, and the others do not notice", async () => {
    const kit = openKit();
    const neighbours = await withNeighbours(kit);
    const thread = await kit.output("thread");
    expect(await kit.run("waits", null, 30)).toMatchObject(failedWith("HANDLER_TIMEOUT"));
    expect(kit.pool.cancel("t1", { graceMs: 0 })).toBe(true);
    expect(await neighbours[0]).toMatchObject(cancelled);
    expect([await kit.output("thread"), kit.pool.running]).toEqual([thread, 1]);
  });
});

describe("a handler that ends the thread it shares", () => {
  failOnLeaks();
  afterEach(closePools);

  it.each([
    ["by an exit", "exits", "HANDLER_EXITED"],
    ["by a throw in a later turn", "throwsLater", "HANDLER_FAILED"],
    ["by a promise that nobody waits for", "rejectsAside", "HANDLER_FAILED"],
    ["by using up its memory at once", "allocates", "HANDLER_OUT_OF_MEMORY"],
  ])(
    "%s pays for it alone: its neighbours are interrupted, and go on elsewhere",
    async (_how, action, code) => {
      const kit = openKit();
      const neighbours = await withNeighbours(kit);
      expect(await kit.run(action)).toMatchObject(failedWith(code));
      expect(await Promise.all(neighbours)).toMatchObject([interrupted, interrupted]);
      expect(await kit.output("echo", "still here")).toBe("still here");
    },
  );

  it("by a loop pays for it with its time-out, and its neighbours do not", async () => {
    const kit = openKit();
    const neighbours = await withNeighbours(kit);
    expect(await kit.run("loops", null, 100)).toMatchObject({
      kind: "failed",
      error: { code: "HANDLER_TIMEOUT", details: { timeoutMs: 100 } },
    });
    expect(await Promise.all(neighbours)).toMatchObject([interrupted, interrupted]);
  });

  it("by a loop holds up nobody who had not begun: another thread takes them", async () => {
    const kit = openKit({ threads: 2 });
    const loop = kit.run("loops");
    const behind = Array.from({ length: 20 }, (_, index) => index);
    expect(await Promise.all(behind.map((index) => kit.output("echo", index)))).toEqual(behind);
    expect(kit.pool.cancel("t1", { graceMs: 0 })).toBe(true);
    expect(await loop).toMatchObject(cancelled);
  });

  it("by not heeding its stop pays for it, and its neighbours do not", async () => {
    const kit = openKit();
    const neighbours = await withNeighbours(kit);
    expect(await kit.run("ignores", null, 30)).toMatchObject(failedWith("HANDLER_TIMEOUT"));
    expect(await Promise.all(neighbours)).toMatchObject([interrupted, interrupted]);
  });

  it("by what it left running costs nobody anything but another start", async () => {
    const kit = openKit();
    const neighbours = await withNeighbours(kit);
    await kit.output("leavesExit");
    expect(await kit.run("releases")).toMatchObject(interrupted);
    expect(await Promise.all(neighbours)).toMatchObject([interrupted, interrupted]);
  });

  it.each([
    ["a loop in a later turn", "loopsLater", 200, "HANDLER_TIMEOUT"],
    ["memory that it uses up bit by bit", "allocatesLater", Infinity, "HANDLER_OUT_OF_MEMORY"],
  ])(
    "in a way that does not tell who it was is found out on a thread alone: %s",
    async (_how, action, timeoutMs, code) => {
      const kit = openKit();
      const neighbours = await withNeighbours(kit);
      const again = async (taskId: string): Promise<RunOutcome> =>
        kit.pool.run({
          taskId,
          token: 99,
          action,
          input: new Uint8Array([0xc0]),
          timeoutMs,
          attempt: 1,
          place: "shared",
        });
      expect(await again("culprit")).toMatchObject({
        ...interrupted,
        why: expect.stringContaining("next time it has a thread alone") as string,
      });
      expect(await Promise.all(neighbours)).toMatchObject([interrupted, interrupted]);
      const bystander = kit.run("waits");
      expect(await again("culprit")).toMatchObject(failedWith(code));
      kit.pool.cancel("t3", { graceMs: 1_000 });
      expect(await bystander).toMatchObject(cancelled);
    },
  );

  it("when it is the only one there needs no second look", async () => {
    const kit = openKit();
    expect(await kit.run("loopsLater", null, 50)).toMatchObject(failedWith("HANDLER_TIMEOUT"));
    expect(await kit.run("allocatesLater")).toMatchObject(failedWith("HANDLER_OUT_OF_MEMORY"));
  });
});

describe("a module that cannot be imported on a shared thread", () => {
  failOnLeaks();
  afterEach(closePools);

  it.each(["throws", "exits", "spins"])("is blamed, and no neighbour is: %s", async (name) => {
    const module = moduleUrl(name);
    const kit = openKit({ modules: [module], loadMs: 500 });
    const sleeper = kit.run("sleep", { ms: 100 });
    const outcomes = await Promise.all([kit.run("nope"), kit.run("nope")]);
    expect(outcomes).toMatchObject([
      { kind: "failed", error: { code: "MODULE_INVALID", details: { module } } },
      { kind: "failed", error: { code: "MODULE_INVALID", details: { module } } },
    ]);
    expect(["completed", "interrupted"]).toContain((await sleeper).kind);
    expect(await kit.output("echo", 1)).toBe(1);
  });
});

describe("closing a pool", () => {
  failOnLeaks();

  it("interrupts all that share threads, what waits for one as well, and no thread is left", async () => {
    const kit = openKit();
    const { sharedPerThread: count } = LIMITS.compute;
    const runs = Array.from({ length: count + 10 }, () => kit.run("waits"));
    await kit.begun(count);
    await kit.pool.close({ graceMs: 1_000 });
    expect(new Set((await Promise.all(runs)).map((outcome) => JSON.stringify(outcome)))).toEqual(
      new Set([JSON.stringify({ kind: "interrupted", why: "the pool was closed" })]),
    );
  });

  it("ends a thread whose handler does not heed it", async () => {
    const kit = openKit();
    const outcome = kit.run("ignores");
    await kit.begun(1);
    await kit.pool.close({ graceMs: 0 });
    expect(await outcome).toEqual({ kind: "interrupted", why: "the pool was closed" });
  });
});
