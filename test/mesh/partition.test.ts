import { describe, expect, it } from "vitest";
import type { KnownPeer } from "../../src/peers/peers.protocol.ts";
import type { TaskStatus } from "../../src/queue/queue.protocol.ts";
import type { Grant, Outlet } from "../../src/remote/remote.protocol.ts";
import type { NetworkOptions } from "../../src/system/index.ts";
import { laboratoryMissing, skipNote } from "../peers/kit/nat-laboratory.ts";
import { MESH_TASKS, Witnessed, engage, meshDirectory, until } from "./kit/mesh.ts";
import { addressWith, isFree, nodeOn, openLaboratory, outletOf } from "./kit/mesh-laboratory.ts";

const missing = laboratoryMissing();

describe.skipIf(missing !== null)(`a partition${skipNote(missing)}`, { timeout: 120_000 }, () => {
  it("has tasks run elsewhere, whose late ends change nothing; when it heals, the peers find back to each other and the next task goes there", async () => {
    const laboratory = await openLaboratory();
    const directory = meshDirectory();
    const witnessed = new Witnessed(directory);
    const network: NetworkOptions = { reach: ["internet"], remote: { leaseMs: 3_000 } };
    const hosts = await Promise.all([
      laboratory.publicHost("asker", 2),
      laboratory.publicHost("first", 3),
      laboratory.publicHost("second", 4),
    ]);
    const [asker, first, second] = await Promise.all([
      nodeOn(hosts[0], directory, { network }),
      nodeOn(hosts[1], directory, { network, tasks: [MESH_TASKS], threads: 2 }),
      nodeOn(hosts[2], directory, { network, tasks: [MESH_TASKS], threads: 2 }),
    ]);
    await engage(asker, first, ["witness"], await addressWith(first, hosts[1].address));
    const names = ["early", "late"];
    for (const name of names) await asker.ask("tasks.submit", witnessed.task(name));
    for (const name of names) await witnessed.until(name, "began", first);

    await laboratory.setJoined("first", false);
    // One ends there, and its node cannot tell; of the other its node hears no more, and stops it.
    witnessed.open("early");
    await witnessed.until("early", "ended", first);
    await engage(asker, second, ["witness"], await addressWith(second, hosts[2].address));
    await witnessed.until("late", "stopped", first);
    witnessed.open("late");
    for (const name of names) {
      const end = await asker.ask("tasks.wait", name);
      expect(end).toMatchObject({ state: "completed", output: { pid: second.pid } });
    }
    const ended = (): Promise<TaskStatus[]> =>
      Promise.all(names.map((name) => asker.ask<TaskStatus>("tasks.status", name)));
    const before = await ended();
    // It gets nothing more for as long as it does not answer.
    expect((await outletOf(asker, first.peerId))?.held).not.toBeNull();

    await laboratory.setJoined("first", true);
    await asker.ask("peers.drop", second.peerId);
    const goesThere = async (name: string): Promise<void> => {
      await until("the way there", () => outletOf(asker, first.peerId), isFree, 30);
      witnessed.open(name);
      expect(await asker.ask("tasks.run", witnessed.task(name))).toEqual({ pid: first.pid });
    };
    await goesThere("next");
    expect(await ended()).toEqual(before);
    const done = (outlet: Outlet | undefined): boolean => outlet?.completed === 1 && outlet.running === 0;
    await until("what it has done", () => outletOf(asker, first.peerId), done);

    // So long that both take the connection for lost, and one has to be made anew.
    await laboratory.setJoined("first", false);
    for (const [node, other] of [
      [asker, first],
      [first, asker],
    ] as const) {
      const status = () => node.ask<KnownPeer>("peers.get", other.peerId);
      await until("the loss", status, (peer) => peer.status === "disconnected", 30);
    }
    await laboratory.setJoined("first", true);
    await goesThere("last");
    expect(await ended()).toEqual(before);
    expect(await first.ask<Grant[]>("peers.grants")).toMatchObject([{ running: 0 }]);
  });
});
