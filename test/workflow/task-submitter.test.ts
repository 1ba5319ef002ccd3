import { describe, expect, it } from "vitest";

import { fault, type Fault } from "../../src/errors/index.ts";
import type { TaskSpec } from "../../src/queue/queue.protocol.ts";
import { newStep, type RunTask } from "../../src/workflow/run-step.ts";
import { newTask } from "../../src/workflow/run-task.ts";
import { TaskSubmitter, type SubmittingRun } from "../../src/workflow/task-submitter.ts";
import { manualClock } from "../kit/manual-clock.ts";
import { seededRandom } from "../kit/seeded-random.ts";
import { seededScheduler } from "../kit/seeded-scheduler.ts";
import { step } from "./kit/definitions.ts";
import { FakeQueue } from "./kit/fake-queue.ts";
import { microtasksDrained } from "../kit/microtasks.ts";

/** A run that only notes what it is told. */
class NotedRun implements SubmittingRun {
  readonly heard: string[] = [];
  readonly name: string;
  inputBytes = 1;
  action = "echo";

  constructor(name: string) {
    this.name = name;
  }

  task(name: string): RunTask {
    const task = newTask(newStep(step(name), 0, 0), "run");
    task.taskId = `${this.name}/${name}/0/0`;
    task.place = "queue";
    return task;
  }

  specOf({ taskId, place }: RunTask): TaskSpec | undefined {
    if (place !== "queue") return undefined;
    const action = taskId.includes("bad") ? "unheard of" : this.action;
    return { taskId, action, input: new Uint8Array(this.inputBytes), group: this.name };
  }

  accepted(task: RunTask, wasThere: boolean): void {
    this.heard.push(`${task.step.definition.stepId} ${wasThere ? "was there" : "accepted"}`);
  }

  refused(task: RunTask, { code }: Fault): void {
    this.heard.push(`${task.step.definition.stepId} ${code}`);
  }

  doubted({ code }: Fault): void {
    this.heard.push(code);
  }

  arrived(): void {
    this.heard.push("arrived");
  }
}

function openKit() {
  const clock = manualClock();
  const turns = seededScheduler(seededRandom(1));
  const queue = new FakeQueue(turns, clock);
  const stopping = new AbortController();
  const submitter = new TaskSubmitter({ queue: queue.ref, turns, clock, signal: stopping.signal });
  return {
    clock,
    turns,
    queue,
    submitter,
    stopping,
    get submits() {
      return queue.link.calls.get("submit") ?? 0;
    },
    add(run: NotedRun, count: number, prefix = "s"): RunTask[] {
      const tasks = Array.from({ length: count }, (_, at) => run.task(`${prefix}${at}`));
      for (const task of tasks) submitter.add(run, task);
      return tasks;
    },
    async settle(): Promise<void> {
      await turns.runAll();
      await microtasksDrained();
    },
  };
}

describe("what runs ask for in one turn", () => {
  it("travels in one submit, and each of them hears of its own", async () => {
    const kit = openKit();
    const [one, other] = [new NotedRun("one"), new NotedRun("other")];
    kit.add(one, 2);
    kit.add(other, 1);
    await kit.settle();
    expect(kit.submits).toBe(1);
    expect(one.heard).toEqual(["s0 accepted", "s1 accepted", "arrived"]);
    expect(other.heard).toEqual(["s0 accepted", "arrived"]);
    kit.add(other, 1);
    await kit.settle();
    expect(other.heard.slice(2)).toEqual(["s0 was there", "arrived"]);
  });

  it("is cut into batches by tasks and by bytes, and no run takes a batch for itself", async () => {
    const kit = openKit();
    const [large, small] = [new NotedRun("large"), new NotedRun("small")];
    kit.add(large, 200);
    kit.add(small, 1);
    await kit.settle();
    expect([...kit.queue.tasks.keys()].indexOf("small/s0/0/0")).toBe(16);
    kit.add(large, 600, "more");
    await kit.settle();
    expect([kit.submits, kit.queue.tasks.size]).toEqual([4, 801]);
    const heavy = new NotedRun("heavy");
    heavy.inputBytes = 300 * 1_024;
    kit.add(heavy, 5);
    await kit.settle();
    expect(kit.submits).toBe(7);
  });

  it("waits while enough submits are on their way, and then goes along together", async () => {
    const kit = openKit();
    const run = new NotedRun("run");
    kit.add(run, 256 * 4 + 5);
    while (kit.submits === 0) await kit.turns.step();
    expect(kit.submits).toBe(4);
    kit.add(new NotedRun("other"), 5);
    await kit.settle();
    expect([kit.submits, kit.queue.tasks.size]).toEqual([5, 256 * 4 + 10]);
  });

  it("can be taken back before it is sent, and is not sent when it is not wanted any more", async () => {
    const kit = openKit();
    const run = new NotedRun("run");
    const [first, second] = kit.add(run, 2);
    expect(kit.submitter.takeBack(run)).toEqual([first, second]);
    await kit.settle();
    expect(kit.submits).toBe(0);
    const [ended] = kit.add(run, 2);
    if (ended) ended.place = "ended";
    await kit.settle();
    expect([...kit.queue.tasks.keys()]).toEqual(["run/s1/0/0"]);
    expect(kit.submitter.takeBack(run)).toEqual([]);
  });

  it("is on its way until it is answered", async () => {
    const kit = openKit();
    const run = new NotedRun("run");
    const tasks = kit.add(run, 2);
    expect(kit.submitter.onTheWay(run).size).toBe(0);
    while (kit.submits === 0) await kit.turns.step();
    expect([...kit.submitter.onTheWay(run)]).toEqual(tasks);
    expect(run.heard).toEqual([]);
    await kit.settle();
    expect([run.heard.at(-1), kit.submitter.onTheWay(run).size]).toEqual(["arrived", 0]);
  });
});

describe("a task that the queue refuses for good", () => {
  it("is found among the others, which go their way", async () => {
    const kit = openKit();
    const [run, other] = [new NotedRun("run"), new NotedRun("other")];
    kit.add(run, 40);
    kit.add(run, 1, "bad");
    kit.add(other, 40);
    await kit.settle();
    expect(run.heard.filter((each) => each.startsWith("bad"))).toEqual(["bad0 UNKNOWN_ACTION"]);
    expect(kit.queue.tasks.size).toBe(80);
    // One batch of 81, and two halves for each time that the wrong one is in it.
    expect(kit.submits).toBeLessThan(16);
    expect(kit.submitter.onTheWay(run).size).toBe(0);
  });
});

describe("a queue", () => {
  it("whose mailbox is full is asked again when it has room", async () => {
    const kit = openKit();
    const run = new NotedRun("run");
    const full = fault("MAILBOX_FULL", { actor: "queue", limit: 1, unit: "messages" });
    kit.queue.link.refusals.push({ member: "submit", error: full });
    kit.add(run, 1);
    await kit.settle();
    expect(kit.submits).toBe(2);
    expect(run.heard).toEqual(["arrived", "s0 accepted", "arrived"]);
  });

  it.each([
    fault("STORE_FULL", { path: "queue.sqlite" }),
    fault("ACTOR_RESTARTING", { actor: "queue" }),
    fault("ACTOR_STOPPED", { actor: "queue" }),
  ])("that answers $code leaves each run to find out what it has taken", async (error) => {
    const kit = openKit();
    const [one, other] = [new NotedRun("one"), new NotedRun("other")];
    kit.queue.link.refusals.push({ member: "submit", error });
    kit.add(one, 1);
    kit.add(other, 1);
    await kit.settle();
    expect([one.heard, other.heard]).toEqual([
      [error.code, "arrived"],
      [error.code, "arrived"],
    ]);
    expect(kit.submits).toBe(1);
  });

  it("is not asked any more when the scheduler is stopping", async () => {
    const kit = openKit();
    kit.add(new NotedRun("run"), 1);
    kit.stopping.abort(fault("CANCELLED", { what: "scheduler" }));
    await kit.settle();
    expect(kit.submits).toBe(0);
  });
});

describe("a full quota of an action", () => {
  const FULL = fault("QUOTA_EXCEEDED", { scope: "action", name: "narrow", limit: 5 });

  /** The queue takes so many tasks of the action `narrow`, as it does with a quota. */
  function narrowed(room: number) {
    const kit = openKit();
    kit.queue.actions.push("narrow");
    kit.queue.mayTake = (specs) => {
      const taken = [...kit.queue.tasks.values()].filter(({ action }) => action === "narrow").length;
      const more = specs.filter(({ action }) => action === "narrow").length;
      if (taken + more > room) throw FULL;
    };
    const narrow = new NotedRun("narrow");
    narrow.action = "narrow";
    return { kit, narrow, widen: () => (kit.queue.mayTake = () => undefined) };
  }

  it("holds nobody else up, and takes what has room", async () => {
    const { kit, narrow } = narrowed(5);
    const wide = new NotedRun("wide");
    kit.add(narrow, 20);
    kit.add(wide, 20);
    await kit.settle();
    expect(wide.heard).toContain("s19 accepted");
    expect(narrow.heard.filter((each) => each.endsWith("accepted")).length).toBe(5);
    kit.add(wide, 1, "later");
    await kit.settle();
    expect(wide.heard).toContain("later0 accepted");
  });

  it("is tried again after pauses that grow, until all are taken", async () => {
    const { kit, narrow, widen } = narrowed(0);
    kit.add(narrow, 3);
    await kit.settle();
    const submits = kit.submits;
    await kit.clock.advance(49);
    await kit.settle();
    expect(kit.submits).toBe(submits);
    await kit.clock.advance(1);
    await kit.settle();
    const again = kit.submits;
    expect(again).toBeGreaterThan(submits);
    widen();
    await kit.clock.advance(99);
    await kit.settle();
    expect(kit.submits).toBe(again);
    await kit.clock.advance(1);
    await kit.settle();
    expect(narrow.heard.filter((each) => each.endsWith("accepted")).length).toBe(3);
    kit.add(narrow, 1, "next");
    await kit.settle();
    expect(narrow.heard).toContain("next0 accepted");
  });

  it("has its tasks taken back with the others", async () => {
    const { kit, narrow } = narrowed(0);
    const tasks = kit.add(narrow, 3);
    await kit.settle();
    expect(kit.submitter.takeBack(narrow).toSorted((a, b) => a.taskId.localeCompare(b.taskId))).toEqual(
      tasks,
    );
    await kit.clock.advance(60_000);
    await kit.settle();
    expect(kit.queue.tasks.size).toBe(0);
  });

  it("has what comes meanwhile wait as well, without asking", async () => {
    const { kit, narrow } = narrowed(0);
    kit.add(narrow, 1);
    await kit.settle();
    const submits = kit.submits;
    kit.add(narrow, 5, "more");
    await kit.settle();
    expect(kit.submits).toBe(submits);
  });
});
