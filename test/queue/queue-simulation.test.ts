import { describe, expect, it } from "vitest";
import { isFault } from "../../src/errors/index.ts";
import type { TaskOutcome } from "../../src/queue/queue.protocol.ts";
import { fakeMessage } from "../kit/actor-context.ts";
import { manualClock } from "../kit/manual-clock.ts";
import { seededRandom } from "../kit/seeded-random.ts";
import {
  Disk,
  completed,
  failedWith,
  openKit,
  specOf,
  temporaryDirectory,
  type QueueKit,
} from "./queue-kit.ts";

const message = fakeMessage();
const THREADS = 3;
const STEPS = 120;

/** What the outside was told, and so may rely on, through all lives of the queue. */
class Ledger {
  readonly accepted = new Set<string>();
  readonly ends = new Map<string, TaskOutcome["state"]>();
  tokens = 0;

  /** Takes a life's events; every promise that its events could break is checked here. */
  take(kit: QueueKit): void {
    for (const outcome of kit.settled()) {
      expect(this.ends.get(outcome.taskId) ?? outcome.state, `${outcome.taskId} ended twice`).toBe(
        outcome.state,
      );
      this.ends.set(outcome.taskId, outcome.state);
    }
    if (!kit.poolOpened) return;
    const tokens = kit.pool.started.map(({ token }) => token);
    expect(tokens.every((token, index) => token > (tokens[index - 1] ?? this.tokens))).toBe(true);
    this.tokens = Math.max(this.tokens, ...tokens);
  }
}

async function simulate(seed: number): Promise<void> {
  const random = seededRandom(seed);
  const directory = temporaryDirectory();
  const clock = manualClock();
  const disk = new Disk();
  const ledger = new Ledger();
  const below = (limit: number): number => Math.floor(random.next() * limit);
  const open = (): Promise<QueueKit> =>
    openKit({
      directory,
      clock,
      disk,
      seed: below(1e6),
      init: { threads: THREADS, durability: "committed" },
    });
  let kit = await open();
  let submitted = 0;

  const acts: (() => Promise<void>)[] = [
    async () => {
      const tasks = Array.from({ length: 1 + below(3) }, () =>
        specOf({ taskId: `t${submitted++}`, priority: below(3), attempts: 1 + below(3) }),
      );
      // Some callers ask twice in the same turn.
      const calls = Array.from({ length: below(3) === 0 ? 2 : 1 }, () => kit.submit(...tasks));
      for (const call of await Promise.allSettled(calls)) {
        if (call.status === "fulfilled") for (const { taskId } of tasks) ledger.accepted.add(taskId);
        else if (!isFault(call.reason, "STORE_FULL")) throw call.reason;
      }
    },
    async () => {
      if (!kit.poolOpened) return;
      const running = kit.pool.runningIds;
      const taskId = running[below(running.length)];
      if (taskId === undefined) return;
      const outcomes = [
        completed(taskId),
        failedWith("boom"),
        { kind: "interrupted", why: "chance" },
      ] as const;
      kit.pool.end(taskId, outcomes[below(outcomes.length)] ?? completed());
      if (below(2) === 0) await kit.turns();
    },
    async () => {
      const taskId = `t${below(submitted + 1)}`;
      try {
        await kit.answer(
          kit.queue.cancel({ taskIds: [taskId], reason: "chance", force: below(2) === 0 }, message),
        );
      } catch (error) {
        if (!isFault(error, "STORE_FULL") && !isFault(error, "TASK_NOT_FOUND")) throw error;
      }
    },
    async () => {
      disk.room = below(2) === 0 ? 0 : Infinity;
      await clock.advance(below(200));
      await kit.turns();
    },
  ];
  for (let step = 0; step < STEPS; step += 1) {
    if (below(20) === 0) {
      disk.room = Infinity;
      kit.actor.crash();
      ledger.take(kit);
      kit = await open();
    } else {
      await acts[below(acts.length)]?.();
    }
  }

  // The weather clears: everything that was accepted must come to its end.
  disk.room = Infinity;
  for (let round = 0; round < 1_000; round += 1) {
    await clock.advance(5_000);
    await kit.turns();
    const running = kit.poolOpened ? kit.pool.runningIds : [];
    if (running.length === 0) break;
    for (const taskId of running) kit.pool.end(taskId, completed(taskId));
  }
  ledger.take(kit);
  for (const taskId of ledger.accepted) {
    const { state } = await kit.status(taskId);
    expect(["completed", "failed", "cancelled"], `${taskId} is ${state}`).toContain(state);
    expect(state, `${taskId} ended otherwise than was told`).toBe(ledger.ends.get(taskId) ?? state);
  }
  await kit.stop();
}

describe("through crashes, full disks and cancellations", () => {
  // The pool of the kit refuses a task that runs already and more handlers than threads.
  it.each(Array.from({ length: 12 }, (_, index) => index + 1))(
    "every accepted task ends once, no task runs twice at once, and tokens only rise (seed %i)",
    simulate,
  );
});
