import { once } from "node:events";
import { Worker } from "node:worker_threads";
import { describe, expect, it, onTestFinished } from "vitest";
import { Presence, SharedBell, ThreadPoller, createBell, createRing } from "../../src/ring/index.ts";
import { createMetricsBlock, readMetrics } from "../../src/telemetry/index.ts";
import { failOnLeaks } from "../kit/leak-check.ts";
import { microtasksDrained } from "../kit/microtasks.ts";
import { testSeed } from "../kit/seeded-random.ts";
import { Duplex, type Round } from "./modules/duplex.ts";
import type { DuplexWorkerData } from "./modules/duplex.worker.ts";
import { lcg } from "./modules/lcg.ts";

/** RING_ROUNDS=500 makes a long soak of it. */
const ROUNDS = Number(process.env["RING_ROUNDS"] ?? 5);
const MESSAGES = 20_000;
/** Of a run that hangs, which is what a lost wake-up looks like. */
const TIMEOUT_MS = 15_000 + ROUNDS * 1_000;
/** The smallest ring is full most of the time, the largest hardly ever. */
const RING_BYTES = [4_096, 65_536, 1_048_576];

failOnLeaks();

interface Pair {
  /** Both directions at once; resolves when both sides have received everything. */
  play(round: Round): Promise<void>;
  /** One turn of the other thread's event loop, at least. */
  echo(): Promise<void>;
  readonly host: () => ReturnType<typeof readMetrics>["counters"];
  readonly worker: () => ReturnType<typeof readMetrics>["counters"];
}

function openPair(): Pair {
  const [hostBell, workerBell, presence] = [createBell(), createBell(), Presence.create()];
  const [hostMetrics, workerMetrics] = [createMetricsBlock(), createMetricsBlock()];
  const workerData: DuplexWorkerData = {
    ownBell: workerBell,
    hostBell,
    presence,
    metrics: workerMetrics.buffer,
  };
  const thread = new Worker(new URL("modules/duplex.worker.ts", import.meta.url), { workerData });
  const poller = new ThreadPoller(hostBell, new Presence(presence, 0), { metrics: hostMetrics });
  onTestFinished(async () => {
    poller.close();
    await thread.terminate();
  });
  const answered = async (message: unknown): Promise<unknown> => {
    thread.postMessage(message);
    const [answer] = (await once(thread, "message")) as [unknown];
    return answer;
  };
  return {
    async play(round) {
      const answer = answered(round);
      const rings = { out: round.toWorker, in: round.toHost };
      const ends = { poller, otherBell: new SharedBell(workerBell), random: lcg(round.seed + 1) };
      await new Duplex(rings, ends, round.messages).run();
      expect(await answer).toBe("done");
    },
    echo: async () => void (await answered("echo")),
    host: () => readMetrics([hostMetrics.buffer]).counters,
    worker: () => readMetrics([workerMetrics.buffer]).counters,
  };
}

const rounds = (seed: number): Round[] =>
  Array.from({ length: ROUNDS }, (_, index) => ({
    messages: MESSAGES,
    seed: seed + index,
    toWorker: createRing(RING_BYTES[index % RING_BYTES.length] ?? 0),
    toHost: createRing(RING_BYTES[(index + 1) % RING_BYTES.length] ?? 0),
  }));

describe("two threads with a ring in each direction", () => {
  it(
    "lose no message and no wake-up, whatever the bursts and pauses, and park when there is nothing to do",
    async () => {
      const pair = openPair();
      for (const round of rounds(testSeed())) {
        const [host, worker] = [pair.host(), pair.worker()];
        await pair.play(round);
        // Both have gone to sleep by the time that the event loops have turned, so both counts rise in every round.
        await pair.echo();
        await microtasksDrained();
        expect(pair.host().parks).toBeGreaterThan(host.parks);
        expect(pair.worker().parks).toBeGreaterThan(worker.parks);
        expect(pair.host().wakes + pair.worker().wakes).toBeGreaterThan(host.wakes + worker.wakes);
      }
      await pair.echo();
      const idle = [pair.host(), pair.worker()];
      for (let turn = 0; turn < 20; turn++) await pair.echo();
      expect([pair.host(), pair.worker()]).toEqual(idle);
    },
    TIMEOUT_MS,
  );
});
