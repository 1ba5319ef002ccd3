import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, it } from "vitest";
import type { ConnectionInfo } from "../../../src/peers/network.protocol.ts";
import { manualClock } from "../../kit/manual-clock.ts";
import { message, openNode, until, type TestNode } from "./node-kit.ts";

it("a node keeps a reservation at its relay, is found through it, and carries 1 MiB that way", async () => {
  await using relay = await openNode({ relayServer: true });
  await using hidden = await openNode({ listen: [], relays: [relay.address] });
  await using asking = await openNode();
  const through = `${relay.address}/p2p-circuit/p2p/${hidden.peerId}`;
  await expect
    .poll(async () => (await hidden.call.figures(undefined, message())).addresses, { timeout: 10_000 })
    .toContain(through);
  const info = await asking.call.dial({ peerId: hidden.peerId, addresses: [through] }, message());
  expect(info.peerId).toBe(hidden.peerId);
  expect(info).toMatchObject({ address: expect.stringContaining("/p2p-circuit") as string, limited: true });
  const { limited } = await until(() =>
    hidden.of<ConnectionInfo>("connected").find(({ peerId }) => peerId === asking.peerId),
  );
  expect(limited).toBe(true);
  await hidden.call.serve({ prefixes: ["echo"] }, message());
  const body = new Uint8Array(1_048_576).fill(9);
  const answered = asking.call.request({ peerId: hidden.peerId, method: "echo", body }, message());
  const request = await until(() => hidden.of<{ requestId: number; body: Uint8Array }>("requested")[0]);
  await hidden.call.reply({ requestId: request.requestId, end: { ok: true, body: request.body } }, message());
  expect(Buffer.compare((await answered).body, body)).toBe(0);
  await until(() =>
    hidden.of<{ addresses: string[] }>("readdressed").find(({ addresses }) => addresses.includes(through)),
  );
}, 20_000);

it("a node whose relay was away, or did not relay, tries again with growing pauses, and is found when it does", async () => {
  const directory = mkdtempSync(join(tmpdir(), "relay-"));
  await using cleanup = new AsyncDisposableStack();
  cleanup.defer(() => rmSync(directory, { recursive: true, force: true }));
  const keyFile = join(directory, "relay.key");
  const first = await openNode({ keyFile, relayServer: true });
  const clock = manualClock();
  const hidden = cleanup.use(await openNode({ listen: [], relays: [first.address] }, { clock }));
  const through = `${first.address}/p2p-circuit/p2p/${hidden.peerId}`;
  const isFound = async (): Promise<boolean> =>
    (await hidden.call.figures(undefined, message())).addresses.includes(through);
  await expect.poll(isFound, { timeout: 10_000 }).toBe(true);

  await first[Symbol.asyncDispose]();
  await expect.poll(isFound, { timeout: 10_000 }).toBe(false);
  for (const failures of [1, 2]) {
    await until(() => clock.pending > 0);
    await clock.advance(LOOK_MS * failures);
    await until(() => reservationsMissed(hidden).length === failures);
  }
  expect(reservationsMissed(hidden)).toEqual([2 * LOOK_MS, 4 * LOOK_MS]);

  // At the same place, and with the same name; but at first it relays nothing.
  const [, , , , port] = first.address.split("/");
  const listen = [`/ip4/127.0.0.1/tcp/${port}`];
  const useless = await openNode({ keyFile, listen });
  await until(() => clock.pending > 0);
  await clock.advance(4 * LOOK_MS);
  await until(() => reservationsMissed(hidden).length === 3);
  expect(hidden.logged.at(-1)).toContain("it does not speak /libp2p/circuit/relay/0.2.0/hop");
  await useless[Symbol.asyncDispose]();
  const again = cleanup.use(await openNode({ keyFile, listen, relayServer: true }));
  expect(again.address).toBe(first.address);
  await until(() => clock.pending > 0);
  await clock.advance(8 * LOOK_MS);
  await expect.poll(isFound, { timeout: 10_000 }).toBe(true);
  const asking = cleanup.use(await openNode());
  const info = await asking.call.dial({ peerId: hidden.peerId, addresses: [through] }, message());
  expect(info.peerId).toBe(hidden.peerId);
}, 40_000);

const LOOK_MS = 5_000;

/** The pauses that a node has told after each try that failed. */
const reservationsMissed = ({ logged }: TestNode): number[] =>
  logged
    .map((line) => JSON.parse(line) as { message: string; againMs: number })
    .filter(({ message: told }) => told === "no reservation at a relay")
    .map(({ againMs }) => againMs);
