import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { workerModule } from "../../../src/actor/index.ts";
import { Network, type PeerRequest } from "../../../src/peers/network.protocol.ts";
import { openSupervisor, type SupervisorHandle } from "../../../src/supervisor/index.ts";
import { HOST, message, openNode, until } from "./node-kit.ts";

let directory: string;
let supervisor: SupervisorHandle;
const module = workerModule("network.actor").href;

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), "network-"));
  supervisor = openSupervisor();
});

afterEach(async () => {
  await supervisor.close();
  rmSync(directory, { recursive: true });
});

describe("the network actor on its thread", () => {
  it("serves through refs, is the same peer after a crash, and tells its health", async () => {
    const keyFile = join(directory, "node.key");
    const network = await supervisor.spawn(Network, { module, init: { host: { ...HOST, keyFile } } });
    const { peerId, addresses } = await network.call.figures();
    await using other = await openNode();
    await other.call.dial({ peerId, addresses: [...addresses] }, message());
    const body = new Uint8Array([1, 2, 3]);
    const requests = network.on.requested();
    await network.call.serve({ prefixes: ["echo"] });
    const answered = other.call.request({ peerId, method: "echo", body }, message());
    const { value: request } = (await requests.next()) as { value: PeerRequest };
    network.cast.reply({ requestId: request.requestId, end: { ok: true, body: request.body } });
    expect((await answered).body).toEqual(body);
    await supervisor.kill("network");
    await until(() => other.of("disconnected").length === 1, "the end of the connection");
    await network.ready();
    const again = await network.call.figures();
    expect(again.peerId).toBe(peerId);
    await other.call.dial({ peerId, addresses: [...again.addresses] }, message());
    const [health] = await supervisor.health();
    expect(health).toMatchObject({
      epoch: 2,
      report: { networking: "on", peerId, connections: 1, refused: {} },
    });
  });

  it("that cannot listen at its address says so, and does not start", async () => {
    await using taken = await openNode();
    const listen = [taken.address.replace(/\/p2p\/.*/, "")];
    const spawned = supervisor.spawn(Network, { module, init: { host: { ...HOST, listen } } });
    await expect(spawned).rejects.toMatchObject({
      code: "ACTOR_START_FAILED",
      message: expect.stringContaining("cannot listen on") as unknown,
    });
  });
});
