import { join } from "node:path";
import { describe, expect, it } from "vitest";
import type { Outlet } from "../../src/remote/remote.protocol.ts";
import { MESH_TASKS, engage, meshDirectory, startNode, until } from "./kit/mesh.ts";
import { meshThatFades } from "./kit/mesh-that-fades.ts";

/** Nodes of one machine in processes of their own, with everything real between them. */

const held = (outlets: Outlet[]): unknown => outlets.map((outlet) => outlet.held);

describe("a task of one node", { timeout: 60_000 }, () => {
  it("runs on another that has its handler and a grant for it, and on none without", async () => {
    const directory = meshDirectory();
    const worker = await startNode({ data: join(directory, "b"), tasks: [MESH_TASKS], threads: 1 });
    const asker = await startNode({ data: join(directory, "a"), threads: 1 });
    await expect(asker.ask("tasks.run", { action: "where", input: {} })).rejects.toThrow(
      'there is no action "where"',
    );
    await engage(asker, worker, ["where"]);
    expect(await asker.ask("tasks.run", { action: "where", input: {} })).toEqual({ pid: worker.pid });
    await worker.ask("peers.revoke", asker.peerId);
    await asker.ask("tasks.submit", { id: "later", action: "where", input: {} });
    const outlets = await until(
      "the refusal",
      () => asker.ask<Outlet[]>("peers.outlets"),
      (seen) => seen[0]?.held !== null,
    );
    expect(held(outlets)).toEqual([expect.stringContaining("revoked")]);
    expect(await asker.ask("tasks.status", "later")).toMatchObject({ state: "queued", attempt: 0 });
  });

  it("that runs on a node which is killed runs on the next, and its caller hears of one end", async () => {
    const directory = meshDirectory();
    const asker = await startNode({
      data: join(directory, "a"),
      threads: 1,
      network: { remote: { leaseMs: 2_000 } },
    });
    const workers = await Promise.all(
      ["b", "c"].map((name) => startNode({ data: join(directory, name), tasks: [MESH_TASKS], threads: 1 })),
    );
    for (const worker of workers) await engage(asker, worker, ["where"]);
    const ended = asker.ask("tasks.run", { id: "t", action: "where", input: { ms: 1_500 } });
    const [busy] = await until(
      "who has it",
      async () => (await asker.ask<Outlet[]>("peers.outlets")).filter(({ running }) => running > 0),
      (found) => found.length === 1,
    );
    const first = workers.find(({ peerId }) => peerId === busy?.peerId);
    const second = workers.find((worker) => worker !== first);
    await first?.kill();
    expect(await ended).toEqual({ pid: second?.pid });
  });
});

describe("a mesh of four", () => {
  it("finds itself by a file, spreads workflows, and ends each with the right result while nodes are killed", async () => {
    await meshThatFades({ workers: 3, killed: 1 });
  }, 60_000);
});
