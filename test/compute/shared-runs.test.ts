import { describe, expect, it } from "vitest";
import { LIMITS } from "../../src/errors/index.ts";
import { microtasksDrained } from "../kit/microtasks.ts";
import { COMPLETED, GRACE_MS, runningKit, sharedKit } from "./shared-kit.ts";

const { sharedPerThread, sharedTurnMs, startMs, waitingRuns } = LIMITS.compute;
/** After so long somebody who waits is given another thread. */
const PATIENCE_MS = 20;

const interrupted = { kind: "interrupted" };
const cancelled = { kind: "cancelled" };
const completed = { kind: "completed" };
const timedOut = { kind: "failed", error: { code: "HANDLER_TIMEOUT" } };
const suspected = {
  kind: "interrupted",
  why: expect.stringContaining("next time it has a thread alone") as string,
};

describe("attempts on shared threads", () => {
  it("go one at a time until it is known how long they take, and then many in one message", async () => {
    const kit = sharedKit();
    const outcomes = kit.runs(40);
    const thread = kit.thread().open();
    await microtasksDrained();
    expect(thread.chunks).toEqual([1]);
    thread.complete(...thread.take(1, 0.01));
    await microtasksDrained();
    expect(thread.chunks).toEqual([1, 39]);
    thread.complete(...thread.take());
    expect((await Promise.all(outcomes)).every(({ kind }) => kind === "completed")).toBe(true);
  });

  it("are sent ahead for two milliseconds of work, so that what takes long goes to whoever is free", async () => {
    const kit = sharedKit();
    void kit.runs(40);
    const thread = kit.thread().open();
    await microtasksDrained();
    thread.complete(...thread.take(1, 0.5));
    await microtasksDrained();
    expect(thread.chunks).toEqual([1, 4]);
    thread.complete(...thread.take(2, 0.5));
    await microtasksDrained();
    expect(thread.chunks).toEqual([1, 4, 2]);
  });

  it(`are ${sharedPerThread} on one thread, and wait in their order for a place`, async () => {
    const { kit, thread, begun } = await runningKit(sharedPerThread);
    void kit.run({ taskId: "next" });
    void kit.run({ taskId: "last" });
    await microtasksDrained();
    expect(thread.sent).toEqual([]);
    thread.complete(...begun.slice(0, 1));
    await microtasksDrained();
    expect(thread.sent.map(({ taskId }) => taskId)).toEqual(["next"]);
  });

  it(`are refused when ${waitingRuns} wait beyond what all threads could have`, async () => {
    const kit = sharedKit();
    void kit.runs(sharedPerThread + waitingRuns);
    expect(await kit.run()).toMatchObject({
      ...interrupted,
      why: `${waitingRuns} runs wait for a thread already`,
    });
  });

  it("use another thread only when somebody has waited for a while, and no more than there are", async () => {
    const { kit } = await runningKit(sharedPerThread, { threads: 2 });
    void kit.runs(sharedPerThread + 5);
    await kit.clock.advance(PATIENCE_MS - 1);
    expect(kit.threads).toHaveLength(1);
    await kit.clock.advance(2 * PATIENCE_MS);
    expect(kit.threads).toHaveLength(2);
    kit.thread().open();
    await kit.clock.advance(10 * PATIENCE_MS);
    expect(kit.threads).toHaveLength(2);
  });

  it("that have not begun are taken back from a thread that is kept by something else", async () => {
    const { kit, thread, outcomes } = await runningKit(1, { threads: 2 });
    const behind = kit.runs(3);
    await microtasksDrained();
    expect(thread.sent).toHaveLength(3);
    await kit.clock.advance(2 * PATIENCE_MS);
    const other = kit.thread().open();
    expect(other).not.toBe(thread);
    await microtasksDrained();
    other.complete(...other.take());
    expect(await Promise.all(behind)).toMatchObject([completed, completed, completed]);
    expect(thread.take()).toEqual([]);
    thread.crash();
    expect(await Promise.all(outcomes)).toMatchObject([{ kind: "failed" }]);
  });

  it("leave a thread that they do not need any more, and the next one opens it again", async () => {
    const { kit, thread, begun, outcomes } = await runningKit(1);
    thread.complete(...begun);
    await outcomes[0];
    await kit.clock.advance(999);
    expect(thread.closed).toBe(false);
    await kit.clock.advance(1);
    expect([thread.closed, kit.clock.pending]).toEqual([true, 0]);
    void kit.run();
    expect(kit.threads).toHaveLength(2);
  });

  it("are interrupted when no thread takes them up in time", async () => {
    const kit = sharedKit();
    const outcome = kit.run();
    await kit.clock.advance(startMs);
    expect(await outcome).toEqual({
      kind: "interrupted",
      why: `no thread took it up within ${startMs / 1_000} s`,
    });
    expect(kit.recoveries).toBe(1);
  });

  it("are interrupted when one thread after the other ends before it begins", async () => {
    const kit = sharedKit();
    const outcome = kit.run();
    for (let life = 1; life <= 4; life++) {
      expect(kit.threads).toHaveLength(life);
      kit.thread().crash();
      await microtasksDrained();
    }
    expect(await outcome).toMatchObject(interrupted);
    expect(kit.threads).toHaveLength(4);
  });
});

describe("cancelling one of them", () => {
  it("that waits for a place ends it at once", async () => {
    const { kit } = await runningKit(sharedPerThread);
    const waiting = kit.run({ taskId: "waiting" });
    expect(kit.pool.cancel("waiting", { graceMs: 0 })).toBe(true);
    expect(await waiting).toMatchObject(cancelled);
  });

  it("that has not begun ends it at once, and its place is free when its thread has passed it", async () => {
    const { kit, thread } = await runningKit(sharedPerThread - 1);
    const sent = kit.run({ taskId: "sent" });
    void kit.run({ taskId: "next" });
    await microtasksDrained();
    expect(kit.pool.cancel("sent", { graceMs: 0 })).toBe(true);
    expect(await sent).toMatchObject(cancelled);
    expect(thread.sent.map(({ taskId }) => taskId)).toEqual(["sent"]);
    expect(thread.take()).toEqual([]);
    await microtasksDrained();
    expect(thread.sent.map(({ taskId }) => taskId)).toEqual(["next"]);
  });

  it("that runs and heeds it harms nobody, even without a grace", async () => {
    const { kit, thread, begun, outcomes } = await runningKit(2);
    expect(kit.pool.cancel("t1", { graceMs: 0 })).toBe(true);
    await kit.clock.advance(99);
    if (begun[0] !== undefined) thread.stop(begun[0]);
    expect(await outcomes[0]).toMatchObject(cancelled);
    await kit.clock.advance(10_000);
    expect([kit.terminated, kit.pool.running]).toEqual([[], 1]);
  });

  it("that does not heed it costs the thread after the grace, and interrupts the others", async () => {
    const { kit, outcomes } = await runningKit(3);
    kit.pool.cancel("t2", { graceMs: 200 });
    await kit.clock.advance(199);
    expect(kit.terminated).toEqual([]);
    await kit.clock.advance(1);
    expect(kit.terminated).toEqual([7]);
    expect(await Promise.all(outcomes)).toMatchObject([interrupted, cancelled, interrupted]);
  });

  it("that has ended is refused", async () => {
    const { kit, begun, outcomes } = await runningKit(1);
    const [request] = begun;
    if (request === undefined) throw new Error("it runs");
    kit.slots.end(request.slot, request.token);
    expect(kit.pool.cancel("t1", { graceMs: 0 })).toBe(false);
    kit.thread().reply({ slot: request.slot, reply: COMPLETED });
    expect(await outcomes[0]).toMatchObject(completed);
    expect(kit.pool.cancel("t1", { graceMs: 0 })).toBe(false);
  });
});

describe("a time-out of one of them", () => {
  it("counts from the call of its handler, and lets it end by itself", async () => {
    const { kit, thread, outcomes } = await runningKit(1);
    const late = kit.run({ timeoutMs: 1_000 });
    await microtasksDrained();
    await kit.clock.advance(15);
    const [request] = thread.take();
    await kit.clock.advance(999);
    expect(request && kit.slots.phase(request.slot, 1)).toBe("running");
    await kit.clock.advance(1);
    expect(request && kit.slots.phase(request.slot, 1)).toBe("timedOut");
    if (request) thread.stop(request);
    expect(await late).toMatchObject(timedOut);
    await kit.clock.advance(10 * GRACE_MS);
    expect(kit.terminated).toEqual([]);
    thread.crash();
    await outcomes[0];
  });

  it("is its failure when it keeps the thread, and its neighbours' interruption", async () => {
    const { kit, thread, begun, outcomes } = await runningKit(2);
    const loop = kit.run({ timeoutMs: 1_000 });
    await microtasksDrained();
    const [request] = thread.take();
    thread.answers = false;
    thread.state.enter(request?.slot ?? 0, kit.clock.now());
    await kit.clock.advance(1_000 + GRACE_MS);
    expect(await loop).toMatchObject(timedOut);
    expect(await Promise.all(outcomes)).toMatchObject([interrupted, interrupted]);
    expect(begun).toHaveLength(2);
  });

  it("is nobody's failure when a neighbour keeps the thread, who is tried again alone", async () => {
    const { kit, thread, begun, outcomes } = await runningKit(2, {}, { timeoutMs: 1_000_000 });
    const waits = kit.run({ timeoutMs: 1_000 });
    await microtasksDrained();
    thread.take();
    thread.answers = false;
    thread.state.enter(begun[0]?.slot ?? 0, kit.clock.now());
    await kit.clock.advance(1_000 + GRACE_MS);
    expect(await Promise.all([...outcomes, waits])).toMatchObject([suspected, interrupted, interrupted]);
    void kit.run({ taskId: "t2" });
    expect(kit.alone).toEqual([]);
    const again = kit.run({ taskId: "t1", token: 2 });
    expect(kit.alone.map(({ request }) => request.taskId)).toEqual(["t1"]);
    kit.alone[0]?.complete();
    expect(await again).toMatchObject(completed);
    void kit.run({ taskId: "t1", token: 3 });
    expect(kit.alone).toHaveLength(1);
  });
});

describe("a thread that answers nothing", () => {
  it(`for ${sharedTurnMs / 1_000} s while others wait on it is ended for the one that keeps it`, async () => {
    const { kit, thread, begun, outcomes } = await runningKit(2);
    thread.answers = false;
    thread.state.enter(begun[1]?.slot ?? 0, kit.clock.now());
    await kit.clock.advance(sharedTurnMs);
    expect(kit.terminated).toEqual([]);
    await kit.clock.advance(2_000);
    expect(kit.terminated).toEqual([7]);
    expect(await Promise.all(outcomes)).toMatchObject([interrupted, suspected]);
  });

  it("and does not say who keeps it makes all that run there suspects", async () => {
    const { kit, thread, outcomes } = await runningKit(2);
    const behind = kit.run({ taskId: "behind" });
    await microtasksDrained();
    thread.answers = false;
    await kit.clock.advance(sharedTurnMs + 2_000);
    expect(await Promise.all(outcomes)).toMatchObject([suspected, suspected]);
    await microtasksDrained();
    kit.thread().open();
    await microtasksDrained();
    kit.thread().complete(...kit.thread().take());
    expect(await behind).toMatchObject(completed);
  });

  it("is left to the one that has it alone", async () => {
    const { kit, thread } = await runningKit(1);
    thread.answers = false;
    await kit.clock.advance(20 * sharedTurnMs);
    expect(kit.terminated).toEqual([]);
  });
});

describe("the end of a shared thread", () => {
  it("is paid for by the one that the thread named, and by nobody else", async () => {
    const { kit, thread, begun, outcomes } = await runningKit(4);
    const [first, second, third] = begun;
    if (!first || !second || !third) throw new Error("they run");
    kit.slots.end(third.slot, third.token);
    thread.state.blame(second.slot);
    thread.crash(new Error("worker exited with code: 3"));
    expect(await Promise.all(outcomes)).toMatchObject([
      interrupted,
      { kind: "failed", error: { code: "HANDLER_EXITED", details: { exitCode: 3 } } },
      interrupted,
      interrupted,
    ]);
    void kit.run({ taskId: "t1" });
    expect(kit.alone).toEqual([]);
  });

  it("loses nothing that had not begun", async () => {
    const { kit, thread, begun, outcomes } = await runningKit(1);
    const behind = kit.runs(3);
    await microtasksDrained();
    thread.state.blame(begun[0]?.slot ?? 0);
    thread.crash();
    expect(await outcomes[0]).toMatchObject({ kind: "failed" });
    await microtasksDrained();
    const next = kit.thread().open();
    await microtasksDrained();
    expect(next.sent.map(({ taskId }) => taskId)).toEqual(["t2", "t3", "t4"]);
    next.complete(...next.take());
    expect(await Promise.all(behind)).toMatchObject([completed, completed, completed]);
  });

  it("by memory is paid for by the one that was at it for long, and else makes all of them suspects", async () => {
    const memory = Object.assign(new Error("heap"), { code: "ERR_WORKER_OUT_OF_MEMORY" });
    const certain = await runningKit(2);
    certain.thread.state.enter(certain.begun[0]?.slot ?? 0, certain.kit.clock.now());
    await certain.kit.clock.advance(50);
    certain.thread.crash(memory);
    expect(await Promise.all(certain.outcomes)).toMatchObject([
      { kind: "failed", error: { code: "HANDLER_OUT_OF_MEMORY" } },
      interrupted,
    ]);
    const open = await runningKit(2);
    open.thread.state.enter(open.begun[0]?.slot ?? 0, open.kit.clock.now());
    await open.kit.clock.advance(49);
    open.thread.crash(memory);
    expect(await Promise.all(open.outcomes)).toMatchObject([suspected, suspected]);
  });

  it("by what an earlier attempt left running is paid for by nobody", async () => {
    const { thread, outcomes } = await runningKit(2);
    thread.state.blame("leftover");
    thread.crash();
    expect(await Promise.all(outcomes)).toMatchObject([interrupted, interrupted]);
  });

  it("during the import of a module is that module's, for whoever waits for it", async () => {
    const { kit, thread, outcomes } = await runningKit(1);
    const loading = kit.run({ taskId: "loading" });
    await microtasksDrained();
    const [request] = thread.sent;
    if (request === undefined) throw new Error("it was sent");
    kit.slots.enter(request.slot, request.token, 7, 0);
    kit.slots.loadModule(request.slot, 0);
    thread.state.blame("modules");
    thread.crash(new Error("worker exited with code: 7"));
    expect(await Promise.all([outcomes[0], loading])).toMatchObject([
      interrupted,
      { kind: "failed", error: { code: "MODULE_INVALID", details: { module: "file:///a.ts" } } },
    ]);
  });
});
