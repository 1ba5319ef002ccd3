import { describe, expect, it } from "vitest";
import { EventStream, type RefOf } from "../../src/actor/index.ts";
import { fault } from "../../src/errors/index.ts";
import { RunFeed } from "../../src/system/run-feed.ts";
import { watchRun } from "../../src/system/workflow-run.ts";
import type { RunEvent, RunState, RunStatus, Scheduler } from "../../src/workflow/workflow.protocol.ts";

/** A scheduler of which only the events and the answers to `status` are there. */
function fakeScheduler() {
  const subscriptions: EventStream<RunEvent>[] = [];
  const asked: string[] = [];
  /** What each subscription is refused with, in turn. */
  const refusals: (Error | undefined)[] = [];
  let state: RunState = "running";
  let live = 0;
  const scheduler = {
    name: "scheduler",
    call: { status: async () => statusOf(state) },
    on: {
      changed({ signal }: { signal: AbortSignal }) {
        live += 1;
        const stream = new EventStream<RunEvent>(
          { actor: "scheduler", event: "changed" },
          8,
          () => void (live -= 1),
          signal,
        );
        subscriptions.push(stream);
        const refusal = refusals.shift();
        if (refusal) stream.finish(refusal);
        return stream;
      },
    },
    ready: async () => void asked.push("ready"),
    writable: async () => void asked.push("writable"),
  } as unknown as RefOf<typeof Scheduler>;
  return {
    scheduler,
    subscriptions,
    asked,
    refusals,
    end: () => void (state = "completed"),
    live: () => live,
  };
}

const statusOf = (state: RunState): RunStatus =>
  ({ workflowId: "w", state, progress: 0, steps: [], submittedAtMs: 0 }) as unknown as RunStatus;
const eventOf = (workflowId: string, sequence: number): RunEvent => ({
  workflowId,
  sequence,
  atMs: 0,
  state: "running",
  progress: 0,
  step: null,
  message: null,
});
const forEver = (): AbortSignal => new AbortController().signal;
const lost = (): Error => fault("EVENTS_LOST", { actor: "scheduler", event: "changed", limit: 8 });
const full = (): Error => fault("MAILBOX_FULL", { actor: "scheduler", limit: 8, unit: "messages" });

describe("the events of runs", () => {
  it("come over one subscription, each to those who watch its run, until the last of them has left", async () => {
    const { scheduler, subscriptions, live } = fakeScheduler();
    const feed = new RunFeed("changed", scheduler.on.changed);
    const [a, again, b] = ["a", "a", "b"].map((workflowId) => feed.watch(workflowId, forEver()));
    for (const event of [eventOf("a", 1), eventOf("b", 1), eventOf("c", 1), eventOf("a", 2)]) {
      subscriptions[0]?.push(event);
    }
    expect((await a?.next())?.value).toEqual(eventOf("a", 1));
    expect((await a?.next())?.value).toEqual(eventOf("a", 2));
    expect((await again?.next())?.value).toEqual(eventOf("a", 1));
    expect((await b?.next())?.value).toEqual(eventOf("b", 1));
    await a?.return();
    await b?.return();
    expect(live()).toBe(1);
    await again?.return();
    expect(live()).toBe(0);
    const leaving = new AbortController();
    feed.watch("a", leaving.signal);
    expect([subscriptions.length, live()]).toEqual([2, 1]);
    leaving.abort();
    expect(live()).toBe(0);
    feed.watch("a", leaving.signal);
    expect(subscriptions).toHaveLength(2);
  });

  it("end for all who watch when the subscription ends, after what had come, and whoever comes later has another", async () => {
    const { scheduler, subscriptions } = fakeScheduler();
    const feed = new RunFeed("changed", scheduler.on.changed);
    const watchers = ["a", "b"].map((workflowId) => feed.watch(workflowId, forEver()));
    subscriptions[0]?.push(eventOf("a", 1));
    subscriptions[0]?.finish(lost());
    expect((await watchers[0]?.next())?.value).toEqual(eventOf("a", 1));
    for (const watcher of watchers) {
      await expect(watcher.next()).rejects.toMatchObject({ code: "EVENTS_LOST" });
    }
    const later = feed.watch("a", forEver());
    subscriptions[1]?.push(eventOf("a", 3));
    expect((await later.next()).value).toEqual(eventOf("a", 3));
    await later.return();
  });
});

describe("a run that is watched", () => {
  it("is watched to its end, though events are lost and the mailbox is full on the way", async () => {
    const { scheduler, subscriptions, asked, refusals, end } = fakeScheduler();
    refusals.push(undefined, full());
    const ready = async (): Promise<RunStatus> => statusOf("running");
    const states: RunState[] = [];
    for await (const { state } of watchRun(scheduler, new RunFeed("changed", scheduler.on.changed), {
      workflowId: "w",
      signal: forEver(),
      ready,
    })) {
      states.push(state);
      if (subscriptions.length === 1) subscriptions[0]?.finish(lost());
      else end();
    }
    expect(asked).toEqual(["ready", "writable"]);
    expect(states).toEqual(["running", "running", "completed"]);
  });

  it("is not begun when the mailbox is full: nothing was submitted", async () => {
    const { scheduler } = fakeScheduler();
    const ready = (): Promise<RunStatus> => Promise.reject(full());
    const watch = { workflowId: "w", signal: forEver(), ready };
    await expect(
      watchRun(scheduler, new RunFeed("changed", scheduler.on.changed), watch).next(),
    ).rejects.toMatchObject({
      code: "MAILBOX_FULL",
    });
  });
});
