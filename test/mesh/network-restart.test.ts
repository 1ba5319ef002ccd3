import { join } from "node:path";
import { describe, expect, it } from "vitest";
import type { NodeFigures } from "../../src/peers/network.protocol.ts";
import type { Outlet } from "../../src/remote/remote.protocol.ts";
import { MESH_TASKS, Witnessed, engage, meshDirectory, startNode, until } from "./kit/mesh.ts";

/** The network's thread dies while tasks run on a peer; everything else of both nodes goes on. */

describe("the death of the network's thread", { timeout: 60_000 }, () => {
  it.each(["asker", "doer"] as const)(
    "on the %s's node costs no task: each ends rightly, the peers are connected again, and the next one goes there",
    async (whose) => {
      const directory = meshDirectory();
      const witnessed = new Witnessed(directory);
      const [asker, doer] = await Promise.all([
        startNode({ data: join(directory, "asker"), threads: 1 }),
        startNode({ data: join(directory, "doer"), tasks: [MESH_TASKS], threads: 2 }),
      ]);
      await engage(asker, doer, ["witness"]);
      const victim = { asker, doer }[whose];
      const before = await victim.ask<NodeFigures>("peers.node");
      const names = ["during", "after"];
      const runs = names.map((name) => asker.ask("tasks.run", witnessed.task(name)));
      for (const name of names) await witnessed.until(name, "began", doer);

      await victim.ask("kill", "network");
      witnessed.open("during");
      await witnessed.until("during", "ended", doer);
      const { peerId, addresses } = await victim.ask<NodeFigures>("peers.node");
      expect({ peerId, addresses }).toEqual({ peerId: before.peerId, addresses: before.addresses });
      await until(
        "the way there",
        () => asker.ask<Outlet[]>("peers.outlets"),
        ([outlet]) => outlet?.connected === true && outlet.held === null,
      );
      witnessed.open("after");
      expect(await Promise.all(runs)).toEqual([{ pid: doer.pid }, { pid: doer.pid }]);
      for (const name of names)
        expect(await asker.ask("tasks.status", name)).toMatchObject({ state: "completed", attempt: 1 });
      witnessed.open("next");
      expect(await asker.ask("tasks.run", witnessed.task("next"))).toEqual({ pid: doer.pid });
    },
  );
});
