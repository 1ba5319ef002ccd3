import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, it } from "vitest";
import { openSystem, type System } from "../../src/index.ts";

const MODULE = new URL("modules/remote.tasks.ts", import.meta.url).href;
/** A bound for conditions that are looked at again and again; each of them takes a fraction of it. */
const PATIENCE_MS = 20_000;

let directory: string;
let asker: System;
let doer: System;
let doerId: string;

async function until(isSo: () => Promise<boolean>): Promise<void> {
  const untilMs = performance.now() + PATIENCE_MS;
  while (!(await isSo())) {
    if (performance.now() > untilMs) throw new Error(`it did not become so within ${PATIENCE_MS} ms`);
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}

beforeAll(async () => {
  directory = mkdtempSync(join(tmpdir(), "remote-systems-"));
  [asker, doer] = await Promise.all([
    openSystem({ data: join(directory, "asker"), threads: 1, network: {} }),
    openSystem({ data: join(directory, "doer"), threads: 1, tasks: [MODULE], network: {} }),
  ]);
  const [mine, theirs] = await Promise.all([asker.peers.node(), doer.peers.node()]);
  doerId = theirs.peerId;
  const actions = ["stretch", "measure", "linger"];
  const { token } = await doer.peers.allow(mine.peerId, { actions });
  await asker.peers.connect(doerId, theirs.addresses[0] ?? "");
  await asker.peers.use(token);
  await until(async () => (await asker.peers.outlets())[0]?.held === null);
}, 60_000);

afterAll(async () => {
  await Promise.all([asker.close(), doer.close()]);
  rmSync(directory, { recursive: true, force: true });
});

it("a task and a step of a workflow run on another node over loopback, and say so", async () => {
  const { status, outputs } = await asker.run({
    workflowId: "w",
    steps: [
      { stepId: "here", action: "echo", inputs: { text: "ab" } },
      {
        stepId: "there",
        action: "stretch",
        inputs: { text: "${{ steps.here.output.text }}", times: 3 },
        dependsOn: ["here"],
      },
    ],
  });
  expect(outputs["there"]).toBe("ababab");
  expect(status.steps.map(({ workerId }) => workerId)).toEqual(["local", `peer:${doerId}`]);
}, 30_000);

it("large values go there and come back by reference", async () => {
  const times = 300_000;
  await asker.tasks.submit({ id: "long", action: "stretch", input: { text: "0123456789", times } });
  const { output } = await asker.tasks.wait("long");
  await asker.tasks.submit({ id: "measured", action: "measure", input: { text: output } });
  expect((await asker.tasks.wait("measured")).output).toEqual({ length: 10 * times });
}, 30_000);

it("a cancellation ends the handler there", async () => {
  await asker.tasks.submit({ id: "lingering", action: "linger", input: {} });
  await until(async () => (await asker.tasks.status("lingering")).progress > 0);
  await asker.tasks.cancel("lingering");
  await until(async () => (await asker.tasks.status("lingering")).state === "cancelled");
  await until(async () => (await doer.peers.grants())[0]?.running === 0);
}, 30_000);
