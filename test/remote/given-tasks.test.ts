import { expect, it } from "vitest";
import type { RefOf } from "../../src/actor/index.ts";
import { LIMITS } from "../../src/errors/index.ts";
import type { Lease, Queue } from "../../src/queue/queue.protocol.ts";
import { GivenTasks } from "../../src/remote/given-tasks.ts";
import { OutletHold } from "../../src/remote/outlet-hold.ts";
import type { Pulls } from "../../src/remote/pulls.ts";
import { Shelf } from "../../src/remote/shelf.ts";
import type { Tell } from "../../src/remote/wire.ts";
import { manualClock } from "../kit/manual-clock.ts";

/** What one peer has of two tasks, and what becomes of its word. */
function given() {
  const clock = manualClock();
  const reports: unknown[] = [];
  const judged: [boolean, string][] = [];
  const call = {
    report: async (report: unknown) => void reports.push(report),
    finish: async () => ({ state: "failed" }),
  };
  const holder = {
    ...{ peerId: "P", workerId: "peer:P", hold: new OutletHold(), isConnected: true, bytesMax: 1_000 },
    stop: async () => undefined,
    silent: () => undefined,
  };
  const tasks = new GivenTasks(holder, {
    queue: { call } as unknown as RefOf<typeof Queue>,
    pulls: {} as Pulls,
    ...{ shelf: new Shelf(null), clock, leaseMs: 15_000, signal: new AbortController().signal },
    onChange: () => undefined,
    judge: (_, ok, why) => judged.push([ok, why]),
  });
  for (const token of [1, 2]) tasks.add({ taskId: `t${token}`, token, action: "work" } as Lease);
  const tell = (more: Partial<Tell>) =>
    tasks.told({ life: 1, sequence: 0, room: 1, held: null, progress: [], ends: [], ...more });
  return { clock, tell, reports, judged };
}

const said = (token: number, fraction: number) => ({ token, fraction, message: "" });

it("progress that a peer tells without end reaches the queue once for each task and span of time", async () => {
  const { clock, tell, reports } = given();
  const endless = Array.from({ length: 500 }, (_, index) => said(1 + (index % 2), index / 500));
  for (let round = 0; round < 10; round++) await tell({ progress: endless });
  expect(reports).toMatchObject([
    { taskId: "t1", progress: 0.996 },
    { taskId: "t2", progress: 0.998 },
  ]);
  await clock.advance(LIMITS.remote.progressMs);
  await tell({ progress: [said(1, 1)] });
  expect(reports.slice(2)).toMatchObject([{ taskId: "t1", progress: 1 }]);
});

it("ends of tasks that a peer was never given are nothing to its credit", async () => {
  const { tell, judged } = given();
  const end = { kind: "failed", output: null, error: null } as const;
  const { forget } = await tell({ ends: [{ token: 77, ...end }] });
  expect(forget).toEqual([77]);
  expect(judged).toEqual([]);
  await tell({ ends: [{ token: 1, ...end }] });
  expect(judged).toEqual([[true, "it carries out tasks"]]);
});
