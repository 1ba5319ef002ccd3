import { describe, expect, it } from "vitest";
import { LIMITS, fault } from "../../src/errors/index.ts";
import { ToolRouter, type ToolMeasurement, type ToolMetadataInput } from "../../src/router/index.ts";
import { manualClock } from "../kit/manual-clock.ts";
import { routed } from "./kit/tool.ts";

const NEVER = new AbortController().signal;
const RESTARTING = fault("ACTOR_RESTARTING", { actor: "queue" });

function kit({ slots }: { readonly slots?: number } = {}) {
  const clock = manualClock();
  const reports: ToolMeasurement[] = [];
  const report = (measurement: ToolMeasurement): void => void reports.push(measurement);
  const router = new ToolRouter({ clock, report, ...(slots !== undefined && { slots }) });
  return {
    clock,
    reports,
    router,
    run<T>(
      metadata: ToolMetadataInput,
      work: (signal: AbortSignal) => Promise<T>,
      { timeoutMs = 1_000, signal = NEVER, name = "a" } = {},
    ): Promise<T> {
      const running = router.begin(routed(name, metadata)).run({ timeoutMs, signal }, work);
      running.catch(() => undefined);
      return running;
    },
  };
}

/** Work that fails so many times before it succeeds, and counts. */
function failing(times: number, error: unknown = RESTARTING) {
  const work = async (): Promise<string> => {
    work.attempts += 1;
    if (work.attempts <= times) throw error;
    return "done";
  };
  work.attempts = 0;
  return work;
}

const REPEATABLE = { idempotent: true, retryPolicy: "exponential" } as const;

describe.each(["general", "p2p"] as const)("a call of runtime %s", (runtime) => {
  it("gives what its work gives, and hands on what it throws", async () => {
    const { run } = kit();
    expect(await run({ runtime }, async () => 7)).toBe(7);
    await expect(run({ runtime }, () => Promise.reject(RESTARTING))).rejects.toBe(RESTARTING);
  });

  it("ends when its time is over, although its work ignores its signal, and that only after a grace", async () => {
    const { run, clock } = kit();
    let ended = false;
    const call = run({ runtime }, () => new Promise(() => undefined));
    call.catch(() => (ended = true));
    await clock.advance(1_000 + LIMITS.router.graceMs - 1);
    expect(ended).toBe(false);
    await clock.advance(1);
    await expect(call).rejects.toMatchObject({
      code: "DEADLINE_EXCEEDED",
      message: "a did not end within 1 s",
    });
    expect(clock.pending).toBe(0);
  });

  it("is told as done when its work was done although its time was over", async () => {
    const { run, clock } = kit();
    const work = Promise.withResolvers<string>();
    const call = run({ runtime }, () => work.promise);
    await clock.advance(1_500);
    work.resolve("late, and done");
    expect(await call).toBe("late, and done");
  });

  it("ends when its caller gives up", async () => {
    const { run, clock } = kit();
    const caller = new AbortController();
    const call = run({ runtime }, () => new Promise(() => undefined), { signal: caller.signal });
    await clock.advance(0);
    caller.abort();
    await clock.advance(LIMITS.router.graceMs);
    await expect(call).rejects.toMatchObject({ code: "CANCELLED" });
    expect(clock.pending).toBe(0);
  });

  it("never starts when its caller gave up before", async () => {
    const { run } = kit();
    const work = failing(0);
    await expect(run({ runtime }, work, { signal: AbortSignal.abort() })).rejects.toMatchObject({
      code: "CANCELLED",
    });
    expect(work.attempts).toBe(0);
  });
});

describe("a call that failed", () => {
  it.each([
    ["has no retry policy", { idempotent: true, retryPolicy: "none" }],
    ["is not idempotent", { idempotent: false, retryPolicy: "exponential" }],
  ] as const)("is made once when its tool %s", async (_, metadata) => {
    const { run, clock } = kit();
    const work = failing(1);
    await expect(run(metadata, work)).rejects.toBe(RESTARTING);
    expect(work.attempts).toBe(1);
    expect(clock.pending).toBe(0);
  });

  it.each([fault("TASK_NOT_FOUND", { taskId: "t" }), new TypeError("a bug")])(
    "with %s is made once: asking again would not help",
    async (error) => {
      const { run } = kit();
      const work = failing(1, error);
      await expect(run(REPEATABLE, work)).rejects.toBe(error);
      expect(work.attempts).toBe(1);
    },
  );

  it.each([
    ["exponential", [100, 200, 400]],
    ["linear", [100, 200, 300]],
  ] as const)(
    "is made again after growing pauses, four times in all, and then its own error is told (%s)",
    async (retryPolicy, pauses) => {
      const { run, clock } = kit();
      const work = failing(9);
      const call = run({ ...REPEATABLE, retryPolicy }, work);
      await clock.advance(0);
      for (const [at, pauseMs] of pauses.entries()) {
        await clock.advance(pauseMs - 1);
        expect(work.attempts).toBe(at + 1);
        await clock.advance(1);
        expect(work.attempts).toBe(at + 2);
      }
      await expect(call).rejects.toBe(RESTARTING);
      expect(work.attempts).toBe(LIMITS.router.attempts);
    },
  );

  it("gives what a later attempt gave", async () => {
    const { run, clock } = kit();
    const call = run(REPEATABLE, failing(2));
    await clock.advance(300);
    expect(await call).toBe("done");
  });

  it("tells its own error when a pause would not end before the deadline", async () => {
    const { run } = kit();
    const work = failing(1);
    await expect(run(REPEATABLE, work, { timeoutMs: 100 })).rejects.toBe(RESTARTING);
    expect(work.attempts).toBe(1);
  });

  it("is not made again when its caller gives up in the pause", async () => {
    const { run, clock } = kit();
    const caller = new AbortController();
    const work = failing(1);
    const call = run(REPEATABLE, work, { signal: caller.signal });
    await clock.advance(50);
    caller.abort();
    await expect(call).rejects.toMatchObject({ code: "CANCELLED" });
    expect(work.attempts).toBe(1);
  });
});

describe("the slots of runtime general", () => {
  it("let so many calls run at once; the next one starts when one of them ends", async () => {
    const { run, clock } = kit({ slots: 2 });
    const ends = [0, 1, 2].map(() => Promise.withResolvers<number>());
    const started: number[] = [];
    const calls = ends.map(({ promise }, at) =>
      run({ runtime: "general" }, () => {
        started.push(at);
        return promise;
      }),
    );
    await clock.advance(0);
    expect(started).toEqual([0, 1]);
    ends[1]?.resolve(1);
    await clock.advance(0);
    expect(started).toEqual([0, 1, 2]);
    ends[0]?.resolve(0);
    ends[2]?.resolve(2);
    expect(await Promise.all(calls)).toEqual([0, 1, 2]);
  });

  it("count in the time of the call that waits for one, and it never starts", async () => {
    const { run, clock } = kit({ slots: 1 });
    const first = run({ runtime: "general" }, () => new Promise(() => undefined), { timeoutMs: 9_000 });
    const work = failing(0);
    const second = run({ runtime: "general" }, work);
    await clock.advance(1_000);
    await expect(second).rejects.toMatchObject({ code: "DEADLINE_EXCEEDED" });
    await clock.advance(9_000);
    await expect(first).rejects.toMatchObject({ code: "DEADLINE_EXCEEDED" });
    expect(work.attempts).toBe(0);
  });

  it("stay taken by work that was left to itself, until it ends", async () => {
    const { run, clock } = kit({ slots: 1 });
    const stubborn = Promise.withResolvers<void>();
    const first = run({ runtime: "general" }, () => stubborn.promise);
    await clock.advance(1_000 + LIMITS.router.graceMs);
    await expect(first).rejects.toMatchObject({ code: "DEADLINE_EXCEEDED" });
    const second = run({ runtime: "general" }, async () => "mine", { timeoutMs: 5_000 });
    await clock.advance(1_000);
    stubborn.resolve();
    expect(await second).toBe("mine");
  });

  it("are waited for by 1,000 calls, and the next one is refused", async () => {
    const { run, clock } = kit({ slots: 1 });
    const calls = Array.from({ length: LIMITS.router.waiting + 1 }, () =>
      run({ runtime: "general" }, () => new Promise(() => undefined)),
    );
    await clock.advance(0);
    await expect(run({ runtime: "general" }, failing(0))).rejects.toMatchObject({ code: "EXECUTOR_FULL" });
    await clock.advance(1_000 + LIMITS.router.graceMs);
    for (const ended of await Promise.allSettled(calls)) expect(ended.status).toBe("rejected");
  });

  it("are not needed by calls of runtime p2p", async () => {
    const { run, clock } = kit({ slots: 1 });
    const first = run({ runtime: "general" }, () => new Promise(() => undefined));
    expect(await run({ runtime: "p2p" }, async () => "at once", { name: "b" })).toBe("at once");
    await clock.advance(1_000 + LIMITS.router.graceMs);
    await expect(first).rejects.toMatchObject({ code: "DEADLINE_EXCEEDED" });
  });
});

describe("the end of a call", () => {
  it("is reported with its runtime, what that was found by, and its time", async () => {
    const { router, clock, reports } = kit();
    for (const ok of [true, false]) {
      const call = router.begin(routed("a", { runtime: "p2p" }));
      await clock.advance(25);
      call.end(ok);
    }
    expect(reports).toEqual([
      { tool: "a", runtime: "p2p", by: "metadata", durationMs: 25, ok: true },
      { tool: "a", runtime: "p2p", by: "cache", durationMs: 25, ok: false },
    ]);
  });

  it("goes by the metadata of a tool that was registered again", () => {
    const { router, reports } = kit();
    router.register([routed("a", { runtime: "general" })]);
    router.begin(routed("a")).end(true);
    router.register([routed("a", { runtime: "p2p" })]);
    router.begin(routed("a")).end(true);
    expect(reports.map(({ runtime, by }) => [runtime, by])).toEqual([
      ["general", "registry"],
      ["p2p", "registry"],
    ]);
    expect(router.registry.list()).toHaveLength(1);
  });
});
