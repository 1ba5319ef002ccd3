import { join } from "node:path";
import { expect } from "vitest";
import type { KnownPeer } from "../../../src/peers/peers.protocol.ts";
import type { RunOutcome } from "../../../src/system/index.ts";
import { MESH_TASKS, engage, meshDirectory, startNode, until, type MeshNode } from "./mesh.ts";

const NUMBERS = Array.from({ length: 12 }, (_, at) => at + 1);
const RUNS_PER_WAVE = 10;
/** A start has its own time limit, which all at once would use up on a machine that is busy. */
const STARTS_AT_ONCE = 3;

/**
 * One node that asks and `workers` that work find each other by a file. While the workers carry out a wave of workflows
 * one of them is killed, `killed` times, and every workflow ends with the right result.
 */
export async function meshThatFades({
  workers: count,
  killed,
}: {
  readonly workers: number;
  readonly killed: number;
}): Promise<void> {
  const directory = meshDirectory();
  const file = join(directory, "peers.json");
  const start = (name: string, tasks: readonly string[]): Promise<MeshNode> =>
    startNode({
      data: join(directory, name),
      tasks,
      threads: 1,
      network: { discover: { file }, remote: { leaseMs: 2_000, servedMax: 4 } },
    });
  const asker = await start("asker", []);
  const workers: MeshNode[] = [];
  while (workers.length < count) {
    const names = Array.from({ length: Math.min(STARTS_AT_ONCE, count - workers.length) }, (_, at) => {
      return `worker-${workers.length + at}`;
    });
    workers.push(...(await Promise.all(names.map((name) => start(name, [MESH_TASKS])))));
  }
  const found = await until(
    "all workers",
    async () =>
      (await asker.ask<{ peers: KnownPeer[] }>("peers.discover", { max: 100, timeoutMs: 1_000 })).peers,
    (peers) => peers.filter(({ verified }) => verified).length === count,
    30,
  );
  expect(new Set(found.map(({ peerId }) => peerId))).toEqual(new Set(workers.map(({ peerId }) => peerId)));
  for (const worker of workers) await engage(asker, worker, ["square", "sum"]);
  for (const [at, victim] of workers.slice(0, killed).entries()) {
    const runs = Array.from({ length: RUNS_PER_WAVE }, (_, run) =>
      asker.ask<RunOutcome>("run", { workflowId: `w${at}-${run}`, steps: sumOfSquares() }),
    );
    await victim.kill();
    for (const outcome of await Promise.all(runs)) {
      expect(outcome.status.state).toBe("completed");
      expect(outcome.outputs["sum"]).toBe(650);
    }
  }
}

const sumOfSquares = () => [
  ...NUMBERS.map((n) => ({ stepId: `s${n}`, action: "square", inputs: { n } })),
  {
    stepId: "sum",
    action: "sum",
    inputs: { of: NUMBERS.map((n) => `\${{ steps.s${n}.output }}`) },
    dependsOn: NUMBERS.map((n) => `s${n}`),
  },
];
