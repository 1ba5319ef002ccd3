import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Figures } from "../kit/turns.ts";
import { engage, openNode } from "./nodes.ts";

const NOOPS = 12_000;
const LANES = 512;
const STEPS = 16;
const TOIL_MS = 150;

/** Tasks of one node that another carries out, both with everything on disk. */
export async function remoteWork(): Promise<Figures> {
  const directory = await mkdtemp(join(tmpdir(), "mcplusplus-bench-peers-"));
  // Short handlers share threads: as many may be there at once as the asker has lanes.
  const network = { remote: { servedMax: LANES } };
  const worker = await openNode({ data: join(directory, "worker"), threads: 1, handlers: true, network });
  const asker = await openNode({ data: join(directory, "asker"), threads: 1, handlers: false, network: {} });
  try {
    await engage(asker, worker, ["nothing"]);
    const work = { action: "nothing", input: {}, lanes: LANES };
    await asker.child.ask("tasks", { ...work, count: NOOPS / 4 });
    return { remote_noop: await asker.child.ask<number>("tasks", { ...work, count: NOOPS }) };
  } finally {
    for (const { child } of [asker, worker]) {
      await child.ask("close");
      await child.end();
    }
    await rm(directory, { recursive: true });
  }
}

/** A workflow that only needs processors, on one node with one handler thread, and on two of them. */
export async function sharedToil(): Promise<Figures> {
  const directory = await mkdtemp(join(tmpdir(), "mcplusplus-bench-peers-"));
  const plan = { threads: 1, handlers: true };
  const asker = await openNode({ ...plan, data: join(directory, "asker"), network: {} });
  const worker = await openNode({ ...plan, data: join(directory, "worker"), network: {} });
  try {
    const work = { action: "toil", input: { ms: TOIL_MS }, steps: STEPS };
    await asker.child.ask("workflow", { ...work, steps: 2 });
    const alone = await asker.child.ask<number>("workflow", work);
    await engage(asker, worker, ["toil"]);
    await asker.child.ask("workflow", { ...work, steps: 4 });
    const together = await asker.child.ask<number>("workflow", work);
    return { toil_one_node: alone, toil_two_nodes: together };
  } finally {
    for (const { child } of [asker, worker]) {
      await child.ask("close");
      await child.end();
    }
    await rm(directory, { recursive: true });
  }
}
