import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { describe, expect, it } from "vitest";
import { packValue } from "../../src/codec/index.ts";
import { LIMITS, fault } from "../../src/errors/index.ts";
import { stepCountOf } from "../../src/workflow/ended-runs.ts";
import { RUN_MIGRATIONS } from "../../src/workflow/run.rows.ts";
import type { StepStatus, WorkflowDefinition } from "../../src/workflow/workflow.protocol.ts";
import { fakeMessage } from "../kit/actor-context.ts";
import { step, workflow } from "./kit/definitions.ts";
import { SchedulerKit, watch } from "./kit/scheduler-kit.ts";

const { resultMs } = LIMITS.workflow;
const HOUR_MS = 3_600_000;

const run = (workflowId: string, steps = 2, more: Partial<WorkflowDefinition> = {}): WorkflowDefinition =>
  workflow(
    Array.from({ length: steps }, (_, at) => step(`s${at}`)),
    { workflowId, ...more },
  );

async function openKit(bounds: { keptTasks?: number; keptMs?: number }): Promise<SchedulerKit> {
  const kit = Object.assign(new SchedulerKit(), bounds);
  return kit.start();
}

/** Runs that have ended one after the other, a second apart. */
async function endRuns(kit: SchedulerKit, ...runs: WorkflowDefinition[]): Promise<void> {
  for (const each of runs) {
    await kit.submit(each);
    await kit.finish();
    await kit.clock.advance(1_000);
  }
  await kit.settle();
}

const idsOf = (kit: SchedulerKit): string[] => {
  const { runs } = kit.call.list({ offset: 0, limit: 1_000 }, fakeMessage()) as {
    runs: { workflowId: string }[];
  };
  return runs.map(({ workflowId }) => workflowId);
};
const groupsOf = (kit: SchedulerKit): string[] =>
  [...new Set([...kit.queue.tasks.values()].map(({ group }) => String(group)))].toSorted();

async function pass(kit: SchedulerKit, ms: number): Promise<void> {
  await kit.clock.advance(ms);
  await kit.settle();
}

describe("ended runs", () => {
  it("leave when they are too old, each with its tasks; those that go on stay", async () => {
    await using kit = await openKit({ keptMs: HOUR_MS });
    await endRuns(kit, run("a"), run("b"));
    await kit.submit(run("open"));
    await pass(kit, HOUR_MS - 2_000);
    expect(idsOf(kit)).toEqual(["b", "open"]);
    await pass(kit, 1_000);
    expect(idsOf(kit)).toEqual(["open"]);
    expect(groupsOf(kit)).toEqual(["open"]);
    await expect(kit.status("a")).rejects.toMatchObject({ code: "WORKFLOW_NOT_FOUND" });
    await expect(kit.result("a")).rejects.toMatchObject({ code: "WORKFLOW_NOT_FOUND" });
    await pass(kit, 10 * HOUR_MS);
    expect(idsOf(kit)).toEqual(["open"]);
  });

  it("leave, those that ended first, when they have too many steps together, but not at once", async () => {
    await using kit = await openKit({ keptTasks: 5 });
    await endRuns(kit, run("a", 2), run("b", 1), run("c", 3));
    expect(idsOf(kit)).toEqual(["a", "b", "c"]);
    await pass(kit, resultMs - 3_001);
    expect(idsOf(kit)).toEqual(["a", "b", "c"]);
    await pass(kit, 1);
    expect(idsOf(kit)).toEqual(["b", "c"]);
    await pass(kit, HOUR_MS);
    expect(idsOf(kit)).toEqual(["b", "c"]);
    await endRuns(kit, run("d", 4));
    await pass(kit, HOUR_MS);
    expect(idsOf(kit)).toEqual(["d"]);
    expect(groupsOf(kit)).toEqual(["d"]);
  });

  it("count for as many steps as they have, and for each item of a step that has fanned out", () => {
    const plain = { items: null } as StepStatus;
    const items = (total: number) => ({ items: { total } }) as StepStatus;
    expect(stepCountOf({ steps: [plain, items(0), items(40), plain] })).toBe(43);
  });

  it("stay long enough for whoever waited for them, also when none is to be kept", async () => {
    await using kit = await openKit({ keptTasks: 0, keptMs: 0 });
    await endRuns(kit, run("a"));
    expect(Object.keys((await kit.result("a")).outputs)).toEqual(["s0", "s1"]);
    await pass(kit, resultMs);
    expect(idsOf(kit)).toEqual([]);
  });

  it("free their ids: the same one can be another workflow then", async () => {
    await using kit = await openKit({ keptMs: HOUR_MS });
    await endRuns(kit, run("a"));
    await expect(kit.submit(run("a", 3))).rejects.toMatchObject({ code: "ALREADY_EXISTS" });
    await pass(kit, HOUR_MS);
    await kit.submit(run("a", 3, { name: "another" }));
    await kit.finish();
    expect(await kit.status("a")).toMatchObject({ name: "another", state: "completed", stepsTotal: 3 });
  });

  it("are all gone through at the start of a life, whose bounds may be others", async () => {
    await using kit = await openKit({});
    await endRuns(kit, ...Array.from({ length: 150 }, (_, at) => run(`r${at}`, 1)));
    await kit.clock.advance(HOUR_MS);
    kit.keptTasks = 3;
    await kit.restart();
    await kit.settle();
    expect(idsOf(kit)).toEqual(["r147", "r148", "r149"]);
    expect(groupsOf(kit)).toEqual(["r147", "r148", "r149"]);
  });
});

describe("a run that leaves", () => {
  it("is gone at once though the queue is away, and its tasks go when that is back, in the next life too", async () => {
    await using kit = await openKit({ keptMs: HOUR_MS });
    await endRuns(kit, run("a"));
    kit.queue.kill();
    await pass(kit, HOUR_MS);
    expect(idsOf(kit)).toEqual([]);
    expect(groupsOf(kit)).toEqual(["a"]);
    await kit.restart();
    await kit.settle();
    expect(idsOf(kit)).toEqual([]);
    kit.queue.link.revive();
    await pass(kit, 1_000);
    expect(groupsOf(kit)).toEqual([]);
  });

  it("makes room for another under its id only when its tasks are gone", async () => {
    await using kit = await openKit({ keptMs: HOUR_MS });
    await endRuns(kit, run("a"));
    kit.queue.link.refusals.push({ member: "forget", error: fault("STORE_FULL", { path: "queue" }) });
    await pass(kit, HOUR_MS);
    const submitted = watch(kit.call.submit({ definition: run("a", 3) }, fakeMessage()));
    await kit.settle();
    expect([submitted.settled, groupsOf(kit)]).toEqual([false, ["a"]]);
    await pass(kit, 1_000);
    expect(submitted.value).toMatchObject({ workflowId: "a", stepsTotal: 3 });
    await kit.finish();
    expect((await kit.status("a")).state).toBe("completed");
  });

  it("stays whole when the disk refuses, and leaves when it has room again", async () => {
    await using kit = new SchedulerKit();
    kit.keptMs = HOUR_MS;
    const { openStore } = kit;
    let full = false;
    kit.openStore = (options) => {
      const store = openStore(options);
      const write = store.write.bind(store);
      return Object.assign(store, {
        write: (...unit: Parameters<typeof write>) =>
          full ? Promise.reject(fault("STORE_FULL", { path: options.path })) : write(...unit),
      });
    };
    await kit.start();
    await endRuns(kit, run("a"));
    full = true;
    await pass(kit, HOUR_MS);
    expect(Object.keys((await kit.result("a")).outputs)).toEqual(["s0", "s1"]);
    full = false;
    await pass(kit, 5_000);
    expect([idsOf(kit), groupsOf(kit)]).toEqual([[], []]);
  });
});

describe("a file of version 1", () => {
  it("keeps its ended runs and cached outputs, as if the runs had ended when it was upgraded", async () => {
    await using kit = await openKit({ keptMs: HOUR_MS });
    const path = join(kit.directory, "scheduler.sqlite");
    await kit.crash();
    const summary = {
      workflowId: "old",
      name: "old",
      state: "completed",
      progress: 1,
      stepsTotal: 1,
      stepsEnded: 1,
      tags: [],
      submittedAtMs: 1,
      startedAtMs: 1,
      endedAtMs: 2,
      error: null,
    };
    const old = {
      stepId: "s0",
      action: "echo",
      dependsOn: [],
      state: "completed",
      cached: true,
      progress: 1,
      attempt: 0,
      startedAtMs: null,
      endedAtMs: 2,
      error: null,
    };
    const db = new DatabaseSync(path);
    for (const { name } of db.prepare("SELECT name FROM sqlite_schema WHERE type = 'table'").all())
      db.exec(`DROP TABLE ${String(name)}`);
    db.exec(RUN_MIGRATIONS[0] ?? "");
    db.prepare("INSERT INTO runs VALUES (1, 'old', 'f', ?, 'completed', '[]', 1, NULL, ?, ?)").run(
      packValue(run("old", 1)),
      packValue(summary),
      packValue([old]),
    );
    db.prepare("INSERT INTO cached_outputs VALUES ('old', 's0', ?, 2)").run(packValue("kept"));
    db.exec("PRAGMA user_version = 1");
    db.close();

    // The upgrade takes the time of the machine.
    kit.clock.wallOffsetMs = Date.now() - kit.clock.now();
    await kit.start();
    await kit.settle();
    expect((await kit.result("old")).outputs).toEqual({ s0: packValue("kept") });
    await pass(kit, HOUR_MS - 60_000);
    expect(idsOf(kit)).toEqual(["old"]);
    await pass(kit, 120_000);
    expect(idsOf(kit)).toEqual([]);
  });
});
