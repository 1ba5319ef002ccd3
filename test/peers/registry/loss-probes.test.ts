import { createSocket, type Socket } from "node:dgram";
import type { AddressInfo } from "node:net";
import { describe, expect, it, onTestFinished } from "vitest";
import { LossProbes, PROBE_PACE } from "../../../src/peers/registry/loss-probes.ts";
import { createLog } from "../../../src/telemetry/index.ts";
import { manualClock, type ManualClock } from "../../kit/manual-clock.ts";

const LOOPBACK = "/ip4/127.0.0.1/tcp/4001";

interface Side {
  readonly probes: LossProbes;
  readonly decided: [string, boolean][];
}

function open(clock: ManualClock, isWalled = false): Side {
  const decided: [string, boolean][] = [];
  const probes = new LossProbes({
    clock,
    log: createLog({ component: "test", clock, sink: () => undefined }),
    decided: (peerId, answered) => {
      decided.push([peerId, answered]);
      return isWalled;
    },
    pace: PROBE_PACE,
  });
  onTestFinished(() => probes.close());
  return { probes, decided };
}

/** Turns of the event loop in which the system delivers what was sent over loopback. */
async function delivered(turns = 20): Promise<void> {
  for (let turn = 0; turn < turns; turn++) await new Promise((resolve) => void setImmediate(resolve));
}

async function step(clock: ManualClock, ms: number, times: number): Promise<void> {
  for (let nth = 0; nth < times; nth++) {
    await clock.advance(ms);
    await delivered();
  }
}

async function openSocket(onMessage: (datagram: Buffer, from: AddressInfo) => void): Promise<Socket> {
  const socket = createSocket("udp4");
  socket.on("message", (datagram, { address, port }) =>
    onMessage(datagram, { address, port, family: "IPv4" }),
  );
  await new Promise<void>((resolve) => void socket.bind(0, "127.0.0.1", () => resolve()));
  onTestFinished(() => void socket.close());
  return socket;
}

describe("probes by datagram", () => {
  it("are answered by a peer that has given its key, ten a second, and decided two seconds later", async () => {
    const clock = manualClock();
    const [one, other] = [open(clock), open(clock)];
    const grant = await other.probes.grant("one");
    one.probes.probe("other", LOOPBACK, grant!);
    await step(clock, 100, 10);
    expect(one.decided).toEqual([]);
    await step(clock, 100, 20);
    expect(one.decided.length).toBeGreaterThanOrEqual(9);
    expect(one.decided.every(([peerId, answered]) => peerId === "other" && answered)).toBe(true);
  });

  it("that nobody answers are lost, and seldom sent any more where something lets none through", async () => {
    const clock = manualClock();
    let received = 0;
    const socket = await openSocket(() => (received += 1));
    const side = open(clock, true);
    side.probes.probe("silent", LOOPBACK, {
      port4: socket.address().port,
      port6: 0,
      key: Buffer.alloc(16, 1),
    });
    await step(clock, 100, 40);
    expect(side.decided.length).toBeGreaterThan(0);
    expect(side.decided.some(([, answered]) => answered)).toBe(false);
    const sent = received;
    await step(clock, 1_000, 60);
    expect(received - sent).toBeLessThanOrEqual(60_000 / PROBE_PACE.walledMs + 2);
  });

  it("to many peers are no more than forty a second together", async () => {
    const clock = manualClock();
    let received = 0;
    const socket = await openSocket(() => (received += 1));
    const side = open(clock);
    for (let nth = 0; nth < 16; nth++)
      side.probes.probe(`p${nth}`, LOOPBACK, {
        port4: socket.address().port,
        port6: 0,
        key: Buffer.alloc(16, nth),
      });
    await step(clock, 25, 40);
    expect(received).toBeGreaterThan(30);
    expect(received).toBeLessThanOrEqual(42);
  });

  it("without a key that was given out, or of another size, are not answered; nor are more than a hundred in a second", async () => {
    const clock = manualClock();
    const side = open(clock);
    const grant = (await side.probes.grant("asker"))!;
    const answers: Buffer[] = [];
    const socket = await openSocket((datagram) => answers.push(datagram));
    const probe = (key: Uint8Array): Buffer => {
      const datagram = Buffer.alloc(24);
      datagram.writeUInt32BE(1, 0);
      datagram.set(key, 4);
      return datagram;
    };
    const send = (datagram: Buffer): void => socket.send(datagram, grant.port4, "127.0.0.1");
    send(probe(Buffer.alloc(16, 9)));
    send(probe(grant.key).subarray(0, 20));
    send(Buffer.concat([probe(grant.key), Buffer.alloc(1)]));
    await delivered(50);
    expect(answers).toEqual([]);
    for (let nth = 0; nth < 150; nth++) {
      send(probe(grant.key));
      await delivered(2);
    }
    await delivered(50);
    expect(answers).toHaveLength(100);
    expect(answers[0]).toHaveLength(24);
    side.probes.drop("asker");
    await clock.advance(1_000);
    send(probe(grant.key));
    await delivered(50);
    expect(answers).toHaveLength(100);
  });

  it("of a node that listens at loopback only are answered there only, at its own port where that is free", async () => {
    const clock = manualClock();
    const taken = await openSocket(() => undefined);
    const side = open(clock);
    side.probes.listensAt([`/ip4/127.0.0.1/tcp/${taken.address().port}`]);
    const grant = (await side.probes.grant("asker"))!;
    expect(grant.port4).not.toBe(taken.address().port);
    const free = createSocket("udp4");
    await new Promise<void>((resolve) => void free.bind(0, "127.0.0.1", () => resolve()));
    const { port } = free.address();
    await new Promise<void>((resolve) => void free.close(() => resolve()));
    const other = open(clock);
    other.probes.listensAt([`/ip4/127.0.0.1/tcp/${port}`, "/ip4/1.2.3.4/tcp/1/p2p/QmX/p2p-circuit"]);
    expect((await other.probes.grant("asker"))?.port4).toBe(port);
  });

  it("go to no relay and no name, and end when they are closed", async () => {
    const clock = manualClock();
    const side = open(clock);
    const grant = { port4: 9, port6: 9, key: Buffer.alloc(16) };
    side.probes.probe("relayed", "/ip4/127.0.0.1/tcp/1/p2p/QmX/p2p-circuit", grant);
    side.probes.probe("named", "/dns4/example.org/tcp/1", grant);
    side.probes.probe("portless", LOOPBACK, { ...grant, port4: 0 });
    expect(clock.pending).toBe(0);
    side.probes.probe("one", LOOPBACK, grant);
    expect(clock.pending).toBe(1);
    side.probes.close();
    expect(clock.pending).toBe(0);
    expect(await side.probes.grant("late")).toBeNull();
  });
});
