import { join } from "node:path";
import { expect, it } from "vitest";
import type { RunOutcome } from "../../src/system/index.ts";
import { MESH_TASKS, engage, meshDirectory, startNode, type MeshNode } from "./kit/mesh.ts";
for (let round = 0; round < 6; round++)
it(`round ${round}`, { timeout: 45_000 }, async () => {
  const directory = meshDirectory();
  const start = (name: string, tasks: readonly string[]): Promise<MeshNode> =>
    startNode({ data: join(directory, name), tasks, threads: 1, network: { remote: { leaseMs: 2_000, servedMax: 4 } } });
  const T1 = performance.now();
  const asker = await start("asker", []);
  const workers = await Promise.all([0, 1, 2, 3].map((at) => start(`worker-${at}`, [MESH_TASKS])));
  for (const worker of workers) await engage(asker, worker, ["square", "sum"]);
  const numbers = Array.from({ length: 12 }, (_, at) => at + 1);
  const begin = (k: number) => Array.from({ length: 10 }, (_, run) =>
    asker.ask<RunOutcome>("run", {
      workflowId: `w${k}-${run}`,
      steps: [
        ...numbers.map((n) => ({ stepId: `s${n}`, action: "square", inputs: { n } })),
        { stepId: "sum", action: "sum", inputs: { of: numbers.map((n) => `\${{ steps.s${n}.output }}`) }, dependsOn: numbers.map((n) => `s${n}`) },
      ],
    }));
  const T0 = Date.now(); const T = (w: string, x: unknown = "") => console.log("DBG", round, Date.now() - T0, w, JSON.stringify(x));
  T("started in", Math.round(performance.now() - T1));
  const all: Promise<unknown>[] = [];
  const look = setInterval(async () => {
    try {
      const o = await asker.ask<any[]>("peers.outlets");
      T("outlets", o.map(({ peerId, connected, running, completed, failed, returned, held }) => [workers.findIndex((w) => w.peerId === peerId), connected, running, completed, failed, returned, held]));
      const list = await asker.ask<any>("tasks.list", { limit: 1000, states: ["queued", "running"] });
      T("tasks", list.tasks.slice(0, 5));
      T("runs", (await asker.ask<any>("runs", { states: ["running"] }).catch((e) => String(e))));
    } catch (e) { T("err", String(e)); }
  }, 6000);
  try {
    for (let k = 0; k < 3; k++) {
      const runs = begin(k);
      all.push(...runs);
      await new Promise((r) => setTimeout(r, Math.random() * 700));
      await workers[k]?.kill();
      T(`killed ${k}`);
      for (const outcome of await Promise.all(runs)) { expect(outcome.status.state).toBe("completed"); expect(outcome.outputs["sum"]).toBe(650); }
      T(`ended ${k}`);
    }
  } finally { clearInterval(look); }
});
